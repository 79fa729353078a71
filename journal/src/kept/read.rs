//! Reads a recording back, line by line, and says of what is malformed where it is.

use std::{
    fmt,
    io::{BufRead, BufReader, Read},
    time::Duration,
};

use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{
    FORMAT, Header, Kept, VERSION,
    lines::{EndLine, EntryLine, FaultLine, HashLine, HeaderLine},
    validate::Validator,
};
use crate::{Entry, Journal, Recording};

/// The longest line, in bytes: a body of the largest message a world decodes, escaped at its worst.
const LONGEST_LINE: u64 = 512 << 20;
/// The most entries.
const MOST_ENTRIES: u64 = 10_000_000;
/// The most text, uncompressed, in bytes: what a small file unpacks to must end somewhere.
const LARGEST_TEXT: u64 = 2 << 30;
/// What a zstd frame begins with.
const ZSTD: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// Why a kept journal cannot be read: which line, which field of it, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line, from 1.
    pub line: u64,
    /// The field, as `event.request_sent.status`; empty if it is the line as a whole.
    pub field: String,
    /// What is wrong with it, in a sentence.
    pub what: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.field.is_empty() {
            write!(f, ", `{}`", self.field)?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for Malformed {}

/// Reads a kept journal, compressed with zstd or plain.
///
/// # Errors
/// It is cut off, altered, of another format, or contradicts itself.
pub fn read(input: impl Read) -> Result<Kept, Malformed> {
    let mut input = BufReader::new(input);
    let unreadable = |error: &dyn fmt::Display| Malformed {
        line: 1,
        field: String::new(),
        what: format!("{error}"),
    };
    let start = input.fill_buf().map_err(|error| unreadable(&error))?;
    if start.starts_with(&ZSTD) {
        let plain = zstd::Decoder::with_buffer(input).map_err(|error| unreadable(&error))?;
        read_lines(BufReader::new(plain))
    } else {
        read_lines(input)
    }
}

fn read_lines(input: impl BufRead) -> Result<Kept, Malformed> {
    let mut lines = Lines {
        input: input.take(LARGEST_TEXT),
        number: 0,
        text: Vec::new(),
        hasher: blake3::Hasher::new(),
    };
    let header = header(&mut lines)?;
    let mut validator = Validator::default();
    let mut entries: Vec<Entry> = Vec::new();
    let end = loop {
        if !lines.next()? {
            return Err(lines.malformed("", "the journal is cut off: its last lines are missing"));
        }
        let line: EntryLine = match lines.parse() {
            Ok(line) => line,
            Err(_) if lines.is_end() => break lines.parse::<EndLine>()?,
            Err(malformed) => return Err(malformed),
        };
        let entry = line.into_entry().map_err(|what| lines.malformed("event", &what))?;
        validator.entry(&entries, &entry).map_err(|(field, what)| lines.malformed(field, &what))?;
        entries.push(entry);
        if entries.len() as u64 > MOST_ENTRIES {
            return Err(lines.malformed("", &format!("more than {MOST_ENTRIES} entries")));
        }
    };
    let recording = recording(&lines, entries, end)?;
    validator.end(&recording).map_err(|(field, what)| lines.malformed(field, &what))?;
    check_hash(&mut lines)?;
    Ok(Kept { header, recording })
}

fn header<R: BufRead>(lines: &mut Lines<R>) -> Result<Header, Malformed> {
    if !lines.next()? {
        return Err(lines.malformed("", "the journal is empty"));
    }
    let line: HeaderLine = lines.parse()?;
    if line.format != FORMAT {
        return Err(lines.malformed("format", &format!("`{}` is not `{FORMAT}`", line.format)));
    }
    if line.version != VERSION {
        let what = format!("version {} is not known here, only {VERSION}", line.version);
        return Err(lines.malformed("version", &what));
    }
    Ok(Header {
        program: line.program,
        version: line.program_version,
        scenario: line.scenario,
        file: line.file,
        seed: line.seed,
    })
}

fn recording<R: BufRead>(
    lines: &Lines<R>,
    entries: Vec<Entry>,
    end: EndLine,
) -> Result<Recording, Malformed> {
    if end.entries != entries.len() as u64 {
        let what = format!("{} entries are announced and {} are there", end.entries, entries.len());
        return Err(lines.malformed("entries", &what));
    }
    Ok(Recording {
        journal: Journal::from_entries(entries),
        faults: end.faults.into_iter().map(FaultLine::into_report).collect(),
        ended: end.ended.into_ended(),
        at: Duration::from_nanos(end.at_ns),
    })
}

/// The hash, if there is one, is that of all lines before it; behind it there is nothing.
fn check_hash<R: BufRead>(lines: &mut Lines<R>) -> Result<(), Malformed> {
    let hash = lines.hasher.finalize().to_hex().to_string();
    if !lines.next()? {
        return Ok(());
    }
    let line: HashLine = lines.parse()?;
    if line.hash != hash {
        return Err(lines.malformed("hash", "the lines above are not those that were written"));
    }
    if lines.next()? {
        return Err(lines.malformed("", "nothing may follow the hash"));
    }
    Ok(())
}

/// Lines on their way in, hashed as they come.
struct Lines<R> {
    input: std::io::Take<R>,
    /// The line that was read last, from 1.
    number: u64,
    text: Vec<u8>,
    hasher: blake3::Hasher,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line; false at the end.
    fn next(&mut self) -> Result<bool, Malformed> {
        self.number += 1;
        self.text.clear();
        let mut line = self.input.by_ref().take(LONGEST_LINE);
        let read = line.read_until(b'\n', &mut self.text);
        let length =
            read.map_err(|error| self.malformed("", &format!("it cannot be read: {error}")))?;
        if length == 0 {
            return if self.input.limit() == 0 {
                Err(self.malformed("", &format!("more than {LARGEST_TEXT} bytes of text")))
            } else {
                Ok(false)
            };
        }
        self.hasher.update(&self.text);
        if self.text.pop_if(|byte| *byte == b'\n').is_none() && length as u64 == LONGEST_LINE {
            return Err(self.malformed("", &format!("it is longer than {LONGEST_LINE} bytes")));
        }
        Ok(true)
    }

    /// Whether the line says what only the end does.
    fn is_end(&self) -> bool {
        #[derive(Deserialize)]
        struct Told {
            entries: Option<IgnoredAny>,
        }
        serde_json::from_slice(&self.text).is_ok_and(|told: Told| told.entries.is_some())
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, Malformed> {
        let mut json = serde_json::Deserializer::from_slice(&self.text);
        let parsed = serde_path_to_error::deserialize(&mut json);
        let value = parsed.map_err(|error| {
            let path = error.path().to_string();
            self.malformed(if path == "." { "" } else { &path }, &said(error.inner()))
        })?;
        json.end().map_err(|error| self.malformed("", &said(&error)))?;
        Ok(value)
    }

    fn malformed(&self, field: &str, what: &str) -> Malformed {
        Malformed { line: self.number, field: field.to_owned(), what: what.to_owned() }
    }
}

/// What `serde_json` says, with the column only: every line is the first one to it.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line 1 column ") {
        Some((what, column)) => format!("{what} (column {column})"),
        None => text,
    }
}
