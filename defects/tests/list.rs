//! What is said of the defects, and the page that shows it.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use defects::{Defect, System, plant, planted};

#[test]
fn each_defect_has_a_name_of_its_own_and_is_found_by_it() {
    let names: BTreeSet<_> = Defect::ALL.iter().map(|defect| defect.name()).collect();
    assert_eq!(names.len(), Defect::ALL.len());
    for defect in Defect::ALL {
        let is_kebab = |letter: char| letter.is_ascii_lowercase() || "-0123456789".contains(letter);
        assert!(defect.name().chars().all(is_kebab), "{}", defect.name());
        assert_eq!(Defect::from_name(defect.name()), Some(*defect));
    }
    assert_eq!(Defect::from_name("none-of-these"), None);
}

#[test]
fn each_defect_is_described_in_one_sentence() {
    for defect in Defect::ALL {
        let said = defect.description();
        assert!(said.ends_with('.') && !said.contains(". "), "{}: {said}", defect.name());
    }
}

#[test]
fn the_defects_stand_in_the_order_of_the_systems() {
    let systems: Vec<System> = Defect::ALL.iter().map(|defect| defect.source().system).collect();
    assert!(systems.is_sorted(), "{systems:?}");
}

#[cfg(feature = "planted")]
#[test]
fn a_defect_is_planted_on_one_thread_until_its_guard_is_dropped() {
    let defect = Defect::ALL[0];
    let guard = plant(Some(defect));
    assert!(planted(defect) && !planted(Defect::ALL[1]));
    let elsewhere = std::thread::scope(|scope| scope.spawn(|| planted(defect)).join());
    assert!(!elsewhere.expect("it does not panic"));
    {
        let _none = plant(None);
        assert!(!planted(defect));
    }
    assert!(planted(defect));
    drop(guard);
    assert!(!planted(defect));
}

#[cfg(not(feature = "planted"))]
#[test]
fn nothing_is_planted_in_a_build_without_the_feature() {
    assert!(std::panic::catch_unwind(|| drop(plant(Some(Defect::ALL[0])))).is_err());
    let _none = plant(None);
    assert!(Defect::ALL.iter().all(|defect| !planted(*defect)));
}

const PAGE: &str = "../docs/defects.md";
const BEGIN: &str = "<!-- defects: begin -->\n";
const END: &str = "<!-- defects: end -->";

/// Returns the table of the page, a part for each system.
fn tables() -> String {
    let mut text = String::new();
    let mut system = None;
    for defect in Defect::ALL {
        let source = defect.source();
        if system.replace(source.system) != Some(source.system) {
            let heading = source.system.about();
            write!(text, "\n### {heading}\n\n| defect | what is wrong | where |\n|---|---|---|\n")
                .expect("a text takes it");
        }
        let (name, said) = (defect.name(), defect.description());
        writeln!(text, "| `{name}` | {said} | {} |", source.place).expect("a text takes it");
    }
    text.push('\n');
    text
}

/// With `INSTA_UPDATE=always` it writes the page's tables anew, as snapshots are.
#[test]
fn the_page_lists_the_defects_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).expect("the page is there");
    let (before, rest) = page.split_once(BEGIN).expect("the tables begin");
    let (listed, after) = rest.split_once(END).expect("the tables end");
    let tables = tables();
    if listed != tables && std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
        fs::write(path, format!("{before}{BEGIN}{tables}{END}{after}")).expect("it can be written");
    } else {
        assert_eq!(listed, tables, "INSTA_UPDATE=always writes {PAGE} anew");
    }
}
