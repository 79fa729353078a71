//! Directed links: delay, loss, bandwidth, and which faults cut or change them.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
    time::Duration,
};

use journal::random;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha12Rng;

use super::{Latency, LinkConfig};
use crate::fault::Change;

/// First retransmission after this long, doubling (RFC 6298 gives 1 s; Linux's floor is 200 ms).
const DATA_RETRANSMIT: Duration = Duration::from_millis(200);
/// First retransmission of a SYN or SYN-ACK (Linux: 1, 2, 4 s ..).
const HANDSHAKE_RETRANSMIT: Duration = Duration::from_secs(1);
/// The longest wait between two retransmissions.
const MAX_RETRANSMIT: Duration = Duration::from_secs(60);
/// Losses in a row that can befall one segment by chance.
const MAX_LOSSES: u32 = 8;

/// What a segment costs beside its bytes (headers of IPv4 and TCP without options).
const HEADERS: u64 = 40;

/// A pair of machine indices: from, to.
pub(crate) type Path = (usize, usize);

/// Returns how long the kernel waits before retransmission number `attempt` (from 0).
pub(crate) fn retransmit_after(attempt: u32, handshake: bool) -> Duration {
    let first = if handshake { HANDSHAKE_RETRANSMIT } else { DATA_RETRANSMIT };
    first.saturating_mul(1 << attempt.min(16)).min(MAX_RETRANSMIT)
}

/// All links of a world; one that no fault has changed is the default.
pub(crate) struct Links {
    seed: u64,
    default: LinkConfig,
    changed: BTreeMap<Path, ChangedLink>,
    cut: BTreeMap<Path, BTreeSet<u64>>,
    streams: BTreeMap<Path, ChaCha12Rng>,
    /// Until when a link of limited bandwidth is busy with what was sent before.
    busy: BTreeMap<Path, Duration>,
}

/// A link that faults have changed.
#[derive(Default)]
struct ChangedLink {
    changes: BTreeMap<u64, Change>,
    /// What all of them make of it, and those that have a part in that.
    now: Option<(LinkConfig, BTreeSet<u64>)>,
}

impl ChangedLink {
    /// For each property, the newest fault that sets it counts.
    fn apply(&mut self, default: LinkConfig) {
        let newest = |says: fn(&Change) -> bool| {
            self.changes
                .iter()
                .rev()
                .find(|(_, change)| says(change))
                .map(|(fault, it)| (*fault, *it))
        };
        let properties = [
            newest(|change| change.latency.is_some()),
            newest(|change| change.loss.is_some()),
            newest(|change| change.bandwidth.is_some()),
        ];
        let [latency, loss, bandwidth] = properties.map(|newest| newest.map(|(_, change)| change));
        let link = LinkConfig {
            latency: latency.and_then(|it| it.latency).unwrap_or(default.latency),
            loss: loss.and_then(|it| it.loss).unwrap_or(default.loss),
            bandwidth: bandwidth.and_then(|it| it.bandwidth).or(default.bandwidth),
        };
        let faults = properties.into_iter().flatten().map(|(fault, _)| fault).collect();
        self.now = Some((link, faults));
    }
}

/// What is sent over a link.
#[derive(Clone, Copy)]
pub(crate) struct Parcel {
    /// Bytes beside the headers.
    pub(crate) bytes: usize,
    /// Whether it is a SYN or SYN-ACK.
    pub(crate) handshake: bool,
}

impl Parcel {
    /// A SYN or SYN-ACK.
    pub(crate) const HANDSHAKE: Self = Self { bytes: 0, handshake: true };
    /// A refusal.
    pub(crate) const REFUSAL: Self = Self { bytes: 0, handshake: false };
}

/// What a link does to a segment that it takes.
pub(crate) struct Passage {
    /// How long until it arrives.
    pub(crate) delay: Duration,
    /// The faults that have made the link what it is.
    pub(crate) changed_by: Vec<u64>,
}

impl Links {
    pub(crate) fn new(seed: u64, default: LinkConfig) -> Self {
        Self {
            seed,
            default,
            changed: BTreeMap::new(),
            cut: BTreeMap::new(),
            streams: BTreeMap::new(),
            busy: BTreeMap::new(),
        }
    }

    /// Returns the oldest fault that cuts `path`; none when it is open.
    pub(crate) fn cut_by(&self, path: Path) -> Option<u64> {
        self.cut.get(&path).and_then(|faults| faults.first().copied())
    }

    pub(crate) fn cut(&mut self, path: Path, fault: u64) {
        self.cut.entry(path).or_default().insert(fault);
    }

    pub(crate) fn change(&mut self, path: Path, fault: u64, change: Change) {
        let changed = self.changed.entry(path).or_default();
        changed.changes.insert(fault, change);
        changed.apply(self.default);
    }

    /// Undoes everything that `fault` did.
    pub(crate) fn repair(&mut self, fault: u64) {
        for faults in self.cut.values_mut() {
            faults.remove(&fault);
        }
        self.cut.retain(|_, faults| !faults.is_empty());
        for changed in self.changed.values_mut() {
            if changed.changes.remove(&fault).is_some() {
                changed.apply(self.default);
            }
        }
        self.changed.retain(|_, changed| !changed.changes.is_empty());
        self.busy.retain(|path, _| self.changed.contains_key(path));
    }

    /// Sends one segment over `path` at `now`. `names` are the machines' names.
    pub(crate) fn take(
        &mut self,
        path: Path,
        names: (&str, &str),
        parcel: Parcel,
        now: Duration,
    ) -> Passage {
        if path.0 == path.1 {
            return Passage { delay: Duration::ZERO, changed_by: Vec::new() };
        }
        let changed = self.changed.get(&path).and_then(|changed| changed.now.as_ref());
        let link = changed.map_or(self.default, |(link, _)| *link);
        let changed_by = changed.map(|(_, by)| by.iter().copied().collect()).unwrap_or_default();
        let queued = match link.bandwidth {
            Some(bandwidth) => self.queue(path, parcel.bytes, bandwidth, now),
            None => Duration::ZERO,
        };
        if let (Latency::Fixed(delay), true) = (link.latency, link.loss <= 0.0) {
            return Passage { delay: queued + delay, changed_by };
        }
        let seed = self.seed;
        let stream = self
            .streams
            .entry(path)
            .or_insert_with(|| random::stream(seed, &format!("link {} {}", names.0, names.1)));
        let mut delay = queued + draw(stream, link.latency);
        let mut losses = 0;
        while losses < MAX_LOSSES && link.loss > 0.0 && stream.random_bool(link.loss.min(1.0)) {
            delay += retransmit_after(losses, parcel.handshake);
            losses += 1;
        }
        Passage { delay, changed_by }
    }

    /// Returns how long it takes until the last of these bytes has left, behind all that was sent
    /// before.
    fn queue(
        &mut self,
        path: Path,
        bytes: usize,
        bandwidth: NonZeroU64,
        now: Duration,
    ) -> Duration {
        let nanoseconds = (u128::from(HEADERS) + bytes as u128) * 1_000_000_000;
        let nanoseconds = nanoseconds / u128::from(bandwidth.get());
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let busy = self.busy.entry(path).or_default();
        *busy = now.max(*busy).saturating_add(takes);
        *busy - now
    }
}

fn draw(stream: &mut impl Rng, latency: Latency) -> Duration {
    match latency {
        Latency::Fixed(delay) => delay,
        Latency::Uniform(least, most) if least >= most => least,
        Latency::Uniform(least, most) => stream.random_range(least..=most),
    }
}
