//! A request's body on its way in: its size is bounded, what is large of it is paid for out of the
//! budget of all bodies, and its end says that it is the server's turn.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body_util::Limited;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::places::Place;
use crate::{Lock, host::BoxFuture};

/// The bytes of each body that cost nothing: whoever sends little is let in however many others send
/// much.
pub(super) const FREE: usize = 32 << 10;

/// What a body has taken out of the budget, which is held until its request is answered.
pub(super) type Paid = Arc<Lock<Vec<OwnedSemaphorePermit>>>;

/// A body that is counted as it is read.
pub(super) struct Metered {
    body: Limited<Incoming>,
    place: Arc<Place>,
    read: usize,
    covered: usize,
    paid: Paid,
    /// While the budget has nothing: the frame that was read and what it waits for.
    waiting: Option<(Frame<Bytes>, BoxFuture<'static, OwnedSemaphorePermit>)>,
}

impl Metered {
    /// Returns `body`, of which at most `max` bytes are read, at the place of its connection.
    pub(super) fn new(body: Incoming, max: usize, place: Arc<Place>) -> Self {
        if body.is_end_stream() {
            place.turn();
        }
        let body = Limited::new(body, max);
        Self { body, place, read: 0, covered: FREE, paid: Paid::default(), waiting: None }
    }

    /// Returns what holds the bytes that it takes.
    pub(super) fn paid(&self) -> Paid {
        Arc::clone(&self.paid)
    }

    /// Returns how many bytes are to be paid for now. They are paid for in steps of some size.
    fn owed(&mut self) -> Option<usize> {
        let owed = self.read.checked_sub(self.covered).filter(|owed| *owed > 0)?.max(FREE);
        self.covered += owed;
        Some(owed)
    }
}

impl Body for Metered {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some((_, permit)) = &mut self.waiting {
            let permit = ready!(permit.as_mut().poll(context));
            self.paid.lock().push(permit);
            if let Some((frame, _)) = self.waiting.take() {
                return Poll::Ready(Some(Ok(frame)));
            }
        }
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
            self.place.turn();
            return Poll::Ready(None);
        };
        let frame = frame?;
        self.read += frame.data_ref().map_or(0, Bytes::len);
        let Some(owed) = self.owed() else {
            if self.body.is_end_stream() {
                self.place.turn();
            }
            return Poll::Ready(Some(Ok(frame)));
        };
        let place = Arc::clone(&self.place);
        let permit = Box::pin(async move { place.take_bytes(owed).await });
        self.waiting = Some((frame, permit));
        self.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
