//! `fedsim explain`: a page about one thing that scenario files can name, or about all.

use reports::wrap;
use scenarios::language::reference::Key;
use serde_json::json;

use crate::{
    arguments::Explain,
    exit::{self, Exit, Stop},
    invocation,
    output::{Output, Tone},
    program::Program,
    reference::{self, Block, Topic},
};

/// What the exit codes are asked for by.
const EXIT_CODES: &str = "exit-codes";
/// How far what is said about a key is indented.
const INDENT: usize = 6;

/// Explains what was asked for.
pub(crate) fn explain(
    wanted: &Explain,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    if wanted.all {
        output.raw(&reference::page(program.vocabulary()))?;
        return Ok(Exit::Holds);
    }
    let asked = wanted.topic.as_deref().unwrap_or_default();
    if asked == EXIT_CODES || exit::is_code(asked) {
        output.line(exit::TABLE)?;
        return Ok(Exit::Holds);
    }
    let topics = reference::topics(program.vocabulary());
    let found: Vec<&Topic> = topics.iter().filter(|topic| is_meant(topic, asked)).collect();
    if found.is_empty() {
        return keys_called(asked, &topics, output);
    }
    for topic in found {
        show(topic, output)?;
    }
    Ok(Exit::Holds)
}

/// Returns whether a topic is what was asked for: a mistake also by its name alone.
fn is_meant(topic: &Topic, asked: &str) -> bool {
    topic.name == asked || topic.name.strip_prefix("scenario::") == Some(asked)
}

/// Returns the keys that a topic tells of, with their places.
fn keys_of(topic: &Topic) -> impl Iterator<Item = &(String, Key)> {
    topic.blocks.iter().flat_map(|block| match block {
        Block::Keys(keys) => keys.as_slice(),
        Block::Text(_) | Block::Example(_) => &[],
    })
}

/// Explains every key of that name, each with what it is a key of.
fn keys_called(asked: &str, topics: &[Topic], output: &mut Output) -> Result<Exit, Stop> {
    let mut is_known = false;
    for topic in topics {
        let meant = keys_of(topic).filter(|(place, key)| place == asked || key.key == asked);
        let meant: Vec<(String, Key)> = meant.cloned().collect();
        if !meant.is_empty() {
            is_known = true;
            output.title(Tone::Plain, asked, &format!("a key of {}", topic.name))?;
            show_keys(&meant, output)?;
            output.line("")?;
        }
    }
    if is_known { Ok(Exit::Holds) } else { Err(unknown(asked, topics)) }
}

fn unknown(asked: &str, topics: &[Topic]) -> Stop {
    let program = invocation::program();
    let keys = topics.iter().flat_map(keys_of);
    let near = topics.iter().map(|topic| topic.name.as_str()).chain(keys.map(|(_, key)| key.key));
    let near = scenarios::language::names::closest(asked, near);
    let help = match near {
        Some(near) => format!("did you mean `{program} explain {near}`?"),
        None => format!(
            "name a section, an operation, a fault, a check, an endpoint or a mistake: `{program} list \
             checks`, `{program} list faults` .. show them, and `{program} explain --all` explains all"
        ),
    };
    Stop::because(Exit::Usage, format!("there is nothing called `{asked}` to explain\n{help}"))
}

fn show(topic: &Topic, output: &mut Output) -> Result<(), Stop> {
    output.title(Tone::Plain, &topic.name, topic.sort.word())?;
    let mut texts = Vec::new();
    for block in &topic.blocks {
        match block {
            Block::Text(text) => {
                output.line("")?;
                for line in wrap(text, output.columns) {
                    output.line(&line)?;
                }
                texts.push(text.clone());
            }
            Block::Example(text) => {
                output.line("")?;
                for line in text.lines() {
                    output.line(&format!("    {line}"))?;
                }
                texts.push(text.clone());
            }
            Block::Keys(keys) => show_keys(keys, output)?,
        }
    }
    output.line("")?;
    output.object(&json!({
        "type": "topic", "name": topic.name, "sort": topic.sort.word(), "texts": texts,
    }))?;
    Ok(())
}

fn show_keys(keys: &[(String, Key)], output: &mut Output) -> Result<(), Stop> {
    for (place, key) in keys {
        let default = match key.default {
            None => "; required".to_owned(),
            Some("") => String::new(),
            Some(default) => format!("; without it: {default}"),
        };
        output.line("")?;
        let head = format!("  {place}  ({}{default})", key.value.words());
        let text = format!("{}, such as `{} = {}`.", key.means, key.key, key.example);
        for line in wrap(&head, output.columns - 2) {
            output.line(&format!("  {line}"))?;
        }
        for line in wrap(&text, output.columns - INDENT) {
            output.line(&format!("{}{line}", " ".repeat(INDENT)))?;
        }
    }
    Ok(())
}
