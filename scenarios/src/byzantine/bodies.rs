//! Misdeeds with bodies: too large, ending in the middle, a byte at a time.

use bytes::{Bytes, BytesMut};
use sim::tamper::{Aside, Dealing, Fate, HttpMessage};

use super::seat::Meeting;
use crate::scenario::Misdeed;

/// Bytes that are added to a body; servers take 8 MiB.
const TOO_MUCH: usize = 9 << 20;

/// What becomes of a request.
pub(super) fn request(
    misdeed: &Misdeed,
    meeting: &Meeting<'_>,
    request: &HttpMessage,
) -> Option<Dealing> {
    match misdeed {
        Misdeed::Oversize => oversized(request).map(|it| Fate::Replace(it).into()),
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
    let is_meant = *misdeed == Misdeed::Truncate && request.target().starts_with("/_matrix/");
    if is_meant { truncated(meeting, answer) } else { None }
}

/// With blanks after its JSON, so that its signature stays valid.
fn oversized(request: &HttpMessage) -> Option<HttpMessage> {
    if request.body.is_empty() {
        return None;
    }
    let mut body = BytesMut::from(&*request.body);
    body.resize(request.body.len() + TOO_MUCH, b' ');
    Some(request.clone().with_body(body.freeze()))
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
