//! Room for a large answer, out of the budget that requests' bodies are paid from. It is taken before the
//! answer is made, and given back when the answer has left or its connection is gone: whoever asks for
//! much and reads nothing costs no more memory than whoever sends much.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    body::Body as AnyBody, extract::FromRequestParts, http::request::Parts, response::Response,
};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::places::Place;
use crate::MatrixError;

/// Bytes of an answer that leave at once.
const PIECE: usize = 16 << 10;

/// Where a handler takes room for its answer, as an extractor.
#[derive(Clone)]
pub struct AnswerRoom(Arc<Place>);

/// The room of one answer; put on it by [`TakenRoom::keep`].
#[derive(Clone)]
pub struct TakenRoom(
    #[expect(dead_code, reason = "it is given back when nothing holds it")] Arc<Room>,
);

/// Bytes of the budget at the place of a connection.
struct Room {
    place: Arc<Place>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.place.has_no_bytes();
    }
}

impl AnswerRoom {
    pub(super) fn at(place: Arc<Place>) -> Self {
        Self(place)
    }

    /// Takes room for an answer of so many bytes; waits while others have it, of whom the one that has kept
    /// the server waiting longest gives way.
    pub async fn take(&self, bytes: usize) -> TakenRoom {
        let permit = self.0.take_room(bytes).await;
        let room = Room { place: Arc::clone(&self.0), _permit: permit };
        TakenRoom(Arc::new(room))
    }
}

impl TakenRoom {
    /// Returns an answer that keeps this room until it has left.
    #[must_use]
    pub fn keep(self, mut answer: Response) -> Response {
        answer.extensions_mut().insert(self);
        answer
    }
}

/// Lets the body of an answer keep its room, if it has any; returns whether it has.
pub(super) fn held(answer: &mut Response) -> bool {
    let Some(room) = answer.extensions_mut().remove::<TakenRoom>() else { return false };
    let body = std::mem::take(answer.body_mut());
    *answer.body_mut() = AnyBody::new(Held { body, rest: Bytes::new(), _room: room });
    true
}

/// A body that keeps its room, and leaves by and by: what the connection has taken for writing it holds
/// itself, and so it is given little at once.
struct Held {
    body: AnyBody,
    /// What of the last piece has not left yet.
    rest: Bytes,
    _room: TakenRoom,
}

impl Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return Poll::Ready(other),
            }
        }
        let length = self.rest.len().min(PIECE);
        // A copy: as a part of the whole, the last piece would keep all of it.
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(&self.rest.split_to(length))))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (left, of_body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower().saturating_add(left));
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint
    }
}

impl<S: Sync> FromRequestParts<S> for AnswerRoom {
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MatrixError> {
        let room = parts.extensions.get::<Self>().cloned();
        room.ok_or_else(|| {
            MatrixError::internal("the request came by no connection of this server")
        })
    }
}
