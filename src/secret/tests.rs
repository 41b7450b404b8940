use proptest::prelude::*;

use super::{SecretFilter, Secrets};

const KEY: &str = "sk-9fQ7xLm2ZpT4vR8bYc1dWe6hUa3gNjK5";

fn key(value: &str) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add_key(value);
    secrets
}

fn header(text: &str) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add_header(text);
    secrets
}

/// Whether a text contains any eight successive characters of the key.
fn leaks(text: &[u8]) -> bool {
    KEY.as_bytes().windows(8).any(|piece| text.windows(8).any(|part| part == piece))
}

#[test]
fn a_secret_is_taken_out_of_text_and_out_of_debug_output() {
    let secrets = key("sk-12345");
    assert_eq!(secrets.remove_from("Bearer sk-12345 refused"), "Bearer [secret] refused");
    assert!(!format!("{secrets:?}").contains("sk-12345"));
}

#[test]
fn every_piece_of_a_key_goes_and_shorter_ones_stay() {
    let secrets = key(KEY);
    for (from, to) in [(0, 35), (0, 8), (27, 35), (5, 20), (12, 20)] {
        let text = format!("a {}, b", &KEY[from..to]);
        assert_eq!(secrets.remove_from(&text), "a [secret], b", "{from}..{to}");
    }
    let short = format!("a {}, b", &KEY[..7]);
    assert_eq!(secrets.remove_from(&short), short);
    let twice = format!("{KEY}{KEY} {KEY}");
    assert_eq!(secrets.remove_from(&twice), "[secret] [secret]");
}

#[test]
fn a_key_is_found_in_every_escape() {
    let of = |each: fn(char) -> String| KEY.chars().map(each).collect::<String>();
    let escaped = [
        of(|c| format!("\\u{:04x}", u32::from(c))),
        of(|c| format!("\\u{{{:x}}}", u32::from(c))),
        of(|c| format!("\\\\u{:04X}", u32::from(c))),
        of(|c| format!("\\x{:02x}", u32::from(c))),
        of(|c| format!("\\{:03o}", u32::from(c))),
        of(|c| format!("%{:02X}", u32::from(c))),
        of(|c| format!("&#{};", u32::from(c))),
        of(|c| format!("&#x{:x};", u32::from(c))),
        KEY.replace('Q', "\\u0051").replace('3', "\\u0033"),
    ];
    let secrets = key(KEY);
    for text in escaped {
        let reported = format!("{{\"error\":\"key {text} x\"}}");
        let clean = secrets.remove_from(&reported);
        assert_eq!(clean, "{\"error\":\"key [secret] x\"}", "{text}");
    }
    for bytes in [
        KEY.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
        KEY.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    ] {
        let clean = secrets.remove_from_bytes(&bytes).into_owned();
        assert!(clean.len() < 12, "{clean:?}");
    }
}

#[test]
fn a_key_is_found_whatever_breaks_it() {
    let secrets = key(KEY);
    for with in [
        " ",
        "\n",
        "\r\n\t",
        "\\n",
        "\\r\\n",
        "<wbr>",
        "</b> <i class=\"x\">",
        "\u{1b}[0m",
        "\\u001b[31m",
        "\\x1b[1;31m",
        "\\u{1b}[0m",
        "\u{1b}]0;a title\u{7}",
        "\u{9b}0m",
        "\u{200b}",
        "\u{a0}",
        "&nbsp;",
        "\0",
        "\\u003cwbr\\u003e",
        "%20",
        "\u{ad}",
    ] {
        for at in [3, 15, 30] {
            let text = format!("is {}{with}{} ok", &KEY[..at], &KEY[at..]);
            assert_eq!(secrets.remove_from(&text), "is [secret] ok", "{with:?} at {at}");
        }
        let each: Vec<&str> = KEY.split("").filter(|part| !part.is_empty()).collect();
        let text = format!("is {} ok", each.join(with));
        assert_eq!(secrets.remove_from(&text), "is [secret] ok", "{with:?} everywhere");
    }
    let inside = format!("<a href=\"http://h/{KEY}\">x</a> <a b='{}'>", KEY.replace('Q', "%51"));
    assert!(!leaks(secrets.remove_from(&inside).as_bytes()));
}

#[test]
fn a_key_with_signs_of_escapes_and_tags_in_it_is_found_as_it_stands() {
    for value in
        ["a\\nb%41&lt;c<d>e f", "<b>geheim</b>", "pass word with blanks", "schlüssel-größe"]
    {
        assert_eq!(key(value).remove_from(&format!("x {value} y")), "x [secret] y");
    }
    assert_eq!(key("pass word with blanks").remove_from("a passwordwithblanks b"), "a [secret] b");
}

#[test]
fn words_that_are_part_of_a_key_and_stand_alone_are_words() {
    let secrets = key("sk-no-key-required");
    assert_eq!(secrets.remove_from("a key is required"), "a key is required");
    assert_eq!(
        secrets.remove_from("field\nrequired, or required."),
        "field\nrequired, or required."
    );
    assert_eq!(secrets.remove_from("sk-no-key-required"), "[secret]");
    assert_eq!(secrets.remove_from("a key-required b"), "a [secret] b");
    assert_eq!(key("sk-12345678-ab").remove_from("12345678 bytes"), "12345678 bytes");
    assert_eq!(key("geheimnis").remove_from("das geheimnis"), "das [secret]");
}

#[test]
fn a_short_value_is_removed_as_a_word_of_its_own_and_three_characters_are_none() {
    let secrets = key("prod");
    assert_eq!(secrets.remove_from("prod, products, a_prod"), "[secret], products, a_[secret]");
    assert!(key("abc").is_empty() && key("  ").is_empty());
}

#[test]
fn of_a_header_the_key_is_what_follows_bearer_and_of_others_the_whole_value_goes() {
    let bearer = header(&format!("authorization:  bearer {KEY} "));
    assert_eq!(bearer.remove_from(&format!("Bearer {}", &KEY[..9])), "Bearer [secret]");
    assert!(
        header("Authorization: Bearer x").is_empty() && header("Authorization: Bearer").is_empty()
    );
    let basic = header("Authorization: Basic dXNlcjpwYXNzd29ydA==");
    assert_eq!(basic.remove_from("Basic dXNlcjpwYXNz"), "Basic [secret]");
    let own = header(&format!("X-Api-Key: {KEY}"));
    assert_eq!(own.remove_from(&KEY[..12]), "[secret]");

    let team = header("X-Team: gpu platform");
    assert_eq!(team.remove_from("of gpu platform, this platform"), "of [secret], this platform");
    assert_eq!(team.remove_from("it is gpu plat… and gpu…"), "it is [secret]… and gpu…");
}

#[test]
fn of_an_address_user_password_and_query_go_and_a_host_stays() {
    let address = |text: &str| {
        let mut secrets = Secrets::default();
        secrets.add_address(text);
        secrets.remove_from(text).into_owned()
    };
    assert_eq!(address("http://robert:geheim@h:99999/v1"), "http://[secret]:[secret]@h:99999/v1");
    assert_eq!(address("http://anna:ge/he?im@h"), "http://[secret]:[secret]@h");
    assert_eq!(address("https://h/x?key=geheim&a=1"), "https://h/x?key=[secret]&a=1");
    assert_eq!(address("http://spark:8000/v1@x"), "http://spark:8000/v1@x");
}

#[test]
fn a_variable_is_a_key_by_the_end_of_its_name_unless_it_is_short_or_plain() {
    let variable = |name: &str, value: &str| {
        let mut secrets = Secrets::default();
        secrets.add_variable(name, value);
        !secrets.is_empty()
    };
    for name in ["HF_TOKEN", "VLLM_API_KEY", "my_secret", "DB_PASSWORD"] {
        assert!(variable(name, "abcdefgh"), "{name}");
    }
    for (name, value) in [
        ("HF_TOKEN", "abcdefg"),
        ("HF_TOKEN", "12345678"),
        ("HF_TOKEN", "1234.5678"),
        ("HF_TOKENS", "abcdefgh"),
        ("TOKEN_PATH", "abcdefgh"),
        ("HF_TOKEN", "${HF_TOKEN}"),
        ("KEY", "abcdefgh"),
        ("HF_TOKEN", "$HF_TOKEN"),
    ] {
        assert!(!variable(name, value), "{name}={value}");
    }
}

#[test]
fn a_file_that_is_read_back_loses_long_keys_alone() {
    let mut secrets = key(KEY);
    secrets.add_key("none");
    secrets.add_header("X-Stage: concurrency");
    let text = format!("env: {{HF_TOKEN: {KEY}}}\nprefix: none\nconcurrency: 1\n");
    let clean = secrets.remove_from_file(&text);
    assert_eq!(clean, "env: {HF_TOKEN: (secret)}\nprefix: none\nconcurrency: 1\n");
}

#[test]
fn a_log_is_clean_at_the_border_of_two_reads_and_whole_when_it_ends() {
    let secrets = key(KEY);
    let text = format!("{}{KEY}\nmore\u{e9}", "x".repeat(32_768 - 20));
    let mut stream = SecretFilter::new(secrets);
    let mut clean = stream.push(&text.as_bytes()[..32_768]).into_owned();
    clean.extend_from_slice(&stream.push(&text.as_bytes()[32_768..]));
    clean.extend(stream.finish());
    let expected = format!("{}[secret]\nmore\u{e9}", "x".repeat(32_768 - 20));
    assert_eq!(String::from_utf8(clean).unwrap(), expected);
}

#[test]
fn a_short_key_behind_a_colour_is_removed_from_a_log_that_comes_in_pieces() {
    let mut secrets = key(KEY);
    secrets.add_key("prod");
    let mut stream = SecretFilter::new(secrets);
    // The colour ends in a letter with which a piece of the long key begins.
    let mut clean = stream.push(b"\x1b[31m").into_owned();
    clean.extend_from_slice(&stream.push(b"prod"));
    clean.extend(stream.finish());
    assert_eq!(String::from_utf8(clean).unwrap(), "\u{1b}[31m[secret]");
}

/// Returns a text without secrets, as it comes out of a filter that gets it byte by byte.
fn byte_by_byte(secrets: &Secrets, text: &str) -> String {
    let mut stream = SecretFilter::new(secrets.clone());
    let mut clean = Vec::new();
    for byte in text.as_bytes() {
        clean.extend_from_slice(&stream.push(&[*byte]));
    }
    clean.extend(stream.finish());
    String::from_utf8(clean).unwrap()
}

#[test]
fn a_key_that_tags_break_is_removed_where_the_input_ends_within_a_tag() {
    let mut secrets = key(KEY);
    secrets.add_header("X-Team: gpu platform");
    assert_eq!(byte_by_byte(&secrets, "gpu platformsk-9fQ7<wbr>x"), "[secret]");
    let each: Vec<&str> = KEY.split("").filter(|part| !part.is_empty()).collect();
    let text = format!("is {} ok", each.join("<wbr>"));
    assert_eq!(byte_by_byte(&secrets, &text), "is [secret] ok");
    assert_eq!(byte_by_byte(&secrets, "sk-<b is no tag"), "sk-<b is no tag");
}

#[test]
fn the_beginning_of_a_header_is_removed_where_the_input_ends_within_the_ellipsis() {
    let team = header("X-Team: gpu platform");
    assert_eq!(byte_by_byte(&team, "it is gpu plat… and gpu…"), "it is [secret]… and gpu…");
}

#[test]
fn without_secrets_bytes_pass_as_they_are() {
    let (bytes, mut stream) = ([b'a', 0xff, 0xc3], SecretFilter::default());
    assert!(matches!(stream.push(&bytes), std::borrow::Cow::Borrowed(_)));
    assert!(stream.finish().is_empty());
    let text = Secrets::default();
    assert!(matches!(text.remove_from(KEY), std::borrow::Cow::Borrowed(_)));
}

proptest! {
    #[test]
    fn a_stream_gives_the_same_however_it_is_cut(
        parts in proptest::collection::vec(prop_oneof![
            Just("a line of a log\n".to_owned()), Just(KEY.to_owned()), Just("prod".to_owned()),
            (0usize..35).prop_map(|at| KEY[..at].to_owned()),
            (0usize..35).prop_map(|at| KEY[at..].to_owned()),
            Just("\u{1b}[31m".to_owned()), Just("<wbr>".to_owned()), Just("\\n".to_owned()),
            Just("\\u0073\\u006b-9fQ7xLm2".to_owned()), Just("é".to_owned()), Just("x".to_owned()),
            Just(" ".to_owned()), Just("gpu platform".to_owned()), Just("…".to_owned()),
            Just("gpu plat".to_owned()), Just("<".to_owned()),
        ], 0..12),
        cuts in proptest::collection::vec(1usize..40, 1..20),
    ) {
        let mut secrets = key(KEY);
        secrets.add_key("prod");
        secrets.add_header("X-Team: gpu platform");
        let text = parts.concat();
        let whole = secrets.remove_from_bytes(text.as_bytes()).into_owned();
        prop_assert!(!leaks(&whole));
        let (mut stream, mut clean, mut rest) = (SecretFilter::new(secrets), Vec::new(), text.as_bytes());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (part, after) = rest.split_at((*cut).min(rest.len()));
            clean.extend_from_slice(&stream.push(part));
            rest = after;
        }
        clean.extend(stream.finish());
        prop_assert_eq!(String::from_utf8_lossy(&clean), String::from_utf8_lossy(&whole));
    }

    #[test]
    fn texts_without_a_secret_stay_as_they_are(text in "[ -~é\\n\\\\<>&%]{0,80}") {
        prop_assume!(!text.contains("prod"));
        let mut secrets = key(KEY);
        secrets.add_key("prod");
        prop_assert_eq!(secrets.remove_from(&text).into_owned(), text);
    }
}
