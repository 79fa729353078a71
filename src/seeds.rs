//! Seeds as the command line names them.

use std::{ops::Range, str::FromStr};

/// The most seeds that one call runs.
const MOST: u64 = 1_000_000;

/// One seed, or a range of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seeds(Range<u64>);

impl Seeds {
    /// How many.
    pub(crate) fn count(&self) -> usize {
        usize::try_from(self.0.end - self.0.start).expect("at most MOST")
    }

    /// The one at `index`, counted from 0.
    pub(crate) fn at(&self, index: usize) -> u64 {
        self.0.start + index as u64
    }

    /// The longest one as text, in characters.
    pub(crate) fn width(&self) -> usize {
        (self.0.end - 1).to_string().len()
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, end) = if let Some((first, last)) = text.split_once("..=") {
            (number(first)?, after(number(last)?)?)
        } else if let Some((first, end)) = text.split_once("..") {
            (number(first)?, number(end)?)
        } else {
            let seed = number(text)?;
            (seed, after(seed)?)
        };
        match end.checked_sub(first) {
            None | Some(0) => Err("this range is empty: `1..5` is 1 2 3 4".to_owned()),
            Some(count) if count > MOST => Err(format!("more than {MOST} seeds")),
            Some(_) => Ok(Self(first..end)),
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a seed: a whole number from 0"))
}

fn after(seed: u64) -> Result<u64, String> {
    seed.checked_add(1).ok_or_else(|| format!("the greatest seed is {}", u64::MAX - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<u64> {
        let seeds: Seeds = text.parse().expect(text);
        (0..seeds.count()).map(|index| seeds.at(index)).collect()
    }

    #[test]
    fn two_dots_leave_the_end_out_and_an_equals_sign_takes_it_in() {
        assert_eq!(all("7"), [7]);
        assert_eq!(all("1..3"), [1, 2]);
        assert_eq!(all("1..=3"), [1, 2, 3]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "a", "3..3", "3..1", "-1", "..", "0..18446744073709551615"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
        assert!("18446744073709551615".parse::<Seeds>().is_err());
    }
}
