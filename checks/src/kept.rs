//! Kept journals: the header that says which run was recorded, and judging a run again.

use std::fmt;

use journal::{
    Event, Recording,
    kept::{Header, Kept},
};
use scenarios::{
    Scenario,
    language::{self, Mistakes},
};

use crate::{
    Promises, Record,
    history::Note,
    recording::{Played, Run, judged},
};

/// Returns the header of the file in which the journal of this run is kept. It says which run that
/// is.
pub fn header(record: &Record) -> Header {
    Header {
        program: record.program.name.clone(),
        version: record.program.version.clone(),
        scenario: record.scenario.text.clone(),
        file: record.scenario.file.clone(),
        seed: record.seed,
    }
}

/// Why a kept journal cannot be judged.
#[derive(Debug)]
pub enum Unjudged {
    /// It is of another program's federation, whose checks only that program has.
    OtherProgram {
        /// The program that the journal names.
        program: String,
        /// The program that was asked to judge it.
        here: &'static str,
    },
    /// Its scenario has mistakes.
    Scenario(Mistakes),
    /// A note is not what notes on its topic are.
    Note {
        /// The number of its entry.
        entry: u64,
        /// The field, as `body.via`; empty if it is the note as a whole.
        field: String,
        /// What is wrong with it.
        what: String,
    },
}

impl fmt::Display for Unjudged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherProgram { program, here } => write!(
                f,
                "this is a journal of `{program}`, whose checks `{here}` does not have: judge it \
                 with `{program}`"
            ),
            Self::Scenario(mistakes) => mistakes.fmt(f),
            // The header is the first line.
            Self::Note { entry, field, what } => {
                write!(f, "line {}, `event.note.{field}`: {what}", entry + 1)
            }
        }
    }
}

/// Judges a kept journal by what its federation promises today. `path_shown` is the file's name in
/// messages about mistakes in its scenario.
///
/// # Errors
/// The journal is of another program's federation, its scenario has mistakes, or a note is
/// malformed.
pub fn rejudged(
    promises: &'static Promises,
    path_shown: &str,
    kept: Kept,
) -> Result<Run, Unjudged> {
    let Kept { header, recording } = kept;
    let vocabulary = promises.vocabulary;
    if header.program != vocabulary.program {
        let here = vocabulary.program;
        return Err(Unjudged::OtherProgram { program: header.program, here });
    }
    let shown = format!("the scenario in {path_shown}");
    let scenario = language::parse_in(vocabulary, &shown, &header.scenario);
    let scenario = scenario.map_err(Unjudged::Scenario)?;
    check_notes(&scenario, &recording)?;
    let played = Played { scenario: &scenario, seed: header.seed, file: header.file.as_deref() };
    Ok(judged(promises, played, recording))
}

/// Checks every note: one that checks could not read would be as if it were not there.
fn check_notes(scenario: &Scenario, recording: &Recording) -> Result<(), Unjudged> {
    for entry in recording.journal.entries() {
        let Event::Note { topic, body } = &entry.event else { continue };
        let wrong = |(field, what)| Unjudged::Note { entry: entry.n, field, what };
        if let Some(Note::FaultSet { index, fault }) = Note::check(topic, body).map_err(wrong)? {
            if index >= scenario.faults.len() {
                let what = format!("the scenario has no fault {index}, counted from 0");
                return Err(wrong(("body.index".to_owned(), what)));
            }
            if fault == 0 || fault > recording.faults.len() as u64 {
                let what = format!("no fault {fault} began");
                return Err(wrong(("body.fault".to_owned(), what)));
            }
        }
    }
    Ok(())
}
