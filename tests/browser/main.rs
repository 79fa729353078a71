//! The page about a run, and what `fedsim serve` shows, in a real browser. These tests need Debian's
//! `chromium`, and some of them files of npm packages, which `.ci/run` installs: `cargo test --test
//! browser -- --ignored`.

mod campaign;
mod chromium;
#[path = "../serve/program.rs"]
#[expect(dead_code, reason = "here a browser asks")]
mod program;
mod served;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::chromium::Page;

/// A scenario of the library, of which the weak policy makes a failure.
const SCENARIO: &str =
    include_str!("../../scenarios/library/m1-cut-between-prepare-and-commit.toml");

/// Plays a scenario that fails; returns the folder of its run.
fn failing_run(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let weak = SCENARIO.replace("delivery = \"m1\"", "delivery = \"m1-2021\"");
    let scenario = weak.replace("all or nothing", &text.replace('"', "\\\""));
    fs::write(folder.path().join("mine.toml"), scenario).expect("written");
    let ran = Command::new(env!("CARGO_BIN_EXE_fedsim"))
        .args(["run", "mine.toml", "--out", "out"])
        .current_dir(&folder)
        .output()
        .expect("it starts");
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stdout));
    let run = folder.path().join("out/m1-cut-between-prepare-and-commit-1");
    (folder, run)
}

fn open(run: &Path) -> Page {
    Page::open(&run.join("report.html"), 1280, "light")
}

/// Returns a file of an npm package, which `.ci/run` unpacks.
fn tool(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools").join(name);
    fs::read_to_string(&path).unwrap_or_else(|_| {
        panic!("{} is missing: `.ci/run` has the command that unpacks it", path.display())
    })
}

#[test]
#[ignore = "needs chromium"]
fn it_opens_from_a_file_without_an_error_or_a_request() {
    let (_kept, run) = failing_run("hello");
    let mut page = open(&run);
    let text = page.value("document.querySelector('#verdict').innerText");
    assert!(text.as_str().is_some_and(|text| text.contains("alice/1 saw m1")), "{text}");
    let of = |method: &str| page.events.iter().filter(|event| event["method"] == *method).count();
    assert_eq!(of("Network.requestWillBeSent"), 1, "the file itself");
    assert_eq!((of("Runtime.exceptionThrown"), of("Log.entryAdded")), (0, 0));
    let drawn = page.value("performance.timing.loadEventEnd - performance.timing.navigationStart");
    assert!(drawn.as_f64().is_some_and(|ms| ms < 1_000.0), "drawn after {drawn} ms");
    let bytes = fs::metadata(run.join("report.html")).expect("a page").len();
    assert!(bytes < 250_000, "{bytes} bytes for 353 entries");
}

#[test]
#[ignore = "needs chromium"]
fn every_request_and_answer_of_the_federation_is_one_arrow() {
    let (_kept, run) = failing_run("hello");
    let record = fs::read_to_string(run.join("run.json")).expect("a record");
    let record: Value = serde_json::from_str(&record).expect("JSON");
    let events = record["events"].as_array().expect("events");
    let is_leg = |event: &&Value| {
        let of_observer = event["node"] == "observer" || event["to"] == "observer";
        matches!(event["kind"].as_str(), Some("request_sent" | "answer_sent")) && !of_observer
    };
    let legs = events.iter().filter(is_leg).count();
    let drawn = open(&run).value("document.querySelectorAll('.more a.leg').length");
    assert_eq!(drawn.as_u64(), Some(legs as u64));
}

#[test]
#[ignore = "needs chromium"]
fn it_is_complete_without_script() {
    let (_kept, run) = failing_run("hello");
    let mut page = Page::open_without_script(&run.join("report.html"));
    assert_eq!(page.value("document.querySelectorAll('.journal tbody tr').length"), 353);
    assert_eq!(page.value("getComputedStyle(document.querySelector('#filter')).display"), "none");
    let told = page.value("document.querySelectorAll('svg.space')[0].querySelectorAll('a').length");
    assert!(told.as_u64().is_some_and(|told| told > 10), "{told}");
}

#[test]
#[ignore = "needs chromium"]
fn following_a_message_dims_the_rest_until_escape() {
    let (_kept, run) = failing_run("hello");
    let mut page = open(&run);
    let dimmed = "getComputedStyle(document.querySelector('.leg:not([data-m])')).opacity < 0.5";
    page.value("document.querySelector('a.focus').click()");
    assert_eq!(page.value(dimmed), true);
    assert_eq!(page.value("getComputedStyle(document.querySelector('.leg[data-m]')).opacity"), "1");
    let others = "[...document.querySelectorAll('.journal tbody tr:not([hidden])')]\
                  .filter(row => row.cells[4].textContent !== 'm1').length";
    assert_eq!(page.value(others), 0, "the journal is filtered, too");
    page.press("Escape");
    assert_eq!(page.value(dimmed), false);
}

#[test]
#[ignore = "needs chromium"]
fn keys_walk_the_picture_and_find_what_they_promise() {
    let (_kept, run) = failing_run("hello");
    let mut page = open(&run);
    let at = "document.activeElement.id";
    page.press("j");
    let first = page.value(at);
    page.press("j");
    assert_ne!(page.value(at), first);
    page.press("k");
    assert_eq!(page.value(at), first);
    page.press("/");
    assert_eq!(page.value("document.activeElement.name"), "text");
    assert_eq!(page.value("document.querySelector('#journal').open"), true);
    page.value("document.activeElement.blur()");
    page.press("?");
    assert_eq!(page.value("document.querySelector('dialog').open"), true);
}

#[test]
#[ignore = "needs chromium"]
fn the_journal_is_filtered_by_machine_time_and_endpoint() {
    let (_kept, run) = failing_run("hello");
    let mut page = open(&run);
    let filter = "const form = document.querySelector('#filter');\
        form.node.value = 'c'; form.endpoint.value = 'on_message_sent'; form.from.value = '11s';\
        form.dispatchEvent(new Event('input'));\
        [...document.querySelectorAll('.journal tbody tr:not([hidden])')]\
        .map(row => row.cells[3].textContent.split(' ')[0]).join(' ')";
    let shown = page.value(filter);
    assert_eq!(shown, "request_sent request_arrived answer_sent");
}

#[test]
#[ignore = "needs chromium"]
fn a_phone_scrolls_tables_and_not_the_page() {
    let (_kept, run) = failing_run("hello");
    let mut page = Page::open(&run.join("report.html"), 400, "light");
    let width = page.value("document.documentElement.scrollWidth");
    assert!(width.as_u64().is_some_and(|width| width <= 400), "{width}");
}

#[test]
#[ignore = "needs chromium"]
fn the_night_is_dark() {
    let (_kept, run) = failing_run("hello");
    let background = "getComputedStyle(document.body).backgroundColor";
    let mut page = Page::open(&run.join("report.html"), 1280, "dark");
    assert_eq!(page.value(background), "rgb(14, 17, 22)");
}

#[test]
#[ignore = "needs chromium"]
fn a_hostile_message_is_text() {
    let (_kept, run) = failing_run("</script><script>window.hacked = 1</script><img src=x>");
    let mut page = open(&run);
    assert_eq!(page.value("window.hacked === undefined"), true);
    assert_eq!(page.value("document.querySelectorAll('img').length"), 0);
    let shown = page.value("document.body.textContent.includes('<script>window.hacked = 1')");
    assert_eq!(shown, true, "the evidence shows what was sent");
}

#[test]
#[ignore = "needs chromium and target/tools/axe.min.js"]
fn axe_finds_nothing_by_day_or_by_night() {
    let (kept, run) = failing_run("hello");
    let axe = tool("axe.min.js");
    let indexed = Command::new(env!("CARGO_BIN_EXE_fedsim"))
        .args(["report", "out", "--index", "all.html"])
        .current_dir(&kept)
        .status();
    assert!(indexed.is_ok_and(|status| status.success()));
    let page = run.join("report.html");
    let all = kept.path().join("all.html");
    for (path, scheme) in [(&page, "light"), (&page, "dark"), (&all, "light"), (&all, "dark")] {
        let mut page = Page::open(path, 1280, scheme);
        page.value("document.querySelectorAll('details').forEach(it => { it.open = true; })");
        page.value(&format!("{axe};0"));
        let found = page.value(
            "axe.run().then(({ violations }) => violations.map(it => it.id + ': ' + \
             it.nodes.slice(0, 3).map(node => node.html + ' ' + node.failureSummary).join('\\n')))",
        );
        assert_eq!(found.as_array().map(Vec::len), Some(0), "{scheme}: {found:#}");
    }
}

#[test]
#[ignore = "needs chromium and target/tools/mermaid.min.js"]
fn mermaid_reads_the_diagram_of_the_markdown() {
    let (_kept, run) = failing_run("end; # \" : {x}");
    let written = Command::new(env!("CARGO_BIN_EXE_fedsim"))
        .args(["report", "--format", "markdown"])
        .arg(&run)
        .output()
        .expect("it starts");
    assert!(written.status.success());
    let text = fs::read_to_string(run.join("report.md")).expect("written");
    let (_, rest) = text.split_once("```mermaid\n").expect("a diagram");
    let (diagram, _) = rest.split_once("```").expect("its end");
    let mut page = open(&run);
    page.value(&format!("{};0", tool("mermaid.min.js")));
    let parsed = page.value(&format!("mermaid.parse({diagram:?}).then(it => it.diagramType)"));
    assert_eq!(parsed, "sequence");
}
