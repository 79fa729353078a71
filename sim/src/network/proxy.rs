//! Front proxies: a request that has arrived whole is answered in the place of the program it is for.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use journal::{Answer, Event, random};
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::{
    connection::{Connection, Mark, Payload, Segment, Side},
    link::Path,
};
use crate::world::State;

/// Which requests proxies answer.
#[derive(Default)]
pub(crate) struct Proxies {
    armed: Vec<Armed>,
    streams: BTreeMap<Path, ChaCha12Rng>,
}

/// A proxy that answers.
pub(crate) struct Armed {
    pub(crate) fault: u64,
    /// From requesting to answering machines.
    pub(crate) paths: BTreeSet<Path>,
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) share: f64,
}

impl Proxies {
    pub(crate) fn add(&mut self, armed: Armed) {
        self.armed.push(armed);
    }

    pub(crate) fn remove(&mut self, fault: u64) {
        self.armed.retain(|armed| armed.fault != fault);
    }

    /// The oldest proxy that answers a request over `path`; each decides by itself.
    fn draw(&mut self, path: Path, seed: u64, names: (&str, &str)) -> Option<&Armed> {
        let purpose = || random::stream(seed, &format!("answers {} {}", names.0, names.1));
        let streams = &mut self.streams;
        self.armed.iter().filter(|armed| armed.paths.contains(&path)).find(|armed| {
            let stream = streams.entry(path).or_insert_with(purpose);
            stream.random_bool(armed.share.clamp(0.0, 1.0))
        })
    }
}

impl State {
    /// Lets a proxy answer the request that is whole with the next segment of the client, if one does:
    /// the program then sees the end of the connection and nothing of the request. Not while the
    /// program itself is writing: what it has begun to answer has passed the proxy.
    pub(crate) fn answered_by_proxy(&mut self, id: u64, connection: &mut Connection) -> bool {
        let pipe = connection.pipe(Side::Client);
        let Some(Mark::Request(request)) =
            pipe.segments.front().and_then(|first| first.marks.last().copied())
        else {
            return false;
        };
        let is_writing = !connection.pipe(Side::Server).segments.is_empty();
        if self.armed.proxies.armed.is_empty() || is_writing || connection.replay.is_some() {
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
        self.answer_for(id, connection, request, (status, retry_after));
        true
    }

    /// The proxy's answer leaves, and the end of its connection behind it.
    fn answer_for(
        &mut self,
        id: u64,
        connection: &mut Connection,
        request: u64,
        (status, retry_after): (u16, Option<Duration>),
    ) {
        let (from, to) = connection.path(Side::Server);
        let to = self.machines[to].name.clone();
        let body = Bytes::from(format!("a front proxy answers {status}\n"));
        let head = head(status, retry_after, body.len());
        let event = Event::AnswerSent(Answer { request, to, status, body: body.clone() });
        let answer = self.write(from, Some(request), event);
        connection.unanswered.retain(|other| *other != request);
        let bytes = Bytes::from([head.as_bytes(), &body].concat());
        let pipe = connection.pipe_mut(Side::Server);
        pipe.closed = true;
        pipe.in_flight += bytes.len();
        let segment = |payload, marks| {
            let due = Duration::ZERO;
            Segment { payload, cause: Some(request), marks, due, is_cut: false }
        };
        let data = segment(Payload::Data(bytes), vec![Mark::Answer(request, answer)]);
        pipe.segments = VecDeque::from([data, segment(Payload::Fin, Vec::new())]);
        pipe.launched = 0;
        for _ in 0..2 {
            self.launch_segment(id, connection, Side::Server);
        }
    }
}

/// The program sees the end of its connection, and nothing of what it has not read.
fn hang_up(connection: &mut Connection) {
    let pipe = connection.pipe_mut(Side::Client);
    pipe.clear();
    pipe.received.clear();
    pipe.arrivals.clear();
    pipe.ended = true;
    connection.end_mut(Side::Server).wake();
}

fn head(status: u16, retry_after: Option<Duration>, length: usize) -> String {
    let retry_after = retry_after.map(|after| format!("retry-after: {}\r\n", after.as_secs()));
    format!(
        "HTTP/1.1 {status} \r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\
         connection: close\r\n{}\r\n",
        retry_after.unwrap_or_default()
    )
}
