//! Splits text into token ids by rule, without a trained vocabulary: words with the space before
//! them, groups of up to three digits, punctuation, white space. Prose has about four characters
//! per token. An id is a hash of the piece, so equal pieces have equal ids; different pieces may
//! share one.

/// Upper bound of ids, exclusive. Ids below [`SPECIAL`] belong to the chat template.
pub(crate) const VOCABULARY: u32 = 131_072;
/// Lower bound of ids made from text.
pub(crate) const SPECIAL: u32 = 16;
/// Token that opens a chat message.
pub(crate) const START: u32 = 1;
/// Token that ends a chat message.
pub(crate) const END: u32 = 2;
/// Token that opens reasoning, at the end of a reasoning model's template.
pub(crate) const THINK_BEGIN: u32 = 3;
/// Token that ends reasoning; counted as output but shown in no field.
pub(crate) const THINK_END: u32 = 4;

/// Maximum of letters per piece; longer words are several tokens.
const WORD_MAX: usize = 7;
const DIGITS_MAX: usize = 3;
const PUNCTUATION_MAX: usize = 3;
const BLANKS_MAX: usize = 16;

/// Returns the id of a piece (FNV-1a, folded into the vocabulary).
pub(crate) fn id(piece: &str) -> u32 {
    let hash = piece.bytes().fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let folded = (hash ^ (hash >> 32)) as u32;
    SPECIAL + folded % (VOCABULARY - SPECIAL)
}

/// Returns the ids of a text.
pub(crate) fn encode(text: &str) -> Vec<u32> {
    let mut ids = Vec::with_capacity(text.len() / 4 + 1);
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(piece_bytes(rest));
        ids.push(id(piece));
        rest = after;
    }
    ids
}

/// Returns the ids of a chat with its template: five tokens around each message, and three or four
/// as the generation prompt.
pub(crate) fn chat<'a>(
    messages: impl IntoIterator<Item = (&'a str, &'a str)>,
    generation_prompt: bool,
    reasoning: bool,
) -> Vec<u32> {
    let newline = id("\n");
    let mut ids = Vec::new();
    for (role, content) in messages {
        ids.extend([START, id(role), newline]);
        ids.extend(encode(content));
        ids.extend([END, newline]);
    }
    if generation_prompt {
        ids.extend([START, id("assistant"), newline]);
        if reasoning {
            ids.push(THINK_BEGIN);
        }
    }
    ids
}

/// Returns the length in bytes of the first piece of a non-empty text.
fn piece_bytes(text: &str) -> usize {
    let bytes = text.as_bytes();
    let lead = usize::from(bytes[0] == b' ');
    let run = |from: usize, max: usize, belongs: fn(&u8) -> bool| {
        bytes[from..].iter().take(max).take_while(|byte| belongs(byte)).count()
    };
    let letters = run(lead, WORD_MAX, u8::is_ascii_alphabetic);
    if letters > 0 {
        return lead + letters;
    }
    let digits = run(0, DIGITS_MAX, u8::is_ascii_digit);
    if digits > 0 {
        return digits;
    }
    let punctuation = run(lead, PUNCTUATION_MAX, u8::is_ascii_punctuation);
    if punctuation > 0 {
        return lead + punctuation;
    }
    let blanks = run(0, BLANKS_MAX, |byte| byte.is_ascii_whitespace() || byte.is_ascii_control());
    if blanks > 1
        && bytes[blanks - 1] == b' '
        && bytes.get(blanks).is_some_and(u8::is_ascii_alphabetic)
    {
        return blanks - 1; // The last space goes with the word after it.
    }
    if blanks > 0 {
        return blanks;
    }
    text.chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        encode(text).len()
    }

    #[test]
    fn words_take_their_space_with_them_and_long_words_are_several_tokens() {
        assert_eq!(count("The cat sat."), 4);
        assert_eq!(count("internationalisation"), 3);
        assert_eq!(count("1234567"), 3);
        assert_eq!(count("a\n\n    b"), 3, "the last blank belongs to b");
        assert_eq!(encode("a cat")[1], encode("the cat")[1]);
        assert_ne!(encode("cat")[0], encode(" cat")[0]);
    }

    #[test]
    fn prose_has_about_four_characters_to_a_token_and_any_text_is_taken() {
        let prose = "The scheduler admitted every waiting request before the memory of the \
                     device was gone, and nobody noticed until the following morning. ";
        let per_token = prose.len() as f64 / count(prose) as f64;
        assert!((3.5..5.5).contains(&per_token), "{per_token}");
        assert_eq!(count("日本語"), 3);
        assert_eq!(count("\u{0}\t é"), 2);
        assert_eq!(count(""), 0);
    }

    #[test]
    fn a_chat_costs_five_tokens_a_message_and_three_for_the_answer() {
        let ids = chat([("user", "Hi")], true, false);
        assert_eq!(ids.len(), 5 + 1 + 3);
        assert_eq!(chat([("user", "Hi")], true, true).last(), Some(&THINK_BEGIN));
        assert_eq!(chat([("user", "Hi"), ("user", "Hi")], false, false).len(), 12);
    }
}
