//! `fedsim campaign worker` and `resume`: works for a campaign until it is finished or stopped.

use std::{
    env, fs,
    hash::{BuildHasher as _, RandomState},
    process,
    sync::Mutex,
};

use ::campaign::{
    Desk, Key, Picture, Plan,
    block::Finding,
    now_ms, summary,
    worker::{Stuck, Worker},
};
use reports::progress::Progress;
use serde_json::json;

use super::{
    alone,
    find::{self, Found, stop},
    report,
};
use crate::{
    arguments::{Resume, Work},
    build,
    exit::{Exit, Stop},
    interrupt,
    output::{Output, Tone},
    program::Program,
    stopwatch::Stopwatch,
    threads,
};

/// The least time between two accounts of how far a campaign is, in milliseconds.
const MIRROR_MS: u64 = 2_000;

/// Works for the campaign that is meant.
pub(crate) fn worker(wanted: &Work, program: &Program, output: &mut Output) -> Result<Exit, Stop> {
    if wanted.build_id {
        output.line(build::id())?;
        output.object(&json!({ "type": "build", "id": build::id() }))?;
        return Ok(Exit::Holds);
    }
    let found = find::find(&wanted.which)?;
    let (desk, plan) = found.desk()?;
    if let Some(number) = wanted.alone {
        return alone::play(number, &desk, &plan, program, output);
    }
    work(&found, &desk, threads::count(wanted.jobs), program, output)
}

/// Has a campaign go on.
pub(crate) fn resume(
    wanted: &Resume,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let found = find::find(&wanted.which)?;
    let (desk, _plan) = found.desk()?;
    let state = desk.picture().resumed();
    desk.replace(&Key::State, &state).map_err(|trouble| stop(&trouble))?;
    work(&found, &desk, threads::count(wanted.jobs), program, output)
}

/// Works for a campaign, tells what is found meanwhile, and in the end what it came to.
pub(super) fn work(
    found: &Found,
    desk: &Desk<'_>,
    threads: usize,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let build = build::known()?;
    if let Some(note) = found.note {
        output.note(note)?;
    }
    desk.look().map_err(|trouble| stop(&trouble))?;
    let plan = desk.picture().plan.clone();
    let plan = plan.ok_or_else(|| Stop::because(Exit::Usage, "this campaign has no plan"))?;
    let runs = plan.own_runs().unwrap_or(0);
    let bar = output.begin_progress(usize::try_from(runs).unwrap_or(usize::MAX).max(2));
    if plan.own_runs().is_none() {
        bar.unset_length();
    }
    let mirrored = Stopwatch::start();
    let told = Telling { output, mirror: found, plan: &plan, mirrored, is_stale: true };
    let told = Mutex::new(told);
    let watch = |desk: &Desk<'_>, new: &[Key]| {
        if let Ok(mut told) = told.lock() {
            bar.set_position(told.tell(desk, new));
        }
    };
    let stuck: Stuck<'_> = &|trouble| {
        if let Ok(mut told) = told.lock() {
            let _told = told.output.refusal(&trouble.to_string());
        }
        process::exit(i32::from(Exit::Internal.code()));
    };
    let worker = Worker {
        desk,
        subject: program.subject(),
        name: name(),
        build: build.to_owned(),
        threads,
        stop: interrupt::flag(),
        watch: &watch,
        stuck,
    };
    let worked = worker.work();
    output.end_progress();
    worked.map_err(|trouble| stop(&trouble))?;
    desk.look().map_err(|trouble| stop(&trouble))?;
    if interrupt::is_set() && !desk.picture().is_finished() {
        let to = &found.named;
        output.note(&format!("`{} campaign resume {}` goes on", to.command, to.to))?;
    }
    report::write(found, desk, &plan, output)
}

/// Who is told of what is new, and where it is written down for `fedsim serve`.
struct Telling<'t> {
    output: &'t mut Output,
    mirror: &'t Found,
    plan: &'t Plan,
    /// When it was written down last.
    mirrored: Stopwatch,
    /// Whether something is new since.
    is_stale: bool,
}

/// What is told of a campaign, taken out of the picture of it, for which its threads wait.
struct News {
    found: Vec<String>,
    said: String,
    runs: u64,
    progress: Option<Progress>,
}

impl Telling<'_> {
    /// Returns how many runs there are.
    fn tell(&mut self, desk: &Desk<'_>, new: &[Key]) -> u64 {
        self.is_stale |= !new.is_empty();
        let is_due = self.is_stale && self.mirrored.elapsed_ms() >= MIRROR_MS;
        let news = self.news(&desk.picture(), new, is_due);
        for text in &news.found {
            // Whoever does not read any more is told no more; the campaign goes on.
            let _told = self.output.word(Tone::Bad, "Found", text);
        }
        self.output.progress_says(news.said);
        if let Some(progress) = news.progress {
            (self.mirrored, self.is_stale) = (Stopwatch::start(), false);
            write(self.mirror, &progress);
        }
        news.runs
    }

    fn news(&self, picture: &Picture, new: &[Key], is_due: bool) -> News {
        let finding = |key: &Key| match key {
            Key::Finding(hash) => picture.findings.get(hash),
            _ => None,
        };
        let found = new.iter().filter_map(finding);
        let text = |it: &Finding| format!("block {}: {}: {}", it.block, it.check, it.sentence);
        News {
            found: found.map(text).collect(),
            said: format!("{} situations, {} waiting", picture.situations.len(), picture.waiting()),
            runs: picture.runs(),
            progress: is_due.then(|| summary::progress(picture, self.plan, &self.mirror.named)),
        }
    }
}

/// Writes down how far a campaign is, where `fedsim serve` sees it. It shows, and nothing depends on
/// it.
pub(super) fn mirror(found: &Found, picture: &Picture, plan: &Plan) {
    write(found, &summary::progress(picture, plan, &found.named));
}

fn write(found: &Found, progress: &Progress) {
    let _made = fs::create_dir_all(&found.folder);
    let _written = reports::progress::write(&found.folder, progress);
}

/// The most characters that a name has of the host's.
const HOST: usize = 24;

/// Returns a name that no other process has: of the host and the process what people look for, and 64
/// random bits.
fn name() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| env::var("HOSTNAME").ok()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let host: Vec<char> = host.trim().chars().map(plain).collect();
    // Machines of one kind differ in the end of their names.
    let host: String = host[host.len().saturating_sub(HOST)..].iter().collect();
    let host = if host.is_empty() { "worker".to_owned() } else { host };
    let random = RandomState::new().hash_one(now_ms());
    format!("{host}-{}-{random:016x}", process::id())
}

#[cfg(test)]
mod tests {
    use ::campaign::key::is_name;

    use super::name;

    #[test]
    fn a_name_of_a_worker_is_one_of_a_key_and_no_other_workers() {
        let (one, other) = (name(), name());
        assert!(is_name(&one) && is_name(&other) && one != other, "{one} {other}");
    }
}
