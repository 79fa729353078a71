//! A mistake in a file: what it is, where it is, and what to do about it.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};

/// Lines on the terminal are cut beyond this.
const WIDTH: usize = 120;

/// How alike a key and the one that is meant are at least; 1 is the same.
const LIKENESS: f64 = 0.7;

/// A value of the right type that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {problem}; {remedy}")]
pub struct Wrong {
    /// The key.
    pub key: &'static str,
    /// What is wrong with its value, as what follows the key in a sentence.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    message: String,
    /// The bytes that are wrong.
    span: Option<Range<usize>>,
    help: Option<String>,
}

impl Mistake {
    pub(super) fn of_value(wrong: &Wrong, span: Option<Range<usize>>) -> Self {
        let message = format!("`{}` {}", wrong.key, wrong.problem);
        Self { message, span, help: Some(wrong.remedy.clone()) }
    }

    /// Returns the mistake for people, with the line of `text` below which it stands, in the form that
    /// users of rustc know; `color` adds the escapes of a terminal.
    pub fn render(&self, path: &str, text: &str, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let title = Level::ERROR.primary_title(self.message.as_str());
        let place = self.span.clone().filter(|span| text.get(span.clone()).is_some()).map(|span| {
            Snippet::source(text).path(path).annotation(AnnotationKind::Primary.span(span))
        });
        let place: Option<Element<'_>> = match place {
            Some(place) => Some(place.into()),
            None => Some(annotate_snippets::Origin::path(path).into()),
        };
        let mut groups = vec![title.elements(place)];
        if let Some(help) = &self.help {
            groups.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
        }
        renderer.term_width(WIDTH).render(&groups) + "\n"
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Mistake {}

impl From<&toml::de::Error> for Mistake {
    fn from(error: &toml::de::Error) -> Self {
        let (span, said) = (error.span(), error.message());
        let Some((unknown, known)) = unknown_key(said) else {
            return Self { message: said.to_owned(), span, help: None };
        };
        let likeness = |key: &str| strsim::jaro_winkler(key, unknown);
        let closest = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let help = match closest.filter(|key| likeness(key) >= LIKENESS) {
            Some(key) => format!("did you mean `{key}`?"),
            None => format!("the keys allowed here are {}", known.join(", ")),
        };
        Self { message: format!("there is no key `{unknown}`"), span, help: Some(help) }
    }
}

/// Returns the key that is not known and those that are, of what serde says of such a key.
fn unknown_key(said: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = said.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    Some((unknown, quoted.collect()))
}
