//! Faults of dishonest peers in the language.

use std::time::Duration;

use super::node;
use crate::{
    language::{
        duration,
        meaning::Meaning,
        reader::Reader,
        table::Table,
        write::{Inline, list, number, quoted},
    },
    scenario::{Misdeed, PeerFault},
};

pub(super) fn read(key: &str, table: &mut Table<'_>, reader: &mut Reader) -> Option<PeerFault> {
    let misdeed = misdeed(key, table, reader)?;
    Some(PeerFault {
        node: node(table, reader),
        to: table.take("to", reader).map(|item| reader.texts(&item)).unwrap_or_default(),
        share: table.take("share", reader).and_then(|item| reader.number(&item)).unwrap_or(1.0),
        misdeed,
    })
}

fn misdeed(key: &str, table: &mut Table<'_>, reader: &mut Reader) -> Option<Misdeed> {
    Some(match key {
        "wrong-origin" => {
            let claims = table.need("claims", reader).and_then(|item| reader.text(&item));
            Misdeed::WrongOrigin { claims: claims.unwrap_or_default() }
        }
        "trickle" => {
            let every = table.need("every", reader).and_then(|item| reader.duration(&item));
            // What could not be read is a mistake already.
            Misdeed::Trickle { every: every.unwrap_or(Duration::from_secs(1)) }
        }
        _ => Misdeed::PLAIN.into_iter().find(|(known, _)| *known == key)?.1,
    })
}

pub(super) fn check(fault: &PeerFault, at: &str, meaning: &mut Meaning<'_>) {
    if fault.misdeed.is_of_relay() {
        meaning.relay(&format!("{at}.node"), &fault.node);
    } else {
        meaning.backend(&format!("{at}.node"), &fault.node);
    }
    meaning.wronged(&format!("{at}.to"), &fault.node, &fault.to);
    meaning.share(&format!("{at}.share"), fault.share);
    match &fault.misdeed {
        Misdeed::WrongOrigin { claims } => meaning.backend(&format!("{at}.claims"), claims),
        Misdeed::Trickle { every } => meaning.some_time(&format!("{at}.every"), *every),
        _ => {}
    }
}

pub(super) fn write(fault: &PeerFault) -> Inline {
    let body = Inline::default().text_at("node", &fault.node);
    let body = match &fault.misdeed {
        Misdeed::WrongOrigin { claims } => body.text_at("claims", claims),
        Misdeed::Trickle { every } => body.put("every", quoted(&duration::text(*every))),
        _ => body,
    };
    let to = Some(&fault.to).filter(|to| !to.is_empty());
    let share = Some(fault.share).filter(|share| *share < 1.0);
    body.put_some("to", to.map(|to| list(to))).put_some("share", share.map(number))
}
