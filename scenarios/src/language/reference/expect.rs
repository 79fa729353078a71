//! What must hold.

use super::{
    Key,
    Value::{Checks, Duration, Named, Texts},
    doings::OUTCOME,
    may,
};
use crate::vocabulary::CheckKind;

pub(super) const EXPECT: &[Key] = &[
    may(
        "only",
        Checks(None),
        "every check that applies",
        "the only checks that are judged",
        "[\"exactly-once\", \"delivered\"]",
    ),
    may(
        "always",
        Checks(Some(CheckKind::Always)),
        "none",
        "further checks that must hold at every moment, whether or not they apply by themselves",
        "[\"no-forgery\"]",
    ),
    may(
        "eventually",
        Checks(Some(CheckKind::Eventually)),
        "none",
        "further checks that must hold once everything is repaired and settled",
        "[\"relays-drained\"]",
    ),
    may(
        "sometimes",
        Checks(Some(CheckKind::Sometimes)),
        "none",
        "situations that must have come about",
        "[\"machine-restarted\"]",
    ),
    may(
        "violates",
        Checks(None),
        "none",
        "checks that this design must break: the run passes if it does",
        "[\"all-or-nothing\"]",
    ),
    may(
        "messages",
        Named(MESSAGE),
        "nothing",
        "what must become of single messages, by their ids",
        "{ m0 = { outcome = \"refused\" } }",
    ),
];

const MESSAGE: &[Key] = &[
    may(
        "outcome",
        OUTCOME,
        "any",
        "how the send must end: certainly done, certainly not, without an answer, or with an error of this code",
        "\"refused\"",
    ),
    may(
        "unreachable",
        Texts("backends"),
        "any",
        "the backends that a refusal must name, exactly",
        "[\"c\"]",
    ),
    may(
        "seen-by",
        Texts("users"),
        "any",
        "the users all of whose devices must have seen it at the end, exactly; the sender aside",
        "[\"bob\", \"carol\"]",
    ),
    may(
        "within",
        Duration,
        "no matter when",
        "how long after the send they must have seen it",
        "\"30s\"",
    ),
];
