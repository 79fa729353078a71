//! Each scenario of the regressions and of the library is a test of its own name, with its report as
//! a snapshot; and its journal, kept and read back, gives the same record.

use std::path::{Path, PathBuf};

use checks::{HOMESERVERS, Run, record::Verdict};
use journal::kept;
use libtest_mimic::{Arguments, Failed, Trial};
use runs::Options;
use scenarios::language;

fn main() {
    let arguments = Arguments::from_args();
    let trials = files().into_iter().map(|path| {
        let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
        Trial::test(name.clone(), move || check(&name, &path))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// Returns the scenario files of the regressions, which come first because they broke before, and
/// then those of the library, each in order of name.
fn files() -> Vec<PathBuf> {
    let (mut files, library) = (files_in("regressions"), files_in("library"));
    assert!(!files.is_empty() && library.len() >= 20, "the scenarios are not there");
    files.extend(library);
    files
}

fn files_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(folder);
    let entries = std::fs::read_dir(folder).expect("it can be listed");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

/// Runs the scenario with the seed in its file. It must pass, without an inert fault and without a
/// vacuous check; its report must be the one that was reviewed; and its journal, kept and read
/// back, must give the same record.
fn check(name: &str, path: &Path) -> Result<(), Failed> {
    let shown = Path::new("scenarios")
        .join(path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"))?);
    let text = std::fs::read_to_string(path)?;
    let scenario = language::parse(&shown.display().to_string(), &text)
        .map_err(|mistakes| Failed::from(mistakes.render(false)))?;
    let run = runs::run(&scenario, scenario.seed, &Options::default());
    judged_again(&run)?;
    let record = run.record;
    let report = reports::text::render(&record);
    insta::with_settings!({
        omit_expression => true,
        prepend_module_to_snapshot => false,
        description => scenario.about.clone(),
    }, {
        insta::assert_snapshot!(name, report);
    });
    if record.verdict != Verdict::Pass {
        return Err(format!("{:?}\n\n{report}", record.verdict).into());
    }
    match record.weaknesses() {
        weaknesses if weaknesses.is_empty() => Ok(()),
        weaknesses => Err(format!("{}\n\n{report}", weaknesses.join("\n")).into()),
    }
}

/// Keeps the journal of a run, reads it back, and judges it, knowing nothing else about the run.
fn judged_again(run: &Run) -> Result<(), Failed> {
    let mut file = Vec::new();
    kept::write(&mut file, &checks::header(&run.record), &run.recording)?;
    let kept = kept::read(&file[..])?;
    let again = checks::rejudged(&HOMESERVERS, "kept", kept).map_err(|why| why.to_string())?;
    let texts = [&run.record, &again.record].map(reports::json::render);
    let (now, then) = (texts[0].lines(), texts[1].lines());
    match now.zip(then).find(|(now, then)| now != then) {
        None if texts[0] == texts[1] => Ok(()),
        None => Err("judged again, the record has another length".into()),
        Some((now, then)) => Err(format!("judged again: {then}\n   when it ran: {now}").into()),
    }
}
