//! What a search over many machines came to: one page that needs nothing else, and `JUnit` for CI.

mod curve;
mod junit;
mod page;

use crate::line::Status;

pub use self::{junit::render as junit, page::render as page};

/// The page's file.
pub const PAGE: &str = "campaign.html";
/// The file that CI reads.
pub const JUNIT: &str = "junit.xml";

/// What a campaign came to, as whoever ran it decided.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its name.
    pub id: String,
    /// The build that played it.
    pub build: String,
    /// What it came to.
    pub status: Status,
    /// The same in a sentence.
    pub sentence: String,
    /// That it is not finished, and why; unset if it is.
    pub unfinished: Option<String>,
    /// What else there is to know, in sentences: how far it is, what its runs say about others.
    pub facts: Vec<String>,
    /// How many runs there are to be; none if only time ends it.
    pub planned: Option<u64>,
    /// How many runs passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// How many could not be judged.
    pub unknown: u64,
    /// How much time that was in the worlds, in nanoseconds.
    pub simulated_ns: u64,
    /// How it went on.
    pub curve: Vec<Point>,
    /// Who worked for it.
    pub workers: Vec<Worker>,
    /// The kinds of failures, the smallest first.
    pub failures: Vec<Failure>,
    /// Blocks that two workers played and that came out different, and those that were given up; each
    /// with what to do.
    pub troubles: Vec<Trouble>,
    /// Whether the canary was found, and that in a sentence; unset if there is none.
    pub canary: Option<(bool, String)>,
    /// The scenarios that it began with, and how many of its runs played each as it is.
    pub scenarios: Vec<(String, u64)>,
}

/// How a campaign stood at some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// The time since it began, in milliseconds.
    pub at_ms: u64,
    /// How many runs had been made.
    pub runs: u64,
    /// How many situations had been reached.
    pub situations: u64,
    /// How many kinds of failures had been found.
    pub kinds: u64,
}

/// Who worked for a campaign.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its name.
    pub name: String,
    /// How many blocks it played at once.
    pub threads: u64,
    /// How many blocks it played.
    pub blocks: u64,
    /// How many runs these had.
    pub runs: u64,
    /// Runs a second, in tenths.
    pub tenths: u64,
    /// Whether it is there, has left, or fell silent.
    pub state: &'static str,
}

/// A kind of failure.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The check.
    pub check: String,
    /// What it found, in a sentence.
    pub sentence: String,
    /// What is left and why it is needed, in lines; empty if it was not made small yet.
    pub story: Vec<String>,
    /// How many runs had it.
    pub runs: u64,
    /// Where it was found first.
    pub found: String,
    /// The page of its run, seen from this page.
    pub page: Option<String>,
    /// The command that plays it again.
    pub again: String,
}

/// Something that is wrong with the campaign itself.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// A short name for it.
    pub name: String,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// The command that shows it.
    pub again: String,
}

impl Told {
    /// Returns how many runs there were.
    pub fn runs(&self) -> u64 {
        self.passed + self.failed + self.unknown
    }
}
