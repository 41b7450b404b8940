//! Maps the variants of an enum to words, as rows, contracts and reports have
//! them.

/// Gives an enum `word`, `ALL` and `parse` from one list of its variants, in their order.
macro_rules! words {
    ($name:ident { $($variant:ident: $word:expr),+ $(,)? }) => {
        #[allow(dead_code)] // Not every word is read back.
        impl $name {
            /// All variants, in order.
            pub(crate) const ALL: [$name; [$($word),+].len()] = [$($name::$variant),+];

            /// The word of this variant.
            pub(crate) fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word),+
                }
            }

            /// Reads a word.
            pub(crate) fn parse(word: &str) -> Option<$name> {
                $name::ALL.into_iter().find(|known| known.word() == word)
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Way {
        Up,
        Down,
    }

    words!(Way { Up: "up", Down: "down" });

    #[test]
    fn every_variant_is_found_by_its_word_and_nothing_by_another() {
        assert_eq!(Way::ALL.map(Way::word), ["up", "down"]);
        assert_eq!(Way::ALL.map(|way| Way::parse(way.word())), [Some(Way::Up), Some(Way::Down)]);
        assert_eq!(Way::parse("UP"), None);
    }
}
