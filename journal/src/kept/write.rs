//! Writes a recording as lines.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    FORMAT, Header, VERSION,
    lines::{EndLine, EndedLine, EntryLine, FaultLine, HashLine, HeaderLine},
};
use crate::{Recording, nanoseconds};

/// Writes a recording to `out`, compressed with zstd. It is written entry by entry, and
/// needs memory for one of them only.
///
/// # Errors
/// What `out` says.
pub fn write(out: impl Write, header: &Header, recording: &Recording) -> io::Result<()> {
    let mut compressed = zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    // What a disk has changed must not come out as another journal.
    compressed.include_checksum(true)?;
    write_lines(&mut compressed, header, recording)?;
    compressed.finish()?.flush()
}

/// The same, as plain text.
pub(super) fn write_lines(
    out: impl Write,
    header: &Header,
    recording: &Recording,
) -> io::Result<()> {
    let mut lines = Lines { out, hasher: blake3::Hasher::new(), line: Vec::new() };
    lines.put(&HeaderLine {
        format: FORMAT.to_owned(),
        version: VERSION,
        program: header.program.clone(),
        program_version: header.version.clone(),
        scenario: header.scenario.clone(),
        file: header.file.clone(),
        seed: header.seed,
    })?;
    for entry in recording.journal.entries() {
        lines.put(&EntryLine::of(entry))?;
    }
    lines.put(&EndLine {
        entries: recording.journal.entries().len() as u64,
        ended: EndedLine::of(&recording.ended),
        at_ns: nanoseconds(recording.at),
        faults: recording.faults.iter().map(FaultLine::of).collect(),
    })?;
    let hash = lines.hasher.finalize().to_hex().to_string();
    lines.put(&HashLine { hash })
}

/// Lines on their way out, hashed as they go.
struct Lines<W> {
    out: W,
    hasher: blake3::Hasher,
    /// The buffer of every line.
    line: Vec<u8>,
}

impl<W: Write> Lines<W> {
    fn put(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.hasher.update(&self.line);
        self.out.write_all(&self.line)
    }
}
