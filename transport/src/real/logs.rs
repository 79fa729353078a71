//! The log of a process: a line on standard error for each record, whatever others put into it.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use tracing_subscriber::filter::LevelFilter;

/// Logs records of this level and above from now on. There are no colors: what a terminal takes for
/// a color, a file keeps as litter.
pub fn begin(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_writer(|| OneLine(io::stderr()))
        .with_ansi(false)
        .with_max_level(level)
        .init();
}

/// Writes each record as one line: control characters within it, which come from others, are escaped.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let (text, end) = match record.strip_suffix(b"\n") {
            Some(text) => (text, "\n"),
            None => (record, ""),
        };
        let mut line = String::with_capacity(record.len());
        for c in String::from_utf8_lossy(text).chars() {
            if c.is_control() {
                write!(line, "{}", c.escape_default()).map_err(io::Error::other)?;
            } else {
                line.push(c);
            }
        }
        line.push_str(end);
        self.0.write_all(line.as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_begins_no_line_and_moves_no_cursor() {
        let mut log = Vec::new();
        let said = "it said: \"\n2026 ERROR all is lost\" \x1b[31m\u{9b}2J\r\n";
        OneLine(&mut log).write_all(said.as_bytes()).unwrap();
        let shown = r#"it said: "\n2026 ERROR all is lost" \u{1b}[31m\u{9b}2J\r"#;
        assert_eq!(String::from_utf8(log).unwrap(), format!("{shown}\n"));
    }
}
