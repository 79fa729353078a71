//! A mistake in a scenario: what it is, where it is, and what to do about it.

use std::{fmt, ops::Range, path::Path};

use serde::Serialize;

use super::render;

/// The most mistakes of one scenario that are reported.
pub const MOST_MISTAKES: usize = 200;

/// The kind of a mistake. Scripts may rely on its name, such as `scenario::unknown-user`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The file cannot be read.
    Unreadable,
    /// The text is not TOML.
    Syntax,
    /// A key that does not exist.
    UnknownKey,
    /// A key that is needed and absent.
    MissingKey,
    /// A value of another type than the key asks for.
    WrongType,
    /// A value of the right type that makes no sense.
    BadValue,
    /// A text that is not a duration.
    BadDuration,
    /// A text that cannot be a name.
    BadName,
    /// A name given twice.
    DuplicateName,
    /// None or more than one of several keys of which exactly one must be given.
    NotOneKind,
    /// A machine that is neither a backend, a relay nor a device.
    UnknownNode,
    /// A backend that is not defined.
    UnknownBackend,
    /// A relay that is not defined.
    UnknownRelay,
    /// A user that is not defined.
    UnknownUser,
    /// A conversation that is not defined.
    UnknownConversation,
    /// A message that no operation sends.
    UnknownMessage,
    /// A fault that no other one is called, or that cannot come before the one that names it.
    UnknownFault,
    /// A check that does not exist, or that is not judged at that time.
    UnknownCheck,
    /// An endpoint that does not exist.
    UnknownEndpoint,
    /// An operation or a fault after the limit.
    AfterLimit,
    /// A group of machines that is empty.
    EmptySide,
    /// A machine on both sides of a cut.
    BothSides,
    /// A member who is named twice.
    MemberTwice,
}

impl Code {
    /// Returns the name, such as `scenario::unknown-user`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "scenario::unreadable",
            Self::Syntax => "scenario::syntax",
            Self::UnknownKey => "scenario::unknown-key",
            Self::MissingKey => "scenario::missing-key",
            Self::WrongType => "scenario::wrong-type",
            Self::BadValue => "scenario::bad-value",
            Self::BadDuration => "scenario::bad-duration",
            Self::BadName => "scenario::bad-name",
            Self::DuplicateName => "scenario::duplicate-name",
            Self::NotOneKind => "scenario::not-one-kind",
            Self::UnknownNode => "scenario::unknown-node",
            Self::UnknownBackend => "scenario::unknown-backend",
            Self::UnknownRelay => "scenario::unknown-relay",
            Self::UnknownUser => "scenario::unknown-user",
            Self::UnknownConversation => "scenario::unknown-conversation",
            Self::UnknownMessage => "scenario::unknown-message",
            Self::UnknownFault => "scenario::unknown-fault",
            Self::UnknownCheck => "scenario::unknown-check",
            Self::UnknownEndpoint => "scenario::unknown-endpoint",
            Self::AfterLimit => "scenario::after-limit",
            Self::EmptySide => "scenario::empty-side",
            Self::BothSides => "scenario::both-sides",
            Self::MemberTwice => "scenario::member-twice",
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(super) code: Code,
    pub(super) message: String,
    /// The key's path, such as `faults[0].crash.node`, which is all that a scenario without a text
    /// has.
    pub(super) at: String,
    /// The bytes that are wrong.
    pub(super) span: Option<Range<usize>>,
    /// What is written below them.
    pub(super) label: String,
    /// Other bytes that explain it.
    pub(super) context: Vec<(Range<usize>, String)>,
    pub(super) help: Option<String>,
}

impl Mistake {
    /// Returns a mistake; the label below the text is empty until [`Self::label`] sets it.
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            at: String::new(),
            span: None,
            label: String::new(),
            context: Vec::new(),
            help: None,
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Sets the help, if there is one.
    pub(super) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    pub(super) fn spanning(mut self, at: &str, span: Range<usize>) -> Self {
        at.clone_into(&mut self.at);
        self.span = Some(span);
        self
    }
}

/// Everything that is wrong with one scenario, in the order of its text, up to [`MOST_MISTAKES`].
#[derive(Clone, PartialEq, Eq)]
pub struct Mistakes {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) all: Vec<Mistake>,
}

/// One mistake as a program reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MistakeRecord {
    /// The file, as it was named; empty for a scenario that was built in Rust.
    pub path: String,
    /// The kind, such as `scenario::unknown-user`.
    pub code: &'static str,
    /// The line, from 1; 0 if there is no text.
    pub line: usize,
    /// The column in characters, from 1; 0 if there is no text.
    pub column: usize,
    /// The key's path, such as `faults[0].crash.node`.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Mistakes {
    /// Returns the mistakes of `text`, sorted into the order of the text.
    pub(crate) fn new(path: &str, text: &str, mut all: Vec<Mistake>) -> Self {
        // The sort is stable, so that mistakes at one place stay in the order in which they were
        // found.
        all.sort_by_key(|mistake| mistake.span.as_ref().map_or(0, |span| span.start));
        all.truncate(MOST_MISTAKES);
        Self { path: path.to_owned(), text: text.to_owned(), all }
    }

    /// Returns the mistake of a file that could not be read.
    pub(super) fn unreadable(path: &Path, why: &str) -> Self {
        let path = path.display().to_string();
        let mistake = Mistake::new(Code::Unreadable, format!("cannot read {path}: {why}"));
        Self::new(&path, "", vec![mistake])
    }

    /// Returns all mistakes for people, one after another with a blank line between them and the
    /// text underlined; `color` adds the escapes of a terminal.
    pub fn render(&self, color: bool) -> String {
        render::all(self, color)
    }

    /// Returns all mistakes for programs.
    pub fn list(&self) -> Vec<MistakeRecord> {
        self.all.iter().map(|mistake| self.record(mistake)).collect()
    }

    fn record(&self, mistake: &Mistake) -> MistakeRecord {
        let (line, column) =
            mistake.span.as_ref().map_or((0, 0), |span| position(&self.text, span.start));
        MistakeRecord {
            path: self.path.clone(),
            code: mistake.code.name(),
            line,
            column,
            key: mistake.at.clone(),
            message: mistake.message.clone(),
            help: mistake.help.clone(),
        }
    }
}

/// Shown as for people, because this is what a test prints whose scenario has a mistake.
impl fmt::Debug for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the scenario has mistakes\n\n{self}")
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Mistakes {}

/// Returns the line and column of a byte, both from 1.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
