//! What is in the way of bytes from one machine to another, and how long they take.

use std::{sync::Arc, time::Duration};

use journal::Latency;
use rand::{Rng, RngExt};
use tokio::time::Instant;

use super::{LiveWorld, State};
use crate::gateway::Side;

/// A way from one machine to another.
pub(crate) type Path = (Arc<str>, Arc<str>);

/// The first wait before a segment that was lost is sent again; it doubles (RFC 6298).
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// The most losses in a row of one segment.
const MOST_LOSSES: u32 = 8;

/// What a fault does to a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstruction {
    /// Nothing gets through, and nothing is acknowledged.
    Cut,
    /// What gets through is kept at the end.
    Hold,
}

/// What is in the way.
pub(crate) struct Obstacle {
    /// Whether nothing is acknowledged, so that a kernel gives up in the end.
    pub(crate) is_silent: bool,
}

impl LiveWorld {
    /// Returns what is in the way from one machine to another, if anything is, and counts it for the
    /// fault that put it there and for the requests of a line.
    pub(crate) fn obstacle(
        &self,
        (from, to): (&Arc<str>, &Arc<str>),
        line: Option<u64>,
    ) -> Option<Obstacle> {
        let mut state = self.lock();
        let (fault, is_silent) = state.in_the_way(from, to)?;
        let requests: Vec<u64> = line
            .and_then(|line| state.lines.get(&line))
            .map(|line| line.exchanges.outstanding.iter().copied().collect())
            .unwrap_or_default();
        state.recorder.hit(fault, requests);
        Some(Obstacle { is_silent })
    }

    /// Returns how long what `side` of a line has sent takes, apart from what is in the way.
    pub(crate) fn delay(&self, line: u64, side: Side, bytes: usize) -> Duration {
        let Some((from, to)) = self.ends(line, side) else { return Duration::ZERO };
        let link = self.0.parts.config.link;
        let mut state = self.lock();
        let state = &mut *state;
        let path = (from, to);
        let requests: Vec<u64> = state
            .lines
            .get(&line)
            .map_or(Vec::new(), |line| line.exchanges.outstanding.iter().copied().collect());
        let (mut latency, mut loss, mut bandwidth) = (link.latency, link.loss, None);
        for (fault, paths, change) in &state.changes {
            if paths.contains(&path) {
                latency = change.latency.unwrap_or(latency);
                loss = change.loss.unwrap_or(loss);
                bandwidth = change.bandwidth.or(bandwidth);
                state.recorder.hit(*fault, requests.iter().copied());
            }
        }
        let mut delay = drawn(latency, &mut state.random);
        let mut again = RETRANSMISSION;
        for _ in 0..MOST_LOSSES {
            if !state.random.random_bool(loss.clamp(0.0, 1.0)) {
                break;
            }
            delay += again;
            again *= 2;
        }
        if let Some(bandwidth) = bandwidth {
            let now = Instant::now();
            let free = state.busy.entry(path).or_insert(now);
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            let takes = bytes.saturating_mul(1_000_000) / bandwidth.get();
            *free = (*free).max(now) + Duration::from_micros(takes);
            delay += free.duration_since(now);
        }
        delay
    }

    /// Returns how long a handshake takes.
    pub(crate) fn round_trip(&self, from: &Arc<str>, to: &Arc<str>) -> Duration {
        let usual = self.0.parts.config.link.latency;
        let mut state = self.lock();
        let state = &mut *state;
        let ways = [(Arc::clone(from), Arc::clone(to)), (Arc::clone(to), Arc::clone(from))];
        let latencies = ways.map(|path| {
            let mut changed =
                state.changes.iter().rev().filter(|(_, paths, _)| paths.contains(&path));
            let latency = changed.find_map(|(_, _, change)| change.latency);
            drawn(latency.unwrap_or(usual), &mut state.random)
        });
        latencies.into_iter().sum()
    }
}

impl State {
    /// Returns the oldest fault that is in the way, and whether it leaves senders without an
    /// acknowledgement.
    pub(super) fn in_the_way(&self, from: &Arc<str>, to: &Arc<str>) -> Option<(u64, bool)> {
        let path = (Arc::clone(from), Arc::clone(to));
        let obstructions = self.obstructions.get(&path).into_iter().flatten();
        let obstructions = obstructions.map(|(fault, how)| (*fault, *how == Obstruction::Cut));
        let ends = [from, to].into_iter().filter_map(|end| self.hangs.get(end)).flatten();
        obstructions.chain(ends.map(|fault| (*fault, false))).min()
    }
}

fn drawn(latency: Latency, random: &mut impl Rng) -> Duration {
    match latency {
        Latency::Fixed(delay) => delay,
        Latency::Uniform(least, most) => random.random_range(least..=most.max(least)),
    }
}
