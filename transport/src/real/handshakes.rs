//! TLS handshakes under way on one port: so many at once, and so many of one address. A newcomer is
//! always let in; for it, the handshake gives way that has taken longest.

use std::{collections::VecDeque, io, time::Duration};

use futures_util::{
    future::{AbortHandle, Abortable},
    stream::{FuturesUnordered, StreamExt},
};

use crate::{
    host::{Accepted, BoxFuture},
    http::Peer,
};

/// Handshakes under way at once.
const MAX: usize = 512;

/// Handshakes under way at once of one address.
const MAX_OF_ONE: usize = 64;

/// Time for a peer to finish its handshake.
const TIMEOUT: Duration = Duration::from_secs(5);

type Handshake = BoxFuture<'static, (u64, io::Result<Accepted>)>;

/// The handshakes of one port.
#[derive(Default)]
pub(super) struct Handshakes {
    running: FuturesUnordered<Handshake>,
    /// Those that are running, oldest first.
    places: VecDeque<Place>,
    begun: u64,
}

struct Place {
    number: u64,
    peer: Peer,
    abort: AbortHandle,
}

impl Handshakes {
    /// Begins a handshake.
    pub(super) fn begin(
        &mut self,
        peer: Peer,
        handshake: impl Future<Output = io::Result<Accepted>> + Send + 'static,
    ) {
        self.make_room(&peer);
        self.begun += 1;
        let number = self.begun;
        let (abort, registration) = AbortHandle::new_pair();
        self.places.push_back(Place { number, peer, abort });
        let handshake = Abortable::new(tokio::time::timeout(TIMEOUT, handshake), registration);
        self.running.push(Box::pin(async move {
            let done = match handshake.await {
                Ok(Ok(done)) => done,
                Ok(Err(_)) => Err(io::ErrorKind::TimedOut.into()),
                Err(_) => Err(io::Error::other("it gave way to another one")),
            };
            (number, done)
        }));
    }

    /// Returns the next handshake that has ended; waits for ever while there is none.
    pub(super) async fn ended(&mut self) -> io::Result<Accepted> {
        match self.running.next().await {
            Some((number, done)) => {
                self.places.retain(|place| place.number != number);
                done
            }
            None => std::future::pending().await,
        }
    }

    fn make_room(&mut self, peer: &Peer) {
        let of_peer = self.places.iter().filter(|place| place.peer == *peer).count();
        let oldest = if of_peer >= MAX_OF_ONE {
            self.places.iter().position(|place| place.peer == *peer)
        } else {
            (self.places.len() >= MAX).then_some(0)
        };
        if let Some(place) = oldest.and_then(|oldest| self.places.remove(oldest)) {
            place.abort.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;

    fn peer(number: usize) -> Peer {
        Peer::of(&format!("192.0.2.{number}:1"))
    }

    fn accepted() -> Accepted {
        (Box::new(tokio::io::empty()), "honest".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn silent_peers_keep_nobody_out_and_are_given_up_soon() {
        let mut handshakes = Handshakes::default();
        for number in 0..2000 {
            handshakes.begin(peer(number % 20), std::future::pending());
        }
        assert!(handshakes.places.len() <= MAX);
        handshakes.begin(peer(1), async { Ok(accepted()) });
        let began = Instant::now();
        loop {
            match handshakes.ended().await {
                Ok((_, name)) => break assert_eq!(name, "honest"),
                Err(_) => assert_eq!(began.elapsed(), Duration::ZERO, "it had to wait"),
            }
        }
        while handshakes.running.next().await.is_some() {}
        assert_eq!(began.elapsed(), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_takes_its_share_from_itself() {
        let mut handshakes = Handshakes::default();
        handshakes.begin(peer(1), std::future::pending());
        for _ in 0..2 * MAX {
            handshakes.begin(peer(2), std::future::pending());
        }
        assert_eq!(handshakes.places.len(), 1 + MAX_OF_ONE);
        assert_eq!(handshakes.places[0].peer, peer(1));
        drop(pin!(handshakes.ended()).now_or_never());
    }
}
