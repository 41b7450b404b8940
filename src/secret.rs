//! Secrets are named, never written: a list of values that must not reach a
//! file, a row or a screen, and the one function that takes them out.

use std::fmt;

/// The values that must never be written, such as an API key.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

/// Shorter values would mangle ordinary text and are no secrets.
const LENGTH_MIN: usize = 4;

impl Secrets {
    /// Keeps a value from being written.
    pub fn add(&mut self, value: &str) {
        if value.len() >= LENGTH_MIN && !self.0.iter().any(|known| known == value) {
            self.0.push(value.to_owned());
            // The longest first, so that a key that contains another is taken out whole.
            self.0.sort_by_key(|known| std::cmp::Reverse(known.len()));
        }
    }

    /// The text with every secret replaced by `[secret]`.
    pub fn remove_from(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, value| text.replace(value.as_str(), "[secret]"))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_of_text_and_out_of_debug_output() {
        let mut secrets = Secrets::default();
        secrets.add("sk-12345");
        assert_eq!(secrets.remove_from("Bearer sk-12345 refused"), "Bearer [secret] refused");
        assert!(!format!("{secrets:?}").contains("sk-12345"));
    }
}
