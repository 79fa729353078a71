//! Misdeeds with bodies: too large, ending in the middle, sent a byte at a time.

use bytes::{Bytes, BytesMut};
use scenarios::scenario::Misdeed;
use sim::tamper::{Aside, Dealing, Fate, HttpMessage};

use super::tamperer::{FEDERATION, Meeting};

/// Bytes that are added to the body of a request. Relays accept the most, 10 MiB.
const TOO_MUCH_ASKED: usize = 11 << 20;

/// Bytes that are added to the body of an answer. Clients accept 32 MiB.
const TOO_MUCH_ANSWERED: usize = 33 << 20;

/// Messages that one dishonest server makes too large. Each is in memory for as long as its connection, and
/// in the journal: who is cut off from a server that answers everybody so would hold gigabytes.
const MOST_OVERSIZED: u64 = 24;

/// Decides what becomes of a request.
pub(super) fn request(
    misdeed: &Misdeed,
    meeting: &Meeting<'_>,
    request: &HttpMessage,
) -> Option<Dealing> {
    match misdeed {
        Misdeed::Oversize => oversized(meeting, request, TOO_MUCH_ASKED),
        Misdeed::Truncate => truncated(meeting, request),
        Misdeed::Trickle { every } => {
            let request = request.clone();
            let aside = Aside { request, after_answer: false, pause: Some(*every) };
            Some(Dealing { fate: Fate::Withhold, asides: vec![aside] })
        }
        _ => None,
    }
}

/// Decides what becomes of an answer.
pub(super) fn answer(
    misdeed: &Misdeed,
    meeting: &Meeting<'_>,
    request: &HttpMessage,
    answer: &HttpMessage,
) -> Option<Dealing> {
    let target = request.target();
    match misdeed {
        // Its keys are spared: without them, nobody would look at its bodies.
        Misdeed::Oversize if target.starts_with(FEDERATION) => {
            oversized(meeting, answer, TOO_MUCH_ANSWERED)
        }
        Misdeed::Truncate if target.starts_with("/_matrix/") => truncated(meeting, answer),
        _ => None,
    }
}

/// Adds blanks after the JSON, so that a reader who accepted the body would find it valid.
fn oversized(meeting: &Meeting<'_>, message: &HttpMessage, by: usize) -> Option<Dealing> {
    if message.body.is_empty() || meeting.touched >= MOST_OVERSIZED {
        return None;
    }
    let mut body = BytesMut::from(&*message.body);
    body.resize(message.body.len() + by, b' ');
    Some(Fate::Replace(message.clone().with_body(body.freeze())).into())
}

/// Does one of two things in turn: sends fewer bytes than the length says and ends the connection,
/// or sends half of a JSON text with the right length.
fn truncated(meeting: &Meeting<'_>, message: &HttpMessage) -> Option<Dealing> {
    let half = message.body.len() / 2;
    if half == 0 {
        return None;
    }
    let is_short = meeting.touched.is_multiple_of(2);
    let fate = if is_short {
        Fate::Cut(message.to_bytes().len() - half)
    } else {
        Fate::Replace(message.clone().with_body(Bytes::slice(&message.body, ..half)))
    };
    Some(fate.into())
}
