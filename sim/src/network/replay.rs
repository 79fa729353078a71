//! Replays: a request comes again, on a connection that is the network's own and only seems to be
//! the sender's. Whatever is answered is dropped. A `POST` never does: what is on the way repeats only
//! what may be done twice (RFC 9110, 9.2.2).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use journal::{Loss, random};
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::{
    close,
    connection::{Connection, MAX_SEGMENT, Payload, Segment, Side},
    driver::Arrival,
    link::Path,
    stream,
};
use crate::world::WorldState;

/// After this long a replay hangs up, answered or not.
const REPLAY_DEADLINE: Duration = Duration::from_secs(60);

/// What a connection replays.
pub(crate) struct Replay {
    /// The request's entry.
    pub(crate) of: u64,
    /// All its bytes.
    bytes: Bytes,
    /// The fault that makes it come again.
    pub(crate) fault: u64,
}

impl Replay {
    /// Returns whether the request may change something where it arrives.
    pub(crate) fn changes(&self) -> bool {
        !self.bytes.starts_with(b"GET ")
    }
}

/// Which requests come twice.
#[derive(Default)]
pub(crate) struct Duplications {
    armed: Vec<ArmedDuplication>,
    streams: BTreeMap<Path, ChaCha12Rng>,
}

/// A duplication in force.
pub(crate) struct ArmedDuplication {
    pub(crate) fault: u64,
    pub(crate) paths: BTreeSet<Path>,
    pub(crate) probability: Option<f64>,
    pub(crate) after: Duration,
}

impl Duplications {
    pub(crate) fn add(&mut self, armed: ArmedDuplication) {
        self.armed.push(armed);
    }

    pub(crate) fn remove(&mut self, fault: u64) {
        self.armed.retain(|armed| armed.fault != fault);
    }

    /// Returns the faults that have a request over `path` replayed, and how much later: each
    /// decides independently.
    fn draw(&mut self, path: Path, seed: u64, names: (&str, &str)) -> Vec<(u64, Duration)> {
        let mut replays = Vec::new();
        let streams = &mut self.streams;
        self.armed.retain(|armed| {
            if !armed.paths.contains(&path) {
                return true;
            }
            let replay = (armed.fault, armed.after);
            let Some(probability) = armed.probability else {
                replays.push(replay);
                return false;
            };
            let purpose = || random::stream(seed, &format!("duplicate {} {}", names.0, names.1));
            let stream = streams.entry(path).or_insert_with(purpose);
            if stream.random_bool(probability.clamp(0.0, 1.0)) {
                replays.push(replay);
            }
            true
        });
        replays
    }
}

impl WorldState {
    /// Makes request number `of`, which leaves now, come again as often as faults say.
    pub(crate) fn duplicate(&mut self, connection: &Connection, of: u64, bytes: &Bytes) {
        if self.armed.duplications.armed.is_empty()
            || connection.replay.is_some()
            || bytes.starts_with(b"POST ")
        {
            return;
        }
        let path = connection.path(Side::Client);
        let names = (&*self.machines[path.0].name, &*self.machines[path.1].name);
        for (fault, after) in self.armed.duplications.draw(path, self.config.seed, names) {
            self.hit(fault, []);
            let mut again = Connection::new((path.0, 0), path.1, connection.port);
            again.replay = Some(Box::new(Replay { of, bytes: bytes.clone(), fault }));
            let id = self.connections.add(again);
            self.schedule(self.now() + after, Arrival::Replay(id));
        }
    }

    /// The connection of a replay is open: the request is written.
    pub(crate) fn write_replay(&mut self, id: u64, connection: &mut Connection) {
        let Some(Replay { of, bytes, .. }) = connection.replay.as_deref() else { return };
        let (of, mut bytes) = (*of, bytes.clone());
        while !bytes.is_empty() {
            let data = bytes.split_to(bytes.len().min(MAX_SEGMENT));
            stream::push(self, id, connection, Side::Client, Payload::Data(data));
            if let Some(segment) = connection.pipe_mut(Side::Client).segments.back_mut() {
                segment.cause = Some(of);
            }
        }
        self.schedule(self.now() + REPLAY_DEADLINE, Arrival::ReplayOver(id));
    }

    /// Drops what is answered to a replay; once that is whole, hangs up.
    pub(crate) fn drop_answer(&mut self, id: u64, connection: &mut Connection, segment: &Segment) {
        let is_over = match &segment.payload {
            Payload::Data(bytes) => {
                connection.pipe_mut(Side::Server).in_flight -= bytes.len();
                !segment.marks.is_empty()
            }
            Payload::Open | Payload::Fin | Payload::Reset => true,
        };
        if is_over {
            self.end_replay(id, connection);
        }
    }

    /// Hangs up.
    pub(crate) fn end_replay(&mut self, id: u64, connection: &mut Connection) {
        self.lose_outstanding(connection, Loss::Dropped);
        if std::mem::take(&mut connection.end_mut(Side::Client).held) {
            close::end_writing(self, id, connection, Side::Client);
        }
    }
}
