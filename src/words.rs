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
            pub(crate) const fn word(self) -> &'static str {
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
    enum Direction {
        Up,
        Down,
    }

    words!(Direction { Up: "up", Down: "down" });

    #[test]
    fn every_variant_is_found_by_its_word_and_nothing_by_another() {
        assert_eq!(Direction::ALL.map(Direction::word), ["up", "down"]);
        assert_eq!(
            Direction::ALL.map(|way| Direction::parse(way.word())),
            [Some(Direction::Up), Some(Direction::Down)]
        );
        assert_eq!(Direction::parse("UP"), None);
    }
}
