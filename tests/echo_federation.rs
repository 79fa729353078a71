//! Somebody else's server in our scenarios: the example, its own checks, and what they find.

#[path = "../examples/echo_federation/checks.rs"]
mod checks;
#[path = "../examples/echo_federation/federation.rs"]
mod federation;
#[path = "../examples/echo_federation/server.rs"]
mod server;

use std::{path::Path, sync::Arc};

use ::checks::{Record, record::Verdict};
use reports::line::{Leads, failure};
use runs::{Options, run_on, world::Simulated};
use scenarios::language;

use crate::{
    federation::{ECHO, Echo},
    server::Flaw,
};

fn run(file: &str, flaw: Option<Flaw>) -> Record {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/echo_federation");
    let scenario = language::load_in(&ECHO, &folder.join(file)).expect("it has no mistake");
    let federation = Arc::new(Echo::with(flaw));
    run_on(&Simulated, federation, &scenario, scenario.seed, &Options::default()).record
}

#[test]
fn a_sound_server_passes_and_neither_fault_nor_check_is_idle() {
    for file in ["cut.toml", "power-loss.toml"] {
        let record = run(file, None);
        assert_eq!((record.verdict, record.sentence.as_deref()), (Verdict::Pass, None), "{file}");
        assert_eq!(record.weaknesses(), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn a_custom_check_finds_a_server_that_tries_only_once() {
    let record = run("cut.toml", Some(Flaw::TriesOnce));
    assert_eq!(record.verdict, Verdict::Fail);
    let sentence = "heard-by-all: alice-1-2 was taken, and b never heard it";
    assert_eq!(record.sentence.as_deref(), Some(sentence));
    let report = reports::text::render(&record);
    assert!(report.contains("partition a | b") && report.contains("hear"), "{report}");
}

#[test]
fn the_page_about_a_server_of_ones_own_shows_what_its_command_prints() {
    let folder = Path::new("x");
    let leads = Leads { folder, page: false, program: "fedsim", columns: reports::COLUMNS };
    let told = failure(&run("cut.toml", Some(Flaw::TriesOnce)), &leads);
    let page = include_str!("../docs/your-own-server.md");
    // The path of the report is another one here.
    for line in &told[..2] {
        assert!(page.lines().any(|known| known.trim() == line.trim()), "{line}");
    }
}

#[test]
fn a_custom_check_finds_a_server_that_answers_before_it_has_stored() {
    let record = run("power-loss.toml", Some(Flaw::AnswersFirst));
    assert_eq!(record.verdict, Verdict::Fail);
    let sentence = record.sentence.unwrap_or_default();
    assert!(sentence.starts_with("stored-first: a answered /say/alice-1-"), "{sentence}");
}

#[test]
fn a_record_says_whose_it_is_and_its_text_runs_again() {
    let record = run("cut.toml", None);
    assert_eq!(record.program.name, "echo-federation");
    let text = &record.scenario.text;
    let scenario = language::parse_in(&ECHO, "the record", text).expect("it was written by us");
    let federation = Arc::new(Echo::default());
    let again = run_on(&Simulated, federation, &scenario, record.seed, &Options::default());
    assert_eq!(again.record.log_hash, record.log_hash);
}

#[test]
fn a_scenario_names_the_servers_own_endpoints_and_checks_and_no_others() {
    let text = "name = \"x\"\n[backends]\na = {}\n[users]\nu = { backend = \"a\" }\n\
                [[faults]]\nwhen = { sent = \"prepare\" }\nkill = { node = \"a\" }\n\
                [[ops]]\nat = \"1s\"\nfetch = { user = \"u\" }\n\
                [expect]\nalways = [\"exactly-once\"]\n";
    let mistakes = language::parse_in(&ECHO, "x.toml", text).expect_err("three mistakes");
    let told = mistakes.render(false);
    // What `unwrap` prints in a test.
    assert!(format!("{mistakes:?}").ends_with(&told));
    for mistake in ["no endpoint `prepare`", "cannot have `ops`", "no check `exactly-once`"] {
        assert!(told.contains(mistake), "{told}");
    }
}
