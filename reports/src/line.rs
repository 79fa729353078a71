//! A run in one line, its failure in a few, and many runs in a summary.

use std::{ops::AddAssign, path::Path};

use checks::record::{CheckRecord, CheckVerdict, Record, Verdict, Why};

use crate::{
    COLUMNS, folder, shell,
    time::{coarse, exact},
    words::{clean, count, cut, grouped, kind, wrap},
};

/// How a run is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It passed.
    Pass,
    /// It failed.
    Fail,
    /// It passed, but proves less than it seems to: an inert fault, a vacuous check.
    Warn,
    /// It could not be shown either way.
    Unknown,
}

impl Status {
    /// Returns the status of a run with these weaknesses.
    pub fn of(record: &Record, weaknesses: &[String]) -> Self {
        match record.verdict {
            Verdict::Fail => Self::Fail,
            Verdict::Unknown => Self::Unknown,
            Verdict::Pass if weaknesses.is_empty() => Self::Pass,
            Verdict::Pass => Self::Warn,
        }
    }

    /// Returns its word, in capitals.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Warn => "WARN",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Returns the check that fails a run: one that is violated, or one that should have been and was
/// not.
pub fn first_failing(record: &Record) -> Option<&CheckRecord> {
    let fails = |check: &&CheckRecord| match check.verdict {
        CheckVerdict::Violated => !check.must_break,
        CheckVerdict::Holds => check.must_break,
        CheckVerdict::Reached | CheckVerdict::Never | CheckVerdict::Unknown => false,
    };
    record.checks.iter().find(fails)
}

/// Returns the check that the verdict depends on; none after a panic, which decides the verdict
/// whatever the checks say.
pub(crate) fn decisive(record: &Record) -> Option<&CheckRecord> {
    let by_checks = record.verdict == Verdict::Fail
        && !matches!(record.ended.why, Why::Panic | Why::Misbehavior);
    first_failing(record).filter(|_| by_checks)
}

/// Says why a run did not pass, in a sentence; none for a pass.
pub fn sentence(record: &Record) -> Option<String> {
    if record.verdict == Verdict::Pass {
        return None;
    }
    let failing = decisive(record);
    let from_check = failing.map(|check| violation(check, record.sentence.as_deref()));
    let sentence = from_check.or_else(|| record.sentence.clone());
    let detail = record.ended.detail.clone();
    Some(clean(&sentence.or(detail).unwrap_or_else(|| "the record does not say why".to_owned())))
}

fn violation(check: &CheckRecord, otherwise: Option<&str>) -> String {
    let at = check.at_ns.map(|at| format!(" at {}", exact(at))).unwrap_or_default();
    let what = check.sentence.as_deref().or(otherwise);
    let tail = what.map(|what| format!(": {what}")).unwrap_or_default();
    if check.verdict == CheckVerdict::Holds {
        return format!(
            "{} {} holds, but this design must break it{tail}",
            kind(check.kind),
            check.name
        );
    }
    format!("{} {} was violated{at}{tail}", kind(check.kind), check.name)
}

/// Says what is worth knowing about a run in a few words: `2 messages`, `all-or-nothing at 1.096s`,
/// or the first weakness.
pub fn fact(record: &Record, weaknesses: &[String]) -> String {
    if let (Verdict::Pass, Some(weakness)) = (record.verdict, weaknesses.first()) {
        return clean(weakness);
    }
    if record.verdict == Verdict::Pass {
        return passed(record);
    }
    match decisive(record) {
        Some(check) => match check.at_ns {
            Some(at) => format!("{} at {}", check.name, exact(at)),
            None => check.name.clone(),
        },
        None => sentence(record).unwrap_or_default(),
    }
}

fn passed(record: &Record) -> String {
    let messages = || count(record.messages.len() as u64, "messages");
    let deeds = record.deeds.as_ref().map(|deeds| count(deeds.count, &deeds.word));
    let broken = |check: &&CheckRecord| check.must_break && check.verdict == CheckVerdict::Violated;
    match record.checks.iter().find(broken) {
        Some(check) => format!("breaks {}", check.name),
        None => deeds.unwrap_or_else(messages),
    }
}

/// The widths of the columns of [`result`], in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// The width of a whole line.
    pub line: usize,
    /// The width of the longest scenario name.
    pub name: usize,
    /// The width of the longest seed.
    pub seed: usize,
}

impl Widths {
    /// Returns how wide names are where the line has to have room for `rest` more columns. On a narrow
    /// terminal, whatever is longer is cut off.
    pub fn names(&self, rest: usize) -> usize {
        if self.line >= COLUMNS {
            return self.name;
        }
        self.name
            .min(self.line.saturating_sub(STATUS_COLUMNS + rest))
            .max(NAME_AT_LEAST.min(self.name))
    }
}

/// Returns one line of results, without the status: `[  0.004s] m1-all-up  seed 7  2 messages`.
pub fn result(record: &Record, weaknesses: &[String], widths: Widths) -> String {
    let wall = format!("[{:>8}] ", wall(record.meta.wall_ms));
    let seed = format!("  seed {:<width$}  ", record.seed, width = widths.seed);
    let around = wall.chars().count() + seed.chars().count();
    let names = widths.names(around + FACT_AT_LEAST);
    let name = cut(&clean(&record.scenario.name), names);
    let room = widths.line.saturating_sub(STATUS_COLUMNS + around + names).max(FACT_AT_LEAST);
    format!("{wall}{name:<names$}{seed}{}", cut(&fact(record, weaknesses), room))
}

/// The columns that the status and the spaces around it take up in a line of results.
const STATUS_COLUMNS: usize = 12;
/// The fact in a line of results gets at least this many columns, however long the name is ..
pub const FACT_AT_LEAST: usize = 20;
/// .. and the name at least so many, however narrow the line is.
const NAME_AT_LEAST: usize = 12;

/// Returns a time that passed outside the simulation, as text: `0.004s`.
pub fn wall(ms: u64) -> String {
    format!("{}.{:03}s", ms / 1000, ms % 1000)
}

/// What the lines of a failure lead to.
#[derive(Clone, Copy, Debug)]
pub struct Leads<'l> {
    /// The run's folder.
    pub folder: &'l Path,
    /// Whether there is a page about it.
    pub page: bool,
    /// What commands begin with: `fedsim`.
    pub program: &'l str,
    /// The width of a line, in characters.
    pub columns: usize,
}

/// Returns the lines that explain a run that did not pass: the sentence, the faults in force, where
/// the report is, and the command that repeats it. The first line names the message, the time and
/// the device.
pub fn failure(record: &Record, leads: &Leads<'_>) -> Vec<String> {
    let Leads { folder, page, program, columns } = *leads;
    let room = columns.saturating_sub(INDENT);
    let mut lines = wrap(&sentence(record).unwrap_or_default(), room);
    for fault in record.faults.iter().filter(|fault| fault.hits > 0).take(FAULTS) {
        let text = clean(&format!("{}, {}", fault.what, fault.when));
        for (place, part) in wrap(&text, room.saturating_sub(LEAD)).iter().enumerate() {
            let lead = if place == 0 { "the fault" } else { "" };
            lines.push(format!("{lead:<LEAD$}{part}"));
        }
    }
    let touching = record.faults.iter().filter(|fault| fault.hits > 0).count();
    if touching > FAULTS {
        lines.push(format!("{:<LEAD$}and {} more", "", touching - FAULTS));
    }
    let report = folder.join(if page { folder::PAGE } else { folder::REPORT });
    lines.push(format!("{:<LEAD$}{}", "the report", report.display()));
    let record_file = folder.join(folder::RECORD);
    lines.push(format!("{:<LEAD$}{program} replay {}", "again", shell::word(&record_file)));
    lines
}

/// How far the lines of [`failure`] are indented.
pub const INDENT: usize = 4;
/// How wide the words are that the lines below the sentence begin with.
const LEAD: usize = 13;
/// The most faults that a failure names.
const FAULTS: usize = 3;

/// Many runs, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Runs that passed without a weakness.
    pub pass: u64,
    /// Runs that failed.
    pub fail: u64,
    /// Runs that passed with a weakness.
    pub warn: u64,
    /// Runs that showed neither a pass nor a failure.
    pub unknown: u64,
    /// Runs that could not be finished, or whose repetition differed.
    pub broken: u64,
    /// Faults that touched something.
    pub faults: u64,
    /// Operations that never happened.
    pub skipped: u64,
    /// Simulated nanoseconds.
    pub simulated_ns: u64,
}

impl Totals {
    /// Returns the totals of one run.
    pub fn of(record: &Record, status: Status) -> Self {
        let counts = |counted| u64::from(counted == status);
        Self {
            pass: counts(Status::Pass),
            fail: counts(Status::Fail),
            warn: counts(Status::Warn),
            unknown: counts(Status::Unknown),
            broken: 0,
            faults: record.faults.iter().filter(|fault| fault.hits > 0).count() as u64,
            skipped: record.skipped.len() as u64,
            simulated_ns: record.ended.at_ns,
        }
    }

    /// Returns the totals of one run that has no verdict.
    pub fn broken() -> Self {
        Self { broken: 1, ..Self::default() }
    }

    /// Returns the number of all runs.
    pub fn runs(&self) -> u64 {
        self.pass + self.fail + self.warn + self.unknown + self.broken
    }

    /// Returns the summary: `24 runs: 22 pass, 1 fail, 1 warn · 61 faults · 1h 48m simulated`.
    pub fn summary(&self) -> String {
        let parts = [
            (self.pass, "pass"),
            (self.fail, "fail"),
            (self.warn, "warn"),
            (self.unknown, "unknown"),
            (self.broken, "broken"),
        ];
        let counted = parts.into_iter().filter(|(n, word)| *n > 0 || *word == "pass");
        let counted: Vec<String> =
            counted.map(|(n, word)| format!("{} {word}", grouped(n))).collect();
        let skipped = match self.skipped {
            0 => String::new(),
            n => format!(" · {}", count(n, "skipped operations")),
        };
        format!(
            "{}: {} · {}{skipped} · {} simulated",
            count(self.runs(), "runs"),
            counted.join(", "),
            count(self.faults, "faults"),
            coarse(self.simulated_ns)
        )
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.pass += other.pass;
        self.fail += other.fail;
        self.warn += other.warn;
        self.unknown += other.unknown;
        self.broken += other.broken;
        self.faults += other.faults;
        self.skipped += other.skipped;
        self.simulated_ns = self.simulated_ns.saturating_add(other.simulated_ns);
    }
}
