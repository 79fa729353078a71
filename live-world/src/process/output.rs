//! What programs print: kept in a file that is never long, and shown by its last lines.

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
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let shown = |line: &str| {
        let printable = line.chars().filter(|letter| !letter.is_control());
        printable.take(LONGEST).collect::<String>()
    };
    let lines: Vec<String> = lines.map(shown).collect();
    lines[lines.len().saturating_sub(SHOWN)..].to_vec()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{MOST_OUTPUT, last_lines, limit, opened};

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
