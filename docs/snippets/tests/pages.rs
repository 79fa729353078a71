//! The book: every page is in it, and what a page links to is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Returns the folder of the pages.
fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the pages, by their file names.
fn pages() -> Vec<PathBuf> {
    let found = fs::read_dir(docs()).expect("the folder is there");
    let paths = found.map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    pages.sort_unstable();
    pages
}

fn text(page: &Path) -> String {
    fs::read_to_string(page).expect("a page can be read")
}

/// Returns where the links of a page lead that stay in the repository, without what follows `#`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.map(|target| target.split('#').next().unwrap_or_default());
    targets.filter(|target| !target.is_empty() && !target.contains("://"))
}

#[test]
fn every_page_is_in_the_book() {
    let summary = text(&docs().join("SUMMARY.md"));
    let listed: Vec<&str> = links(&summary).collect();
    let missing = |page: &&PathBuf| {
        let name = page.file_name().and_then(|name| name.to_str()).expect("a name");
        name != "SUMMARY.md" && !listed.contains(&name)
    };
    assert_eq!(pages().iter().filter(missing).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    for page in pages() {
        for link in links(&text(&page)) {
            if !docs().join(link).exists() {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
}
