//! What passes the gateway, as the journal has it; and what faults do to single messages.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use journal::{
    ConnectFailed, Event, Loss,
    fault::{After, Part},
    http::Message,
    recorder::{Fired, Mark, Route},
};
use rand::RngExt;
use tokio::{sync::watch, time::Instant};

use super::{LiveWorld, State};
use crate::gateway::{Call, Line, Parcel, Replay, Side};

impl LiveWorld {
    /// Records a connection that is open now. Returns its number, and what tells that it is broken.
    pub(crate) fn open_line(
        &self,
        call: Call,
        replays: Option<u64>,
    ) -> (u64, watch::Receiver<bool>) {
        let boots = [self.incarnation(&call.from), self.incarnation(&call.to)];
        let line = Line::new(call, boots, replays);
        let broken = line.broken.subscribe();
        let mut state = self.lock();
        let n = state.next_line;
        state.next_line += 1;
        state.lines.insert(n, line);
        (n, broken)
    }

    /// Takes in that a connection is no more.
    pub(crate) fn close_line(&self, line: u64) {
        self.lose(line, Loss::Closed);
        self.lock().lines.remove(&line);
        self.tell();
    }

    /// Has both ends of a connection see a reset.
    pub(crate) fn break_line(&self, line: u64) {
        self.lose(line, Loss::Reset);
        if let Some(line) = self.lock().lines.get(&line) {
            line.broken.send_replace(true);
        }
    }

    /// Does the same because nothing got through for too long.
    pub(crate) fn give_up_line(&self, line: u64) {
        self.lose_for(line, Loss::TimedOut);
        self.break_line(line);
    }

    /// Takes in that a connection did not come about, for which a program has waited so long.
    pub(crate) fn connect_failed(&self, call: &Call, why: Loss, waited: Duration) {
        let now = self.now();
        let Call { from, to, port } = call;
        let mut state = self.lock();
        let between = state.in_the_way(from, to).or_else(|| state.in_the_way(to, from));
        let refused = state
            .refusals
            .iter()
            .find(|(_, it)| it.machine == **to && it.port.is_none_or(|only| only == *port));
        let down = state.place(to).and_then(|place| place.downed_by.oldest(|_| true));
        let fault = between.map(|(fault, _)| fault).or(refused.map(|(fault, _)| *fault)).or(down);
        let (to, port) = (Arc::clone(to), *port);
        let failed = ConnectFailed { to, port, why, waited, fault };
        state.recorder.write(now, Arc::clone(from), None, Event::ConnectFailed(failed));
    }

    /// Takes in that `side` has closed its end, or reset it.
    pub(crate) fn closed(&self, line: u64, side: Side, is_reset: bool) {
        if side == Side::Server {
            self.dropped(line, is_reset);
        }
        // A program that has ended gives nothing up: its kernel closes what it left open.
        let lives = || self.ends(line, side).is_some_and(|(machine, _)| self.is_up(&machine));
        if side == Side::Client {
            self.lose(
                line,
                match is_reset {
                    true => Loss::Reset,
                    false if lives() => Loss::GivenUp,
                    false => Loss::Closed,
                },
            );
        }
    }

    /// Takes in that a server has closed its end: what it has not answered by then it never does.
    fn dropped(&self, line: u64, is_reset: bool) {
        let now = self.now();
        let mut state = self.lock();
        let State { lines, recorder, places, .. } = &mut *state;
        let Some(line) = lines.get_mut(&line) else { return };
        let server = Arc::clone(&line.call.to);
        if places.get(&server).is_some_and(|place| place.is_up) {
            let has_asker = !line.exchanges.outstanding.is_empty();
            let why = match (has_asker, is_reset) {
                (false, _) => Loss::Closed,
                (true, true) => Loss::Reset,
                (true, false) => Loss::GivenUp,
            };
            recorder.drop_unanswered(now, &mut line.exchanges, &server, why);
        }
    }

    fn lose(&self, line: u64, why: Loss) {
        let why = self.lock().lines.get(&line).map(|line| line.loss(why));
        if let Some(why) = why {
            self.lose_for(line, why);
        }
    }

    fn lose_for(&self, line: u64, why: Loss) {
        let now = self.now();
        let mut state = self.lock();
        let State { lines, recorder, .. } = &mut *state;
        if let Some(line) = lines.get_mut(&line) {
            let client = Arc::clone(&line.call.from);
            recorder.lose(now, &mut line.exchanges, &client, why);
        }
    }

    /// Returns the machine at `side` of a line, and the one at the other end.
    pub(crate) fn ends(&self, line: u64, side: Side) -> Option<(Arc<str>, Arc<str>)> {
        self.lock().lines.get(&line).map(|line| line.ends(side))
    }

    /// Returns whether nobody is to hear of the end of what the machine at `side` was saying.
    pub(crate) fn is_silent(&self, line: u64, side: Side) -> bool {
        self.ends(line, side).is_some_and(|(machine, _)| self.is_dark(&machine))
    }

    /// Records what `side` sends, and acts on it before anything of it goes on; returns what goes on.
    /// None if its machine has lost its power by that.
    pub(crate) fn leave(&self, line: u64, side: Side, bytes: &Bytes) -> Option<Parcel> {
        let now = self.now();
        let (mut fired, mut replays) = (Vec::new(), Vec::new());
        let (mut marks, mut kept) = (Vec::new(), bytes.len());
        {
            let mut state = self.lock();
            let state = &mut *state;
            let open = state.lines.get_mut(&line)?;
            let (from, to) = open.ends(side);
            for message in open.leave(side, bytes) {
                let request = request_bytes(&message);
                let route = Route { from: &from, to: &to };
                let told = (message, open.replays, open.replays);
                let mark = state.recorder.leaves(now, &mut open.exchanges, route, told);
                let Some(mark) = mark else { continue };
                marks.push(mark);
                if open.replays.is_some() {
                    continue;
                }
                fired.extend(state.recorder.fire_left(mark));
                if let (Mark::Request(of), Some(bytes)) = (mark, request) {
                    replays.push((of, bytes));
                }
            }
        }
        act(fired);
        for (of, bytes) in replays {
            self.replay(line, of, &bytes);
        }
        let is_cut = marks.last().is_some_and(|mark| match self.missing(line, side, *mark) {
            Some(missing) => {
                kept = kept.saturating_sub(missing);
                true
            }
            None => false,
        });
        if self.is_silent(line, side) {
            return None;
        }
        Some(Parcel::Data {
            bytes: bytes.slice(..kept),
            marks: if is_cut { Vec::new() } else { marks },
            left: Instant::now(),
            is_cut,
        })
    }

    /// Records what arrives at the other end than `side`, and acts on it before anybody can read it.
    /// Returns whether anybody is left who can.
    pub(crate) fn arrive(&self, line: u64, side: Side, marks: Vec<Mark>) -> bool {
        let now = self.now();
        let mut fired = Vec::new();
        let mut is_over = false;
        {
            let mut state = self.lock();
            let state = &mut *state;
            let Some(open) = state.lines.get_mut(&line) else { return false };
            let (_, at) = open.ends(side);
            for mark in marks {
                if open.replays.is_some() && matches!(mark, Mark::Answer(..)) {
                    is_over = true;
                    continue;
                }
                fired.extend(state.recorder.arrives(now, &mut open.exchanges, &at, mark));
            }
        }
        act(fired);
        if is_over {
            self.break_line(line);
        }
        !self.is_silent(line, side.other())
    }

    /// Returns how many bytes of a message do not arrive, if a reset waits for it.
    fn missing(&self, line: u64, side: Side, mark: Mark) -> Option<usize> {
        let mut state = self.lock();
        let (from, to) = state.lines.get(&line)?.ends(Side::Client);
        let (request, message, part) = match mark {
            Mark::Request(request) => (request, request, Part::Request),
            Mark::Answer(request, answer) => (request, answer, Part::Answer),
        };
        let path = (from, to);
        let way =
            if side == Side::Client { path.clone() } else { (path.1.clone(), path.0.clone()) };
        if state.obstructions.get(&way).is_some_and(|faults| !faults.is_empty()) {
            return None;
        }
        let at = state.resets.iter().position(|it| it.part == part && it.paths.contains(&path))?;
        let armed = state.resets.remove(at);
        state.recorder.hit(armed.fault, [request]);
        let length = match state.recorder.journal().get(message).map(|entry| &entry.event) {
            Some(Event::RequestSent(request)) => request.body.len(),
            Some(Event::AnswerSent(answer)) => answer.body.len(),
            _ => 0,
        };
        Some(length.saturating_sub(arriving(length, armed.after)).max(1))
    }

    /// Has a request come again as often as faults say.
    fn replay(&self, line: u64, of: u64, bytes: &Bytes) {
        let mut due: Vec<(Call, Duration)> = Vec::new();
        {
            let mut state = self.lock();
            let State { lines, duplications, random, recorder, .. } = &mut *state;
            let Some(open) = lines.get(&line) else { return };
            let path = (Arc::clone(&open.call.from), Arc::clone(&open.call.to));
            duplications.retain(|armed| {
                if !armed.paths.contains(&path) {
                    return true;
                }
                let share = armed.probability.unwrap_or(1.0).clamp(0.0, 1.0);
                if random.random_bool(share) {
                    recorder.hit(armed.fault, []);
                    due.push((open.call.clone(), armed.after));
                }
                armed.probability.is_some()
            });
        }
        for (call, after) in due {
            let counted = (!bytes.starts_with(b"GET ")).then(|| Counted::new(self));
            let (replay, world) = (Replay { of, bytes: bytes.clone(), call, after }, self.clone());
            self.spawn(async move {
                replay.run(world).await;
                drop(counted);
            });
        }
    }

    /// Returns the answer of a front proxy to the request that has come, if one answers it.
    pub(crate) fn answered_by_proxy(&self, line: u64, marks: &[Mark]) -> Option<Parcel> {
        let now = self.now();
        let mut state = self.lock();
        let State { lines, proxies, random, recorder, .. } = &mut *state;
        let open = lines.get_mut(&line)?;
        let [Mark::Request(request)] = *marks else { return None };
        if open.exchanges.only_unanswered() != Some(request) {
            return None;
        }
        let (from, to) = (Arc::clone(&open.call.from), Arc::clone(&open.call.to));
        let is_meant = |it: &journal::fault::ProxyAnswer| {
            it.machine == *to && (it.to.is_empty() || it.to.iter().any(|name| *name == *from))
        };
        let (fault, answer) = proxies
            .iter()
            .find(|(_, it)| is_meant(it) && random.random_bool(it.share.clamp(0.0, 1.0)))?;
        recorder.hit(*fault, [request]);
        let body = Bytes::from(format!("a front proxy answers {}\n", answer.status));
        let again = answer.retry_after.map(|after| format!("retry-after: {}\r\n", after.as_secs()));
        let head = format!(
            "HTTP/1.1 {} \r\ncontent-type: text/plain\r\ncontent-length: {}\r\n{}connection: \
             close\r\n\r\n",
            answer.status,
            body.len(),
            again.unwrap_or_default()
        );
        let bytes = Bytes::from([head.as_bytes(), &body].concat());
        let message = (Message::Answer { status: answer.status, body }, None, Some(request));
        let route = Route { from: &to, to: &from };
        let mark = recorder.leaves(now, &mut open.exchanges, route, message);
        let marks = mark.into_iter().collect();
        Some(Parcel::Data { bytes, marks, left: Instant::now(), is_cut: false })
    }
}

/// Counts a repeated request that may change something, for as long as it is under way.
struct Counted(LiveWorld);

impl Counted {
    fn new(world: &LiveWorld) -> Self {
        world.lock().replays += 1;
        Self(world.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.lock().replays -= 1;
    }
}

/// Returns the bytes of a request, which may come again.
fn request_bytes(message: &Message) -> Option<Bytes> {
    match message {
        Message::Request { bytes, .. } => Some(bytes.clone()),
        Message::Answer { .. } => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a body's length is far below 2^53, and the share is from 0 to 1"
)]
fn arriving(length: usize, after: After) -> usize {
    match after {
        After::Bytes(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        After::Share(share) => (length as f64 * share.clamp(0.0, 1.0)) as usize,
    }
}

fn act(fired: Vec<Fired>) {
    for Fired { action, entry } in fired {
        action(entry);
    }
}
