//! Each known defect can be planted and makes a difference: some run of the library, of the
//! regressions, or of the scenarios in `tests/scenarios/defects`, is another one with it. Whether a
//! check sees that is what `docs/defects.md` tells; this only shows that no switch is dead, that
//! those which were found quickly still are and are made small, and that the stories which the page
//! tells are true.

use std::{
    fs,
    path::Path,
    sync::{LazyLock, OnceLock, atomic::AtomicBool},
};

use defects::Defect;
use explore::{
    Subject,
    hunt::{self, Hunt},
};
use libtest_mimic::{Arguments, Failed, Trial};
use runs::Options;
use scenarios::{
    Scenario,
    language::{self, Mistakes},
};

/// What no scenario reaches, and why not.
const NOT_REACHED: &[(Defect, &str)] = &[];

/// Checks that see a defect which no other one sees, in a scenario of `tests/scenarios/defects`.
const ALONE: &[(&str, Defect, &str)] = &[(
    "membership-holds",
    Defect::LeaveIsAnsweredBeforeItIsStored,
    "leave-while-the-disk-is-full",
)];

/// Much larger than all others, and reaches nothing that they do not.
const LARGE: &[&str] = &["hundred-backends"];

/// Defects that the page says are found within so many runs are looked for again here; the others
/// only by `fedsim defects`, which takes its time.
const QUICK: u64 = 40;

/// What is left of a scenario that shows a defect, at most.
const MOST_FAULTS: usize = 3;
const MOST_OPERATIONS: usize = 5;

/// The most runs that are spent on finding one again. What is found in which run moves with the
/// code; that it is found must not.
const MOST_RUNS: u64 = 150;

fn main() {
    let arguments = Arguments::from_args();
    let changes = Defect::ALL.iter().map(|defect| {
        let defect = *defect;
        Trial::test(defect.name(), move || changes_a_run(defect))
    });
    let quick = found_quickly().into_iter();
    let found = quick
        .map(|defect| Trial::test(format!("{} is found", defect.name()), move || is_found(defect)));
    let told = finds().into_iter().map(|find| {
        Trial::test(format!("{} is as the page tells it", find.name), move || is_true(&find))
    });
    let alone = ALONE.iter().map(|&(check, defect, scenario)| {
        let name = format!("{check} alone finds {}", defect.name());
        Trial::test(name, move || finds_alone(check, defect, scenario))
    });
    let all = changes.chain(found).chain(told).chain(alone);
    libtest_mimic::run(&arguments, all.collect()).exit();
}

/// Returns the defects that the table in `docs/defects.md` says are found quickly.
fn found_quickly() -> Vec<Defect> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/defects.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let (_, table) = page.split_once("<!-- found: begin -->").expect("the table begins");
    let (table, _) = table.split_once("<!-- found: end -->").expect("and ends");
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let defect = Defect::from_name(cells.next()?.trim_matches('`'))?;
        let run: u64 = cells.next()?.parse().ok()?;
        (run <= QUICK).then_some(defect)
    };
    let found: Vec<Defect> = table.lines().filter_map(row).collect();
    assert!(found.len() >= 10, "the table has too few rows: {table}");
    found
}

fn is_found(defect: Defect) -> Result<(), Failed> {
    let hunt = Hunt { bases: hunt::bases(), runs: MOST_RUNS, seed: 1, threads: 1 };
    let Some(found) = hunt.find(defect, &AtomicBool::new(false))? else {
        return Err(format!("not found within {MOST_RUNS} runs").into());
    };
    let shrunk = found.shrunk.ok_or("played again, it is not found")?;
    match shrunk.size() {
        (..=MOST_FAULTS, ..=MOST_OPERATIONS) => Ok(()),
        _ => Err(format!("not made small: {}", shrunk.to_toml()).into()),
    }
}

/// Returns the scenarios whose stories `docs/defects.md` tells, each named after its defect.
fn finds() -> Vec<Scenario> {
    let finds = scenarios(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/finds"));
    assert_eq!(finds.len(), 3, "three stories are told");
    finds
}

/// Sound servers keep every promise in a find, and those with its defect do not.
fn is_true(find: &Scenario) -> Result<(), Failed> {
    let defect = Defect::from_name(&find.name).ok_or("no defect has its name")?;
    let mut subject = Subject::homeservers();
    let sound = subject.play(find);
    subject.options.defect = Some(defect);
    match (sound.violations(), subject.play(find).violations()) {
        ([], [_, ..]) => Ok(()),
        (sound, planted) => Err(format!("sound: {sound:?}, with the defect: {planted:?}").into()),
    }
}

/// Sound servers keep every promise in a scenario, and those with the defect break that of one check.
fn finds_alone(check: &str, defect: Defect, scenario: &str) -> Result<(), Failed> {
    let known = SCENARIOS.iter().find(|known| known.scenario.name == scenario);
    let known = &known.ok_or("there is no such scenario")?.scenario;
    let mut subject = Subject::homeservers();
    let sound = subject.play(known);
    subject.options.defect = Some(defect);
    let planted = subject.play(known);
    let checks: Vec<&str> = planted.violations().iter().map(|it| it.check.as_str()).collect();
    if sound.violations().is_empty() && checks == [check] {
        return Ok(());
    }
    Err(format!("sound: {:?}, with the defect: {checks:?}", sound.violations()).into())
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
    let folders = [
        "tests/scenarios",
        "tests/scenarios/defects",
        "scenarios/regressions",
        "scenarios/library",
    ];
    let scenarios = folders.iter().flat_map(|folder| scenarios(&root.join(folder)));
    let small = scenarios.filter(|scenario| !LARGE.contains(&&*scenario.name));
    small.map(|scenario| Played { scenario, sound: OnceLock::new() }).collect()
});

/// Returns the scenarios of a folder, in order of name.
fn scenarios(folder: &Path) -> Vec<Scenario> {
    let files = language::load_folder(folder).unwrap_or_else(|e| panic!("{}", e.render(false)));
    let scenario = |read: Result<Scenario, Mistakes>| {
        read.unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)))
    };
    files.into_iter().map(|(_, read)| scenario(read)).collect()
}
