//! A request's body on its way in: its size is bounded, what is large of it is paid for out of the
//! budget of all bodies, and its end says that it is the server's turn. What nobody has read of it is
//! left behind: whoever is still sending does not see an answer before that is taken from it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::places::Place;
use crate::{Lock, host::BoxFuture};

/// The bytes of each body that cost nothing: whoever sends little is let in however many others send
/// much.
pub(super) const FREE: usize = 32 << 10;

/// Time in which a body is taken and thrown away after its request was refused.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// What a body leaves behind. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Remains(Arc<Lock<Left>>);

#[derive(Default)]
struct Left {
    /// What it has taken out of the budget, which is held until its request is answered.
    paid: Vec<OwnedSemaphorePermit>,
    /// Where the rest of it comes from, if it was not read to its end.
    unread: Option<Incoming>,
    is_too_large: bool,
}

impl Remains {
    /// Returns whether the body was larger than it may be.
    pub(super) fn is_too_large(&self) -> bool {
        self.0.lock().is_too_large
    }

    /// Returns whether there is more of it, which was not read.
    pub(super) fn has_more(&self) -> bool {
        self.0.lock().unread.is_some()
    }

    /// Gives back what the body has taken out of the budget.
    pub(super) fn release(&self) {
        self.0.lock().paid.clear();
    }

    /// Takes what was not read, and throws it away: `most` bytes, and for some time.
    pub(super) async fn discard(&self, most: usize) {
        let Some(mut unread) = self.0.lock().unread.take() else { return };
        let discarding = async {
            let mut left = most;
            while let Some(Ok(frame)) = unread.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(length) else { return };
                left = rest;
            }
        };
        // When the time is up, the connection is closed all the same.
        tokio::time::timeout(DISCARD_TIMEOUT, discarding).await.ok();
    }
}

/// The body is larger than it may be.
#[derive(Debug, thiserror::Error)]
#[error("the body is larger than {0} bytes")]
struct TooLarge(usize);

/// A body that is counted as it is read.
pub(super) struct Metered {
    /// There until this is dropped.
    body: Option<Incoming>,
    max: usize,
    place: Arc<Place>,
    read: usize,
    covered: usize,
    remains: Remains,
    /// While the budget has nothing: the frame that was read and what it waits for.
    waiting: Option<(Frame<Bytes>, BoxFuture<'static, OwnedSemaphorePermit>)>,
}

impl Metered {
    /// Returns `body`, of which at most `max` bytes are read, at the place of its connection.
    pub(super) fn new(body: Incoming, max: usize, place: Arc<Place>) -> Self {
        if body.is_end_stream() {
            place.turn();
        }
        let remains = Remains::default();
        remains.0.lock().is_too_large = body.size_hint().lower() > max as u64;
        Self { body: Some(body), max, place, read: 0, covered: FREE, remains, waiting: None }
    }

    /// Returns what it leaves behind.
    pub(super) fn remains(&self) -> Remains {
        self.remains.clone()
    }

    fn is_at_end(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
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
            self.remains.0.lock().paid.push(permit);
            if let Some((frame, _)) = self.waiting.take() {
                return Poll::Ready(Some(Ok(frame)));
            }
        }
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let Some(frame) = ready!(Pin::new(body).poll_frame(context)) else {
            self.place.turn();
            self.body = None;
            return Poll::Ready(None);
        };
        let frame = frame?;
        self.read += frame.data_ref().map_or(0, Bytes::len);
        if self.read > self.max {
            self.remains.0.lock().is_too_large = true;
            return Poll::Ready(Some(Err(TooLarge(self.max).into())));
        }
        let Some(owed) = self.owed() else {
            if self.is_at_end() {
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
        self.waiting.is_none() && self.is_at_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.remains.0.lock().unread = self.body.take().filter(|body| !body.is_end_stream());
    }
}
