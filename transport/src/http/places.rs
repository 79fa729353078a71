//! The places of a server's connections: so many at once, so many of one address, and so many bytes of
//! bodies. When all are taken, whoever has kept the server waiting longest gives way: who is silent, or
//! sends its request by the byte, keeps nobody out.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::Peer;
use crate::Lock;

/// How long bytes of the budget are waited for before somebody who has some gives way, and then the next.
const GIVING_WAY: Duration = Duration::from_millis(100);

/// How many bytes one permit of the budget stands for.
const UNIT: usize = 1024;

/// All places of one server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places {
    shared: Arc<Shared>,
}

struct Shared {
    max: usize,
    /// Of one address.
    share: usize,
    taken: Lock<Taken>,
    /// Told when a place is free, or one of those who have it may give way.
    changed: Notify,
    /// What is left of the bytes that bodies may take up together, in units.
    budget: Arc<Semaphore>,
    /// All of them.
    units: usize,
}

#[derive(Default)]
struct Taken {
    count: usize,
    /// Counts what began to wait, so that the lowest number has waited longest.
    turns: u64,
    /// The connections that the server waits for, by when it began to.
    waiting: BTreeMap<u64, Waiting>,
    /// How many were told to give way and have not left yet.
    leaving: usize,
    /// How many each address has that has a share only.
    by_peer: BTreeMap<Peer, usize>,
}

struct Waiting {
    gives_way: Arc<Notify>,
    peer: Option<Peer>,
    /// Whether its request takes bytes of the budget.
    has_bytes: bool,
}

/// The place of one connection; dropped, it is free again.
pub(super) struct Place {
    shared: Arc<Shared>,
    /// Whose it is, if that one has a share only.
    peer: Option<Peer>,
    /// Told when this connection has to go.
    gives_way: Arc<Notify>,
    /// Since when the server waits for it; unset while it is the server's turn.
    waits: Lock<Option<u64>>,
    /// Whether it was told to go.
    leaves: AtomicBool,
}

impl Places {
    /// Returns places for `max` connections, `share` of one address, whose bodies may take up `bytes`
    /// together.
    pub(super) fn new(max: usize, share: usize, bytes: usize) -> Self {
        let units = bytes.div_ceil(UNIT).clamp(1, Semaphore::MAX_PERMITS);
        let shared = Shared {
            max: max.max(1),
            share: share.max(1),
            taken: Lock::default(),
            changed: Notify::new(),
            budget: Arc::new(Semaphore::new(units)),
            units,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Has the connection that has kept the server waiting longest give way.
    pub(super) fn make_room(&self) {
        self.shared.oldest_gives_way(|_| true);
    }

    /// Takes a place for a new connection of `peer`; of anybody who may have all of them, without one.
    /// If none is free, the one that has kept the server waiting longest is told to give way; if the
    /// server waits for nobody, this waits until it does. Who has its share gives way to itself; `None`
    /// if the server waits for none of its connections.
    pub(super) async fn take(&self, peer: Option<&Peer>) -> Option<Place> {
        if peer.is_some_and(|peer| !self.shared.has_share_left(peer)) {
            return None;
        }
        loop {
            let changed = self.shared.changed.notified();
            if self.shared.has_room(peer) {
                let (shared, gives_way) = (Arc::clone(&self.shared), Arc::default());
                let (waits, leaves) = (Lock::default(), AtomicBool::default());
                let place = Place { shared, peer: peer.cloned(), gives_way, waits, leaves };
                place.wait();
                return Some(place);
            }
            if self.shared.taken.lock().leaving == 0 {
                self.make_room();
            }
            changed.await;
        }
    }
}

impl Shared {
    /// Returns whether an address may have one more connection; another one of its own may have to go
    /// for it, which need not be waited for.
    fn has_share_left(&self, peer: &Peer) -> bool {
        let has_all = self.taken.lock().by_peer.get(peer).is_some_and(|it| *it >= self.share);
        !has_all || self.oldest_gives_way(|waiting| waiting.peer.as_ref() == Some(peer))
    }

    fn has_room(&self, peer: Option<&Peer>) -> bool {
        let mut taken = self.taken.lock();
        let has_room = taken.count < self.max;
        taken.count += usize::from(has_room);
        if let Some(peer) = peer.filter(|_| has_room) {
            *taken.by_peer.entry(peer.clone()).or_default() += 1;
        }
        has_room
    }

    /// Tells the one of those that are meant who has kept the server waiting longest to go; returns
    /// whether there is one.
    fn oldest_gives_way(&self, is_meant: impl Fn(&Waiting) -> bool) -> bool {
        let mut taken = self.taken.lock();
        let oldest = taken.waiting.iter().find(|(_, waiting)| is_meant(waiting));
        if let Some(turn) = oldest.map(|(turn, _)| *turn)
            && let Some(waiting) = taken.waiting.remove(&turn)
        {
            taken.leaving += 1;
            waiting.gives_way.notify_one();
            return true;
        }
        false
    }
}

impl Place {
    /// Says that the server waits for a request from now on.
    pub(super) fn wait(&self) {
        self.wait_for(false);
    }

    /// The same, with bytes of the budget.
    pub(super) fn wait_for(&self, has_bytes: bool) {
        self.turn();
        let mut taken = self.shared.taken.lock();
        taken.turns += 1;
        let turn = taken.turns;
        let (gives_way, peer) = (Arc::clone(&self.gives_way), self.peer.clone());
        taken.waiting.insert(turn, Waiting { gives_way, peer, has_bytes });
        drop(taken);
        *self.waits.lock() = Some(turn);
        self.shared.changed.notify_one();
    }

    /// Says that this connection has no bytes of the budget any more.
    pub(super) fn has_no_bytes(&self) {
        let Some(turn) = *self.waits.lock() else { return };
        if let Some(waiting) = self.shared.taken.lock().waiting.get_mut(&turn) {
            waiting.has_bytes = false;
        }
    }

    /// Says that it is the server's turn.
    pub(super) fn turn(&self) {
        let Some(turn) = self.waits.lock().take() else { return };
        if self.shared.taken.lock().waiting.remove(&turn).is_none() {
            self.leaves.store(true, Ordering::Relaxed);
        }
    }

    /// Resolves when this connection has to give way to another one.
    pub(super) async fn gives_way(&self) {
        self.gives_way.notified().await;
    }

    /// Takes `bytes` out of the budget of all bodies, for a body of which more is to come. While there
    /// are none, whoever has kept the server waiting longest for a large body gives way.
    pub(super) async fn take_bytes(&self, bytes: usize) -> OwnedSemaphorePermit {
        let units = bytes.div_ceil(UNIT).clamp(1, self.shared.units);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        self.wait_for(true);
        let budget = || Arc::clone(&self.shared.budget);
        if let Ok(permit) = budget().try_acquire_many_owned(units) {
            return permit;
        }
        let is_another = |it: &Waiting| !Arc::ptr_eq(&it.gives_way, &self.gives_way);
        self.shared.oldest_gives_way(|it| it.has_bytes && is_another(it));
        budget().acquire_many_owned(units).await.expect("the semaphore stays open")
    }
}

impl Place {
    /// Takes `bytes` out of the budget of all bodies while it is the server's turn. Until there are as many,
    /// those who have kept the server waiting longest with bytes give way, one after the other.
    pub(super) async fn take_room(&self, bytes: usize) -> OwnedSemaphorePermit {
        let units = bytes.div_ceil(UNIT).clamp(1, self.shared.units);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let mut taking = pin!(Arc::clone(&self.shared.budget).acquire_many_owned(units));
        loop {
            // Whoever was told to go is gone at its next turn.
            let a_moment = tokio::time::sleep(GIVING_WAY);
            tokio::select! {
                biased;
                permit = &mut taking => return permit.expect("the semaphore stays open"),
                () = a_moment => drop(self.shared.oldest_gives_way(|it| it.has_bytes)),
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turn();
        let mut taken = self.shared.taken.lock();
        taken.count -= 1;
        taken.leaving -= usize::from(*self.leaves.get_mut());
        if let Some(peer) = &self.peer
            && let Some(count) = taken.by_peer.get_mut(peer)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_peer.remove(peer);
            }
        }
        drop(taken);
        self.shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    use futures_util::FutureExt;

    use super::*;

    fn polled<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    async fn placed(places: &Places) -> Place {
        places.take(None).await.unwrap()
    }

    fn is_told(place: &Place) -> bool {
        place.gives_way().now_or_never().is_some()
    }

    #[tokio::test]
    async fn who_has_kept_the_server_waiting_longest_gives_way_to_a_newcomer() {
        let places = Places::new(2, 2, 1);
        let (first, second) = (placed(&places).await, placed(&places).await);
        let mut third = pin!(places.take(None));
        assert!(polled(third.as_mut()).is_pending() && is_told(&first) && !is_told(&second));
        drop(first);
        assert!(polled(third.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn nobody_gives_way_whom_the_server_answers() {
        let places = Places::new(1, 1, 1);
        let busy = placed(&places).await;
        busy.turn();
        let mut other = pin!(places.take(None));
        assert!(polled(other.as_mut()).is_pending() && !is_told(&busy));
        busy.wait();
        assert!(polled(other.as_mut()).is_pending() && is_told(&busy));
    }

    #[tokio::test]
    async fn a_body_that_stalls_gives_its_bytes_to_another_one() {
        let places = Places::new(3, 3, 4 * UNIT);
        let (silent, stalled) = (placed(&places).await, placed(&places).await);
        let other = placed(&places).await;
        let held = stalled.take_bytes(3 * UNIT).await;
        let mut more = pin!(other.take_bytes(2 * UNIT));
        assert!(polled(more.as_mut()).is_pending());
        assert!(is_told(&stalled) && !is_told(&silent) && !is_told(&other));
        drop((stalled, held));
        assert!(polled(more.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn an_address_that_has_its_share_gives_way_to_itself_alone() {
        let places = Places::new(10, 2, 1);
        let (eve, alice) = (Peer::of("192.0.2.1:1"), Peer::of("192.0.2.2:1"));
        let honest = places.take(Some(&alice)).await.unwrap();
        let first = places.take(Some(&eve)).await.unwrap();
        let second = places.take(Some(&eve)).await.unwrap();
        second.turn();
        let third = places.take(Some(&eve)).await.unwrap();
        assert!(is_told(&first) && !is_told(&second) && !is_told(&honest));
        third.turn();
        assert!(places.take(Some(&eve)).await.is_none(), "the server answers all it has");
        assert!(places.take(Some(&alice)).await.is_some());
        drop((first, second, third));
        assert!(places.take(Some(&eve)).await.is_some());
    }
}
