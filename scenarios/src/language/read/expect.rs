//! Reads what must hold.

use super::world::each;
use crate::{
    language::{
        mistake::{Code, Mistake},
        names::closest,
        reader::Reader,
        table::{Item, listed},
    },
    scenario::{Expect, MessageExpectation, Outcome},
};

/// Reads how an operation must end: a word, or the code of an error.
pub(super) fn outcome(item: &Item<'_>, reader: &mut Reader) -> Option<Outcome> {
    let written = reader.text(item)?;
    let word = Outcome::WORDS.into_iter().find(|(word, _)| *word == written);
    let outcome = word.map(|(_, outcome)| outcome);
    let code = || Outcome::is_code(&written).then(|| Outcome::Error(written.clone()));
    let outcome = outcome.or_else(code);
    if outcome.is_none() {
        let words = Outcome::WORDS.map(|(word, _)| word);
        let help = match closest(&written, words) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!(
                "write one of {}, or the code of an error, such as \"M_FORBIDDEN\"",
                listed(&words)
            ),
        };
        let message = format!("`{}` cannot be \"{written}\"", item.at);
        let mistake = Mistake::new(Code::BadValue, message).label("unknown value").help(help);
        reader.broken(item, mistake);
    }
    outcome
}

pub(super) fn expect(item: &Item<'_>, reader: &mut Reader) -> Expect {
    let mut expect = Expect::default();
    let Some(mut table) = reader.table(item) else { return expect };
    for (key, list) in [
        ("only", &mut expect.only),
        ("always", &mut expect.always),
        ("eventually", &mut expect.eventually),
        ("sometimes", &mut expect.sometimes),
        ("violates", &mut expect.violates),
    ] {
        if let Some(item) = table.take(key, reader) {
            *list = reader.texts(&item);
        }
    }
    if let Some(messages) = table.take("messages", reader) {
        expect.messages = each(&messages, reader, message);
    }
    table.done(reader);
    expect
}

fn message(item: &Item<'_>, reader: &mut Reader) -> MessageExpectation {
    let mut message = MessageExpectation::default();
    let Some(mut table) = reader.table(item) else { return message };
    if let Some(item) = table.take("outcome", reader) {
        message.outcome = outcome(&item, reader);
    }
    if let Some(unreachable) = table.take("unreachable", reader) {
        message.unreachable = Some(reader.texts(&unreachable));
    }
    if let Some(seen_by) = table.take("seen-by", reader) {
        message.seen_by = Some(reader.texts(&seen_by));
    }
    if let Some(within) = table.take("within", reader) {
        message.within = reader.duration(&within);
    }
    table.done(reader);
    message
}
