//! `fedsim list`: what scenario files can name, and the scenarios themselves.

use scenarios::{
    language::{
        faults::{self, Listed},
        ops,
    },
    vocabulary::{CHECKS, CheckName, ENDPOINTS, meaning},
};
use serde_json::json;

use crate::{
    arguments::{List, What},
    exit::{Exit, Stop},
    output::Output,
    select,
};

/// Prints the list that was asked for.
pub(crate) fn list(wanted: &List, output: &mut Output) -> Result<Exit, Stop> {
    match &wanted.what {
        What::Scenarios(files) => return scenarios(files, output),
        What::Checks => checks(output)?,
        What::Faults => kinds("fault", faults::LISTED.iter().copied().flatten(), output)?,
        What::Ops => kinds("operation", ops::LISTED.iter(), output)?,
        What::Endpoints => endpoints(output)?,
    }
    Ok(Exit::Holds)
}

fn scenarios(files: &crate::arguments::Files, output: &mut Output) -> Result<Exit, Stop> {
    let selected = match select::load(files)? {
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

fn checks(output: &mut Output) -> Result<(), Stop> {
    let names = CHECKS.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for CheckName { name, kind } in CHECKS {
        let (judged, means) = (kind.word(), meaning(name));
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

fn endpoints(output: &mut Output) -> Result<(), Stop> {
    for (name, method, path) in ENDPOINTS {
        output.line(&format!("{name:<18}  {method:<4}  {path}"))?;
        output.object(&json!({
            "type": "endpoint", "endpoint": name, "method": method, "path": path
        }))?;
    }
    Ok(())
}
