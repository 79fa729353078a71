//! Kept journals: the header that says which run was recorded, and judging a run again.

use std::fmt;

use journal::kept::{Header, Kept};
use scenarios::language::{self, Mistakes};

use crate::{
    Promises,
    recording::{Played, Run, judged},
};

/// Returns the header of the file in which a run's journal is kept, which says which run that is.
pub fn header(promises: &Promises, played: Played<'_>) -> Header {
    Header {
        program: promises.vocabulary.program.to_owned(),
        version: promises.vocabulary.version.to_owned(),
        scenario: language::to_toml(played.scenario),
        file: played.file.map(str::to_owned),
        seed: played.seed,
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
}

impl fmt::Display for Unjudged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherProgram { program, here } => write!(
                f,
                "it is a journal of `{program}`, whose checks `{here}` does not have: judge it with \
                 `{program}`"
            ),
            Self::Scenario(mistakes) => mistakes.fmt(f),
        }
    }
}

/// Judges a kept journal by what its federation promises today. `path_shown` is the file's name in
/// messages about mistakes in its scenario.
///
/// # Errors
/// The journal is of another program's federation, or its scenario has mistakes.
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
    let played = Played { scenario: &scenario, seed: header.seed, file: header.file.as_deref() };
    Ok(judged(promises, played, recording))
}
