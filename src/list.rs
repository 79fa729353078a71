//! `fedsim list`: what scenario files can name, and the scenarios themselves.

use scenarios::{
    language::{
        faults::{self, Listed},
        ops,
    },
    vocabulary::CheckName,
};
use serde_json::json;

use crate::{
    arguments::{List, What},
    exit::{Exit, Stop},
    output::Output,
    program::Program,
    select,
};

/// Prints the list that was asked for.
pub(crate) fn list(wanted: &List, program: &Program, output: &mut Output) -> Result<Exit, Stop> {
    match &wanted.what {
        What::Scenarios(files) => return scenarios(files, program, output),
        What::Checks => checks(program, output)?,
        What::Faults => kinds("fault", faults::LISTED.iter().copied().flatten(), output)?,
        What::Ops => kinds("operation", ops::LISTED.iter(), output)?,
        What::Endpoints => endpoints(program, output)?,
    }
    Ok(Exit::Holds)
}

fn scenarios(
    files: &crate::arguments::Files,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let selected = match select::load(files, program)? {
        Ok(selected) => selected,
        Err(mistakes) => {
            output.mistakes(&mistakes)?;
            return Ok(Exit::Usage);
        }
    };
    let names = selected.iter().map(|one| one.scenario.name.chars().count()).max().unwrap_or(0);
    for one in &selected {
        let scenario = &one.scenario;
        let tags = scenario.tags.join(", ");
        output.line(format!("{:<names$}  {tags}", scenario.name).trim_end())?;
        output.object(&json!({
            "type": "scenario",
            "scenario": scenario.name,
            "file": one.path.display().to_string(),
            "about": scenario.about,
            "tags": scenario.tags,
            "seed": scenario.seed,
        }))?;
    }
    Ok(Exit::Holds)
}

fn checks(program: &Program, output: &mut Output) -> Result<(), Stop> {
    let checks = program.vocabulary().checks;
    let names = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for CheckName { name, kind, means } in checks {
        let judged = kind.word();
        output.line(&format!("{name:<names$}  {judged:<10}  {means}"))?;
        output.object(&json!({
            "type": "check", "check": name, "judged": judged, "means": means
        }))?;
    }
    Ok(())
}

/// Prints kinds of faults or operations, each with its meaning and an example.
fn kinds<'l>(
    word: &str,
    listed: impl Iterator<Item = &'l Listed> + Clone,
    output: &mut Output,
) -> Result<(), Stop> {
    let keys = listed.clone().map(|it| it.key.len()).max().unwrap_or(0);
    for Listed { key, example, means } in listed {
        output.line(&format!("{key:<keys$}  {means}"))?;
        output.line(&format!("{:<keys$}  {key} = {example}", ""))?;
        let example = format!("{key} = {example}");
        output.object(&json!({
            "type": word, word: key, "means": means, "example": example
        }))?;
    }
    Ok(())
}

fn endpoints(program: &Program, output: &mut Output) -> Result<(), Stop> {
    let endpoints = program.vocabulary().endpoints;
    let names = endpoints.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    for (name, method, path) in endpoints {
        output.line(&format!("{name:<names$}  {method:<4}  {path}"))?;
        output.object(&json!({
            "type": "endpoint", "endpoint": name, "method": method, "path": path
        }))?;
    }
    Ok(())
}
