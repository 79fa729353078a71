//! Reports: one run record, many renderers.
//!
//! Reading order:
//! - [`json`]: the record as `run.json`, from which every other renderer and every replay works,
//!   and its JSON schema.
//! - [`text`]: the report that people read and `insta` keeps: at most [`COLUMNS`] wide and
//!   [`LINES`] long, without any wall-clock value.
//! - [`mod@line`]: a run in one line, its failure in a few, and the summary of many runs.
//! - [`RENDERERS`]: all of those that write a file. [`folder`]: where a run's files go.
//! - [`comparison`]: delivery policies side by side, as text and as a plot.
//! - [`time`]: how simulated times are written.
//!
//! Invariants:
//! - Renderers show and decide nothing: every verdict, sentence and count is the record's.
//! - The same record gives the same text; only [`mod@line`] shows how long a run took.
//! - Whatever a record holds, no line of text contains a control character.

pub mod comparison;
pub mod folder;
pub mod json;
pub mod line;
pub mod text;
pub mod time;

mod table;
mod words;

use checks::Record;

/// A way to show a run: a file of its own in this crate, and a line in [`RENDERERS`].
#[derive(Clone, Copy, Debug)]
pub struct Renderer {
    /// What it is called.
    pub name: &'static str,
    /// Its file in a run's folder.
    pub file: &'static str,
    /// What it makes of a record; the same of the same one.
    pub render: fn(&Record) -> String,
}

/// Every renderer whose file stands in a run's folder, in the order in which they are written.
pub const RENDERERS: &[Renderer] = &[json::RENDERER, text::RENDERER];

/// The width of every text, in characters.
pub const COLUMNS: usize = 100;

/// The length of a text report, in lines.
pub const LINES: usize = 80;
