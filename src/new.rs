//! `fedsim new`: writes a scenario to begin with.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use reports::shell;
use scenarios::language::names::{LONGEST_SCENARIO_NAME, is_name};
use serde_json::json;

use crate::{
    arguments::New,
    exit::{Exit, Stop},
    invocation,
    output::{Output, Tone},
    program::Program,
};

/// What a federation begins with whose users converse: a conversation over two backends that are cut
/// off from each other in the middle of a message.
const CONVERSATION: &str = include_str!("new/conversation.toml");
/// What any other federation begins with.
const BACKENDS: &str = include_str!("new/backends.toml");

/// Writes it, unless there is such a file.
pub(crate) fn new(wanted: &New, program: &Program, output: &mut Output) -> Result<Exit, Stop> {
    let name = &wanted.name;
    if !is_name(name, LONGEST_SCENARIO_NAME) {
        let message = format!(
            "a scenario cannot be called `{name}`\nwrite lower-case letters, digits and hyphens, such \
             as `b-is-away`"
        );
        return Err(Stop::because(Exit::Usage, message));
    }
    let template = if program.vocabulary().converses { CONVERSATION } else { BACKENDS };
    let command = invocation::program();
    let text =
        template.replace("NAME", name).replace("fedsim explain", &format!("{command} explain"));
    let path = wanted.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.toml")));
    if path == Path::new("-") {
        output.raw(&text)?;
        return Ok(Exit::Holds);
    }
    write(&path, &text)?;
    output.word(Tone::Good, "wrote", &path.display().to_string())?;
    if !output.quiet {
        output.line(&format!("    run it with   {command} run {}", shell::word(&path)))?;
    }
    output.object(&json!({ "type": "written", "file": path.display().to_string() }))?;
    Ok(Exit::Holds)
}

fn write(path: &Path, text: &str) -> Result<(), Stop> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        let help = match error.kind() {
            ErrorKind::AlreadyExists => "name another with --output, or remove it",
            _ => "name another with --output",
        };
        Stop::because(Exit::Usage, format!("cannot write {}: {error}\n{help}", path.display()))
    })
}
