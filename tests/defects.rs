//! Each known defect can be planted and makes a difference: some run of the library, or of the
//! scenarios in `tests/scenarios/defects`, is another one with it. Whether a check sees that is
//! what `docs/defects.md` tells; this only shows that no switch is dead.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{LazyLock, OnceLock},
};

use defects::Defect;
use libtest_mimic::{Arguments, Failed, Trial};
use runs::Options;
use scenarios::{Scenario, language};

/// What no scenario reaches, and why not.
const NOT_REACHED: &[(Defect, &str)] = &[];

/// Much larger than all others, and reaches nothing that they do not.
const LARGE: &[&str] = &["hundred-backends"];

fn main() {
    let arguments = Arguments::from_args();
    let trials = Defect::ALL.iter().map(|defect| {
        let defect = *defect;
        Trial::test(defect.name(), move || changes_a_run(defect))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn changes_a_run(defect: Defect) -> Result<(), Failed> {
    let excuse = NOT_REACHED.iter().find(|(excused, _)| *excused == defect);
    let changed = SCENARIOS.iter().find(|played| played.changes_with(defect));
    match (changed, excuse) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        (None, None) => Err("no scenario reaches it".into()),
        (Some(played), Some((_, why))) => {
            Err(format!("{} reaches it, though {why}", played.scenario.name).into())
        }
    }
}

/// A scenario, and the hash of the journal of its run without any defect, once that was made.
struct Played {
    scenario: Scenario,
    sound: OnceLock<String>,
}

impl Played {
    fn changes_with(&self, defect: Defect) -> bool {
        let sound = self.sound.get_or_init(|| journal(&self.scenario, None));
        *sound != journal(&self.scenario, Some(defect))
    }
}

fn journal(scenario: &Scenario, defect: Option<Defect>) -> String {
    let options = Options { defect, ..Options::default() };
    runs::simulate(scenario, scenario.seed, &options).recording.journal.hash()
}

/// One with everything in it, the small ones that are made for a defect, and then the library.
static SCENARIOS: LazyLock<Vec<Played>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests/scenarios", "tests/scenarios/defects", "scenarios/library"];
    let files = folders.iter().flat_map(|folder| files(&root.join(folder)));
    let scenarios = files.map(|path| read(&path));
    let small = scenarios.filter(|scenario| !LARGE.contains(&&*scenario.name));
    small.map(|scenario| Played { scenario, sound: OnceLock::new() }).collect()
});

/// Returns the scenario files of a folder, in order of name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> Scenario {
    let text = fs::read_to_string(path).expect("it can be read");
    language::parse(&path.display().to_string(), &text)
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)))
}
