//! Reports: one run record, many renderers.
//!
//! Reading order:
//! - [`json`]: the record as `run.json`, from which every other renderer and every replay works,
//!   and its JSON schema.
//! - [`text`]: the report that people read and `insta` keeps: at most [`COLUMNS`] wide and
//!   [`LINES`] long, without any wall-clock value.
//! - [`mod@line`]: a run in one line, its failure in a few, and the summary of many runs.
//! - [`folder`]: where a run's files go.
//! - [`time`]: how simulated times are written.
//!
//! Invariants:
//! - Renderers show and decide nothing: every verdict, sentence and count is the record's.
//! - The same record gives the same text; only [`mod@line`] shows how long a run took.
//! - Whatever a record holds, no line of text contains a control character.

pub mod folder;
pub mod json;
pub mod line;
pub mod text;
pub mod time;

mod table;
mod words;

/// The width of every text, in characters.
pub const COLUMNS: usize = 100;

/// The length of a text report, in lines.
pub const LINES: usize = 80;
