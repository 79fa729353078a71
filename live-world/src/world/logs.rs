//! What programs log, for the report of a run: the lines that they print, as they are seen.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use sim::LogLine;

use super::{LiveWorld, machine::Runs};

/// Lines that are kept of each program: the newest ones.
const MOST_LINES: usize = 2_000;

/// Looks that are taken at the end at what one program has printed and was not read yet.
const LAST_LOOKS: usize = 64;

/// Characters of a line that are kept.
const LONGEST: usize = 500;

/// Words of a line among which its level is looked for: the first ones.
const WORDS: usize = 24;

/// The newest lines of each program.
#[derive(Debug, Default)]
pub(super) struct Logs(BTreeMap<Arc<str>, VecDeque<LogLine>>);

impl Logs {
    fn take_in(&mut self, machine: &Arc<str>, at: Duration, texts: Vec<String>) {
        let lines = self.0.entry(Arc::clone(machine)).or_default();
        for text in texts {
            if lines.len() == MOST_LINES {
                lines.pop_front();
            }
            let (machine, level) = (Arc::clone(machine), level(&text));
            lines.push_back(LogLine { machine, at, level, text });
        }
    }
}

impl LiveWorld {
    /// Takes in what the program of a machine has printed since the last look; of one that `is_over`, also
    /// a line that it has not ended. Returns whether there was anything.
    pub(super) fn follow(&self, name: &Arc<str>, is_over: bool) -> bool {
        let now = self.now();
        let mut state = self.lock();
        let state = &mut *state;
        let Some(Runs::Program(program)) = state.places.get_mut(name).map(|place| &mut place.runs)
        else {
            return false;
        };
        let output = program.output();
        let lines = program.follower.lines(&output, LONGEST, is_over);
        let is_any = !lines.is_empty();
        state.logs.take_in(name, now, lines);
        is_any
    }

    /// Returns what was printed until now.
    pub(crate) fn take_logs(&self) -> Vec<LogLine> {
        let names: Vec<Arc<str>> = self.lock().places.keys().cloned().collect();
        for name in &names {
            let mut looks = 0..LAST_LOOKS;
            while looks.next().is_some() && self.follow(name, true) {}
        }
        let logs = std::mem::take(&mut self.lock().logs);
        let mut lines: Vec<LogLine> = logs.0.into_values().flatten().collect();
        lines.sort_by_key(|line| line.at);
        lines
    }
}

/// Returns how bad a line is: its first word that names a level says so. What names none, or a lower one, is
/// `INFO`.
fn level(text: &str) -> &'static str {
    let words = text.split(|letter: char| !letter.is_ascii_alphabetic());
    let levels = words.filter(|word| !word.is_empty()).take(WORDS).filter_map(|word| {
        match word.to_ascii_uppercase().as_str() {
            "ERROR" | "CRITICAL" | "FATAL" | "PANIC" | "PANICKED" => Some("ERROR"),
            "WARN" | "WARNING" => Some("WARN"),
            "INFO" | "DEBUG" | "TRACE" => Some("INFO"),
            _ => None,
        }
    });
    levels.into_iter().next().unwrap_or("INFO")
}

#[cfg(test)]
mod tests {
    use super::level;

    #[test]
    fn a_level_is_read_as_servers_write_it() {
        let synapse = "2026-12-01 03:00:00,000 - synapse.federation - 12 - WARNING - PUT-1 - error";
        let dendrite = "time=\"2026-12-01T03:00:00Z\" level=error msg=\"info is missing\"";
        let own = "2026-12-01T03:00:00Z  INFO homeserver: backing off error=refused";
        assert_eq!([synapse, dendrite, own, "hello"].map(level), ["WARN", "ERROR", "INFO", "INFO"]);
    }
}
