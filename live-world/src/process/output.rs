//! What programs print: kept in a file that is never long, shown by its last lines, and followed line
//! by line.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// The most bytes that are kept; whoever prints more has the file emptied.
const MOST_OUTPUT: u64 = 16 << 20;

/// How many lines are shown, and of how many bytes at the end.
const SHOWN: usize = 5;
const READ: u64 = 8 << 10;

/// The most characters of one line that are shown.
const LONGEST: usize = 200;

/// The most bytes that are followed at one look, and of a line before it ends.
const MOST_FOLLOWED: u64 = 256 << 10;
const MOST_BEGUN: usize = 4 << 10;

/// Opens the file for writing at its end.
///
/// # Errors
/// It cannot be written.
pub(crate) fn opened(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// Empties the file if it is too long. Returns the last lines that it had then.
pub(crate) fn limit(path: &Path) -> Option<Vec<String>> {
    let is_long = fs::metadata(path).is_ok_and(|it| it.len() > MOST_OUTPUT);
    let lines = is_long.then(|| last_lines(path))?;
    // Whoever writes appends, so that the file begins anew.
    File::options().write(true).open(path).and_then(|it| it.set_len(0)).ok()?;
    Some(lines)
}

/// Returns the last lines that were printed, as far as they are text.
pub(crate) fn last_lines(path: &Path) -> Vec<String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(READ)))?;
        file.take(READ).read_to_end(&mut bytes)
    });
    if read.is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(|line| printable(line.trim_end(), LONGEST));
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(SHOWN)..].to_vec()
}

/// Returns a line without what only directs a terminal, of `most` characters.
fn printable(line: &str, most: usize) -> String {
    let mut letters = line.chars().peekable();
    let mut shown = String::new();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' && letters.next_if_eq(&'[').is_some() {
            // A control sequence ends at its first letter or sign beyond `?` (ECMA-48, 5.4).
            letters.by_ref().find(|letter| ('@'..='~').contains(letter));
        } else if !letter.is_control() {
            shown.push(letter);
        }
    }
    let end = shown.char_indices().nth(most).map_or(shown.len(), |(end, _)| end);
    shown.truncate(end);
    shown
}

/// Reads what a program prints from where it has stopped reading.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    read: u64,
    /// The line that has not ended.
    begun: Vec<u8>,
}

impl Follower {
    /// Returns the lines that have ended since the last look, of `most` characters each; and if the program
    /// `is_over`, what it had begun.
    pub(crate) fn lines(&mut self, path: &Path, most: usize, is_over: bool) -> Vec<String> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|mut file| {
            if file.metadata()?.len() < self.read {
                // It was emptied.
                self.read = 0;
            }
            file.seek(SeekFrom::Start(self.read))?;
            file.take(MOST_FOLLOWED).read_to_end(&mut bytes)
        });
        self.read += read.map_or(0, |length| length as u64);
        let is_all = (bytes.len() as u64) < MOST_FOLLOWED;
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MOST_BEGUN.saturating_sub(self.begun.len());
            self.begun.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                lines.extend(self.ended_line(most));
            }
        }
        if is_over && is_all {
            lines.extend(self.ended_line(most));
        }
        lines
    }

    fn ended_line(&mut self, most: usize) -> Option<String> {
        let line = std::mem::take(&mut self.begun);
        let line = printable(String::from_utf8_lossy(&line).trim_end(), most);
        Some(line).filter(|line| !line.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{Follower, MOST_OUTPUT, last_lines, limit, opened};

    #[test]
    fn a_line_is_followed_once_it_has_ended_and_without_its_colors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output");
        let mut follower = Follower::default();
        assert_eq!(follower.lines(&path, 50, false), [""; 0]);
        let mut file = opened(&path).unwrap();
        write!(file, "\u{1b}[2m2026\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m it ra").unwrap();
        assert_eq!(follower.lines(&path, 50, false), [""; 0]);
        write!(file, "ins\n\nand pours on").unwrap();
        assert_eq!(follower.lines(&path, 15, false), ["2026  WARN it r"]);
        file.set_len(0).unwrap();
        writeln!(file, " again").unwrap();
        assert_eq!(follower.lines(&path, 50, false), ["and pours on again"]);
        write!(file, "the end").unwrap();
        assert_eq!(follower.lines(&path, 50, true), ["the end"]);
    }

    #[test]
    fn a_flood_is_cut_and_the_last_lines_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output");
        let mut file = opened(&path).unwrap();
        assert_eq!(limit(&path), None);
        for _ in 0..=MOST_OUTPUT / 4096 {
            file.write_all(&[b'x'; 4096]).unwrap();
        }
        assert_eq!(limit(&path).map(|lines| lines.len()), Some(1));
        assert_eq!(last_lines(&path), Vec::<String>::new());
        (1..=9).for_each(|n| writeln!(file, "line {n}").unwrap());
        assert_eq!(last_lines(&path), ["line 5", "line 6", "line 7", "line 8", "line 9"]);
    }
}
