//! A block: a scenario and a range of seeds, which one worker plays in about a second; and what came
//! of it.

use serde::{Deserialize, Serialize};

/// The most runs of a block. Who receives a larger one refuses it.
pub const MOST_RUNS: u32 = 4_096;
/// The most bytes of a scenario's text.
pub const LARGEST_TEXT: usize = 512 << 10;
/// The most failures of a block that are told one by one.
pub const MOST_FAILURES: usize = 64;

/// The most characters of a sentence that is written down.
const LONGEST_SENTENCE: usize = 2_000;

/// Returns a sentence as it is written down: cut, if it is too long.
pub(crate) fn cut(sentence: &str) -> String {
    sentence.chars().take(LONGEST_SENTENCE).collect()
}

/// What is played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its number in its campaign.
    pub number: u64,
    /// Its campaign.
    pub campaign: String,
    /// The build that plays it.
    pub build: String,
    /// The hash of the scenario's text, by which that is kept.
    pub text: String,
    /// What is made of the scenario.
    pub way: Way,
    /// The first seed.
    pub first: u64,
    /// How many seeds there are.
    pub count: u32,
}

/// What is made of the scenario of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It is played as it is, with each seed.
    Seeds,
    /// Each seed changes it in another way.
    Bred,
}

impl Way {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Seeds => "seeds",
            Self::Bred => "bred",
        }
    }
}

impl Block {
    /// Returns the seeds.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.first;
        (0..u64::from(self.count)).map(move |nth| first.wrapping_add(nth))
    }
}

/// What was to be done and is over: it was done, or it killed everybody who tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended<T> {
    /// What came of it.
    Done(T),
    /// It was given up.
    Poison(Poison),
}

/// An item that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poison {
    /// Whoever began it and was not heard of again.
    pub workers: Vec<String>,
    /// Why others could not do it, once for each time.
    #[serde(default)]
    pub refused: Vec<String>,
    /// When it was given up, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What became of an item so far that is not over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The processes that began it and have not given it back.
    pub workers: Vec<String>,
    /// Why it could not be done, once for each time.
    pub refused: Vec<String>,
}

/// What came of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Who played it.
    pub worker: String,
    /// With which build.
    pub build: String,
    /// When it was played, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long it took, in milliseconds.
    pub wall_ms: u64,
    /// How much time that was in the worlds, in nanoseconds.
    pub simulated_ns: u64,
    /// A letter for each seed, in their order: `P` passed, `F` failed, `U` could not be judged.
    pub ends: String,
    /// The failures, at most [`MOST_FAILURES`].
    pub failures: Vec<Failed>,
    /// Why the first one that could not be judged could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_unknown: Option<String>,
    /// The hash of each run's journal, if this block is played twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<String>,
}

impl Outcome {
    /// Returns when it was done, in milliseconds since 1970, as far as whoever wrote it can be believed.
    pub fn ended_ms(&self) -> u64 {
        self.at_ms.saturating_add(self.wall_ms)
    }
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Its seed.
    pub seed: u64,
    /// Its kinds of failures.
    pub findings: Vec<String>,
}

/// What came of playing a block once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// Who played it first.
    pub first: String,
    /// Who played it once more.
    pub second: String,
    /// The seeds whose journals differ.
    pub differ: Vec<u64>,
    /// How many journals were compared.
    pub compared: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Audited {
    /// Returns whether two processes played it, and not two threads of one.
    pub fn is_by_two(&self) -> bool {
        process_of(&self.first) != process_of(&self.second)
    }
}

/// What came of looking for the canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Who looked.
    pub worker: String,
    /// How many runs that took.
    pub runs: u64,
    /// The check that found it, if one did.
    pub check: Option<String>,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// A kind of failure, as it was found first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The check that was violated.
    pub check: String,
    /// What it found, in a sentence.
    pub sentence: String,
    /// The name of the scenario that it began with.
    pub scenario: String,
    /// The hash of the text of the scenario that fails.
    pub text: String,
    /// The block, the seed and the way in which it was found.
    pub block: u64,
    /// See `block`.
    pub seed: u64,
    /// See `block`.
    pub way: Way,
    /// Who found it.
    pub worker: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// A finding that was made small. Its files are in the folder `finding-<its hash>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Small {
    /// What is left and why it is needed, in lines. Empty if it did not fail again.
    pub story: Vec<String>,
    /// The kinds of the faults that are left.
    pub faults: Vec<String>,
    /// How many operations are left.
    pub ops: u64,
    /// The files that were kept.
    pub files: Vec<String>,
    /// Who made it small.
    pub worker: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// A situation that was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The situation.
    pub situation: String,
    /// When it was reached first, in milliseconds since 1970.
    pub at_ms: u64,
}

/// A scenario that reached a new situation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// How many situations it was the first to reach.
    pub news: u64,
    /// How many runs of its kind take about a second.
    pub runs: u32,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// A worker, as it tells of itself now and then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// Its build.
    pub build: String,
    /// How many blocks it plays at once.
    pub threads: u64,
    /// When it joined, in milliseconds since 1970.
    pub began_ms: u64,
    /// When it told this, in milliseconds since 1970.
    pub at_ms: u64,
    /// Whether it has left.
    pub left: bool,
}

/// Whether a campaign goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Why it was stopped; none if it goes on.
    pub stopped: Option<String>,
    /// How many kinds of failures it went on with: `--fail-fast` counts from there.
    #[serde(default)]
    pub beyond: u64,
}

/// Returns the name of the process of a thread: `<process>_<number>`.
pub fn process_of(worker: &str) -> &str {
    worker.rsplit_once('_').map_or(worker, |(process, _)| process)
}

/// Returns what came of a block that ended like this, for tests.
#[cfg(test)]
pub(crate) fn outcome(build: &str, ends: &str) -> Outcome {
    Outcome {
        worker: "w_1".to_owned(),
        build: build.to_owned(),
        at_ms: 1,
        wall_ms: 1,
        simulated_ns: 1,
        ends: ends.to_owned(),
        failures: Vec::new(),
        first_unknown: None,
        hashes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::Audited;

    #[test]
    fn two_threads_of_a_process_are_not_two_workers() {
        let audited = |first: &str, second: &str| Audited {
            first: first.to_owned(),
            second: second.to_owned(),
            differ: Vec::new(),
            compared: 1,
            at_ms: 1,
        };
        assert!(!audited("laptop-1-a_1", "laptop-1-a_12").is_by_two());
        assert!(audited("laptop-1-a_1", "laptop-2-a_1").is_by_two());
    }
}
