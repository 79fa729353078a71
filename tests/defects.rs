//! Each known defect can be planted and makes a difference: some run of the library is another one
//! with it. Whether a check sees that is what `docs/defects.md` tells; this only shows that no
//! switch is dead.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{LazyLock, OnceLock},
};

use defects::Defect;
use libtest_mimic::{Arguments, Failed, Trial};
use runs::Options;
use scenarios::{Scenario, language};

/// What no scenario of the library reaches, and why not.
const NOT_REACHED: &[(Defect, &str)] = &[];

/// Much larger than all others, and reaches nothing that they do not.
const LARGE: &[&str] = &["hundred-backends"];

fn main() {
    let arguments = Arguments::from_args();
    let trials = Defect::ALL.iter().map(|defect| {
        let defect = *defect;
        Trial::test(defect.name(), move || changes_a_run_of_the_library(defect))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn changes_a_run_of_the_library(defect: Defect) -> Result<(), Failed> {
    let excuse = NOT_REACHED.iter().find(|(excused, _)| *excused == defect);
    let changed = SCENARIOS.iter().find(|played| played.changes_with(defect));
    match (changed, excuse) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        (None, None) => Err("no scenario of the library reaches it".into()),
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

/// One with everything in it, and then the library, in order of name.
static SCENARIOS: LazyLock<Vec<Played>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(root.join("scenarios/library")).expect("the library is there");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    files.insert(0, root.join("tests/scenarios/chaos.toml"));
    let scenarios = files.iter().map(|path| read(path));
    let small = scenarios.filter(|scenario| !LARGE.contains(&&*scenario.name));
    small.map(|scenario| Played { scenario, sound: OnceLock::new() }).collect()
});

fn read(path: &Path) -> Scenario {
    let text = fs::read_to_string(path).expect("it can be read");
    language::parse(&path.display().to_string(), &text)
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)))
}
