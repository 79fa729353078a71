//! Front proxies: a request that has arrived whole is answered in place of the program it is for.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use journal::{
    http::Message,
    random,
    recorder::{Mark, Route},
};
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::{
    connection::{Connection, Payload, Segment, Side},
    link::Path,
};
use crate::world::WorldState;

/// Which requests proxies answer.
#[derive(Default)]
pub(crate) struct Proxies {
    armed: Vec<ArmedProxy>,
    streams: BTreeMap<Path, ChaCha12Rng>,
}

/// A proxy that answers.
pub(crate) struct ArmedProxy {
    pub(crate) fault: u64,
    /// From requesting to answering machines.
    pub(crate) paths: BTreeSet<Path>,
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) share: f64,
}

impl Proxies {
    pub(crate) fn add(&mut self, armed: ArmedProxy) {
        self.armed.push(armed);
    }

    pub(crate) fn remove(&mut self, fault: u64) {
        self.armed.retain(|armed| armed.fault != fault);
    }

    /// Returns the oldest proxy that answers a request over `path`; each decides independently.
    fn draw(&mut self, path: Path, seed: u64, names: (&str, &str)) -> Option<&ArmedProxy> {
        let purpose = || random::stream(seed, &format!("answers {} {}", names.0, names.1));
        let streams = &mut self.streams;
        self.armed.iter().filter(|armed| armed.paths.contains(&path)).find(|armed| {
            let stream = streams.entry(path).or_insert_with(purpose);
            stream.random_bool(armed.share.clamp(0.0, 1.0))
        })
    }
}

impl WorldState {
    /// Lets a proxy answer the request that the next segment of the client completes, and returns
    /// whether one did: the program then sees the end of the connection and nothing of the request.
    /// Not while the program itself is writing, or has closed its end: what it has begun to answer
    /// has passed the proxy. And not in a pipeline, where the client would take the answer for
    /// another request's.
    pub(crate) fn answered_by_proxy(&mut self, id: u64, connection: &mut Connection) -> bool {
        let pipe = connection.pipe(Side::Client);
        let Some(Mark::Request(request)) =
            pipe.segments.front().and_then(|first| first.marks.last().copied())
        else {
            return false;
        };
        let answers = connection.pipe(Side::Server);
        let is_writing = answers.closed || !answers.segments.is_empty();
        let is_alone = connection.exchanges.only_unanswered() == Some(request);
        if self.armed.proxies.armed.is_empty() || is_writing || !is_alone {
            return false;
        }
        let path = connection.path(Side::Client);
        let names = (&*self.machines[path.0].name, &*self.machines[path.1].name);
        let Some(armed) = self.armed.proxies.draw(path, self.config.seed, names) else {
            return false;
        };
        let (fault, status, retry_after) = (armed.fault, armed.status, armed.retry_after);
        self.hit(fault, [request]);
        hang_up(connection);
        // What was about to leave when its sender went down must not be taken for what leaves here.
        self.leaving = None;
        self.answer_for(id, connection, request, (status, retry_after));
        true
    }

    /// Sends the proxy's answer, and the end of its connection behind it.
    fn answer_for(
        &mut self,
        id: u64,
        connection: &mut Connection,
        request: u64,
        (status, retry_after): (u16, Option<Duration>),
    ) {
        let now = self.now();
        let (from, to) = connection.path(Side::Server);
        let route = Route { from: &self.machines[from].name, to: &self.machines[to].name };
        let body = Bytes::from(format!("a front proxy answers {status}\n"));
        let bytes = Bytes::from([head(status, retry_after, body.len()).as_bytes(), &body].concat());
        let message = (Message::Answer { status, body }, None, Some(request));
        let mark = self.recorder.leaves(now, &mut connection.exchanges, route, message);
        let pipe = connection.pipe_mut(Side::Server);
        pipe.closed = true;
        pipe.in_flight += bytes.len();
        let segment = |payload, marks| {
            let due = Duration::ZERO;
            Segment { payload, cause: Some(request), marks, due, is_cut: false }
        };
        let data = segment(Payload::Data(bytes), mark.into_iter().collect());
        pipe.segments = VecDeque::from([data, segment(Payload::Fin, Vec::new())]);
        pipe.launched = 0;
        for _ in 0..2 {
            self.launch_segment(id, connection, Side::Server);
        }
    }
}

/// Shows the program the end of its connection, and nothing of what it has not read.
fn hang_up(connection: &mut Connection) {
    let pipe = connection.pipe_mut(Side::Client);
    pipe.clear();
    pipe.received.clear();
    pipe.arrivals.clear();
    pipe.ended = true;
    connection.end_mut(Side::Server).wake();
    if let Some(writer) = connection.end_mut(Side::Client).writer.take() {
        writer.wake();
    }
}

fn head(status: u16, retry_after: Option<Duration>, length: usize) -> String {
    let retry_after = retry_after.map(|after| format!("retry-after: {}\r\n", after.as_secs()));
    format!(
        "HTTP/1.1 {status} \r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\
         connection: close\r\n{}\r\n",
        retry_after.unwrap_or_default()
    )
}
