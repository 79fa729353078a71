//! Which scenarios are meant: files, folders, filters.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use scenarios::{
    Scenario,
    language::{self, Mistakes},
};

use crate::{
    arguments::Files,
    exit::{Exit, Stop},
    invocation,
    program::Program,
};

/// Where scenarios are read from if no file is named: what broke before comes first.
const FOLDERS: [&str; 2] = ["scenarios/regressions", "scenarios/library"];
/// How deep folders are searched.
const DEPTH: usize = 16;

/// One scenario, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    /// The file, as it was named.
    pub(crate) path: PathBuf,
    /// The scenario in it.
    pub(crate) scenario: Scenario,
    /// Its text; empty if it comes from elsewhere.
    pub(crate) text: String,
}

impl Selected {
    /// Returns the same file under another seed, from which a generated world is drawn anew.
    pub(crate) fn seeded(&self, seed: u64, program: &Program) -> Cow<'_, Self> {
        if seed == self.scenario.seed || self.text.is_empty() {
            return Cow::Borrowed(self);
        }
        let again = language::parse_seeded_in(program.vocabulary(), "", &self.text, seed);
        // What is valid under its own seed is so under another one.
        let scenario = again.unwrap_or_else(|_| self.scenario.clone());
        Cow::Owned(Self { path: self.path.clone(), scenario, text: self.text.clone() })
    }
}

/// The scenarios of all files, or the mistakes of all files.
pub(crate) type Loaded = Result<Vec<Selected>, Vec<Mistakes>>;

/// Reads every file that is meant, and returns the scenarios that pass the filters.
pub(crate) fn load(files: &Files, program: &Program) -> Result<Loaded, Stop> {
    let mut scenarios = Vec::new();
    let mut mistakes = Vec::new();
    for path in paths(&files.paths)? {
        match one(&path, program) {
            Ok(selected) => scenarios.push(selected),
            Err(wrong) => mistakes.push(wrong),
        }
    }
    if !mistakes.is_empty() {
        return Ok(Err(mistakes));
    }
    scenarios.retain(|selected| passes(&selected.scenario, &files.filter));
    if scenarios.is_empty() {
        let message = format!(
            "no scenario passes the filter\n`{} list scenarios` shows all names",
            invocation::program()
        );
        return Err(Stop::because(Exit::NothingSelected, message));
    }
    distinct(&scenarios)?;
    Ok(Ok(scenarios))
}

/// Reads one file.
pub(crate) fn one(path: &Path, program: &Program) -> Result<Selected, Mistakes> {
    let text = language::text_of(path)?;
    let scenario = language::parse_in(program.vocabulary(), &path.display().to_string(), &text)?;
    Ok(Selected { path: path.to_owned(), scenario, text })
}

/// Returns all files, each once; those of a folder are in the order of their names.
fn paths(named: &[PathBuf]) -> Result<Vec<PathBuf>, Stop> {
    let usual: Vec<PathBuf> =
        FOLDERS.iter().map(PathBuf::from).filter(|folder| folder.is_dir()).collect();
    if named.is_empty() && usual.is_empty() {
        let [regressions, library] = FOLDERS;
        let message = format!(
            "no file is named, and there is no folder {regressions} or {library} here\n\
             name files or folders"
        );
        return Err(Stop::because(Exit::NothingSelected, message));
    }
    let named = if named.is_empty() { &usual } else { named };
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() {
            beneath(path, DEPTH, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    let mut met = BTreeSet::new();
    files.retain(|file| met.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    if files.is_empty() {
        let message = "there is no `*.toml` file in what was named";
        return Err(Stop::because(Exit::NothingSelected, message));
    }
    Ok(files)
}

fn beneath(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Stop> {
    let unreadable = |error: std::io::Error| {
        Stop::because(Exit::Usage, format!("cannot read the folder {}: {error}", folder.display()))
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?.path());
    }
    entries.sort();
    for entry in entries {
        if entry.is_dir() && depth > 0 {
            beneath(&entry, depth - 1, files)?;
        } else if entry.extension().is_some_and(|extension| extension == "toml") {
            files.push(entry);
        }
    }
    Ok(())
}

/// Refuses two scenarios of the same name, because a run's folder is named after its scenario.
fn distinct(scenarios: &[Selected]) -> Result<(), Stop> {
    let mut names: BTreeMap<&str, &Path> = BTreeMap::new();
    for Selected { path, scenario, .. } in scenarios {
        if let Some(other) = names.insert(&scenario.name, path) {
            let (name, other, path) = (&scenario.name, other.display(), path.display());
            let message =
                format!("two scenarios are called `{name}`: {other} and {path}\nrename one");
            return Err(Stop::because(Exit::Usage, message));
        }
    }
    Ok(())
}

fn passes(scenario: &Scenario, filters: &[String]) -> bool {
    let passes = |filter: &String| match filter.strip_prefix("tag:") {
        Some(tag) => scenario.tags.iter().any(|known| known == tag),
        None => glob(filter.as_bytes(), scenario.name.as_bytes()),
    };
    filters.is_empty() || filters.iter().any(passes)
}

/// Returns whether the whole name matches: `*` is any text, `?` any one character, anything else
/// itself.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    // Where the last `*` is, and how much of the name it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    let (mut at, mut read) = (0, 0);
    while read < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(c) if *c == b'?' || *c == name[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((position, taken)) = star else { return false };
                star = Some((position, taken + 1));
                at = position + 1;
                read = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_the_whole_name() {
        let glob = |pattern: &str, name: &str| glob(pattern.as_bytes(), name.as_bytes());
        assert!(glob("m1-*", "m1-all-up"));
        assert!(glob("*up", "m1-all-up-up"));
        assert!(glob("m?-*-up*", "m1-all-up"));
        assert!(!glob("m1", "m1-all-up"));
        assert!(!glob("*down", "m1-all-up"));
    }
}
