//! Requests and answers, as they leave and arrive.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{Fired, Recorder};
use crate::{Answer, Event, Loss, Request, fault::Moment, http::Message};

/// From which machine to which.
#[derive(Clone, Copy, Debug)]
pub struct Route<'n> {
    /// The one that sends.
    pub from: &'n Arc<str>,
    /// The one that it is for.
    pub to: &'n Arc<str>,
}

/// The end of a message inside a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Number of the request's entry.
    Request(u64),
    /// Numbers of the request's and the answer's entries.
    Answer(u64, u64),
}

/// What is under way on one connection.
#[derive(Debug, Default)]
pub struct Exchanges {
    /// Requests whose answer has not arrived whole, oldest first.
    pub outstanding: VecDeque<u64>,
    /// Requests, none of whose answer has been sent.
    unanswered: VecDeque<u64>,
    /// Messages that have arrived, and the entries that say so: what led to what is done on them.
    pub arrived: VecDeque<(u64, u64)>,
}

impl Exchanges {
    /// Returns the only request none of whose answer has been sent; `None` if there are several.
    pub fn only_unanswered(&self) -> Option<u64> {
        self.unanswered.front().copied().filter(|_| self.unanswered.len() == 1)
    }
}

impl Recorder {
    /// Writes down that a whole message leaves. Returns its mark, unless it is nothing that
    /// exchanges know: an interim answer (100, 103), or an answer that nobody asked for. With the
    /// message come the request that the network delivers again with it, and the entry that led to
    /// it.
    pub fn leaves(
        &mut self,
        now: Duration,
        exchanges: &mut Exchanges,
        Route { from, to }: Route<'_>,
        (message, replays, cause): (Message, Option<u64>, Option<u64>),
    ) -> Option<Mark> {
        let (from, to) = (Arc::clone(from), Arc::clone(to));
        match message {
            Message::Request { method, target, body, .. } => {
                let request = Request { to, method, target, body, replays };
                let n = self.write(now, from, cause, Event::RequestSent(request));
                exchanges.outstanding.push_back(n);
                exchanges.unanswered.push_back(n);
                Some(Mark::Request(n))
            }
            Message::Answer { status, .. } if status < 200 && status != 101 => None,
            Message::Answer { status, body } => {
                let request = exchanges.unanswered.pop_front()?;
                let arrived = exchanges.arrived.iter().position(|(of, _)| *of == request);
                let arrived = arrived.and_then(|at| exchanges.arrived.remove(at));
                let answer = Answer { request, to, status, body };
                let cause = arrived.map(|(_, n)| n).or(cause);
                let n = self.write(now, from, cause, Event::AnswerSent(answer));
                Some(Mark::Answer(request, n))
            }
        }
    }

    /// Returns the watches that fire when a message has left. None waits for a replay: nobody sent
    /// it.
    pub fn fire_left(&mut self, mark: Mark) -> Vec<Fired> {
        match mark {
            Mark::Request(n) => self.fire(Moment::Sent, n, n),
            Mark::Answer(request, n) => self.fire(Moment::Answered, request, n),
        }
    }

    /// Writes down that a whole message has arrived at machine `at`; returns the watches that fire.
    pub fn arrives(
        &mut self,
        now: Duration,
        exchanges: &mut Exchanges,
        at: &Arc<str>,
        mark: Mark,
    ) -> Vec<Fired> {
        match mark {
            Mark::Request(request) => {
                let event = Event::RequestArrived { request };
                let n = self.write(now, Arc::clone(at), Some(request), event);
                exchanges.arrived.push_back((request, n));
                self.fire(Moment::Arrived, request, n)
            }
            // Whoever asked has closed its socket: the answer arrives nowhere.
            Mark::Answer(request, _) if !exchanges.outstanding.contains(&request) => Vec::new(),
            Mark::Answer(request, answer) => {
                exchanges.outstanding.retain(|other| *other != request);
                let event = Event::AnswerArrived { request, answer };
                let n = self.write(now, Arc::clone(at), Some(answer), event);
                exchanges.arrived.push_back((answer, n));
                Vec::new()
            }
        }
    }

    /// Writes down that the program at `server`, which lives on, lets go of a connection: it does not
    /// answer what has arrived over it and was not answered.
    pub fn drop_unanswered(
        &mut self,
        now: Duration,
        exchanges: &mut Exchanges,
        server: &Arc<str>,
        why: Loss,
    ) {
        for request in std::mem::take(&mut exchanges.unanswered) {
            let arrived = exchanges.arrived.iter().find(|(of, _)| *of == request);
            if let Some((_, arrived)) = arrived {
                let event = Event::RequestDropped { request, why };
                self.write(now, Arc::clone(server), Some(*arrived), event);
            }
        }
    }

    /// Writes down that the answers that are outstanding will not arrive at `client`.
    pub fn lose(&mut self, now: Duration, exchanges: &mut Exchanges, client: &Arc<str>, why: Loss) {
        for request in std::mem::take(&mut exchanges.outstanding) {
            let event = Event::RequestLost { request, why };
            self.write(now, Arc::clone(client), Some(request), event);
        }
    }
}
