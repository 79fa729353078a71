//! `fedsim check`: reads scenario files and names every mistake, without running them.

use serde_json::json;

use crate::{
    arguments::Check,
    exit::{Exit, Stop},
    output::{Output, Tone},
    program::Program,
    select,
};

/// Reads what was asked for.
pub(crate) fn check(wanted: &Check, program: &Program, output: &mut Output) -> Result<Exit, Stop> {
    let selected = match select::load(&wanted.files, program)? {
        Ok(selected) => selected,
        Err(mistakes) => {
            output.mistakes(&mistakes)?;
            return Ok(Exit::Usage);
        }
    };
    for one in &selected {
        let (name, path) = (&one.scenario.name, one.path.display());
        if !output.quiet {
            output.word(Tone::Good, "ok", &format!("{path}"))?;
        }
        output.object(&json!({ "type": "checked", "scenario": name, "file": path.to_string() }))?;
    }
    Ok(Exit::Holds)
}
