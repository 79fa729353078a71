//! Everything that is printed: results on standard output, progress and diagnostics on standard
//! error.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use anstream::{AutoStream, stderr, stdout};
use clap::builder::styling::{AnsiColor, Effects, Style};
use indicatif::{ProgressBar, ProgressStyle};
use reports::{COLUMNS, line::Status};
use scenarios::language::Mistakes;
use serde_json::{Value, json};

use crate::arguments::{Global, MessageFormat, Progress};

/// The column in which the word that begins a line ends.
const WORD: usize = 11;
/// How often the progress is drawn while nothing new is known.
const TICK: Duration = Duration::from_millis(250);

/// What the color of the word at the beginning of a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Doubtful,
    Plain,
}

impl From<Status> for Tone {
    fn from(status: Status) -> Self {
        match status {
            Status::Pass => Self::Good,
            Status::Fail => Self::Bad,
            Status::Warn | Status::Unknown => Self::Doubtful,
        }
    }
}

impl Tone {
    fn style(self) -> Style {
        let color = match self {
            Self::Good => AnsiColor::Green,
            Self::Bad => AnsiColor::Red,
            Self::Doubtful => AnsiColor::Yellow,
            Self::Plain => return Style::new() | Effects::BOLD,
        };
        color.on_default() | Effects::BOLD
    }
}

/// The least width for which lines are broken: narrower terminals break them by themselves.
const NARROWEST: usize = 60;

/// Returns the width of the terminal that shows results, as far as they use it; their whole width,
/// if it is none.
fn columns() -> usize {
    let size = terminal_size::terminal_size_of(io::stdout());
    size.map_or(COLUMNS, |(width, _)| usize::from(width.0).clamp(NARROWEST, COLUMNS))
}

/// The command's two streams.
pub(crate) struct Output {
    results: AutoStream<io::Stdout>,
    diagnostics: AutoStream<io::Stderr>,
    format: MessageFormat,
    progress: Progress,
    bar: ProgressBar,
    /// How wide lines of results may be, in characters.
    pub(crate) columns: usize,
    /// Whether nothing is printed about what is as it should be.
    pub(crate) quiet: bool,
}

impl Output {
    pub(crate) fn new(global: Global) -> Self {
        Self {
            results: stdout(),
            diagnostics: stderr(),
            format: global.message_format,
            progress: global.progress,
            bar: ProgressBar::hidden(),
            columns: columns(),
            quiet: global.quiet,
        }
    }

    /// Returns whether results are JSON objects.
    pub(crate) fn is_json(&self) -> bool {
        self.format == MessageFormat::Json
    }

    /// Prints a line of results, for people only.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        if self.is_json() {
            return Ok(());
        }
        let Self { results, bar, .. } = self;
        bar.suspend(|| writeln!(results, "{text}"))
    }

    /// Prints a line of results that begins with a word, for people only.
    pub(crate) fn word(&mut self, tone: Tone, word: &str, text: &str) -> io::Result<()> {
        let style = tone.style();
        self.line(&format!("{style}{word:>WORD$}{style:#} {text}"))
    }

    /// Prints a heading, beginning with a word, for people only.
    pub(crate) fn heading(&mut self, tone: Tone, word: &str, text: &str) -> io::Result<()> {
        let style = tone.style();
        self.line(&format!("\n  {style}{word}{style:#} {text}"))
    }

    /// Prints a heading, and in brackets what kind of thing it is, for people only.
    pub(crate) fn title(&mut self, tone: Tone, name: &str, kind: &str) -> io::Result<()> {
        let style = tone.style();
        self.line(&format!("{style}{name}{style:#} ({kind})"))
    }

    /// Prints a result as a line of JSON, for programs only.
    pub(crate) fn object(&mut self, object: &Value) -> io::Result<()> {
        if !self.is_json() {
            return Ok(());
        }
        let Self { results, bar, .. } = self;
        bar.suspend(|| writeln!(results, "{object}"))
    }

    /// Prints text as it is, in both formats.
    pub(crate) fn raw(&mut self, text: &str) -> io::Result<()> {
        self.results.write_all(text.as_bytes())
    }

    /// Prints a file as it is, in both formats.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.results.write_all(bytes)
    }

    /// Prints why something cannot be done; lines after the first are the remedy.
    pub(crate) fn refusal(&mut self, message: &str) -> io::Result<()> {
        self.end_progress();
        let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
        let error = Tone::Bad.style();
        writeln!(self.diagnostics, "{error}error{error:#}: {first}")?;
        let help = AnsiColor::Cyan.on_default() | Effects::BOLD;
        for line in rest.lines() {
            writeln!(self.diagnostics, "{help}help{help:#}: {line}")?;
        }
        Ok(())
    }

    /// Prints something that is worth knowing and is not a mistake.
    pub(crate) fn note(&mut self, message: &str) -> io::Result<()> {
        let Self { diagnostics, bar, .. } = self;
        let note = Tone::Doubtful.style();
        bar.suspend(|| writeln!(diagnostics, "{note}note{note:#}: {message}"))
    }

    /// Prints every mistake of every file.
    pub(crate) fn mistakes(&mut self, files: &[Mistakes]) -> io::Result<()> {
        for mistakes in files {
            // The stream removes the escapes where they are not wanted.
            writeln!(self.diagnostics, "{}\n", mistakes.render(true).trim_end())?;
            for mistake in mistakes.list() {
                let mut object = json!(mistake);
                object["type"] = json!("mistake");
                self.object(&object)?;
            }
        }
        let count: usize = files.iter().map(|mistakes| mistakes.list().len()).sum();
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        let (bad, files) = (files.len(), if files.len() == 1 { "file" } else { "files" });
        self.refusal(&format!("{count} {mistakes} in {bad} {files}"))
    }

    /// Begins to show progress, if it is wanted and somebody can see it. The bar that is returned
    /// counts what is done, from any thread.
    pub(crate) fn begin_progress(&mut self, of: usize) -> ProgressBar {
        let wanted = match self.progress {
            Progress::None => false,
            Progress::Auto => of > 1 && io::stderr().is_terminal(),
            Progress::Bar => io::stderr().is_terminal(),
        };
        if wanted {
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {elapsed}  {msg}");
            self.bar = ProgressBar::new(of as u64)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.enable_steady_tick(TICK);
        }
        self.bar.clone()
    }

    /// Shows next to the progress how many runs have failed.
    pub(crate) fn failed(&mut self, failed: u64) {
        if failed > 0 {
            self.bar.set_message(format!("{failed} failed"));
        }
    }

    /// Shows text next to the progress.
    pub(crate) fn progress_says(&mut self, text: String) {
        self.bar.set_message(text);
    }

    /// Stops showing progress.
    pub(crate) fn end_progress(&mut self) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::hidden();
    }
}
