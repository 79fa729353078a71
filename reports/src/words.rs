//! Words that renderers share: counts, verdicts, and text from outside made harmless.

use checks::record::{CheckKind, CheckVerdict, OpOutcome, Record, Verdict};

/// Returns a count such as `1 copy`, `5 copies`, `12,000 requests`; `plural` is the plural of what
/// is counted.
pub(crate) fn count(n: u64, plural: &str) -> String {
    if n == 1 { format!("1 {}", singular(plural)) } else { format!("{} {plural}", grouped(n)) }
}

/// Returns the singular of an English plural, as far as this program needs it.
fn singular(plural: &str) -> String {
    match plural.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => plural.strip_suffix('s').unwrap_or(plural).to_owned(),
    }
}

/// Returns a number with a comma at every thousand.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns the first few names and how many more there are: `b, c and 3 more`.
pub(crate) fn names<'a>(names: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let all: Vec<&str> = names.into_iter().collect();
    if all.len() <= most {
        return all.join(", ");
    }
    format!("{} and {} more", all[..most].join(", "), all.len() - most)
}

/// Returns text on one line, without control characters, which a terminal would obey.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The most characters of the name of a program.
const PROGRAM: usize = 32;

/// Returns the name of the program that made a run: what commands about it begin with.
pub(crate) fn program(record: &Record) -> String {
    cut(&clean(&record.program.name), PROGRAM)
}

/// Returns at most `most` characters of the text; a `…` shows that something was cut off.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Returns the text in lines of at most `width` characters, broken between words where possible.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word: Vec<char> = word.chars().collect();
        for piece in word.chunks(width) {
            append(&mut lines, piece, width);
        }
    }
    lines
}

fn append(lines: &mut Vec<String>, piece: &[char], width: usize) {
    let piece: String = piece.iter().collect();
    let room = lines.last().map_or(0, |line| width.saturating_sub(line.chars().count()));
    match lines.last_mut() {
        Some(line) if piece.chars().count() < room => {
            line.push(' ');
            line.push_str(&piece);
        }
        _ => lines.push(piece),
    }
}

pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Unknown => "UNKNOWN",
    }
}

pub(crate) fn outcome(outcome: OpOutcome) -> &'static str {
    match outcome {
        OpOutcome::Ok => "ok",
        OpOutcome::Refused => "refused",
        OpOutcome::Indefinite => "indefinite",
    }
}

pub(crate) fn kind(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::Always => "always",
        CheckKind::Eventually => "eventually",
        CheckKind::Sometimes => "sometimes",
    }
}

/// Returns the word for what a check found, in capitals if the scenario does not expect that.
pub(crate) fn check_verdict(verdict: CheckVerdict, must_break: bool) -> &'static str {
    match (verdict, must_break) {
        (CheckVerdict::Holds, false) => "holds",
        (CheckVerdict::Holds, true) => "HOLDS",
        (CheckVerdict::Violated, false) => "VIOLATED",
        (CheckVerdict::Violated, true) => "violated",
        (CheckVerdict::Reached, _) => "reached",
        (CheckVerdict::Never, _) => "NEVER",
        (CheckVerdict::Unknown, _) => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_counted_in_the_singular() {
        assert_eq!(count(1, "copies"), "1 copy");
        assert_eq!(count(1, "requests"), "1 request");
        assert_eq!(count(12_345, "copies"), "12,345 copies");
    }

    #[test]
    fn long_lists_of_names_are_bounded() {
        assert_eq!(names(["a", "b"], 2), "a, b");
        assert_eq!(names(["a", "b", "c", "d"], 2), "a, b and 2 more");
    }

    #[test]
    fn wrapped_lines_keep_every_word_and_the_width() {
        let lines = wrap("alice/1 saw m1 averyverylongword", 8);
        assert_eq!(lines, ["alice/1", "saw m1", "averyver", "ylongwor", "d"]);
    }

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(clean("a\u{1b}[31mred\nnext"), "a [31mred next");
    }
}
