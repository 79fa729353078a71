//! Seeds, as the command line names them.

use std::{
    hash::{BuildHasher, RandomState},
    str::FromStr,
};

use campaign::now_ms;

/// The largest fresh seed, short enough to be typed.
const FRESH: u64 = 1 << 40;

/// Returns the seed that a search is given, or else one that no other search has: whoever searches again
/// tries something else. Each search prints its seed.
pub(crate) fn given_or_fresh(given: Option<u64>) -> u64 {
    given.unwrap_or_else(|| RandomState::new().hash_one(now_ms()) % FRESH)
}

/// The most seeds that one command runs.
const MOST: u64 = 1_000_000;

/// One seed, or a range of them. Any whole number of 64 bits is a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seeds {
    first: u64,
    last: u64,
}

impl Seeds {
    /// Returns how many seeds there are.
    pub(crate) fn count(&self) -> usize {
        usize::try_from(self.last - self.first).expect("less than MOST") + 1
    }

    /// Returns the seed at `index`, counted from 0.
    pub(crate) fn at(&self, index: usize) -> u64 {
        self.first + index as u64
    }

    /// Returns the width of the longest seed, in characters.
    pub(crate) fn width(&self) -> usize {
        self.last.to_string().len()
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EMPTY: &str = "this range is empty: `1..5` is 1 2 3 4, `1..=5` is 1 2 3 4 5";
        let (first, last) = if let Some((first, last)) = text.split_once("..=") {
            (number(first)?, number(last)?)
        } else if let Some((first, end)) = text.split_once("..") {
            (number(first)?, number(end)?.checked_sub(1).ok_or(EMPTY)?)
        } else {
            let seed = number(text)?;
            (seed, seed)
        };
        match last.checked_sub(first) {
            None => Err(EMPTY.to_owned()),
            Some(more) if more >= MOST => Err(format!("one command runs at most {MOST} seeds")),
            Some(_) => Ok(Self { first, last }),
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let range = text.split_once('-').filter(|(first, last)| is_number(first) && is_number(last));
    let refused = || match range {
        Some((first, last)) => format!("did you mean `{first}..={last}`?"),
        None => format!("`{text}` is not a seed: a whole number from 0 to {}", u64::MAX),
    };
    text.parse().map_err(|_| refused())
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
        let meant = "1-5".parse::<Seeds>().expect_err("no range");
        assert_eq!(meant, "did you mean `1..=5`?");
        assert!("18446744073709551616".parse::<Seeds>().is_err());
    }

    #[test]
    fn a_call_has_its_most_seeds_and_the_greatest_seed_is_one() {
        assert_eq!("0..1000000".parse::<Seeds>().map(|seeds| seeds.count()), Ok(1_000_000));
        assert!("0..=1000000".parse::<Seeds>().is_err());
        let greatest = u64::MAX.to_string();
        assert_eq!(all(&greatest), [u64::MAX]);
        assert_eq!(all(&format!("18446744073709551614..={greatest}")).len(), 2);
    }
}
