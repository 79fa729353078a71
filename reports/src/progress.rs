//! How far a search is: a file that an exploration writes into its folder while it goes on, and that
//! whoever wants to follow it reads.
//!
//! The file is written aside and renamed, so that a reader has a whole one or none. It is written
//! some times a second while something happens, and once at the end. A campaign of several
//! processes writes one for each, under names of their own ([`name`]).

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::folder;

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// The most bytes of such a file: many times what the bounds below come to.
const LARGEST: u64 = 16 << 20;
/// The most points of the curve: when there are more, every other one goes.
const MOST_POINTS: usize = 512;
/// The most kinds of failures that are told.
pub const MOST_KINDS: usize = 500;
/// The most runs that are told, the last ones.
pub const MOST_LAST: usize = 30;

/// How far a search is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Version of the format: 1.
    pub version: u32,
    /// Whether it goes on.
    pub state: State,
    /// What is searched, and how.
    pub campaign: Campaign,
    /// How long it has gone on, in milliseconds.
    pub wall_ms: u64,
    /// How many runs there were, by the way of searching that they came from.
    pub ways: BTreeMap<String, u64>,
    /// How many runs passed.
    pub passed: u64,
    /// How many violated something.
    pub failed: u64,
    /// How many showed neither.
    pub unknown: u64,
    /// Simulated nanoseconds of all runs.
    pub simulated_ns: u64,
    /// How many situations of the protocol were reached.
    pub situations: u64,
    /// About how many more are in reach; unset before that can be told.
    pub unseen: Option<u64>,
    /// How it went on, from its beginning to now.
    pub curve: Curve,
    /// The kinds of failures, in the order in which they were found; at most [`MOST_KINDS`].
    pub failures: Vec<Kind>,
    /// How many kinds of failures there are.
    pub kinds: u64,
    /// The last runs, the last one last; at most [`MOST_LAST`].
    pub last: Vec<Played>,
}

/// Whether a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Runs are being made.
    Searching,
    /// All runs are made; what was found is being made small.
    Shrinking,
    /// It is over.
    Finished,
}

/// What is searched, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// The name of a campaign that many processes share, whose runs come in blocks; unset for an
    /// exploration of one process.
    #[serde(default)]
    pub id: Option<String>,
    /// The names of the scenarios that it began with; at most [`MOST_KINDS`].
    pub scenarios: Vec<String>,
    /// The ways of searching.
    pub ways: Vec<String>,
    /// What it is drawn from.
    pub seed: u64,
    /// Which part of a campaign it is, from 1, and of how many.
    pub part: (u64, u64),
    /// How many runs go on at once.
    pub threads: u64,
    /// The most runs, if that was said.
    pub runs: Option<u64>,
    /// The most time in milliseconds, if that was said.
    pub time_ms: Option<u64>,
}

/// A kind of failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    /// The check.
    pub check: String,
    /// What the first of its runs violated, in a sentence.
    pub sentence: String,
    /// The number of that run; of a campaign, how many runs were known when it was found.
    pub found_at: u64,
    /// The way of searching that it came from.
    pub way: String,
    /// How many runs violated it.
    pub runs: u64,
    /// The scenario's file, seen from the folder; unset where none was written yet.
    pub file: Option<String>,
    /// What was left of it and why that is needed, in lines; empty before it was made small.
    #[serde(default)]
    pub story: Vec<String>,
}

/// A run that was made; of a campaign, a block of runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Played {
    /// Its number, from 1.
    pub number: u64,
    /// The way of searching that it came from.
    pub way: String,
    /// The scenario's name.
    pub scenario: String,
    /// What came of it: `passed`, or the check that it violated, or `unknown`.
    pub end: String,
    /// How many situations it was the first to reach.
    pub news: u64,
}

/// How a search went on: points at even distances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Curve {
    /// The points, in order.
    pub points: Vec<Point>,
    /// How many runs there are between two points.
    every: u64,
}

/// A point of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// How many runs there were.
    pub runs: u64,
    /// How long it had gone on, in milliseconds.
    pub wall_ms: u64,
    /// How many situations had been reached.
    pub situations: u64,
    /// How many kinds of failures had been found.
    pub kinds: u64,
}

impl Progress {
    /// Returns how many runs there were.
    pub fn runs(&self) -> u64 {
        self.passed + self.failed + self.unknown
    }
}

impl Curve {
    /// Takes in how it stands after one more run, if a point is due there.
    pub fn add(&mut self, point: Point) {
        self.every = self.every.max(1);
        if !point.runs.is_multiple_of(self.every) {
            return;
        }
        self.points.push(point);
        if self.points.len() > MOST_POINTS {
            self.every *= 2;
            let every = self.every;
            self.points.retain(|it| it.runs.is_multiple_of(every));
        }
    }
}

/// Returns the file's name: `exploration.json`, or `exploration-2-of-3.json` for a part.
pub fn name(part: (u64, u64)) -> String {
    match part {
        (_, 1) => "exploration.json".to_owned(),
        (part, of) => format!("exploration-{part}-of-{of}.json"),
    }
}

/// Returns whether a file of this name tells how far a search is.
pub fn is_file(name: &str) -> bool {
    name.strip_prefix("exploration")
        .and_then(|rest| rest.strip_suffix(".json"))
        .is_some_and(|part| part.is_empty() || part.starts_with('-'))
}

/// Why a file does not tell how far a search is.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is larger than any that is written.
    #[error("it has more than {LARGEST} bytes")]
    TooLarge,
    /// It is not what is written.
    #[error("it does not tell how far a search is: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is of another version.
    #[error("it is of format {0}; this program reads format {VERSION}")]
    OtherVersion(u32),
}

/// Writes it into `folder`. Returns the file.
///
/// # Errors
/// The file cannot be written.
pub fn write(folder: &Path, progress: &Progress) -> io::Result<PathBuf> {
    let path = folder.join(name(progress.campaign.part));
    let text = serde_json::to_vec(progress).expect("progress has only string keys");
    folder::put(&path, &text)?;
    Ok(path)
}

/// Reads it.
///
/// # Errors
/// The file cannot be read, or is not one of these.
pub fn read(path: &Path) -> Result<Progress, Unreadable> {
    let file = File::open(path)?;
    if fs::metadata(path)?.len() > LARGEST {
        return Err(Unreadable::TooLarge);
    }
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text)?;
    let progress: Progress = serde_json::from_slice(&text)?;
    if progress.version != VERSION {
        return Err(Unreadable::OtherVersion(progress.version));
    }
    Ok(progress)
}

#[cfg(test)]
mod tests {
    use super::{Curve, MOST_POINTS, Point, is_file, name};

    #[test]
    fn a_long_search_has_as_many_points_as_a_picture_needs_at_even_distances() {
        let mut curve = Curve::default();
        for runs in 1..=100_000 {
            curve.add(Point { runs, wall_ms: runs, situations: runs, kinds: 0 });
        }
        let points = &curve.points;
        assert!(points.len() > MOST_POINTS / 4 && points.len() <= MOST_POINTS);
        assert!(points.windows(2).all(|it| it[1].runs - it[0].runs == curve.every));
    }

    #[test]
    fn each_part_of_a_campaign_has_a_file_of_its_own() {
        assert_eq!(name((1, 1)), "exploration.json");
        assert_ne!(name((1, 3)), name((2, 3)));
        assert!(is_file(&name((1, 1))) && is_file(&name((2, 3))));
        assert!(!is_file("run.json") && !is_file("explorations.json"));
    }
}
