//! The record as JSON: one top-level entry or list element per line, so that `diff` is useful.

use std::io;

use checks::Record;
use serde::Serialize;
use serde_json::ser::Formatter;

use crate::{Kind, Renderer};

/// The record itself.
pub const RENDERER: Renderer = Renderer {
    name: "json",
    file: "run.json",
    about: "the whole record, for programs: replay and every report start from it",
    kind: Kind::OfRecord(render),
};

/// The version of the format that this program writes and reads.
pub const SCHEMA: u32 = 2;

/// Below this depth, everything is on one line: an event, a message, a check.
const COMPACT_BELOW: usize = 2;

/// Why a text is not a record.
#[derive(Debug, thiserror::Error)]
pub enum NotARecord {
    /// It is not JSON, or does not have a record's shape.
    #[error("this is not a run record: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It was written in another version of the format.
    #[error("this record is of format {found}; this program reads format {SCHEMA}")]
    OtherFormat {
        /// The version that it names.
        found: u32,
    },
}

/// Returns the record as JSON text, ending in a line feed. The same record gives the same text, and
/// [`parse`] gives the record back.
pub fn render(record: &Record) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Lines::default());
    record.serialize(&mut serializer).expect("a record has only string keys");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("serde_json writes UTF-8")
}

/// Reads a record.
pub fn parse(text: &str) -> Result<Record, NotARecord> {
    let record: Record = serde_json::from_str(text)?;
    if record.schema != SCHEMA {
        return Err(NotARecord::OtherFormat { found: record.schema });
    }
    Ok(record)
}

/// Returns the JSON schema of a record, as text.
pub fn schema() -> String {
    let schema = schemars::schema_for!(Record);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema has only string keys");
    text.push('\n');
    text
}

/// Indents as far as [`COMPACT_BELOW`], and writes on one line what is deeper.
#[derive(Default)]
struct Lines {
    depth: usize,
    has_entries: bool,
}

impl Lines {
    fn begin<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_entries = false;
        writer.write_all(bracket)
    }

    fn end<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        let own_line = self.depth <= COMPACT_BELOW && self.has_entries;
        self.depth -= 1;
        self.has_entries = true;
        if own_line {
            self.line(writer)?;
        }
        writer.write_all(bracket)
    }

    fn entry<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        if self.depth <= COMPACT_BELOW {
            return self.line(writer);
        }
        if first { Ok(()) } else { writer.write_all(b" ") }
    }

    fn line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.entry(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.has_entries = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.entry(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.has_entries = true;
        Ok(())
    }
}
