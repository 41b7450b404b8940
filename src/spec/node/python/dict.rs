//! A dict while it is filled: a key is found by an index, since a stranger's
//! file may hold very many.

use std::collections::BTreeMap;

use super::Python;

/// A dict; a key that comes again keeps its place.
#[derive(Debug, Default)]
pub struct Dict {
    pairs: Vec<(Python, Python)>,
    places: BTreeMap<Same, usize>,
}

impl Dict {
    /// The dict of pairs that are there already.
    pub fn of(pairs: Vec<(Python, Python)>) -> Dict {
        let mut dict = Dict::default();
        for (key, value) in pairs {
            dict.insert(key, value);
        }
        dict
    }

    /// Sets a key.
    pub fn insert(&mut self, key: Python, value: Python) {
        let same = Same::of(&key);
        if let Some(at) = self.places.get(&same) {
            self.pairs[*at].1 = value;
            return;
        }
        self.places.insert(same, self.pairs.len());
        self.pairs.push((key, value));
    }

    /// How many keys it has.
    pub fn count(&self) -> usize {
        self.pairs.len()
    }

    /// Its pairs, in the order in which their keys first came.
    pub fn into_pairs(self) -> Vec<(Python, Python)> {
        self.pairs
    }
}

/// What keys have in common that Python takes for one: `True`, `1` and `1.0`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Same {
    Whole(i128),
    Bits(u64),
    Text(String),
    Written(String),
}

impl Same {
    fn of(key: &Python) -> Same {
        // Below this, every float without a fraction is a whole number that fits.
        let bound = i128::MAX as f64;
        match key {
            Python::Bool(value) => Same::Whole(i128::from(*value)),
            Python::Int(value) => Same::Whole(*value),
            Python::Float(value) if value.fract() == 0.0 && value.abs() < bound => {
                Same::Whole(*value as i128)
            }
            Python::Float(value) => Same::Bits(value.to_bits()),
            Python::Text(text) => Same::Text(text.clone()),
            other => Same::Written(other.repr()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_python_takes_for_one_are_one_and_keep_their_place() {
        let text = |text: &str| Python::Text(text.to_owned());
        let keys = [
            Python::Bool(true),
            text("1"),
            Python::Int(1),
            Python::Float(1.0),
            Python::Float(-0.0),
            Python::Int(0),
            Python::None,
            text("None"),
            Python::Int(9_007_199_254_740_993),
            Python::Float(9_007_199_254_740_992.0),
        ];
        let pairs = keys.into_iter().zip(0..).map(|(key, at)| (key, Python::Int(at)));
        let dict = Python::Map(Dict::of(pairs.collect()).into_pairs());
        assert_eq!(
            dict.repr(),
            "{True: 3, '1': 1, -0.0: 5, None: 6, 'None': 7, 9007199254740993: 8, 9007199254740992.0: 9}"
        );
    }
}
