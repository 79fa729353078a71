//! The scenario language: from TOML to [`Scenario`] and back, with all mistakes of a file at once.
//!
//! Reading takes three steps. The `toml` crate makes a document with spans. `read` takes it apart
//! key by key, notes what is unknown, missing or of the wrong type, and goes on with a default.
//! `meaning` then looks at the scenario as a whole (names that refer to nothing, times after the
//! limit); a scenario from the builder has to pass it too.
//!
//! Kinds (of operations, faults, triggers) are optional keys of which exactly one is given, not a
//! `kind = ".."` tag, so that every mistake has a place.

pub mod faults;
pub mod generate;
mod meaning;
mod mistake;
pub mod names;
pub mod ops;
mod places;
mod read;
mod reader;
mod render;
mod table;
mod write;

use std::{
    fs,
    path::{Path, PathBuf},
};

use toml::de::DeTable;

pub use self::mistake::{Code, MOST_MISTAKES, MistakeRecord, Mistakes};
use self::{mistake::Mistake, places::Places, reader::Reader};
use crate::{
    scenario::Scenario,
    vocabulary::{HOMESERVERS, Vocabulary},
};

/// The largest scenario file, in bytes.
pub const LARGEST_FILE: usize = 4 * 1024 * 1024;

/// Reads a scenario on homeservers and relays. `path_shown` is the file's name in mistakes.
pub fn parse(path_shown: &str, text: &str) -> Result<Scenario, Mistakes> {
    parse_in(&HOMESERVERS, path_shown, text)
}

/// Reads a scenario on the federation that has this vocabulary.
pub fn parse_in(
    vocabulary: &'static Vocabulary,
    path_shown: &str,
    text: &str,
) -> Result<Scenario, Mistakes> {
    read_in(vocabulary, path_shown, text, None)
}

/// Reads a scenario on homeservers and relays as if its file gave this seed: what a `[generate]`
/// table stands for is drawn from it.
pub fn parse_seeded(path_shown: &str, text: &str, seed: u64) -> Result<Scenario, Mistakes> {
    parse_seeded_in(&HOMESERVERS, path_shown, text, seed)
}

/// Does the same on the federation that has this vocabulary.
pub fn parse_seeded_in(
    vocabulary: &'static Vocabulary,
    path_shown: &str,
    text: &str,
    seed: u64,
) -> Result<Scenario, Mistakes> {
    read_in(vocabulary, path_shown, text, Some(seed))
}

fn read_in(
    vocabulary: &'static Vocabulary,
    path_shown: &str,
    text: &str,
    seed: Option<u64>,
) -> Result<Scenario, Mistakes> {
    if text.len() > LARGEST_FILE {
        let message = format!(
            "this scenario has {} bytes, and {LARGEST_FILE} at most are allowed",
            text.len()
        );
        let mistake = Mistake::new(Code::Unreadable, message)
            .help("let [generate] stand for what repeats, or split the scenario");
        return Err(Mistakes::new(path_shown, "", vec![mistake]));
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::default();
    let readable = syntax(text, &errors, &mut reader.mistakes);
    if !readable {
        return Err(Mistakes::new(path_shown, text, reader.mistakes));
    }
    let scenario = read::scenario(document.get_ref(), seed, &mut reader);
    let Reader { mut mistakes, places, .. } = reader;
    mistakes.extend(meaning::mistakes(vocabulary, &scenario, &places));
    if mistakes.is_empty() {
        Ok(in_order(scenario))
    } else {
        Err(Mistakes::new(path_shown, text, mistakes))
    }
}

/// Reads a scenario file on homeservers and relays.
pub fn load(path: &Path) -> Result<Scenario, Mistakes> {
    load_in(&HOMESERVERS, path)
}

/// Reads a scenario file on the federation that has this vocabulary.
pub fn load_in(vocabulary: &'static Vocabulary, path: &Path) -> Result<Scenario, Mistakes> {
    parse_in(vocabulary, &path.display().to_string(), &text_of(path)?)
}

/// Reads the text of a scenario file.
pub fn text_of(path: &Path) -> Result<String, Mistakes> {
    fs::read_to_string(path).map_err(|e| Mistakes::unreadable(path, &e.to_string()))
}

/// A file in a folder, and the result of reading it.
pub type Loaded = (PathBuf, Result<Scenario, Mistakes>);

/// Reads every `*.toml` file in a folder, on homeservers and relays, in the order of their names,
/// and ignores folders in it.
pub fn load_folder(folder: &Path) -> Result<Vec<Loaded>, Mistakes> {
    load_folder_in(&HOMESERVERS, folder)
}

/// Does the same on the federation that has this vocabulary.
pub fn load_folder_in(
    vocabulary: &'static Vocabulary,
    folder: &Path,
) -> Result<Vec<Loaded>, Mistakes> {
    let unreadable = |e: std::io::Error| Mistakes::unreadable(folder, &e.to_string());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths.into_iter().map(|path| (path.clone(), load_in(vocabulary, &path))).collect())
}

/// Returns the canonical text, from which [`parse`] gives the same scenario back. A scenario that
/// was generated is written out in full.
pub fn to_toml(scenario: &Scenario) -> String {
    write::scenario(scenario)
}

/// Checks a scenario that was not read from a text, and returns it with its operations in order of
/// time.
pub fn check_in(vocabulary: &'static Vocabulary, scenario: Scenario) -> Result<Scenario, Mistakes> {
    let mistakes = meaning::mistakes(vocabulary, &scenario, &Places::default());
    if mistakes.is_empty() { Ok(in_order(scenario)) } else { Err(Mistakes::new("", "", mistakes)) }
}

/// Sorts the operations by time; those at the same time stay in the order in which they were
/// written.
fn in_order(mut scenario: Scenario) -> Scenario {
    scenario.ops.sort_by_key(|op| op.at);
    scenario
}

/// Notes what is not TOML, and returns whether the rest can be read for more mistakes.
fn syntax(text: &str, errors: &[toml::de::Error], mistakes: &mut Vec<Mistake>) -> bool {
    /// The `toml` crate's words for a key that is given twice, which leaves the document whole.
    const TWICE: &str = "duplicate key";
    let mut lines = Vec::new();
    for error in errors.iter().take(MOST_MISTAKES) {
        let span = error.span().unwrap_or(0..0);
        let line = text.get(..span.start).map_or(0, |before| before.matches('\n').count());
        // Further errors on the same line mostly follow from the first one.
        if lines.contains(&line) {
            continue;
        }
        lines.push(line);
        let mistake = if error.message() == TWICE {
            let key = text.get(span.clone()).unwrap_or_default();
            Mistake::new(Code::DuplicateName, format!("`{key}` is given twice"))
                .label("given again here")
                .help("remove or rename one of them")
        } else {
            Mistake::new(Code::Syntax, error.message()).label("not valid TOML from here on")
        };
        mistakes.push(mistake.spanning("", span));
    }
    errors.iter().all(|error| error.message() == TWICE)
}
