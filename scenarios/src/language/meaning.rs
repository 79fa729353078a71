//! What a scenario means: that every name refers to something, and that it can be run.
//!
//! This works on [`Scenario`], so that the builder is held to the same rules. The places are those
//! in the text, if there is one.

mod expect;
mod faults;
mod machines;
mod ops;
mod peer;
mod world;

use std::collections::BTreeMap;

use super::{
    mistake::{Code, MOST_MISTAKES, Mistake},
    names::{LONGEST_NAME, closest, is_name},
    places::Places,
    table::listed,
};
use crate::{scenario::Scenario, vocabulary::Vocabulary};

/// Returns everything that is wrong with the meaning of a scenario.
pub(super) fn mistakes(
    vocabulary: &'static Vocabulary,
    scenario: &Scenario,
    places: &Places,
) -> Vec<Mistake> {
    let mut meaning = Meaning { vocabulary, scenario, places, mistakes: Vec::new() };
    meaning.world();
    meaning.ops();
    meaning.sections();
    meaning.faults();
    meaning.expect();
    meaning.mistakes
}

/// The pass over one scenario.
pub(super) struct Meaning<'s> {
    vocabulary: &'static Vocabulary,
    scenario: &'s Scenario,
    places: &'s Places,
    mistakes: Vec<Mistake>,
}

/// What names can refer to.
#[derive(Clone, Copy)]
enum Sort {
    Backend,
    Relay,
    User,
    Conversation,
}

impl Sort {
    /// Returns the word for one, the section that defines them, and the code for one that is not
    /// defined.
    fn words(self) -> (&'static str, &'static str, Code) {
        match self {
            Self::Backend => ("backend", "backends", Code::UnknownBackend),
            Self::Relay => ("relay", "relays", Code::UnknownRelay),
            Self::User => ("user", "users", Code::UnknownUser),
            Self::Conversation => ("conversation", "conversations", Code::UnknownConversation),
        }
    }
}

impl<'s> Meaning<'s> {
    /// Returns whether so much is wrong that looking for remedies is not worth the time.
    fn is_full(&self) -> bool {
        self.mistakes.len() >= MOST_MISTAKES
    }

    /// Notes the sections that this federation would silently ignore.
    fn sections(&mut self) {
        let scenario = self.scenario;
        let sections = [
            ("relays", scenario.relays.is_empty()),
            ("conversations", scenario.conversations.is_empty()),
            ("ops", scenario.ops.is_empty()),
        ];
        for (section, is_empty) in sections {
            if !self.vocabulary.converses && !is_empty {
                let program = self.vocabulary.program;
                let message = format!("a scenario for `{program}` cannot have `{section}`");
                let mistake = Mistake::new(Code::UnknownKey, message)
                    .label("not in this federation")
                    .help("remove it: this federation decides itself what its clients do");
                self.report(section, mistake);
            }
        }
    }

    /// Notes a mistake at a key, unless one is known there already.
    pub(super) fn report(&mut self, at: &str, mistake: Mistake) {
        if !self.places.is_broken(at) {
            self.report_anyway(at, mistake);
        }
    }

    /// Notes a mistake at a key, even if another is known there.
    fn report_anyway(&mut self, at: &str, mut mistake: Mistake) {
        at.clone_into(&mut mistake.at);
        mistake.span = self.places.find(at);
        self.mistakes.push(mistake);
    }

    fn defines(&self, sort: Sort, name: &str) -> bool {
        match sort {
            Sort::Backend => self.scenario.backends.contains_key(name),
            Sort::Relay => self.scenario.relays.contains_key(name),
            Sort::User => self.scenario.users.contains_key(name),
            Sort::Conversation => self.scenario.conversations.contains_key(name),
        }
    }

    /// Returns the names of one sort.
    fn names(&self, sort: Sort) -> Vec<&'s str> {
        let scenario = self.scenario;
        match sort {
            Sort::Backend => scenario.backends.keys().map(String::as_str).collect(),
            Sort::Relay => scenario.relays.keys().map(String::as_str).collect(),
            Sort::User => scenario.users.keys().map(String::as_str).collect(),
            Sort::Conversation => scenario.conversations.keys().map(String::as_str).collect(),
        }
    }

    /// Notes a mistake if `written` refers to nothing of that sort.
    fn refers(&mut self, at: &str, written: &str, sort: Sort) {
        let (word, section, code) = sort.words();
        // If a section cannot be read, every name in it would seem unknown.
        if self.defines(sort, written) || self.places.is_broken(section) || self.is_full() {
            return;
        }
        let names = self.names(sort);
        let mut mistake = Mistake::new(code, format!("there is no {word} `{written}`"))
            .label(format!("not a {word}"));
        if let Some(meant) = closest(written, names.iter().copied()) {
            self.context(
                &mut mistake,
                &format!("{section}.{meant}"),
                format!("`{meant}` is defined here"),
            );
            mistake = mistake.help(format!("did you mean `{meant}`?"));
        } else if names.is_empty() {
            mistake = mistake.help(format!("define it under [{section}]"));
        } else {
            self.context(&mut mistake, section, format!("{section} are defined here"));
            mistake = mistake.help(known(word, section, &names));
        }
        self.report(at, mistake);
    }

    /// Points at another key that explains the mistake, if that key is in the text.
    fn context(&self, mistake: &mut Mistake, at: &str, label: String) {
        if let Some(span) = self.places.find(at) {
            mistake.context.push((span, label));
        }
    }

    /// Notes a mistake if `name` cannot be a name.
    fn name(&mut self, at: &str, name: &str) {
        self.name_within(at, name, LONGEST_NAME);
    }

    fn name_within(&mut self, at: &str, name: &str, longest: usize) {
        if !is_name(name, longest) {
            let mistake = Mistake::new(Code::BadName, format!("\"{name}\" is not a valid name"))
                .label("not a valid name")
                .help(format!(
                    "use lowercase letters, digits and hyphens only, begin with a letter or a \
                     digit, and keep it to {longest} characters"
                ));
            self.report(at, mistake);
        }
    }

    /// Notes each entry of a list that was in it before.
    fn twice(&mut self, at: &str, names: &[String], code: Code) {
        let mut seen = BTreeMap::new();
        for (n, name) in names.iter().enumerate() {
            let first = *seen.entry(name).or_insert(n);
            if first != n {
                let mut mistake = Mistake::new(code, format!("`{name}` is listed twice"))
                    .label("listed again here")
                    .help("remove one of them");
                self.context(
                    &mut mistake,
                    &format!("{at}[{first}]"),
                    "listed first here".to_owned(),
                );
                self.report(&format!("{at}[{n}]"), mistake);
            }
        }
    }
}

/// Returns a sentence on the names that there are, or on as many of them as fit on a line. `one`
/// and `many` say what they are names of.
fn known(one: &str, many: &str, names: &[&str]) -> String {
    const SHOWN: usize = 8;
    match names {
        [only] => format!("the only {one} is `{only}`"),
        _ if names.len() <= SHOWN => format!("the {many} are {}", listed(names)),
        _ => {
            let (shown, more) = (listed(&names[..SHOWN]), names.len() - SHOWN);
            format!("the {many} are {shown} and {more} more")
        }
    }
}
