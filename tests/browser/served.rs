//! What `fedsim serve` shows: stepped through, compared and followed by the keyboard alone.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use reports::progress::{self, Campaign, Curve, Kind, Played, Point, Progress, State};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SCENARIO, tool};
use crate::{chromium::Page, program::Serve};

const RUN: &str = "m1-cut-between-prepare-and-commit-1";

/// A folder with a run that passes and one that fails, and what shows it.
struct Shown {
    folder: TempDir,
    serve: Serve,
}

impl Shown {
    fn two_runs(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let strong = SCENARIO.replace("all or nothing", &text.replace('"', "\\\""));
        let weak = strong.replace("delivery = \"m1\"", "delivery = \"m1-2021\"");
        for (name, text) in [("strong", &strong), ("weak", &weak)] {
            fs::write(folder.path().join("mine.toml"), text).expect("written");
            Command::new(env!("CARGO_BIN_EXE_fedsim"))
                .args(["run", "mine.toml", "--journal", "always", "--out", name])
                .current_dir(&folder)
                .output()
                .expect("it starts");
        }
        let serve = Serve::begin(folder.path());
        Self { folder, serve }
    }

    /// Opens a view, and waits until `expression` is true of it.
    fn open(&self, view: &str, expression: &str) -> Page {
        self.open_as(view, expression, (1280, "light"))
    }

    fn open_as(&self, view: &str, expression: &str, (width, scheme): (u32, &str)) -> Page {
        let address = format!("http://{}/#/{view}", self.serve.address);
        let mut page = Page::visit(&address, width, scheme);
        page.until(expression);
        page
    }

    fn weak_run(&self) -> Page {
        self.open(&format!("run?run=weak%2F{RUN}"), STANDS)
    }
}

/// The number of the entry at which the reader stands.
const AT: &str = "Number(document.querySelector('.position b').textContent.slice(1))";
/// Whether the entry, the machines after it and its row are all there.
const STANDS: &str = "(() => { const at = document.querySelector('.position b').textContent.slice(1);\
    return document.querySelector('.sentence-now') \
    && document.querySelector('h2.after').textContent.endsWith(' ' + at) \
    && document.querySelector('.row.now .n').textContent === at; })()";
const LISTED: &str = "document.querySelectorAll('table.runs tbody tr').length === 2";
/// Each side stands at an entry, or where the other run alone has one.
const COMPARED: &str = "document.querySelectorAll('.row.now .n, .row.now.gap').length === 2";

/// How far a search of our own is.
fn progress(runs: u64, kinds: u64, state: State) -> Progress {
    let mut curve = Curve::default();
    (1..=runs)
        .for_each(|runs| curve.add(Point { runs, wall_ms: runs, situations: runs / 2, kinds }));
    let kind = |number| Kind {
        check: format!("check-{number}"),
        sentence: "b never showed it".to_owned(),
        found_at: number,
        way: "drawn".to_owned(),
        runs: 2,
        file: None,
        story: Vec::new(),
    };
    let (way, scenario) = ("drawn".to_owned(), "mine".to_owned());
    let end = "passed".to_owned();
    Progress {
        version: progress::VERSION,
        state,
        doubt: None,
        campaign: Campaign {
            id: None,
            scenarios: vec!["mine".to_owned()],
            ways: vec!["drawn".to_owned()],
            seed: 1,
            part: (1, 1),
            threads: 2,
            runs: Some(1000),
            time_ms: None,
        },
        wall_ms: 1000,
        ways: BTreeMap::from([("drawn".to_owned(), runs)]),
        passed: runs - kinds,
        failed: kinds,
        unknown: 0,
        simulated_ns: 0,
        situations: runs / 2,
        unseen: Some(3),
        curve,
        failures: (1..=kinds).map(kind).collect(),
        kinds,
        last: vec![Played { number: runs, way, scenario, end, news: 1 }],
    }
}

fn explores(folder: &Path, runs: u64, kinds: u64, state: State) {
    fs::create_dir_all(folder).expect("made");
    progress::write(folder, &progress(runs, kinds, state)).expect("written");
}

#[test]
#[ignore = "needs chromium"]
fn every_view_is_served_without_an_error_or_a_request_to_anybody_else() {
    let shown = Shown::two_runs("hello");
    explores(&shown.folder.path().join("night"), 10, 1, State::Finished);
    let two = format!("compare?left=strong%2F{RUN}&right=weak%2F{RUN}");
    let run = format!("run?run=weak%2F{RUN}");
    for (view, there) in [
        ("", LISTED),
        (&*run, STANDS),
        (&*two, COMPARED),
        ("search?file=night%2Fexploration.json", "document.querySelector('svg.curve')"),
    ] {
        let page = shown.open(view, there);
        let own = format!("http://{}/", shown.serve.address);
        for event in &page.events {
            let method = event["method"].as_str().unwrap_or_default();
            assert!(!["Runtime.exceptionThrown", "Log.entryAdded"].contains(&method), "{event:#}");
            assert!(method != "Runtime.consoleAPICalled", "{event:#}");
            if let Some(url) = event["params"]["request"]["url"].as_str() {
                assert!(url.starts_with(&own), "{view} asked {url}");
            }
        }
    }
}

#[test]
#[ignore = "needs chromium"]
fn a_run_is_stepped_through_by_keys_with_each_machine_as_it_was() {
    let shown = Shown::two_runs("hello");
    let mut page = shown.weak_run();
    let violation = page.value(AT).as_u64().expect("a number");
    let text = page.value("document.querySelector('.sentence-now').innerText");
    assert!(text.as_str().is_some_and(|text| text.contains("alice/1 seen m1")), "{text}");
    page.press("j");
    page.until(&format!("{AT} === {} && {STANDS}", violation + 1));
    page.press("k");
    page.press("ArrowUp");
    page.until(&format!("{AT} === {} && {STANDS}", violation - 1));
    page.press("Home");
    page.until(&format!("{AT} === 1 && {STANDS}"));
    assert_eq!(page.value("document.querySelectorAll('.link.cut').length"), 0);
    page.press("n");
    page.until(&format!("{STANDS} && document.querySelector('.row.now').matches('.fault_began')"));
    page.until("document.querySelectorAll('.link.cut').length === 1");
    page.until("document.querySelector('.machines').innerText.includes('✕ cut with b')");
    page.press("v");
    page.until(&format!("{AT} === {violation} && {STANDS}"));
    page.press("c");
    page.until(&format!("{AT} < {violation} && {STANDS}"));
    page.press("End");
    page.until(&format!("{AT} === 353 && {STANDS}"));
    assert!(page.value("location.hash").as_str().is_some_and(|it| it.ends_with("at=353")));
}

#[test]
#[ignore = "needs chromium"]
fn who_cannot_see_is_told_each_step_in_a_sentence() {
    let shown = Shown::two_runs("hello");
    let mut page = shown.weak_run();
    let live = "document.querySelector('.stepping > [role=status]').textContent";
    let before = page.value(live);
    assert!(before.as_str().is_some_and(|it| it.starts_with("Entry ") && it.contains("alice/1")));
    page.press("j");
    page.until(&format!("{live} !== {before}"));
    let row = "document.getElementById(document.querySelector('.list')\
               .getAttribute('aria-activedescendant')).querySelector('.unseen').textContent";
    page.until(&format!("{row} === {live}"));
    page.value("document.querySelector('.list').focus()");
    page.press("ArrowDown");
    page.until(&format!("{live} === ''"));
}

#[test]
#[ignore = "needs chromium"]
fn a_message_is_followed_and_the_journal_filtered_by_keys() {
    let shown = Shown::two_runs("hello");
    let mut page = shown.weak_run();
    page.press("f");
    page.until("document.querySelector('.left > .hint').innerText.includes(' of 353')");
    page.press("j");
    page.until(&format!(
        "{STANDS} && document.querySelector('.sentence-now').innerText.includes('m1')"
    ));
    page.press("Escape");
    page.until("document.querySelector('.left > .hint').innerText === '353 entries'");
    page.press("/");
    assert_eq!(page.value("document.activeElement.type"), "search");
    page.press("?");
    assert_eq!(page.value("document.querySelector('dialog').open"), false, "it is typed");
    page.press("Escape");
    page.press("?");
    page.until("document.querySelector('dialog').open");
}

#[test]
#[ignore = "needs chromium"]
fn two_runs_are_chosen_and_compared_without_a_mouse() {
    let shown = Shown::two_runs("hello");
    let mut page = shown.open("", LISTED);
    for key in ["j", "x", "j", "x", "c"] {
        page.press(key);
    }
    page.until(COMPARED);
    let at = page.value(AT);
    let said = page.value("document.querySelector('.parting').innerText");
    let parts = format!("#{at} is the first that says something else");
    assert!(said.as_str().is_some_and(|said| said.contains(&parts)), "{said}");
    page.until("document.querySelectorAll('.row.now.alone').length === 1");
    assert_eq!(page.value("document.querySelectorAll('.row.now.gap').length"), 1);
    page.press("k");
    page.until(&format!("{AT} === {at} - 1"));
    page.until("document.querySelectorAll('.row.now .n').length === 2");
    let marked = "document.querySelectorAll('.row.now:is(.alone, .differs)').length";
    assert_eq!(page.value(marked), 0);
    page.press("d");
    page.until(&format!("{AT} === {at}"));
    let outcomes = page.value("document.querySelector('.outcomes').innerText");
    assert!(outcomes.as_str().is_some_and(|it| it.contains("m1 seen by bob/1")), "{outcomes}");
}

#[test]
#[ignore = "needs chromium"]
fn what_one_run_alone_has_leaves_a_gap_in_the_other_and_what_follows_is_beside_it() {
    let shown = Shown::two_runs("hello");
    let two = format!("compare?left=strong%2F{RUN}&right=weak%2F{RUN}");
    let mut page = shown.open(&two, COMPARED);
    page.press("End");
    page.until("document.querySelectorAll('.row.now').length === 2");
    page.press("d");
    page.until(COMPARED);
    let at = page.value(AT);
    page.press("n");
    page.until(&format!("{AT} > {at}"));
    page.until("document.querySelectorAll('.row.gap').length > 0");
    page.until("document.querySelectorAll('.row.alone').length > 0");
    page.press("p");
    page.until(&format!("{AT} === {at}"));
}

#[test]
#[ignore = "needs chromium"]
fn a_run_is_opened_from_the_list_and_left_by_keys() {
    let shown = Shown::two_runs("hello");
    let mut page = shown.open("", LISTED);
    page.press("j");
    page.press("Enter");
    page.until(STANDS);
    page.press("g");
    page.until(LISTED);
}

#[test]
#[ignore = "needs chromium"]
fn an_exploration_is_followed_while_it_goes_on() {
    let shown = Shown::two_runs("hello");
    let night = shown.folder.path().join("night");
    explores(&night, 10, 0, State::Searching);
    let mut page = shown.open("", "document.querySelector('.searches')");
    page.press("j");
    page.press("Enter");
    let runs = |n| format!("document.querySelector('.figures b').innerText === '{n}'");
    page.until(&runs(10));
    page.until("document.body.innerText.includes('No failure so far.')");
    explores(&night, 20, 1, State::Searching);
    page.until(&runs(20));
    page.until("document.querySelector('.kind-of h3').innerText.includes('check-1')");
    explores(&night, 21, 1, State::Finished);
    page.until("document.querySelector('.state.finished')");
}

#[test]
#[ignore = "needs chromium"]
fn of_a_long_journal_the_browser_holds_what_is_in_view() {
    let shown = Shown::two_runs("hello");
    let path = shown.folder.path().join("weak").join(RUN).join("run.json");
    let text = fs::read_to_string(&path).expect("a record");
    let mut record: Value = serde_json::from_str(&text).expect("JSON");
    let events = record["events"].as_array_mut().expect("events");
    let last = events.last().expect("an event").clone();
    let next = last["n"].as_u64().expect("its number") + 1;
    events.extend((next..=60_000).map(|n| {
        let mut event = last.clone();
        (event["n"], event["cause"]) = (json!(n), json!(n - 1));
        event
    }));
    fs::write(&path, record.to_string()).expect("written");
    let mut page = shown.weak_run();
    page.press("End");
    page.until(&format!("{AT} === 60000 && {STANDS}"));
    page.press("PageUp");
    page.until(&format!("{AT} === 59980 && {STANDS}"));
    let rows = page.value("document.querySelectorAll('.row').length").as_u64();
    assert!(rows.is_some_and(|rows| rows < 100), "{rows:?}");
    let entries = page.value("document.querySelectorAll('.entry li').length").as_u64();
    assert!(entries.is_some_and(|entries| entries < 100), "{entries:?}");
}

#[test]
#[ignore = "needs chromium"]
fn a_hostile_message_is_text_here_too() {
    let shown = Shown::two_runs("</script><script>window.hacked = 1</script><img src=x>");
    let mut page = shown.weak_run();
    page.value("location.hash = location.hash.replace(/at=.*/, 'at=180')");
    page.until(&format!("{AT} === 180 && {STANDS}"));
    page.until("document.body.textContent.includes('<script>window.hacked = 1')");
    assert_eq!(page.value("window.hacked === undefined"), true);
    assert_eq!(page.value("document.querySelectorAll('img').length"), 0);
}

/// Every view, and what is there when it is drawn.
fn views(shown: &Shown) -> [(String, &'static str); 4] {
    explores(&shown.folder.path().join("night"), 10, 1, State::Finished);
    let (run, two) = (format!("run?run=weak%2F{RUN}"), format!("left=strong%2F{RUN}"));
    [
        (String::new(), LISTED),
        (run, STANDS),
        (format!("compare?{two}&right=weak%2F{RUN}"), COMPARED),
        ("search?file=night%2Fexploration.json".to_owned(), "document.querySelector('svg.curve')"),
    ]
}

#[test]
#[ignore = "needs chromium"]
fn on_a_phone_no_view_scrolls_sideways() {
    let shown = Shown::two_runs("hello");
    for (view, there) in views(&shown) {
        let mut page = shown.open_as(&view, there, (400, "light"));
        let width = page.value("document.documentElement.scrollWidth");
        assert!(width.as_u64().is_some_and(|width| width <= 400), "{view}: {width}");
    }
}

#[test]
#[ignore = "needs chromium and target/tools/axe.min.js"]
fn axe_finds_nothing_in_any_view_by_day_or_by_night() {
    let axe = tool("axe.min.js");
    let shown = Shown::two_runs("hello");
    let mut all = Vec::new();
    for (view, there) in views(&shown) {
        for scheme in ["light", "dark"] {
            let mut page = shown.open_as(&view, there, (1280, scheme));
            let dark = page.value("getComputedStyle(document.body).backgroundColor");
            assert_eq!(dark == "rgb(14, 17, 22)", scheme == "dark", "{dark}");
            page.value("document.querySelectorAll('details').forEach(it => { it.open = true; })");
            page.value(&format!("{axe};0"));
            let found = page.value(
                "axe.run().then(({ violations }) => violations.map(it => it.id + ': ' + \
                 it.nodes.slice(0, 3).map(node => node.html + ' ' + node.failureSummary)))",
            );
            let found = found.as_array().expect("a list");
            all.extend(found.iter().map(|it| format!("{view} {scheme}: {it:#}")));
        }
    }
    assert_eq!(all, Vec::<String>::new());
}
