//! `fedsim shrink`: makes a scenario that violates a check as small as it goes.

use std::path::{Path, PathBuf};

use explore::{Trial, trial::End};
use reports::{folder, html};
use scenarios::{Scenario, language};
use serde_json::json;

use crate::{
    arguments::Shrink,
    exit::{Exit, Stop},
    interrupt, kept,
    output::Output,
    program::Program,
    replay,
};

/// Shrinks what was named, and prints what is left as a scenario file or a test.
pub(crate) fn shrink(
    wanted: &Shrink,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let scenario = match read(wanted, program)? {
        Ok(scenario) => scenario,
        Err(mistakes) => {
            output.mistakes(&[mistakes])?;
            return Ok(Exit::Usage);
        }
    };
    let subject = program.subject();
    let check = match &wanted.check {
        Some(check) => check.clone(),
        None => violated(&subject.play(&scenario))?,
    };
    let Some(shrunk) = explore::shrink(&subject, &scenario, &check, interrupt::flag()) else {
        let message = format!("this scenario does not violate {check}\nname another with --check");
        return Err(Stop::because(Exit::Usage, message));
    };
    if wanted.as_test {
        output.line(&shrunk.to_test(&program.found_by()))?;
    } else {
        output.line(&shrunk.to_toml())?;
    }
    if let Some(record) = record_of(wanted) {
        keep(&record, &shrunk.to_toml(), output)?;
    }
    output.object(&json!({
        "type": "shrunk",
        "check": shrunk.violation.check,
        "sentence": shrunk.violation.sentence,
        "faults": shrunk.size().0,
        "operations": shrunk.size().1,
        "runs": shrunk.runs,
        "story": shrunk.story(),
        "scenario": shrunk.to_toml(),
    }))?;
    Ok(Exit::Violated)
}

/// Returns the record of the run that was named, if it is a run.
fn record_of(wanted: &Shrink) -> Option<PathBuf> {
    let path = &wanted.failing;
    let is_scenario = path.extension().is_some_and(|extension| extension == "toml");
    if is_scenario { None } else { kept::record(path).ok() }
}

/// Keeps what is left beside the run, whose page shows it from then on.
fn keep(record: &Path, text: &str, output: &mut Output) -> Result<(), Stop> {
    let folder = record.parent().unwrap_or(Path::new(""));
    let path = folder.join(folder::SHRUNK);
    let unwritable = |error: std::io::Error| {
        Stop::because(Exit::Internal, format!("cannot write {}: {error}", path.display()))
    };
    folder::put(&path, text.as_bytes()).map_err(unwritable)?;
    if folder.join(folder::PAGE).exists() {
        let run = kept::read(record)?;
        let _page = folder::render(folder, &run.source(), &html::RENDERER).map_err(unwritable)?;
    }
    Ok(output.note(&format!("kept as {}", path.display()))?)
}

/// Reads the scenario of a run or a file.
fn read(wanted: &Shrink, program: &Program) -> Result<Result<Scenario, language::Mistakes>, Stop> {
    let path = &wanted.failing;
    let read = if let Some(path) = record_of(wanted) {
        let record = replay::own(&path, program)?;
        let shown = format!("the scenario in {}", path.display());
        let scenario = language::parse_in(program.vocabulary(), &shown, &record.scenario.text);
        scenario.map(|scenario| Scenario { seed: record.seed, ..scenario })
    } else {
        language::load_in(program.vocabulary(), path)
    };
    let seeded = |scenario| match wanted.seed {
        Some(seed) => Scenario { seed, ..scenario },
        None => scenario,
    };
    Ok(read.map(seeded))
}

/// Returns the most serious check that a run violated.
fn violated(trial: &Trial) -> Result<String, Stop> {
    match &trial.end {
        End::Violated(violations) => {
            Ok(violations.first().map(|it| it.check.clone()).unwrap_or_default())
        }
        End::Passed => {
            Err(Stop::because(Exit::Usage, "this scenario passes: there is nothing to shrink"))
        }
        End::Unknown(why) => {
            Err(Stop::because(Exit::Inconclusive, format!("this run could not be judged: {why}")))
        }
    }
}
