//! Faults that overlap: every two kinds, in three ways, in a tiny world. The state of the machine
//! follows `kinds`, the reports have the true intervals, everything works again afterwards; and what
//! was seen is what `docs/overlapping-faults.md` says.
#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod desk;
mod kinds;
mod page;
mod play;

use std::collections::BTreeMap;

use self::{
    kinds::{Doing, Kind},
    play::{Overlap, Played, WAYS, play},
};

/// Everything that was played, by the kinds and the way.
type All = BTreeMap<(Kind, Kind, Overlap), Played>;

fn play_all() -> All {
    let pairs = Kind::ALL.iter().flat_map(|one| Kind::ALL.iter().map(move |other| (*one, *other)));
    let all = pairs.flat_map(|(one, other)| WAYS.map(|way| (one, other, way)));
    all.map(|(one, other, way)| ((one, other, way), play(one, other, way))).collect()
}

/// What went otherwise than `kinds` says, in sentences.
fn mistakes(all: &All) -> Vec<String> {
    let mut mistakes = Vec::new();
    for ((one, other, way), played) in all {
        let mut tell = |what: String| {
            mistakes.push(format!("{} and {}, {way:?}: {what}", one.name(), other.name()));
        };
        for (at, (seen, expected)) in played.phases.iter().enumerate() {
            if seen != expected {
                tell(format!("{seen:?} in phase {at}, not {expected:?}"));
            }
        }
        let breaks = [one, other].into_iter().any(|kind| kind.leaves_damage());
        if played.after != Doing::Serves && !(breaks && played.after == Doing::Fails) {
            tell(format!("{:?} after both", played.after));
        }
        if played.intervals != way.intervals() {
            tell(format!("reported as {:?}", played.intervals));
        }
    }
    mistakes
}

#[test]
fn two_faults_compose_as_the_page_says_and_nothing_is_left_of_them() {
    let all = play_all();
    let mistakes = mistakes(&all);
    assert!(mistakes.is_empty(), "{} mistakes:\n{}", mistakes.len(), mistakes.join("\n"));
    page::compare(&page::render(&all));
}
