//! The built front end, and the script of reports, are what their sources say. These tests need `npm` and
//! its registry: `.ci/run` runs them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Copies the files of a folder and of those below it, but for what npm installs there.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("it can be read");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "node_modules" {
            continue;
        }
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("copied");
        }
    }
}

fn npm(folder: &Path, arguments: &[&str]) {
    let done = Command::new("npm").args(arguments).current_dir(folder).output();
    let done = done.expect("`npm` is missing: install Debian's package of that name");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("the folder is there").flatten();
    let file = |path: PathBuf| (path.file_name().map(PathBuf::from), fs::read(path));
    let files = entries.map(|entry| file(entry.path()));
    let mut files: Vec<_> =
        files.map(|(name, bytes)| (name.expect("a name"), bytes.expect("read"))).collect();
    files.sort();
    files
}

#[test]
#[ignore = "needs npm"]
fn the_built_page_is_what_its_source_says() {
    is_fresh("serve");
}

#[test]
#[ignore = "needs npm"]
fn the_built_script_of_reports_is_what_its_source_says() {
    is_fresh("reports");
}

/// Builds what is in `web` of a crate elsewhere, and compares that with what the crate includes.
fn is_fresh(folder: &str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let web = elsewhere.path().join("web");
    copy(&here.join("web"), &web);
    npm(&web, &["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    npm(&web, &["run", "build"]);
    let (kept, built) = (files(&here.join("built")), files(&elsewhere.path().join("built")));
    let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&kept), names(&built));
    for ((name, kept), (_, built)) in kept.iter().zip(&built) {
        let help = format!("`npm ci && npm run build` in {folder}/web writes it");
        assert!(kept == built, "{folder}/built/{} is not fresh: {help}", name.display());
    }
}
