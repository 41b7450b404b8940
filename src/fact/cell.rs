//! Defines a cell: a combination of context depth, load and lengths of a
//! request.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::request::TOKENS_MAX;

/// Largest tolerated difference between planned and counted prompt, tokens.
const TEMPLATE_TOKENS_MAX: u64 = 16;
/// Smallest difference, tokens, that makes a prompt another load: more than a chat template adds to
/// a prompt that is shorter than it.
const FAR_TOKENS_MIN: u64 = 64;

/// Bounds on a cell. Scenarios have narrower ones: they keep what is computed from a row within its
/// type.
const STREAMS_MAX: u32 = 4_096;
const RATES: RangeInclusive<f64> = 1e-4..=1e4;

/// Head that prompts may share where the template's tokens are not known, tokens.
const HEAD_TOKENS: u64 = 64;
/// Tokens after the template that may be alike in two prompts: a word, and digits by chance.
const ALIKE_TOKENS: u64 = 16;

/// Returns the largest number of tokens at the head of a prompt that all prompts may share: the chat
/// template's. `template` is 0 where that is not known.
pub(crate) fn shared_head(template: u64) -> u64 {
    if template == 0 { HEAD_TOKENS } else { template + ALIKE_TOKENS }
}

/// Load of a cell.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Load {
    /// Concurrent streams (closed loop).
    Streams(u32),
    /// Requests per second (open loop).
    PerSecond(f64),
}

/// Depth × load × lengths, written `d4096/c2/p2048/o128` (or `r0.5` for an open loop). All lengths
/// in tokens. `p0` loads a context without a prompt.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cell {
    /// Context before the prompt, tokens.
    pub depth: u64,
    pub load: Load,
    /// Prompt after the context, tokens.
    pub prompt: u64,
    /// Requested output, tokens.
    pub output: u64,
}

impl Cell {
    /// Returns the planned prompt tokens as the server counts them: depth + prompt.
    pub fn input(&self) -> u64 {
        self.depth + self.prompt
    }

    /// Whether a prompt differs from the planned length by the server's own count: by more than 1
    /// % and by more tokens than a chat template may add.
    pub fn is_off_depth(&self, prompt_tokens: u64) -> bool {
        let planned = self.input();
        prompt_tokens.abs_diff(planned) > TEMPLATE_TOKENS_MAX.max(planned / 100)
    }

    /// Whether a prompt is so far off the planned length, by the server's own count, that it is
    /// another load: by more than 10 % and by more than 64 tokens.
    pub fn is_far_off_depth(&self, prompt_tokens: u64) -> bool {
        let planned = self.input();
        prompt_tokens.abs_diff(planned) > FAR_TOKENS_MIN.max(planned / 10)
    }

    /// Whether another cell has the same context and prompt lengths, at any load and output.
    pub fn is_as_long(&self, other: &Cell) -> bool {
        (self.depth, self.prompt) == (other.depth, other.prompt)
    }

    /// Returns the sort key of every table: depth, load, prompt, output; closed loops first.
    pub fn order(&self) -> (u64, (u8, u64), u64, u64) {
        let load = match self.load {
            Load::Streams(streams) => (0, u64::from(streams)),
            // The bits of positive floats have the order of the floats.
            Load::PerSecond(rate) => (1, rate.to_bits()),
        };
        (self.depth, load, self.prompt, self.output)
    }

    /// Returns the number of concurrent streams; 0 in an open loop.
    pub fn streams(&self) -> u32 {
        match self.load {
            Load::Streams(streams) => streams,
            Load::PerSecond(_) => 0,
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::Streams(streams) => write!(f, "c{streams}"),
            Load::PerSecond(rate) => write!(f, "r{rate}"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}/{}/p{}/o{}", self.depth, self.load, self.prompt, self.output)
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Cell, String> {
        parsed(text).ok_or_else(|| format!("`{text}` is not a cell such as d4096/c2/p2048/o128"))
    }
}

fn parsed(text: &str) -> Option<Cell> {
    let mut parts = text.split('/');
    let depth = parts.next()?.strip_prefix('d')?.parse().ok()?;
    let load = parts.next()?;
    let load = match load.strip_prefix('r') {
        Some(rate) => Load::PerSecond(rate.parse().ok()?),
        None => Load::Streams(load.strip_prefix('c')?.parse().ok()?),
    };
    let prompt = parts.next()?.strip_prefix('p')?.parse().ok()?;
    let output = parts.next()?.strip_prefix('o')?.parse().ok()?;
    let has_bounds = [depth, prompt, output].iter().all(|tokens| *tokens <= TOKENS_MAX)
        && match load {
            Load::Streams(streams) => streams <= STREAMS_MAX,
            Load::PerSecond(rate) => RATES.contains(&rate),
        };
    (has_bounds && parts.next().is_none()).then_some(Cell { depth, load, prompt, output })
}

impl TryFrom<String> for Cell {
    type Error = String;

    fn try_from(text: String) -> Result<Cell, String> {
        text.parse()
    }
}

impl From<Cell> for String {
    fn from(cell: Cell) -> String {
        cell.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_read_back_from_its_name() {
        for text in ["d4096/c2/p2048/o128", "d0/r0.5/p100/o1", "d100000/c10/p0/o128"] {
            assert_eq!(text.parse::<Cell>().map(|cell| cell.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_cell_is_refused() {
        for text in ["", "d1", "d1/c1/p1", "d1/c1/p1/o1/x", "c1/d1/p1/o1", "d-1/c1/p1/o1"] {
            assert!(text.parse::<Cell>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_cell_beyond_every_scenario_is_refused_and_nothing_of_another_overflows() {
        let max = TOKENS_MAX;
        let widest: Cell = format!("d{max}/c{STREAMS_MAX}/p{max}/o{max}").parse().unwrap();
        assert_eq!(widest.input(), 2 * max);
        assert!(u64::from(widest.streams()).checked_mul(widest.input()).is_some());
        let more = format!("d{}/c1/p1/o1", max + 1);
        for text in
            [more.as_str(), "d1/c4097/p1/o1", "d1/rNaN/p1/o1", "d1/rinf/p1/o1", "d1/r-1/p1/o1"]
        {
            assert!(text.parse::<Cell>().is_err(), "{text}");
        }
    }
}
