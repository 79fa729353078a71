//! Faults of dishonest peers in the language.

use std::time::Duration;

use super::{Listed, NODE, node};
use crate::{
    duration,
    language::{
        meaning::Meaning,
        reader::Reader,
        reference::{
            Key,
            Value::{self, Number, Table, Text, Texts},
            may, need,
        },
        table,
        write::{Inline, list, number, quoted},
    },
    scenario::{Misdeed, PeerFault},
};

const TO: Key = may("to", Texts("servers"), "everybody", "who is wronged", "[\"b\"]");
const SHARE: Key = may(
    "share",
    Number(0.0, 1.0),
    "1.0",
    "which share of the messages is wrong, by the seed",
    "0.5",
);
const CLAIMS: Key =
    need("claims", Text("a backend"), "who makes the requests, as they say", "\"c\"");
const EVERY: Key = need("every", Value::Duration, "how long each byte takes", "\"1s\"");

const fn of_homeserver(key: &'static str, means: &'static str) -> Listed {
    let example = "{ node = \"a\", to = [\"b\"], share = 1.0 }";
    Listed { key, body: Table(&[NODE, TO, SHARE]), example, means }
}

const fn of_relay(key: &'static str, means: &'static str) -> Listed {
    let example = "{ node = \"r1\", to = [\"b\"], share = 1.0 }";
    Listed { key, body: Table(&[NODE, TO, SHARE]), example, means }
}

/// How they are written.
pub(super) const LISTED: &[Listed] = &[
    of_homeserver("forge-signature", "a homeserver's requests are signed wrongly"),
    Listed {
        key: "wrong-origin",
        body: Table(&[NODE, TO, SHARE, CLAIMS]),
        example: "{ node = \"a\", claims = \"c\" }",
        means: "a homeserver's requests say that another server makes them",
    },
    of_homeserver("expired-key", "a homeserver signs with a key that it publishes as expired"),
    of_homeserver(
        "same-id-other-body",
        "a homeserver repeats a transaction under the same id with another body, validly signed",
    ),
    of_homeserver(
        "equivocate",
        "a homeserver tells some another event than the others, at the same place of the graph",
    ),
    of_homeserver(
        "oversize",
        "a homeserver's bodies, of requests and answers, are larger than anybody takes",
    ),
    of_homeserver("truncate", "a homeserver's bodies end in the middle"),
    of_homeserver("unknown-prev-events", "a homeserver's events name others that nobody has"),
    of_homeserver(
        "forge-event-signature",
        "a homeserver's events, true and made-up ones, are signed wrongly; its requests are not",
    ),
    of_homeserver(
        "alter-content",
        "a homeserver's events say something else than what was hashed; their signatures hold",
    ),
    of_homeserver(
        "break-auth-rules",
        "a homeserver adds events that the room does not allow, hashed and signed validly",
    ),
    of_homeserver("deny-votes", "a member of m1 rooms says of every commit that it never voted"),
    of_homeserver(
        "meddle-in-votes",
        "a member of m1 rooms asks for the outcome of every vote, and tells others decisions, also by way of its own rooms",
    ),
    of_homeserver(
        "pass-by-the-owner",
        "a member of m1 rooms adds messages to its transactions that no owner has heard of, and hands owners others by way of other rooms",
    ),
    Listed {
        key: "trickle",
        body: Table(&[NODE, TO, SHARE, EVERY]),
        example: "{ node = \"a\", every = \"1s\" }",
        means: "a homeserver's requests come a byte at a time",
    },
    of_relay("drop-mail", "a relay says that it keeps a transaction, and does not"),
    of_relay("reorder-mail", "a relay hands out the newest of what waits first"),
    of_relay("withhold-mail", "a relay says that it has nothing"),
    of_relay("serve-twice", "a relay hands out once more what was acknowledged"),
    of_relay("serve-anothers", "a relay hands out one backend's mail to another"),
];

pub(super) fn read(
    key: &str,
    table: &mut table::Table<'_>,
    reader: &mut Reader,
) -> Option<PeerFault> {
    let misdeed = misdeed(key, table, reader)?;
    Some(PeerFault {
        node: node(table, reader),
        to: table.take("to", reader).map(|item| reader.texts(&item)).unwrap_or_default(),
        share: table.take("share", reader).and_then(|item| reader.number(&item)).unwrap_or(1.0),
        misdeed,
    })
}

fn misdeed(key: &str, table: &mut table::Table<'_>, reader: &mut Reader) -> Option<Misdeed> {
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

#[cfg(test)]
mod tests {
    use super::LISTED;
    use crate::scenario::Misdeed;

    #[test]
    fn every_misdeed_is_listed_under_its_key() {
        let keys: Vec<_> = LISTED.iter().map(|listed| listed.key).collect();
        assert!(Misdeed::PLAIN.iter().all(|(key, it)| it.key() == *key && keys.contains(key)));
        assert_eq!(keys.len(), Misdeed::PLAIN.len() + 2);
    }
}
