//! Operations and faults apart from their kinds: when they begin, how often, for how long.

use super::{
    Key,
    Value::{Duration, Either, Endpoints, OneOf, Text, Whole, Words},
    may, need,
};
use crate::scenario::MOST_TIMES;

/// An operation, its kind aside.
pub(super) const OPERATION: &[Key] = &[
    need("at", Duration, "when it begins, counted from the moment everything is ready", "\"1s\""),
    may(
        "times",
        Whole(1, MOST_TIMES as u64),
        "1",
        "how often it is done (a `logout` once); messages then have numbers, such as `m1-1`",
        "5",
    ),
    may("every", Duration, "0s", "how long after one the next one begins", "\"1s\""),
    may(
        "jitter",
        Duration,
        "0s",
        "how much later each begins at the most, drawn from the seed",
        "\"500ms\"",
    ),
    may(
        "outcome",
        OUTCOME,
        "any",
        "how it must end: certainly done, certainly not, without an answer, or with an error of this code",
        "\"ok\"",
    ),
];

/// How an operation ends.
pub(super) const OUTCOME: super::Value =
    Either(&[Words(&["ok", "refused", "indefinite"]), Text("an error code")]);

/// A fault, its kind aside.
pub(super) const FAULT: &[Key] = &[
    may(
        "id",
        Text("a name"),
        "none",
        "what other faults call it, in their `after`",
        "\"second-cut\"",
    ),
    may(
        "after",
        Text("a fault"),
        "the beginning of the run",
        "the fault from whose beginning its own time or trigger counts",
        "\"first-cut\"",
    ),
    may("at", Duration, "given unless `when` is", "when it begins", "\"5s\""),
    may(
        "when",
        TRIGGER,
        "given unless `at` is",
        "what it begins with: a request, an answer, or an operation of a disk",
        "{ sent = \"send\", from = \"a\", to = \"b\" }",
    ),
    may("for", Duration, "until everything is repaired", "how long it lasts", "\"5s\""),
];

/// What a fault begins with.
pub(in crate::language) const TRIGGER: super::Value = OneOf(
    &[
        may("from", Text("a machine"), "any", "who sends the request", "\"a\""),
        may("to", Text("a machine"), "any", "who is sent the request", "\"b\""),
        may(
            "nth",
            Whole(1, u32::MAX as u64),
            "1",
            "which of them, counted from the fault's own beginning to wait",
            "2",
        ),
    ],
    &[
        may("sent", Endpoints, "", "a request to this endpoint leaves its machine", "\"send\""),
        may("arrived", Endpoints, "", "a request to this endpoint has arrived", "\"prepare\""),
        may(
            "answered",
            Endpoints,
            "",
            "the answer to a request to this endpoint leaves its machine",
            "[\"send\", \"send_relay\"]",
        ),
        may("written", Text("a machine"), "", "the machine's disk has written something", "\"a\""),
        may("synced", Text("a machine"), "", "the machine's disk has synced something", "\"a\""),
    ],
);
