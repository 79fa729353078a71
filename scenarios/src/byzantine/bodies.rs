//! Misdeeds with bodies: too large, ending in the middle, a byte at a time.

use bytes::{Bytes, BytesMut};
use sim::tamper::{Aside, Dealing, Fate, HttpMessage};
use transport::http::{ClientLimits, ServerLimits};

use super::seat::Meeting;
use crate::scenario::Misdeed;

/// Bytes beyond what is taken that a body which is too large has at least.
const EXCESS: usize = 1 << 20;

/// What becomes of a request.
pub(super) fn request(
    misdeed: &Misdeed,
    meeting: &Meeting<'_>,
    request: &HttpMessage,
) -> Option<Dealing> {
    match misdeed {
        Misdeed::Oversize => oversized(request, ServerLimits::default().max_body),
        Misdeed::Truncate => truncated(meeting, request),
        Misdeed::Trickle { every } => {
            let request = request.clone();
            let aside = Aside { request, after_answer: false, pause: Some(*every) };
            Some(Dealing { fate: Fate::Withhold, asides: vec![aside] })
        }
        _ => None,
    }
}

/// What becomes of an answer.
pub(super) fn answer(
    misdeed: &Misdeed,
    meeting: &Meeting<'_>,
    request: &HttpMessage,
    answer: &HttpMessage,
) -> Option<Dealing> {
    if !request.target().starts_with("/_matrix/") {
        return None;
    }
    match misdeed {
        Misdeed::Oversize => oversized(answer, ClientLimits::default().max_body),
        Misdeed::Truncate => truncated(meeting, answer),
        _ => None,
    }
}

/// With blanks after its JSON, so that its signature stays valid: more than the `taken` bytes that
/// whoever it is for takes.
fn oversized(message: &HttpMessage, taken: usize) -> Option<Dealing> {
    if message.body.is_empty() {
        return None;
    }
    let mut body = BytesMut::from(&*message.body);
    body.resize(message.body.len() + taken + EXCESS, b' ');
    Some(Fate::Replace(message.clone().with_body(body.freeze())).into())
}

/// In turn: fewer bytes than its length says, and then the end of the connection; and half of a
/// JSON text whose length is right.
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
