//! The page about a campaign, and what `fedsim serve` shows of one.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

use super::tool;
use crate::{chromium::Page, program::Serve};

/// A scenario whose design breaks a promise.
const WEAK: &str = include_str!("../../scenarios/library/m1-2021-cut-between-check-and-store.toml");

/// Plays a campaign that finds something. Returns its folder, and where in it the campaign is.
fn campaign() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let honest: Vec<&str> = WEAK.lines().filter(|line| !line.starts_with("violates")).collect();
    fs::write(folder.path().join("mine.toml"), honest.join("\n")).expect("written");
    let ran = Command::new(env!("CARGO_BIN_EXE_fedsim"))
        .args([
            "campaign",
            "start",
            "mine.toml",
            "--runs",
            "8",
            "--seed",
            "1",
            "--id",
            "night",
            "--as-they-are",
        ])
        .current_dir(&folder)
        .output()
        .expect("it starts");
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    let night = folder.path().join("target/fedsim/campaigns/night");
    (folder, night)
}

/// Opens what is served of it.
fn served(serve: &Serve, width: u32, scheme: &str) -> Page {
    let view = "search?file=campaigns%2Fnight%2Fexploration.json";
    let mut page = Page::visit(&format!("http://{}/#/{view}", serve.address), width, scheme);
    page.until("document.querySelector('svg.curve') && document.querySelector('.kind-of')");
    page
}

/// Returns what is wrong for those who cannot see well, or not at all.
fn barriers(page: &mut Page, axe: &str) -> Vec<String> {
    page.value("document.querySelectorAll('details').forEach(it => { it.open = true; })");
    page.value(&format!("{axe};0"));
    let found = page.value(
        "axe.run().then(({ violations }) => violations.map(it => it.id + ': ' + \
         it.nodes.slice(0, 3).map(node => node.html + ' ' + node.failureSummary).join('\\n')))",
    );
    found.as_array().expect("a list").iter().map(ToString::to_string).collect()
}

#[test]
#[ignore = "needs chromium and target/tools/axe.min.js"]
fn axe_finds_nothing_on_a_campaigns_page_or_in_its_view_by_day_or_by_night() {
    let (folder, night) = campaign();
    let serve = Serve::begin(&folder.path().join("target/fedsim"));
    let axe = tool("axe.min.js");
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (400, "light")] {
        let mut page = Page::open(&night.join("campaign.html"), width, scheme);
        assert_eq!(barriers(&mut page, &axe), Vec::<String>::new(), "{width} {scheme}");
        let mut page = served(&serve, width, scheme);
        assert_eq!(barriers(&mut page, &axe), Vec::<String>::new(), "{width} {scheme}, served");
    }
}

#[test]
#[ignore = "needs chromium"]
fn a_campaigns_page_asks_nobody_and_its_failures_lead_to_their_pages() {
    let (_folder, night) = campaign();
    let mut page = Page::open(&night.join("campaign.html"), 1280, "light");
    let of = |method: &str| page.events.iter().filter(|event| event["method"] == *method).count();
    assert_eq!(of("Network.requestWillBeSent"), 1, "the file itself");
    assert_eq!((of("Runtime.exceptionThrown"), of("Log.entryAdded")), (0, 0));
    let link = page.value("document.querySelector('#failures h3 a').getAttribute('href')");
    let link = link.as_str().expect("a link");
    assert!(night.join(link).is_file(), "{link}");
}

#[test]
#[ignore = "needs chromium"]
fn on_a_phone_a_campaign_is_read_without_scrolling_sideways_or_a_glass() {
    let (folder, night) = campaign();
    let serve = Serve::begin(&folder.path().join("target/fedsim"));
    let pages =
        [Page::open(&night.join("campaign.html"), 400, "light"), served(&serve, 400, "light")];
    for mut page in pages {
        let width = page.value("document.documentElement.scrollWidth");
        assert!(width.as_u64().is_some_and(|width| width <= 400), "{width}");
        let height = "Math.min(...[...document.querySelectorAll('.curve text:not(.kind)')]\
                      .map(it => it.getBoundingClientRect().height))";
        let height = page.value(height);
        assert!(height.as_f64().is_some_and(|height| height >= 9.0), "a figure is {height} high");
    }
}

#[test]
#[ignore = "needs chromium"]
fn what_is_served_of_a_campaign_calls_it_by_its_name_and_counts_blocks() {
    let (folder, _night) = campaign();
    let serve = Serve::begin(&folder.path().join("target/fedsim"));
    let mut page = served(&serve, 1280, "light");
    assert_eq!(page.value("document.querySelector('h1').innerText"), "Campaign night");
    let said = page.value("document.querySelector('main').innerText");
    let said = said.as_str().expect("text");
    assert!(said.contains("The last blocks") && said.contains(", block "), "{said}");
    assert!(!said.contains("0 threads"), "{said}");
}
