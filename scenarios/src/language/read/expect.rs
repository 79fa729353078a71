//! Reads what must hold.

use super::world::each;
use crate::{
    language::{reader::Reader, table::Item},
    scenario::{Expect, MessageExpectation, SendOutcome},
};

/// The words for how a send ends.
pub(in crate::language) const OUTCOMES: &[(&str, SendOutcome)] = &[
    ("ok", SendOutcome::Ok),
    ("refused", SendOutcome::Refused),
    ("indefinite", SendOutcome::Indefinite),
];

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
    if let Some(outcome) = table.take("outcome", reader) {
        message.outcome = reader.choice(&outcome, OUTCOMES);
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
