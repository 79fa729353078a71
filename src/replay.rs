//! `fedsim replay`: runs a record's scenario again, and says whether it is still the same run.

use std::{fs, path::Path};

use checks::Record;
use reports::{folder, json, line};
use scenarios::language;
use serde_json::json;

use crate::{
    arguments::Replay,
    divergence::{self, Difference},
    exit::{Exit, Stop},
    invocation, kept,
    output::{Output, Tone},
    program::Program,
    select::Selected,
    trial,
};

/// The largest record that is read, in bytes.
const LARGEST: u64 = 4 << 30;

/// Replays a record. A run that is reproduced exits as it did then: a failure exits with 1 again.
pub(crate) fn replay(
    wanted: &Replay,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let path = kept::record(&wanted.record)?;
    let mut recorded = own(&path, program)?;
    if recorded.is_of_real_time() {
        let (shown, command) = (path.display(), invocation::program());
        let message = format!(
            "{shown} is a run of real processes, and those do not do the same again\n\
             judge its journal again with `{command} judge`, or play its scenario once more with \
             `{command} run --world live`"
        );
        return Err(Stop::because(Exit::Usage, message));
    }
    let shown = format!("the scenario in {}", path.display());
    let scenario = match language::parse_in(program.vocabulary(), &shown, &recorded.scenario.text) {
        Ok(scenario) => scenario,
        Err(mistakes) => {
            output.mistakes(&[mistakes])?;
            return Ok(Exit::Usage);
        }
    };
    let mut now = trial::again(
        &Selected { path: path.clone(), scenario, text: String::new() },
        recorded.seed,
        program,
    )
    .map_err(|why| Stop::because(Exit::Internal, why))?;
    let (then, today) = (&recorded.program.version, &now.program.version);
    if then != today {
        output.note(&format!("recorded by version {then}, and replayed by version {today}"))?;
    }
    match divergence::between(&mut recorded, &mut now) {
        None => reproduced(&recorded, &path, output),
        Some(difference) => differs(&recorded, &now, &difference, output),
    }
}

/// Reads a record of this program.
pub(crate) fn own(path: &Path, program: &Program) -> Result<Record, Stop> {
    let record = read(path)?;
    let (whose, here) = (&record.program.name, program.name());
    if whose == here {
        return Ok(record);
    }
    let message = format!(
        "{} is a run of `{whose}`, whose servers `{here}` does not have\n\
         replay and shrink it with the program `{whose}` that recorded it (its version was {})",
        path.display(),
        record.program.version
    );
    Err(Stop::because(Exit::Usage, message))
}

/// Reads a record.
pub(crate) fn read(path: &Path) -> Result<Record, Stop> {
    let refused = |why: &dyn std::fmt::Display| {
        let help = "name a run.json that `fedsim run` wrote, or its folder";
        Stop::because(Exit::Usage, format!("cannot read {}: {why}\n{help}", path.display()))
    };
    let length = fs::metadata(path).map_err(|error| refused(&error))?.len();
    if length > LARGEST {
        return Err(refused(&"it is larger than any record"));
    }
    let text = fs::read_to_string(path).map_err(|error| refused(&error))?;
    json::parse(&text).map_err(|error| refused(&error))
}

fn reproduced(record: &Record, path: &Path, output: &mut Output) -> Result<Exit, Stop> {
    let exit = trial::exit_of(record);
    let status = line::Status::of(record, &[]);
    let entries = record.events.len();
    let name = format!("{}  (seed {})", record.scenario.name, record.seed);
    output.word(Tone::Good, "Reproduced", &name)?;
    let same = format!("all {entries} journal entries are the same, and so is the verdict");
    output.word(status.into(), status.word(), &same)?;
    if exit != Exit::Holds {
        let folder = path.parent().unwrap_or(Path::new(""));
        output.line("")?;
        let page = folder.join(folder::PAGE).exists();
        let leads =
            line::Leads { folder, page, program: &invocation::program(), columns: output.columns };
        for line in line::failure(record, &leads) {
            output.line(&format!("{}{line}", " ".repeat(line::INDENT)))?;
        }
    }
    output.object(&json!({
        "type": "replay",
        "scenario": record.scenario.name,
        "seed": record.seed,
        "same": true,
        "verdict": record.verdict,
        "sentence": line::sentence(record),
        "events": entries,
    }))?;
    Ok(exit)
}

fn differs(
    recorded: &Record,
    now: &Record,
    difference: &Difference,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let name = format!("{}  (seed {})", recorded.scenario.name, recorded.seed);
    output.word(Tone::Bad, "DIFFERS", &name)?;
    for line in difference.lines("recorded", "now") {
        output.line(&format!("{}{line}", " ".repeat(line::INDENT)))?;
    }
    let why = why_it_differs(recorded, now);
    output.note(&why)?;
    output.object(&json!({
        "type": "replay",
        "scenario": recorded.scenario.name,
        "seed": recorded.seed,
        "same": false,
        "why": why,
        "sentence": difference.sentence,
        "difference": difference.lines("recorded", "now"),
    }))?;
    Ok(Exit::Diverged)
}

/// Says whether the program has changed since the run was recorded, or is at fault.
fn why_it_differs(recorded: &Record, now: &Record) -> String {
    let build = |record: &Record| match record.meta.build.as_str() {
        "" => "an unknown build".to_owned(),
        build => format!("build {build}"),
    };
    let (then, today) = (build(recorded), build(now));
    if recorded.meta.build == now.meta.build {
        let name = &recorded.program.name;
        return format!("recorded by this very build, {then}: this is a defect of {name}");
    }
    format!(
        "recorded by {then}, and replayed by {today}: the program has changed since, \
         and a run may differ then; that build replays it"
    )
}
