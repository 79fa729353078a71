//! When the keys of one server are asked for: a claim that names a key which the server does not have
//! must not keep its other keys away from others.
//!
//! A fetch brings all keys of the server. So what holds up the next one is the same question again,
//! a server that does not answer, or an address whose claims have had this server asked often enough.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{Lock, http::Peer};

/// For how long an answer of a server counts: that it does not have a key, or that it is away. What is
/// not known in the meantime is unavailable, not missing: the server may have published it since.
pub(super) const REFETCH_PAUSE: Duration = Duration::from_secs(5);

/// How often the claims of one address may have one server asked within the pause.
const FETCHES_OF_ONE: usize = 4;

/// Questions that are remembered of one server; of any more, the oldest are forgotten.
const MAX_REMEMBERED: usize = 64;

/// Fetches under way at once for the claims of one address, whatever servers they name: those whose
/// servers are slow, or its own, must not keep the others' waiting.
const UNDER_WAY_OF_ONE: usize = 32;

/// The fetches under way, by whose claims asked for them. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Lock<BTreeMap<Peer, usize>>>);

/// One of them, until this is dropped.
pub(super) struct Fetching {
    under_way: UnderWay,
    peer: Option<Peer>,
}

impl UnderWay {
    /// Begins a fetch; `None` if there are too many for this peer's claims. What this server asks of
    /// itself is not counted.
    pub(super) fn begin(&self, peer: Option<&Peer>) -> Option<Fetching> {
        if let Some(peer) = peer {
            let mut by_peer = self.0.lock();
            let count = by_peer.get(peer).copied().unwrap_or(0);
            if count >= UNDER_WAY_OF_ONE {
                return None;
            }
            by_peer.insert(peer.clone(), count + 1);
        }
        Some(Fetching { under_way: self.clone(), peer: peer.cloned() })
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        let Some(peer) = &self.peer else { return };
        let mut by_peer = self.under_way.0.lock();
        match by_peer.get_mut(peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(by_peer.remove(peer)),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The key; any that is valid, without one.
    pub(super) key_id: Option<String>,
    /// The address whose claim it is for, or the server that brought an event; unset for what this server
    /// asks of itself.
    pub(super) peer: Option<Peer>,
}

/// What was asked of one server lately.
#[derive(Default)]
pub(super) struct Fetches {
    /// Whether its keys were read from the database.
    pub(super) loaded: bool,
    /// When it failed to answer, and how.
    failed: Option<(Instant, String)>,
    /// What it was asked, oldest first.
    asked: Vec<(Instant, Question)>,
}

impl Fetches {
    /// Returns why the server is not asked now; `None` if it is.
    pub(super) fn objection(&mut self, question: &Question) -> Option<String> {
        self.asked.retain(|(when, _)| when.elapsed() < REFETCH_PAUSE);
        if let Some((when, reason)) = &self.failed
            && when.elapsed() < REFETCH_PAUSE
        {
            return Some(reason.clone());
        }
        let is_same = |(_, asked): &&(Instant, Question)| asked.key_id == question.key_id;
        if self.asked.iter().any(|it| is_same(&it)) {
            return Some("it was asked just now, and is asked again a little later".to_owned());
        }
        let of_peer = self.asked.iter().filter(|(_, asked)| asked.peer == question.peer).count();
        (of_peer >= FETCHES_OF_ONE)
            .then(|| "it was asked too often for this address or server".to_owned())
    }

    /// Records that the server was asked, and what came of it.
    pub(super) fn asked(&mut self, question: Question, failure: Option<String>) {
        let now = Instant::now();
        self.failed = failure.map(|reason| (now, reason));
        if self.asked.len() >= MAX_REMEMBERED {
            self.asked.remove(0);
        }
        self.asked.push((now, question));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(key_id: &str, peer: &str) -> Question {
        Question { key_id: Some(key_id.to_owned()), peer: Some(Peer::of(peer)) }
    }

    #[test]
    fn slow_servers_of_one_address_leave_room_for_the_claims_of_others() {
        let under_way = UnderWay::default();
        let (eve, honest) = (Peer::of("192.0.2.1:1"), Peer::of("192.0.2.2:1"));
        let mut all: Vec<_> = (0..100).filter_map(|_| under_way.begin(Some(&eve))).collect();
        assert_eq!(all.len(), UNDER_WAY_OF_ONE);
        assert!(under_way.begin(Some(&honest)).is_some() && under_way.begin(None).is_some());
        all.pop();
        assert!(under_way.begin(Some(&eve)).is_some());
        drop(all);
        assert!(under_way.0.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn made_up_keys_keep_no_other_key_away() {
        let mut fetches = Fetches::default();
        for made_up in 0..1000 {
            let question = question(&format!("ed25519:{made_up}"), "eve");
            if fetches.objection(&question).is_none() {
                fetches.asked(question, None);
            }
        }
        assert_eq!(fetches.asked.len(), FETCHES_OF_ONE);
        assert_eq!(fetches.objection(&question("ed25519:rotated", "honest")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_question_is_asked_again_after_a_pause() {
        let mut fetches = Fetches::default();
        fetches.asked(question("ed25519:1", "eve"), None);
        assert!(fetches.objection(&question("ed25519:1", "honest")).is_some());
        tokio::time::advance(REFETCH_PAUSE).await;
        assert_eq!(fetches.objection(&question("ed25519:1", "honest")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_away_is_left_alone_for_a_while() {
        let mut fetches = Fetches::default();
        fetches.asked(question("ed25519:1", "a"), Some("it is away".to_owned()));
        assert_eq!(fetches.objection(&question("ed25519:2", "b")), Some("it is away".to_owned()));
    }
}
