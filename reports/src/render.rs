//! The seam between a run and the ways to show it.

use ::journal::Recording;
use checks::Record;

use crate::{dot, html, json, junit, mermaid, otlp, pcap, perfetto, shiviz, text};

/// What a run is shown from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'r> {
    /// The run.
    pub record: &'r Record,
    /// What its world wrote down, with the bodies of requests and answers; unset if it was not
    /// kept.
    pub recording: Option<&'r Recording>,
    /// The scenario that shrinking left of it, as text in the scenario language, if that was done.
    pub shrunk: Option<&'r str>,
}

impl<'r> Source<'r> {
    /// Returns what there is to show if nothing but the record is there.
    pub fn of(record: &'r Record) -> Self {
        Self { record, recording: None, shrunk: None }
    }
}

/// A file that a renderer makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name below a run's folder, with `/` between folders.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A way to show a run: a file of its own in this crate, and a line in [`RENDERERS`].
#[derive(Clone, Copy, Debug)]
pub struct Renderer {
    /// What it is called.
    pub name: &'static str,
    /// Its file in a run's folder, or the folder of its files.
    pub file: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// What it makes of a run; the same of the same one.
    pub kind: Kind,
}

/// What a renderer needs, and what it makes of it.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text, of the record alone.
    OfRecord(fn(&Record) -> String),
    /// A text, to which a journal adds something if there is one.
    OfSource(fn(&Source<'_>) -> String),
    /// Files that cannot be made without the journal.
    OfJournal(fn(&Record, &Recording) -> Vec<File>),
}

/// Why a renderer makes nothing of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{format}` shows what requests and answers carried, and the journal was not kept")]
pub struct NoJournal {
    /// The renderer's name.
    pub format: &'static str,
}

impl Renderer {
    /// Returns the files that show a run.
    ///
    /// # Errors
    /// It needs the journal, and there is none.
    pub fn files(&self, source: &Source<'_>) -> Result<Vec<File>, NoJournal> {
        let text = match self.kind {
            Kind::OfRecord(render) => render(source.record),
            Kind::OfSource(render) => render(source),
            Kind::OfJournal(render) => {
                let recording = source.recording.ok_or(NoJournal { format: self.name })?;
                return Ok(render(source.record, recording));
            }
        };
        Ok(vec![File { name: self.file.to_owned(), bytes: text.into_bytes() }])
    }
}

/// Every renderer. The first two are those whose files every run's folder has.
pub const RENDERERS: &[Renderer] = &[
    json::RENDERER,
    text::RENDERER,
    html::RENDERER,
    mermaid::RENDERER,
    junit::RENDERER,
    perfetto::RENDERER,
    otlp::RENDERER,
    shiviz::RENDERER,
    dot::RENDERER,
    pcap::RENDERER,
];

/// Returns the renderer called `name`.
pub fn named(name: &str) -> Option<&'static Renderer> {
    RENDERERS.iter().find(|renderer| renderer.name == name)
}
