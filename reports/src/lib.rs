//! Reports: one run record, many renderers.
//!
//! Reading order:
//! - [`json`]: the record as `run.json`, from which every other renderer and every replay works,
//!   and its JSON schema.
//! - [`text`]: the report that people read and `insta` keeps: at most [`COLUMNS`] wide and
//!   [`LINES`] long, without any wall-clock value.
//! - [`html`]: the same as a page that needs nothing else; [`index`]: a page about many runs.
//! - [`mod@line`]: a run in one line, its failure in a few, and the summary of many runs.
//! - For others to read: [`mermaid`] (Markdown), [`junit`], [`perfetto`], [`otlp`], [`shiviz`];
//!   and of the journal's bodies [`dot`] and [`pcap`].
//! - [`mod@journal`]: a run's journal for terminals. [`signature`]: which failures are the same.
//! - What several of them read out of a record: [`evidence`] (the entries that show a violation),
//!   [`exchange`] (requests and what became of them), [`reach`] (where a fault lies).
//! - [`progress`]: how far a search is, in a file that it writes while it goes on.
//! - [`campaign`]: what a search over many machines came to, as a page and for CI.
//! - [`RENDERERS`]: all of those that write files, those for other tools included. [`folder`]:
//!   where a run's files go.
//! - [`comparison`]: delivery policies side by side, as text and as a plot.
//! - [`time`]: how simulated times are written; [`shell`]: how paths in printed commands are.
//!
//! Invariants:
//! - Renderers show and decide nothing: every verdict, sentence and count is the record's.
//! - The same record and journal give the same bytes; only [`mod@line`] shows how long a run took.
//! - Whatever a record holds, no line of text contains a control character.

pub mod campaign;
pub mod comparison;
pub mod dot;
pub mod evidence;
pub mod exchange;
pub mod folder;
pub mod html;
pub mod index;
pub mod journal;
pub mod json;
pub mod junit;
pub mod line;
pub mod mermaid;
pub mod otlp;
pub mod pcap;
pub mod perfetto;
pub mod progress;
pub mod reach;
pub mod shell;
pub mod shiviz;
pub mod signature;
pub mod text;
pub mod time;

mod render;
mod table;
mod words;

pub use self::{
    render::{File, Kind, NoJournal, RENDERERS, Renderer, Source, named},
    words::{cut, wrap},
};

/// The width of every text, in characters.
pub const COLUMNS: usize = 100;

/// The length of a text report, in lines.
pub const LINES: usize = 80;
