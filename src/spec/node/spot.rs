//! Where in a text a value stands, to the byte, so that it can be replaced and
//! everything around it stays as its author wrote it.

use std::ops::Range;

use granit_parser::{Event, Parser};

/// A map or list that has not ended, and where in it the parser is.
enum Open {
    Map { key: Option<String>, is_key: bool },
    Seq { index: usize },
}

impl Open {
    /// Whether the next value in it is the one of a step.
    fn is_at(&self, step: &str) -> bool {
        match self {
            Open::Map { key, is_key } => !is_key && key.as_deref() == Some(step),
            Open::Seq { index } => index.to_string() == step,
        }
    }

    /// One value has gone by; a key's text, where it had one.
    fn go_on(&mut self, text: Option<&str>) {
        match self {
            Open::Map { key, is_key } => {
                if *is_key {
                    *key = text.map(str::to_owned);
                }
                *is_key = !*is_key;
            }
            Open::Seq { index } => *index += 1,
        }
    }
}

/// The bytes of the text of a single value, without its quotes. Its path goes by keys and by
/// numbers of items; of keys that stand twice the last counts. Nothing where there is none,
/// where the value is an alias or no single text, or where it does not stand there letter by
/// letter (escapes, folded lines).
pub fn spot(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let mut open: Vec<Open> = Vec::new();
    let mut found = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let begins = match &event {
            Event::MappingStart(..) => Some(Open::Map { key: None, is_key: true }),
            Event::SequenceStart(..) => Some(Open::Seq { index: 0 }),
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                open.last_mut().into_iter().for_each(|open| open.go_on(None));
                continue;
            }
            Event::Scalar(..) | Event::Alias(..) => None,
            _ => continue,
        };
        let is_there = open.len() == path.len() && open.iter().zip(path).all(|(o, s)| o.is_at(s));
        let raw = if let Event::Scalar(raw, ..) = &event { Some(raw.as_ref()) } else { None };
        if is_there {
            found = raw.and_then(|raw| inner(text, span.byte_range()?, raw));
        }
        match begins {
            Some(inner) => open.push(inner),
            None => open.last_mut().into_iter().for_each(|open| open.go_on(raw)),
        }
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
        spot(text, &["container"]).map(|range| &text[range])
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

    #[test]
    fn a_path_goes_into_lists_and_maps() {
        let text =
            "x: [{y: 0}]\ncontainers:\n- {host: a, image: one}\n- image: 'two' # c\n  host: b\n";
        let at = |path: &[&str]| spot(text, path).map(|range| &text[range]);
        assert_eq!(at(&["containers", "0", "image"]), Some("one"));
        assert_eq!(at(&["containers", "1", "image"]), Some("two"));
        assert_eq!(at(&["x", "0", "y"]), Some("0"));
        for path in [&["containers", "2", "image"][..], &["containers"], &["containers", "0"], &[]]
        {
            assert_eq!(at(path), None, "{path:?}");
        }
    }
}
