//! `fedsim completions` and `fedsim man`: the surface of the command for shells and manuals.

use std::fs;

use serde_json::json;

use crate::{
    arguments::{Completions, Man},
    exit::{Exit, Stop},
    output::{Output, Tone},
    program::Program,
};

/// Prints the script that has a shell complete the command.
pub(crate) fn completions(
    wanted: &Completions,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(wanted.shell, &mut program.surface(), program.name(), &mut script);
    output.bytes(&script)?;
    Ok(Exit::Holds)
}

/// Writes a page of the manual for the command and for each subcommand.
pub(crate) fn man(wanted: &Man, program: &Program, output: &mut Output) -> Result<Exit, Stop> {
    let folder = wanted.folder.display();
    let unwritable = |error| {
        Stop::because(Exit::Usage, format!("cannot write manual pages into {folder}: {error}"))
    };
    fs::create_dir_all(&wanted.folder).map_err(unwritable)?;
    let surface = program.surface().disable_help_subcommand(true);
    clap_mangen::generate_to(surface, &wanted.folder).map_err(unwritable)?;
    if !output.quiet {
        output.word(Tone::Good, "wrote", &format!("the manual pages in {folder}"))?;
    }
    output.object(&json!({ "type": "written", "file": folder.to_string() }))?;
    Ok(Exit::Holds)
}
