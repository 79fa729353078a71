//! `fedsim judge`: judges kept journals again, with today's checks, and runs nothing.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use checks::{Record, Unjudged, record::Verdict};
use explore::trial::caught;
use journal::kept;
use reports::{folder, json, line};
use serde_json::json;

use crate::{
    arguments::Judge,
    exit::{Exit, Stop},
    output::Output,
    program::Program,
    trial,
};

/// Judges every journal that was named; the worst verdict is the exit code.
pub(crate) fn judge(wanted: &Judge, program: &Program, output: &mut Output) -> Result<Exit, Stop> {
    let mut exit = Exit::Holds;
    for named in &wanted.journals {
        exit = exit.and(match one(named, wanted.lenient, program, output) {
            // The others are judged all the same.
            Err(Stop::Because(why, message)) => {
                output.refusal(&message)?;
                why
            }
            judged => judged?,
        });
    }
    Ok(exit)
}

fn one(named: &Path, lenient: bool, program: &Program, output: &mut Output) -> Result<Exit, Stop> {
    let path = journal_of(named)?;
    match judged(&path, program)? {
        Ok(record) => tell(&path, &record, lenient, output),
        Err(Unjudged::Scenario(mistakes)) => {
            output.mistakes(&[mistakes])?;
            Ok(Exit::Usage)
        }
        Err(other) => Err(refused(&path, &other)),
    }
}

/// Returns the journal that is meant by a file, a run's folder, or its record.
fn journal_of(named: &Path) -> Result<PathBuf, Stop> {
    let is_record = named.file_name().is_some_and(|name| name == folder::RECORD);
    let beside = if named.is_dir() {
        named.join(folder::JOURNAL)
    } else if is_record {
        named.with_file_name(folder::JOURNAL)
    } else {
        return Ok(named.to_owned());
    };
    if beside.exists() {
        return Ok(beside);
    }
    let message = format!(
        "{} has no journal: {} is not there\nrun it with `--journal always`",
        named.display(),
        beside.display()
    );
    Err(Stop::because(Exit::Usage, message))
}

fn judged(path: &Path, program: &Program) -> Result<Result<Record, Unjudged>, Stop> {
    let file = File::open(path).map_err(|error| refused(path, &error))?;
    let kept = kept::read(file).map_err(|malformed| refused(path, &malformed))?;
    let shown = path.display().to_string();
    let judged = caught(|| checks::rejudged(program.promises(), &shown, kept));
    let judged = judged.map_err(|why| Stop::because(Exit::Internal, format!("{shown}: {why}")))?;
    Ok(judged.map(|run| run.record))
}

fn refused(path: &Path, why: &dyn std::fmt::Display) -> Stop {
    let help = "name a journal that `fedsim run --journal` kept, or its folder; docs/journal.md \
                describes the format";
    Stop::because(Exit::Usage, format!("cannot judge {}: {why}\n{help}", path.display()))
}

fn tell(path: &Path, record: &Record, lenient: bool, output: &mut Output) -> Result<Exit, Stop> {
    let weaknesses = record.weaknesses();
    let status = line::Status::of(record, &weaknesses);
    let name = format!("{}  (seed {})", record.scenario.name, record.seed);
    output.word(status.into(), status.word(), &name)?;
    let sentence = line::sentence(record).into_iter().chain(verdict_then(path, record));
    for said in sentence.chain(weaknesses.iter().cloned()) {
        output.line(&format!("{}{said}", " ".repeat(line::INDENT)))?;
    }
    output.object(&json!({
        "type": "judgment",
        "journal": path.display().to_string(),
        "scenario": record.scenario.name,
        "seed": record.seed,
        "verdict": record.verdict,
        "sentence": line::sentence(record),
        "weaknesses": weaknesses,
        "log_hash": record.log_hash,
    }))?;
    let is_weak = status == line::Status::Warn;
    Ok(if is_weak && !lenient { Exit::Inconclusive } else { trial::exit_of(record) })
}

/// Says what the run's own record says, if there is one next to the journal and it says something
/// else.
fn verdict_then(path: &Path, record: &Record) -> Option<String> {
    let text = fs::read_to_string(path.with_file_name(folder::RECORD)).ok()?;
    let then = json::parse(&text).ok()?;
    if then.log_hash != record.log_hash {
        return Some("the record next to it is of another run".to_owned());
    }
    let word = |verdict| match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Unknown => "unknown",
    };
    let (before, now) = (word(then.verdict), word(record.verdict));
    if then.verdict != record.verdict {
        let both = format!("{before} then, {now} with today's checks");
        return Some(format!("judged otherwise when it was run: {both}"));
    }
    let reason = then.sentence.filter(|then| Some(then) != record.sentence.as_ref())?;
    Some(format!("judged {before} for another reason when it was run: {reason}"))
}
