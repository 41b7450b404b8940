//! Whole numbers. Python's have no bound; a width that no machine has is seen
//! in hashes and ids that nobody put in quotes.

use super::Python;

/// Python itself writes and reads no more digits than this.
const DIGITS_MAX: usize = 4300;

/// A limb of a number that is too long for the machine: nine digits.
const LIMB: u64 = 1_000_000_000;

/// The number of a sign and digits, between which underscores may stand; nothing where there
/// is a character that is no digit of the base, or more of them than Python takes.
pub fn number(negative: bool, digits: &str, base: u32) -> Option<Python> {
    let digits = digits.replace('_', "");
    if let Ok(value) = i128::from_str_radix(&digits, base) {
        return Some(Python::Int(if negative { -value } else { value }));
    }
    let fits = (1..=DIGITS_MAX).contains(&digits.len());
    let all = fits && digits.chars().all(|c| c.is_digit(base));
    let sign = if negative { "-" } else { "" };
    all.then(|| Python::Huge(format!("{sign}{}", decimal(&digits, base))))
}

/// The same number to the base of ten.
fn decimal(digits: &str, base: u32) -> String {
    let mut limbs: Vec<u64> = Vec::new();
    for digit in digits.chars().filter_map(|c| c.to_digit(base)) {
        let mut carry = u64::from(digit);
        for limb in &mut limbs {
            let value = *limb * u64::from(base) + carry;
            (*limb, carry) = (value % LIMB, value / LIMB);
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let first = limbs.pop().unwrap_or_default().to_string();
    limbs.iter().rev().fold(first, |text, limb| text + &format!("{limb:09}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_any_width_keeps_all_its_digits() {
        let number = |negative, digits: &str, base| number(negative, digits, base).map(|n| n.str());
        assert_eq!(number(true, "1_000", 10).as_deref(), Some("-1000"));
        let above = "340282366920938463463374607431768211456";
        assert_eq!(number(false, above, 10).as_deref(), Some(above));
        let hex = format!("1{}", "0".repeat(32));
        assert_eq!(number(true, &hex, 16), Some(format!("-{above}")));
        assert_eq!(number(false, &"9".repeat(4301), 10), None);
        assert_eq!((number(false, "12x", 10), number(false, "", 10)), (None, None));
    }
}
