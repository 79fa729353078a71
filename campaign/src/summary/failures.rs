//! The kinds of failures, those that came down to the same as one.

use std::collections::{BTreeMap, BTreeSet};

use reports::{campaign::Failure, folder};

use super::Named;
use crate::{
    block::{Finding, Small},
    picture::Picture,
    work::{FOUND, folder_of},
};

/// A kind of failure, and the hashes of all that came down to it.
pub(super) struct Merged<'p> {
    hashes: BTreeSet<&'p str>,
    /// The smallest of them.
    hash: &'p str,
    finding: &'p Finding,
    small: Option<&'p Small>,
}

impl Merged<'_> {
    fn size(&self) -> (usize, u64) {
        self.small
            .filter(|it| !it.story.is_empty())
            .map_or((usize::MAX, 0), |it| (it.faults.len(), it.ops))
    }
}

/// Puts those together that came down to the same check and the same kinds of faults. The smallest
/// come first.
pub(super) fn merged(picture: &Picture) -> Vec<Merged<'_>> {
    let mut kinds: BTreeMap<(&str, Vec<&str>, &str), Merged<'_>> = BTreeMap::new();
    for (hash, finding) in &picture.findings {
        let small = picture.small.get(hash);
        let mut faults: Vec<&str> =
            small.into_iter().flat_map(|it| &it.faults).map(String::as_str).collect();
        faults.sort_unstable();
        // What was not made small stands alone.
        let alone = if small.is_some_and(|it| !it.story.is_empty()) { "" } else { hash };
        let new = Merged { hashes: BTreeSet::from([hash.as_str()]), hash, finding, small };
        match kinds.entry((&finding.check, faults, alone)) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(new);
            }
            std::collections::btree_map::Entry::Occupied(mut known) => {
                let mut hashes = std::mem::take(&mut known.get_mut().hashes);
                hashes.insert(hash);
                if new.size() < known.get().size() {
                    known.insert(new);
                }
                known.get_mut().hashes = hashes;
            }
        }
    }
    let mut list: Vec<Merged<'_>> = kinds.into_values().collect();
    list.sort_by_key(|it| (it.size(), it.finding.at_ms));
    list
}

/// Returns what reports show of each kind, and how it was found.
pub(super) fn of<'p>(picture: &'p Picture, named: &Named) -> Vec<(Failure, &'p Finding)> {
    let failure = |it: &Merged<'p>| {
        let Finding { check, sentence, scenario, block, seed, way, worker, .. } = it.finding;
        let folder = folder_of(it.hash);
        let has = |file: &str| {
            let name = format!("{folder}/{file}");
            it.small.filter(|small| small.files.contains(&name)).map(|_| name)
        };
        let mut story = it.small.map(|small| small.story.clone()).unwrap_or_default();
        if story.is_empty() && it.small.is_some() {
            story = vec![
                format!("Violates {check}: {sentence}."),
                "Played again by itself, it does not: this is a defect of fedsim.".to_owned(),
            ];
        }
        let file = has(folder::SHRUNK).unwrap_or_else(|| format!("{folder}/{FOUND}"));
        let failure = Failure {
            check: check.clone(),
            sentence: sentence.clone(),
            story,
            runs: runs_of(picture, &it.hashes),
            found: format!(
                "found first in block {block} ({} of {scenario}, seed {seed}) by {worker}",
                way.word()
            ),
            page: has(folder::PAGE),
            again: format!("{} run {}/{file}", named.command, named.folder),
        };
        (failure, it.finding)
    };
    merged(picture).iter().map(failure).collect()
}

/// Returns how many runs had one of these kinds of failures.
fn runs_of(picture: &Picture, hashes: &BTreeSet<&str>) -> u64 {
    let failed = picture.results.values().flat_map(|it| &it.failures);
    failed.filter(|it| it.findings.iter().any(|it| hashes.contains(it.as_str()))).count() as u64
}

/// Returns the files of all findings.
pub fn files(picture: &Picture) -> Vec<String> {
    let found = picture.findings.keys().map(|hash| format!("{}/{FOUND}", folder_of(hash)));
    // What a document names is no file of this campaign unless it is in the folder of its finding.
    let small = picture.small.iter().flat_map(|(hash, small)| {
        let folder = format!("{}/", folder_of(hash));
        small.files.iter().filter(move |name| name.starts_with(&folder)).cloned()
    });
    found.chain(small).collect()
}
