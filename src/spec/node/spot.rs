//! Where in a text a value stands, to the byte, so that it can be replaced and
//! everything around it stays as its author wrote it.

use std::ops::Range;

use granit_parser::{Event, Parser};

/// The bytes of the text of a key's value at the top of a file, without its quotes: of the last
/// such key, since that one counts. Nothing where there is none, where the value is an alias or
/// no single text, or where it does not stand there letter by letter (escapes, folded lines).
pub fn spot(text: &str, wanted: &str) -> Option<Range<usize>> {
    let mut depth = 0_usize;
    let mut is_key = true;
    let mut is_wanted = false;
    let mut found = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        match &event {
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
            Event::Scalar(..) | Event::Alias(..) => {}
            _ => continue,
        }
        let begins = matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
        // At the top stand scalars at depth 1, and what ends there.
        if depth != 1 || begins {
            continue;
        }
        if is_key {
            is_wanted = matches!(&event, Event::Scalar(raw, ..) if raw == wanted);
        } else if is_wanted {
            found = match &event {
                Event::Scalar(raw, ..) => span.byte_range().and_then(|span| inner(text, span, raw)),
                _ => None,
            };
        }
        is_key = !is_key;
    }
    found
}

/// Where a scalar's own text stands within its span: exactly once.
fn inner(text: &str, span: Range<usize>, raw: &str) -> Option<Range<usize>> {
    let raw = raw.trim_end_matches('\n');
    let mut hits = text.get(span.clone())?.match_indices(raw);
    let at = span.start + hits.next()?.0;
    (!raw.is_empty() && hits.next().is_none()).then_some(at..at + raw.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<&str> {
        spot(text, "container").map(|range| &text[range])
    }

    #[test]
    fn a_value_is_found_without_its_quotes_and_the_last_one_counts() {
        for text in [
            "container: img:1\n",
            "container: \"img:1\"  # é\nmodel: m\n",
            "# é\n{model: m, container: 'img:1'}",
            "container: old\r\nmodel: {container: x}\r\nlist: [container, y]\r\ncontainer: img:1\r\n",
            "container: >-\n  img:1\n",
            "\"container\": !!str img:1\n",
            "container: &a img:1\nother: *a\n",
        ] {
            assert_eq!(at(text), Some("img:1"), "{text}");
        }
    }

    #[test]
    fn what_does_not_stand_there_is_not_found() {
        for text in [
            "model: m\n",
            "a: &a img\ncontainer: *a\n",
            "container: [img]\n",
            "container: {a: b}\n",
            "container: \"im\\x67\"\n",
            "container:\n",
            "a: {container: x}\n",
            "- container: x\n",
            "container: img\n- [",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
