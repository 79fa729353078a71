//! A tamperer: which of its faults are in force, and which message meets which fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use checks::history::Note;
use journal::random;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use scenarios::{
    Scenario,
    scenario::{Misdeed, PeerFault},
};
use sim::{
    fault::FaultId,
    tamper::{Dealing, Fate, HttpMessage, Tamper},
};
use transport::federation::Identity;

use super::{
    bodies, events,
    m1::{self, Overheard},
    mail::{self, Mailroom},
    signatures,
};
use crate::world::World;

/// The prefix of every request from server to server, except requests for keys.
pub(super) const FEDERATION: &str = "/_matrix/federation/";

/// Stands between an honest node and the network, and makes its messages dishonest.
pub(crate) struct Tamperer {
    name: String,
    world: Arc<dyn World>,
    /// Every backend and relay. Only messages to and from them are touched, so that devices and the
    /// harness get honest answers.
    servers: BTreeSet<String>,
    state: Mutex<TampererState>,
}

#[derive(Default)]
struct TampererState {
    identity: Option<Identity>,
    faults: Vec<Active>,
    memory: Memory,
}

/// What a dishonest server remembers of what it saw.
#[derive(Default)]
struct Memory {
    mailroom: Mailroom,
    overheard: Overheard,
}

/// A fault that has begun.
struct Active {
    id: FaultId,
    fault: PeerFault,
    draws: ChaCha12Rng,
    /// How many messages it has touched.
    touched: u64,
}

/// What a misdeed knows of the message that it meets.
pub(super) struct Meeting<'m> {
    /// The dishonest server's identity; none for a server that signs nothing.
    pub(super) identity: Option<&'m Identity>,
    /// The other server.
    pub(super) other: &'m str,
    /// How many messages this fault has touched before.
    pub(super) touched: u64,
}

/// Returns a tamperer for each server that a fault of the scenario makes dishonest.
pub(crate) fn tamperers(
    world: &Arc<dyn World>,
    scenario: &Scenario,
) -> BTreeMap<String, Arc<Tamperer>> {
    let servers = scenario.backends.keys().chain(scenario.relays.keys());
    let dishonest = servers.filter(|name| scenario.is_byzantine(name));
    dishonest.map(|name| (name.clone(), Arc::new(Tamperer::new(world, scenario, name)))).collect()
}

impl Tamperer {
    /// Returns the tamperer of the machine called `name`.
    fn new(world: &Arc<dyn World>, scenario: &Scenario, name: &str) -> Self {
        let servers = scenario.backends.keys().chain(scenario.relays.keys()).cloned();
        Self {
            name: name.to_owned(),
            world: Arc::clone(world),
            servers: servers.collect(),
            state: Mutex::default(),
        }
    }

    /// Takes the node's identity, to sign as the node does.
    pub(super) fn takes(&self, identity: Identity) {
        self.state().identity = Some(identity);
    }

    /// Begins a fault, which is `id` in the world.
    pub(crate) fn begin(&self, id: FaultId, fault: &PeerFault) {
        let stream = format!("byzantine {} {}", self.name, id.number());
        let draws = random::stream(self.world.seed(), &stream);
        self.state().faults.push(Active { id, fault: fault.clone(), draws, touched: 0 });
    }

    fn state(&self) -> MutexGuard<'_, TampererState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the first fault in force that wrongs `wronged` and can do something to this message do
    /// it.
    fn deal(
        &self,
        wronged: &str,
        other: &str,
        act: impl Fn(&Misdeed, &Meeting<'_>, &mut Memory) -> Option<Dealing>,
    ) -> Option<(Misdeed, Dealing)> {
        let mut state = self.state();
        let TampererState { identity, faults, memory } = &mut *state;
        for active in faults {
            let fault = &active.fault;
            if !fault.wrongs(wronged) || !self.world.is_in_force(active.id) {
                continue;
            }
            let meeting = Meeting { identity: identity.as_ref(), other, touched: active.touched };
            if fault.share < 1.0 && !active.draws.random_bool(fault.share) {
                continue;
            }
            if let Some(dealing) = act(&fault.misdeed, &meeting, memory) {
                active.touched += 1;
                self.world.touch(active.id);
                return Some((fault.misdeed.clone(), dealing));
            }
        }
        None
    }

    fn is_between_servers(&self, other: &str, target: &str) -> bool {
        self.servers.contains(other) && target.starts_with(FEDERATION)
    }

    /// Notes a request whose signature nobody may accept.
    fn note_forged(&self, to: &str, request: &HttpMessage) {
        let note = Note::Forged {
            peer: self.name.clone(),
            to: to.to_owned(),
            target: request.target().to_owned(),
        };
        let (topic, body) = note.to_parts();
        self.world.note(&self.name, None, &topic, body);
    }
}

impl Tamper for Tamperer {
    fn request_out(&self, to: &str, request: &HttpMessage) -> Dealing {
        if !self.is_between_servers(to, request.target()) {
            return Fate::Pass.into();
        }
        self.state().memory.overheard.watch_request(request);
        let dealt = self.deal(to, to, |misdeed, meeting, memory| {
            signatures::request(misdeed, meeting, request)
                .or_else(|| bodies::request(misdeed, meeting, request))
                .or_else(|| events::request(misdeed, meeting, request))
                .or_else(|| memory.overheard.request(misdeed, meeting, request))
        });
        match dealt {
            Some((misdeed, dealing)) => {
                if signatures::is_theirs(&misdeed) {
                    self.note_forged(to, request);
                }
                dealing
            }
            None => Fate::Pass.into(),
        }
    }

    fn request_in(&self, from: &str, request: &HttpMessage) -> Dealing {
        if !self.servers.contains(from) {
            return Fate::Pass.into();
        }
        let Some(destination) = mail::destination(request) else { return Fate::Pass.into() };
        let dealt = self.deal(&destination, from, |misdeed, _, _| Mailroom::request(misdeed));
        dealt.map_or_else(|| Fate::Pass.into(), |(_, dealing)| dealing)
    }

    fn answer_out(&self, from: &str, request: &HttpMessage, answer: &HttpMessage) -> Dealing {
        if !self.servers.contains(from) {
            return Fate::Pass.into();
        }
        self.state().memory.mailroom.watch(from, request, answer);
        self.state().memory.overheard.watch_answer(from, request);
        let dealt = self.deal(from, from, |misdeed, meeting, memory| {
            signatures::answer(misdeed, meeting, request)
                .or_else(|| bodies::answer(misdeed, meeting, request, answer))
                .or_else(|| m1::answer(misdeed, request))
                .or_else(|| memory.mailroom.answer(misdeed, from, request, answer))
        });
        if let Some((_, dealing)) = dealt {
            return dealing;
        }
        let owed = self.state().memory.mailroom.owed(from, request, answer);
        owed.unwrap_or_else(|| Fate::Pass.into())
    }
}
