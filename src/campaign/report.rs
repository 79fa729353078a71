//! `fedsim campaign report`: a page and a `JUnit` file about a campaign, and what it came to.

use std::fs;

use ::campaign::{
    Desk, Plan,
    summary::{self, Verdict},
};
use reports::{campaign, folder};

use super::{
    find::{self, Found, stop},
    follow, work,
};
use crate::{
    arguments::Which,
    exit::{Exit, Stop},
    interrupt,
    output::{Output, Tone},
};

/// The most kinds of failures that are explained.
const EXPLAINED: usize = 20;

/// Writes both.
pub(crate) fn report(which: &Which, output: &mut Output) -> Result<Exit, Stop> {
    let found = find::find(which)?;
    let (desk, plan) = found.desk()?;
    write(&found, &desk, &plan, output)
}

/// Writes both, and shows what it came to.
pub(super) fn write(
    found: &Found,
    desk: &Desk<'_>,
    plan: &Plan,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let picture = desk.picture().clone();
    let unwritable = |error: std::io::Error| {
        let folder = found.folder.display();
        Stop::because(Exit::Usage, format!("cannot write into {folder}: {error}"))
    };
    fs::create_dir_all(&found.folder).map_err(unwritable)?;
    fetch(found, &picture)?;
    let told = summary::told(&picture, plan, &found.named);
    let (page, junit) = (found.folder.join(campaign::PAGE), found.folder.join(campaign::JUNIT));
    folder::put(&page, campaign::page(&told).as_bytes()).map_err(unwritable)?;
    folder::put(&junit, campaign::junit(&told).as_bytes()).map_err(unwritable)?;
    work::mirror(found, &picture, plan);
    let (verdict, exit) = (summary::verdict(&picture), exit(&picture));
    let tone = tone(verdict);
    output.word(tone, told.status.word(), &told.sentence)?;
    let indent = " ".repeat(reports::line::INDENT);
    let canary = told
        .canary
        .as_ref()
        .map_or("No canary: none was asked for, or this build cannot plant one.", |it| &it.1);
    for fact in told.facts.iter().map(String::as_str).chain([canary]) {
        output.line(&format!("{indent}{fact}"))?;
    }
    for failure in told.failures.iter().take(EXPLAINED) {
        output.heading(Tone::Bad, "FAIL", &failure.check)?;
        let sentence = format!("{}.", failure.sentence);
        let story = if failure.story.is_empty() { vec![sentence] } else { failure.story.clone() };
        let seen = format!("Seen in {} runs, {}.", failure.runs, failure.found);
        for line in story.iter().chain([&seen, &failure.again]) {
            output.line(&format!("{indent}{line}"))?;
        }
    }
    for trouble in &told.troubles {
        output.heading(Tone::Bad, "TROUBLE", &trouble.name)?;
        output.line(&format!("{indent}{}", trouble.sentence))?;
        output.line(&format!("{indent}{}", trouble.again))?;
    }
    output.line(&format!("{indent}the page  {}", page.display()))?;
    let mut object = follow::object(&picture, plan);
    object["page"] = page.display().to_string().into();
    object["exit"] = exit.code().into();
    output.object(&object)?;
    Ok(exit)
}

/// Fetches the files of the findings, as far as they are not there.
fn fetch(found: &Found, picture: &::campaign::Picture) -> Result<(), Stop> {
    for name in summary::files(picture) {
        let path = found.folder.join(&name);
        if path.exists() {
            continue;
        }
        let Some(body) = found.queue.file(&name).map_err(|trouble| stop(&trouble))? else {
            continue;
        };
        let folder = path.parent().unwrap_or(&found.folder);
        let written = fs::create_dir_all(folder).and_then(|()| folder::put(&path, &body));
        written.map_err(|error| {
            Stop::because(Exit::Usage, format!("cannot write {}: {error}", path.display()))
        })?;
    }
    Ok(())
}

/// Returns how a verdict is shown.
pub(super) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Holds => Tone::Good,
        Verdict::Violated | Verdict::Differs => Tone::Bad,
        Verdict::Inconclusive => Tone::Doubtful,
    }
}

fn exit(picture: &::campaign::Picture) -> Exit {
    let exit = match summary::verdict(picture) {
        Verdict::Holds => Exit::Holds,
        Verdict::Violated => Exit::Violated,
        Verdict::Differs => Exit::Diverged,
        Verdict::Inconclusive => Exit::Inconclusive,
    };
    let is_cut_off = interrupt::is_set() && !picture.is_finished();
    if is_cut_off { exit.and(Exit::Interrupted) } else { exit }
}
