//! Scenarios as tests: of each file of a folder one test with its report as a snapshot
//! ([`crate::scenario_tests`]), or of one text a test by hand ([`passes`]).

use std::{
    fs,
    path::{Path, PathBuf},
};

use checks::{Record, Run, record::Verdict};
use journal::kept;
use runs::{Federation, Options};
use scenarios::language;

use crate::Program;

/// Makes the `main` of a test that has one case for each scenario file: of folders, or single ones,
/// named as seen from the folder of `Cargo.toml`. The first argument makes the federation, as that
/// of [`crate::cli`] does.
///
/// Each case runs the scenario with the seed in its file. It passes if the scenario does, without
/// an inert fault and without a vacuous check; if its report is the snapshot that was reviewed; and
/// if its journal, kept and read back, gives the same record.
///
/// The test needs `harness = false` in `Cargo.toml`, and the crates `insta` and `libtest-mimic`
/// among the dev-dependencies.
#[macro_export]
macro_rules! scenario_tests {
    ($found:expr, $($path:literal),+ $(,)?) => {
        fn main() {
            let arguments = ::libtest_mimic::Arguments::from_args();
            let files = $crate::testing::files(env!("CARGO_MANIFEST_DIR"), &[$($path),+]);
            let trials = files.into_iter().map(|file| {
                let name = $crate::testing::name_of(&file);
                ::libtest_mimic::Trial::test(name.clone(), move || {
                    let tested = $crate::testing::tested($found, &file)?;
                    ::insta::with_settings!({
                        omit_expression => true,
                        prepend_module_to_snapshot => false,
                        description => tested.about(),
                    }, {
                        ::insta::assert_snapshot!(name, tested.report());
                    });
                    Ok(tested.passes()?)
                })
            });
            ::libtest_mimic::run(&arguments, trials.collect()).exit();
        }
    };
}

/// Runs a scenario with its own seed, as a test.
///
/// # Panics
/// The scenario has a mistake, or it does not pass. The message says why: every mistake with its
/// place, or the report.
pub fn passes<F: Federation>(found: impl Fn() -> F + Send + Sync + 'static, text: &str) {
    let program = Program::new(found);
    let scenario = language::parse_in(program.vocabulary(), "the scenario", text);
    let scenario = scenario.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let run = program.run(&scenario, scenario.seed, &Options::default());
    if let Err(why) = (Tested { record: run.record }).passes() {
        panic!("{why}");
    }
}

/// Returns the scenario files at these paths below `root`, each folder in the order of its names.
///
/// # Panics
/// There is no file, or a folder cannot be read.
pub fn files(root: &str, paths: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths.iter().map(|path| Path::new(root).join(path)) {
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        let entries = fs::read_dir(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut found: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        found.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        found.sort();
        files.extend(found);
    }
    assert!(!files.is_empty(), "there is no scenario file in {paths:?}");
    files
}

/// Returns the name of a scenario file without its folder and `.toml`, after which its test is
/// called.
pub fn name_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A scenario that was run as a test.
#[derive(Debug)]
pub struct Tested {
    record: Record,
}

/// Runs the scenario in `file` with its own seed.
///
/// # Errors
/// It has mistakes, or its journal, kept and read back, gives another record. The error says so in
/// full.
pub fn tested<F: Federation>(
    found: impl Fn() -> F + Send + Sync + 'static,
    file: &Path,
) -> Result<Tested, String> {
    let program = Program::new(found);
    let scenario = language::load_in(program.vocabulary(), file);
    let scenario = scenario.map_err(|mistakes| mistakes.render(false))?;
    let run = program.run(&scenario, scenario.seed, &Options::default());
    judged_again(&program, &run)?;
    Ok(Tested { record: run.record })
}

impl Tested {
    /// Returns what the scenario shows.
    pub fn about(&self) -> &str {
        &self.record.scenario.about
    }

    /// Returns the report, which is the snapshot.
    pub fn report(&self) -> String {
        reports::text::render(&self.record)
    }

    /// Checks that the run is a pass that leaves nothing open.
    ///
    /// # Errors
    /// It is not; the error says why, and shows the report.
    pub fn passes(&self) -> Result<(), String> {
        let sentence = reports::line::sentence(&self.record);
        let weaknesses = self.record.weaknesses();
        match (self.record.verdict, weaknesses.is_empty()) {
            (Verdict::Pass, true) => Ok(()),
            (Verdict::Pass, false) => {
                Err(format!("{}\n\n{}", weaknesses.join("\n"), self.report()))
            }
            _ => Err(format!("{}\n\n{}", sentence.unwrap_or_default(), self.report())),
        }
    }
}

/// Keeps the journal of a run, reads it back, and judges it, knowing nothing else about the run.
fn judged_again(program: &Program, run: &Run) -> Result<(), String> {
    let mut file = Vec::new();
    let header = checks::header(&run.record);
    kept::write(&mut file, &header, &run.recording).map_err(|error| error.to_string())?;
    let kept = kept::read(&file[..]).map_err(|error| error.to_string())?;
    let again = checks::rejudged(program.promises(), "kept", kept);
    let again = again.map_err(|why| why.to_string())?;
    let texts = [&run.record, &again.record].map(reports::json::render);
    let (now, then) = (texts[0].lines(), texts[1].lines());
    match now.zip(then).find(|(now, then)| now != then) {
        None if texts[0] == texts[1] => Ok(()),
        None => Err("judged again, the record has another length".to_owned()),
        Some((now, then)) => Err(format!("judged again: {then}\n   when it ran: {now}")),
    }
}
