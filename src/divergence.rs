//! Where two runs of the same scenario and seed differ.

use std::mem;

use checks::record::{EventRecord, Meta, Record};
use reports::json;

/// Entries shown before the first difference, and after it on each side.
const CONTEXT: usize = 3;
/// The most characters of a line that are shown.
const WIDTH: usize = 82;
/// Characters shown before the first one that differs, in a line too long to be shown whole.
const BEFORE: usize = 30;

/// The first difference.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What differs, in a sentence.
    pub(crate) sentence: String,
    /// The lines before it, which are the same.
    context: Vec<String>,
    /// The lines of one run from there on, as many as are shown; none if it ends before.
    left: Vec<String>,
    /// The lines of the other run from there on.
    right: Vec<String>,
}

impl Difference {
    /// Returns the difference as text, with the names of the two sides.
    pub(crate) fn lines(&self, left: &str, right: &str) -> Vec<String> {
        let names = left.len().max(right.len());
        let common = common(self.left.first(), self.right.first());
        let mut lines = vec![self.sentence.clone()];
        lines.extend(self.context.iter().map(|line| format!("{:names$}  {}", "", window(line, 0))));
        for (name, side) in [(left, &self.left), (right, &self.right)] {
            let Some((first, later)) = side.split_first() else {
                lines.push(format!("{name:names$}  nothing: it ends before"));
                continue;
            };
            lines.push(format!("{name:names$}  {}", window(first, common)));
            lines.extend(later.iter().map(|line| format!("{:names$}  {}", "", window(line, 0))));
        }
        lines
    }
}

/// Returns the first difference between two records of one scenario and seed: in the journal, or
/// else in what was made of it. It leaves out what may differ between equal runs (wall time, the
/// program's version, the name of the file). Both records are left as they were.
pub(crate) fn between(left: &mut Record, right: &mut Record) -> Option<Difference> {
    let entries = left.events.len().max(right.events.len());
    let lines = |event: &EventRecord| event.line.clone();
    let journals = first(left.events.iter().map(lines), right.events.iter().map(lines));
    if let Some(found) = journals {
        let sentence =
            format!("the first difference is journal entry #{} of {entries}", found.number);
        return Some(found.called(sentence));
    }
    let readings = first(left.events.iter().map(reading), right.events.iter().map(reading));
    if let Some(found) = readings {
        let sentence =
            format!("journal entry #{} is the same, but is read differently", found.number);
        return Some(found.called(sentence));
    }
    let (left, right) = (without_journal(left), without_journal(right));
    let found = first(left.lines().map(str::to_owned), right.lines().map(str::to_owned))?;
    Some(found.called("the journals are the same, but what was made of them is not".to_owned()))
}

fn reading(event: &EventRecord) -> String {
    serde_json::to_string(event).expect("an event has only string keys")
}

/// Returns the record as JSON without its events, which are most of it, and without what may
/// differ.
fn without_journal(record: &mut Record) -> String {
    let events = mem::take(&mut record.events);
    let mut rest = record.clone();
    record.events = events;
    rest.meta = Meta::default();
    rest.program.version.clear();
    rest.scenario.file = None;
    json::render(&rest)
}

/// Where two texts begin to differ.
#[derive(Debug, PartialEq, Eq)]
struct Parting {
    /// The number of the first line that differs, from 1.
    number: usize,
    context: Vec<String>,
    left: Vec<String>,
    right: Vec<String>,
}

impl Parting {
    fn called(self, sentence: String) -> Difference {
        let Self { context, left, right, .. } = self;
        Difference { sentence, context, left, right }
    }
}

fn first(
    mut left: impl Iterator<Item = String>,
    mut right: impl Iterator<Item = String>,
) -> Option<Parting> {
    let mut context: Vec<String> = Vec::new();
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => return None,
            (Some(one), Some(other)) if one == other => {
                if context.len() == CONTEXT {
                    context.remove(0);
                }
                context.push(one);
            }
            (one, other) => {
                let shown = |first: Option<String>, rest: &mut dyn Iterator<Item = String>| {
                    first.into_iter().chain(rest.take(CONTEXT)).collect()
                };
                let (left, right) = (shown(one, &mut left), shown(other, &mut right));
                return Some(Parting { number, context, left, right });
            }
        }
    }
    None
}

/// Returns how many characters both have in common at the beginning.
fn common(left: Option<&String>, right: Option<&String>) -> usize {
    let (Some(left), Some(right)) = (left, right) else { return 0 };
    left.chars().zip(right.chars()).take_while(|(one, other)| one == other).count()
}

/// Returns a part of the line that fits and contains the character at `at`.
fn window(line: &str, at: usize) -> String {
    let harmless = |c: char| if c.is_control() { ' ' } else { c };
    let length = line.chars().count();
    let start = if length <= WIDTH { 0 } else { at.saturating_sub(BEFORE).min(length - WIDTH) };
    let shown: String = line.chars().map(harmless).skip(start).take(WIDTH).collect();
    let before = if start > 0 { "…" } else { "" };
    let after = if start + WIDTH < length { "…" } else { "" };
    format!("{before}{shown}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(lines: &[&str]) -> std::vec::IntoIter<String> {
        lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn the_same_lines_have_no_difference() {
        assert_eq!(first(owned(&["a", "b"]), owned(&["a", "b"])), None);
    }

    #[test]
    fn the_first_line_that_differs_is_named_with_what_came_before() {
        let found =
            first(owned(&["a", "b", "c", "d", "e"]), owned(&["a", "b", "c", "d", "x", "y"]));
        let found = found.expect("different");
        assert_eq!((found.number, found.context), (5, owned(&["b", "c", "d"]).collect()));
        assert_eq!(
            (found.left, found.right),
            (vec!["e".to_owned()], vec!["x".to_owned(), "y".to_owned()])
        );
    }

    #[test]
    fn a_journal_that_ends_before_differs_there() {
        let found = first(owned(&["a"]), owned(&["a", "b"])).expect("different");
        assert_eq!((found.number, found.left), (2, vec![]));
        assert_eq!(found.right, ["b"]);
    }

    #[test]
    fn a_long_line_is_shown_around_the_character_that_differs() {
        let line = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = window(&line, 500);
        assert!(shown.contains("aX") && shown.starts_with('…') && shown.ends_with('…'));
        assert!(shown.chars().count() <= WIDTH + 2);
    }
}
