//! How far a search is, and the scenarios that it wrote.

use std::{
    fs::File,
    io::Read,
    path::Path,
    time::{Duration, SystemTime},
};

use reports::progress::{self, Progress, State};
use serde::Serialize;

use crate::{
    answer::Problem,
    folder::{Folder, Place, Stamp},
};

/// The most bytes of a scenario that are shown.
const LARGEST_SCENARIO: u64 = 256 << 10;
/// How long a search may say nothing until it is doubted that it goes on.
const SILENCE: Duration = Duration::from_secs(15);

/// A search, at a glance.
#[derive(Debug, Serialize)]
pub(crate) struct Glance {
    /// The file that tells of it.
    file: String,
    written_ms: u64,
    state: State,
    doubt: Option<String>,
    is_silent: bool,
    runs: u64,
    failed: u64,
    kinds: u64,
    situations: u64,
    scenarios: usize,
}

/// A search.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    file: String,
    /// Its folder, as it is named for people.
    folder: String,
    /// The same, seen from the folder that is shown.
    way: String,
    is_silent: bool,
    #[serde(flatten)]
    progress: Progress,
}

/// The text of a scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Text {
    file: String,
    text: String,
}

/// Returns a search at a glance.
pub(crate) fn glance(folder: &Folder, place: &Place) -> Result<Glance, Problem> {
    let progress = read(folder, &place.way)?;
    Ok(Glance {
        file: place.way.clone(),
        written_ms: place.written.at_ms,
        state: progress.state,
        is_silent: is_silent(place.written, progress.state),
        runs: progress.runs(),
        failed: progress.failed,
        kinds: progress.kinds,
        situations: progress.situations,
        scenarios: progress.campaign.scenarios.len(),
        doubt: progress.doubt,
    })
}

/// Returns how far a search is.
pub(crate) fn of(folder: &Folder, way: &str) -> Result<Told, Problem> {
    let progress = read(folder, way)?;
    let written = folder.inside(way)?.metadata().map(|it| Stamp::of(&it)).unwrap_or_default();
    let above = way.rsplit_once('/').map_or("", |(above, _)| above);
    Ok(Told {
        file: way.to_owned(),
        folder: folder.shown(above).display().to_string(),
        way: above.to_owned(),
        is_silent: is_silent(written, progress.state),
        progress,
    })
}

/// Returns the text of a scenario below the folder that is shown.
pub(crate) fn scenario(folder: &Folder, way: &str) -> Result<Text, Problem> {
    let path = folder.inside(way)?;
    let shown = folder.shown(way);
    let remedy = "Name a scenario that `fedsim explore` wrote.";
    if path.extension().is_none_or(|it| it != "toml") {
        return Err(Problem::unreadable(&shown, &"it is no scenario", remedy));
    }
    let unreadable = |why: &dyn std::fmt::Display| Problem::unreadable(&shown, why, remedy);
    let mut text = String::new();
    let file = File::open(path).map_err(|why| unreadable(&why))?;
    file.take(LARGEST_SCENARIO).read_to_string(&mut text).map_err(|why| unreadable(&why))?;
    Ok(Text { file: shown.display().to_string(), text })
}

fn read(folder: &Folder, way: &str) -> Result<Progress, Problem> {
    let path = folder.inside(way)?;
    let is_named_so =
        Path::new(way).file_name().and_then(|it| it.to_str()).is_some_and(progress::is_file);
    if !is_named_so {
        return Err(Problem::missing(format!("{way} does not tell of a search")));
    }
    let remedy = "Begin the search again, and it is written anew.";
    progress::read(&path).map_err(|why| Problem::unreadable(&folder.shown(way), &why, remedy))
}

fn is_silent(written: Stamp, state: State) -> bool {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let since = now.saturating_sub(Duration::from_millis(written.at_ms));
    state != State::Finished && since > SILENCE
}
