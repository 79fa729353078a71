//! Plays one scenario and says what came of it.

use std::{
    any::Any,
    collections::BTreeSet,
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::Duration,
};

use checks::{
    Verdicts,
    history::History,
    record::{CheckRecord, CheckVerdict, Verdict, Why},
};
use journal::Recording;
use runs::{Federation, Options, world::Universe};
#[cfg(feature = "homeservers")]
use runs::{Homeservers, world::Simulated};
use scenarios::Scenario;

use crate::{
    places::{self, Place},
    situations::{self, Situation},
};

/// The name under which a program that panics is reported, in the place of a check's.
pub const PANIC: &str = "no-panic";
/// The same for a program that does what no world can run with.
pub const MISBEHAVIOR: &str = "no-misbehavior";
/// The same for a panic of fedsim itself.
pub const BROKEN_HARNESS: &str = "harness-panic";

/// Entries of the journal after which a run is ended: many times what a scenario that is worth
/// exploring writes, and little enough that a defect that never rests does not stop a campaign.
pub const MAX_ENTRIES: u64 = 200_000;

/// Makes the federation of one run.
pub type Founder = Arc<dyn Fn() -> Arc<dyn Federation> + Send + Sync>;

/// What is explored: somebody's servers, in some world.
#[derive(Clone)]
pub struct Subject {
    /// Where scenarios are played.
    pub universe: Arc<dyn Universe>,
    /// Makes a fresh federation for each run.
    pub found: Founder,
    /// What each run is given besides its scenario and seed.
    pub options: Options,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Subject {
    /// Returns fedsim's own homeservers and relays in the simulated world.
    #[cfg(feature = "homeservers")]
    pub fn homeservers() -> Self {
        Self {
            universe: Arc::new(Simulated),
            found: Arc::new(|| Arc::new(Homeservers::default())),
            options: Options { max_entries: Some(MAX_ENTRIES), ..Options::default() },
        }
    }

    /// Plays `scenario` with its own seed. A panic of whoever plays or judges it is a violation,
    /// too: a campaign goes on, and reports it.
    pub fn play(&self, scenario: &Scenario) -> Trial {
        caught(|| self.play_unguarded(scenario)).unwrap_or_else(Trial::broken)
    }

    /// Does the same, and returns the hash of the run's journal besides; none if playing or judging
    /// panicked. Two runs of the same thing have the same.
    pub fn play_hashed(&self, scenario: &Scenario) -> (Trial, Option<String>) {
        let played = caught(|| {
            let (trial, recording) = self.play_recorded(scenario);
            (trial, recording.journal.hash())
        });
        match played {
            Ok((trial, hash)) => (trial, Some(hash)),
            Err(message) => (Trial::broken(message), None),
        }
    }

    fn play_unguarded(&self, scenario: &Scenario) -> Trial {
        self.play_recorded(scenario).0
    }

    fn play_recorded(&self, scenario: &Scenario) -> (Trial, Recording) {
        let federation = (self.found)();
        let promises = federation.promises();
        let simulation = runs::simulate_on(
            self.universe.as_ref(),
            federation,
            scenario,
            scenario.seed,
            &self.options,
        );
        let recording = simulation.recording;
        let history = History::read_in(promises.vocabulary, scenario, &recording.journal);
        let verdicts = checks::verdicts(promises, &history, &recording);
        let trial = Trial {
            situations: situations::reached(&history, &recording.faults),
            places: places::of(&history),
            is_inert: scenario.faults.len() > history.faults.len(),
            simulated: recording.at,
            end: end(verdicts),
        };
        drop(history);
        (trial, recording)
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Trial {
    /// How it was judged.
    pub end: End,
    /// The situations that it reached.
    pub situations: BTreeSet<Situation>,
    /// Where it could be broken.
    pub places: Vec<Place>,
    /// Whether one of its faults never began.
    pub is_inert: bool,
    /// How long it took in simulated time.
    pub simulated: Duration,
}

/// How a run was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every check holds.
    Passed,
    /// These are violated, the most serious first.
    Violated(Vec<Violation>),
    /// Neither could be shown; why, in a sentence.
    Unknown(String),
}

/// A violated check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The check's name; [`PANIC`], [`MISBEHAVIOR`] or [`BROKEN_HARNESS`] if no check was needed.
    pub check: String,
    /// What it found, in a sentence without a period.
    pub sentence: String,
}

impl Trial {
    /// Returns what it violated, the most serious first.
    pub fn violations(&self) -> &[Violation] {
        match &self.end {
            End::Violated(violations) => violations,
            End::Passed | End::Unknown(_) => &[],
        }
    }

    /// Returns how it violated `check`, if it did.
    pub fn violation(&self, check: &str) -> Option<&Violation> {
        self.violations().iter().find(|violation| violation.check == check)
    }

    /// Returns whether it violated `check`.
    pub fn violates(&self, check: &str) -> bool {
        self.violation(check).is_some()
    }

    fn broken(message: String) -> Self {
        let violation = Violation { check: BROKEN_HARNESS.to_owned(), sentence: message };
        Self {
            end: End::Violated(vec![violation]),
            situations: BTreeSet::new(),
            places: Vec::new(),
            is_inert: false,
            simulated: Duration::ZERO,
        }
    }
}

fn end(verdicts: Verdicts) -> End {
    let Verdicts { ended, checks, verdict, sentence } = verdicts;
    let sentence = sentence.unwrap_or_default();
    let name = match ended.why {
        Why::Panic => Some(PANIC),
        Why::Misbehavior => Some(MISBEHAVIOR),
        Why::Settled | Why::Limit => None,
    };
    let by_itself =
        name.map(|name| Violation { check: name.to_owned(), sentence: sentence.clone() });
    let violations: Vec<Violation> =
        by_itself.into_iter().chain(checks.into_iter().filter_map(violation)).collect();
    match verdict {
        _ if !violations.is_empty() => End::Violated(violations),
        Verdict::Unknown => End::Unknown(sentence),
        Verdict::Pass | Verdict::Fail => End::Passed,
    }
}

fn violation(check: CheckRecord) -> Option<Violation> {
    let is_violated = check.verdict == CheckVerdict::Violated && !check.must_break;
    is_violated
        .then(|| Violation { check: check.name, sentence: check.sentence.unwrap_or_default() })
}

/// Does some work; a panic of it is an error, in a sentence.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| panic_message(payload.as_ref()))
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    format!("fedsim itself panicked: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}
