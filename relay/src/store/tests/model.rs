//! The store against a model of it: drawn orders, each of them repeated, and a crash at any byte that
//! an order writes.

use std::{collections::BTreeSet, fs, path::Path};

use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;

/// Small enough that drawn orders reach each of them.
const SMALL: Quotas = Quotas {
    entries: 4,
    bytes: 9_000,
    origin_share_percent: 100,
    entries_of_origin: 6,
    bytes_of_origin: 1 << 20,
    bytes_in_all: 12_000,
};

/// As [`open`] has it.
const MAX_HANDOUTS: u64 = 20;

#[derive(Clone, Copy, Debug)]
enum Order {
    Keep { origin: u8, destination: u8, id: u8, is_large: bool },
    Take { destination: u8, acknowledges: Acknowledges },
    Purge { destination: u8 },
    Requeue { id: u8 },
    Expire,
}

#[derive(Clone, Copy, Debug)]
enum Acknowledges {
    Nothing,
    /// What this destination was handed out last.
    Last,
    /// What somebody else waits for, or nobody.
    Any(u8),
}

type Key = (String, String, String);

/// An entry that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    id: EntryId,
    key: Key,
    bytes: u64,
    handouts: u64,
}

/// What a store must be like from outside.
#[derive(Clone, Debug, Default)]
struct Model {
    waiting: Vec<Held>,
    delivered: BTreeSet<Key>,
    quarantined: BTreeSet<EntryId>,
    bytes_aside: u64,
    /// Every entry that its destination was given, and may acknowledge, requeued since or not.
    handed_out: BTreeSet<EntryId>,
    /// The highest id ever given.
    last_id: EntryId,
    /// What each destination was handed out last.
    last: [EntryId; 3],
}

impl Model {
    /// Whether the store must take it; it has an id then, unless it is known.
    fn keep(&mut self, key: Key, bytes: u64) -> Option<Kept> {
        if self.delivered.contains(&key) || self.waiting.iter().any(|held| held.key == key) {
            return Some(Kept::Already);
        }
        let sum = |meant: &dyn Fn(&Held) -> bool| {
            let meant = self.waiting.iter().filter(|held| meant(held));
            meant.fold((0, 0), |(count, sum), held| (count + 1, sum + held.bytes))
        };
        let (entries, used) = sum(&|held| held.key.0 == key.0);
        let (of_origin, _) = sum(&|held| held.key.1 == key.1);
        let (_, in_all) = sum(&|_| true);
        let has_room = entries < SMALL.entries
            && used + bytes <= SMALL.bytes
            && of_origin < SMALL.entries_of_origin
            && in_all + self.bytes_aside + bytes <= SMALL.bytes_in_all;
        has_room.then(|| {
            self.last_id += 1;
            self.waiting.push(Held { id: self.last_id, key, bytes, handouts: 0 });
            Kept::New(self.last_id)
        })
    }

    fn take(&mut self, destination: &str, acknowledged: EntryId) -> Option<EntryId> {
        let is_it = |held: &Held| {
            held.id == acknowledged
                && held.key.0 == destination
                && self.handed_out.contains(&held.id)
        };
        if let Some(place) = self.waiting.iter().position(is_it) {
            self.delivered.insert(self.waiting.remove(place).key);
        }
        loop {
            let of_it = || self.waiting.iter().filter(|held| held.key.0 == destination);
            let fresh = of_it().find(|held| held.handouts < 5);
            let next = fresh.or_else(|| of_it().min_by_key(|held| (held.handouts, held.id)))?.id;
            let place = self.waiting.iter().position(|held| held.id == next)?;
            if self.waiting[place].handouts < MAX_HANDOUTS {
                self.waiting[place].handouts += 1;
                self.handed_out.insert(next);
                return Some(next);
            }
            self.bytes_aside += self.waiting.remove(place).bytes;
            self.quarantined.insert(next);
        }
    }
}

fn orders() -> impl Strategy<Value = Vec<(Order, Option<u8>)>> {
    let name = || 0..3_u8;
    let acknowledges = prop_oneof![
        2 => Just(Acknowledges::Nothing),
        3 => Just(Acknowledges::Last),
        1 => (0..12_u8).prop_map(Acknowledges::Any),
    ];
    let keep =
        (name(), name(), 0..6_u8, any::<bool>()).prop_map(|(origin, destination, id, is_large)| {
            Order::Keep { origin, destination, id, is_large }
        });
    let take = (name(), acknowledges)
        .prop_map(|(destination, acknowledges)| Order::Take { destination, acknowledges });
    let order = prop_oneof![
        6 => keep,
        8 => take,
        1 => name().prop_map(|destination| Order::Purge { destination }),
        1 => (0..12_u8).prop_map(|id| Order::Requeue { id }),
        1 => Just(Order::Expire),
    ];
    // One order in four is crashed in, at so many 255ths of what it writes.
    let crash = prop_oneof![3 => Just(None), 1 => any::<u8>().prop_map(Some)];
    prop::collection::vec((order, crash), 1..60)
}

impl Store {
    /// Returns all that waits, as the model has it.
    async fn held(&self) -> Vec<Held> {
        let rows = self.database.call(|connection| {
            let sql = "SELECT id, destination, origin, transaction_id, bytes,
                           coalesce((SELECT count FROM handouts h WHERE h.id = entries.id), 0)
                       FROM entries ORDER BY id";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(Held {
                    id: row.get(0)?,
                    key: (row.get(1)?, row.get(2)?, row.get(3)?),
                    bytes: from_sql(row.get(4)?),
                    handouts: from_sql(row.get(5)?),
                })
            })?;
            Ok::<_, DatabaseError>(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        });
        rows.await.unwrap()
    }

    async fn obey(&self, order: Order, model: &mut Model) {
        let destination = |number: u8| format!("d{number}");
        match order {
            Order::Keep { origin, destination: to, id, is_large } => {
                // The same id always with the same body, as a sender's retries have it.
                let is_large = is_large && id == 0;
                let body =
                    format!(r#"{{"pdus":["{}"]}}"#, "x".repeat(if is_large { 4000 } else { 1 }));
                let (id, origin) = (format!("{id}{is_large}"), named(&format!("o{origin}")));
                let incoming = Incoming { origin, ..incoming(&id, &destination(to), &body) };
                let key = (destination(to), incoming.origin.to_string(), id);
                let bytes = counted_bytes(&incoming.body);
                for _ in 0..2 {
                    let kept = self.keep(incoming.clone(), SMALL, NOW).await.unwrap();
                    match model.keep(key.clone(), bytes) {
                        Some(expected) => assert_eq!(kept, expected),
                        None => assert!(!matches!(kept, Kept::New(_) | Kept::Already), "{kept:?}"),
                    }
                }
            }
            Order::Take { destination: to, acknowledges } => {
                let acknowledged = match acknowledges {
                    Acknowledges::Nothing => 0,
                    Acknowledges::Last => model.last[usize::from(to)],
                    Acknowledges::Any(id) => id.into(),
                };
                let taken = self.take(&destination(to), acknowledged, NOW).await;
                assert_eq!(taken, model.take(&destination(to), acknowledged));
                model.last[usize::from(to)] = taken.unwrap_or(0);
            }
            Order::Purge { destination: from } => {
                let name = destination(from);
                let purge = Purge { destination: Some(named(&name)), ..Purge::default() };
                self.purge_batch(purge).await.unwrap();
                model.waiting.retain(|held| held.key.0 != name);
            }
            Order::Requeue { id } => {
                let known = self.requeue(id.into()).await.unwrap();
                let held = model.waiting.iter_mut().find(|held| held.id == EntryId::from(id));
                assert_eq!(known, held.is_some());
                if let Some(held) = held {
                    held.handouts = 0;
                }
            }
            Order::Expire => {
                self.expire_batch(NOW + KEPT_MS).await.unwrap();
            }
        }
    }

    /// Checks what holds whatever was ordered.
    async fn must_be_like(&self, model: &Model) {
        assert_eq!(self.held().await, model.waiting);
        let sums = self.sums().await.unwrap();
        let bytes: u64 = model.waiting.iter().map(|held| held.bytes).sum();
        assert_eq!(
            (sums.entries, sums.bytes),
            (model.waiting.len() as u64, bytes + model.bytes_aside)
        );
        assert_eq!(sums.quarantined, model.quarantined.len() as u64);
        assert!(sums.bytes <= SMALL.bytes_in_all);
    }
}

/// Returns what a store is like whose machine lost its power when `order` had written so much of what
/// it writes to the log: everything behind that is lost.
async fn after_a_crash(directory: &Path, log_bytes: u64) -> (Vec<Held>, Vec<String>) {
    let copy = TempDir::new().unwrap();
    for name in ["relay.sqlite", "relay.sqlite-wal"] {
        fs::copy(directory.join(name), copy.path().join(name)).unwrap();
    }
    let log = fs::File::options().write(true).open(copy.path().join("relay.sqlite-wal")).unwrap();
    log.set_len(log_bytes).unwrap();
    let store = open(&copy).await;
    let held = store.held().await;
    drop(store);
    (held, crate::maintenance::check(&copy.path().join("relay.sqlite")).unwrap())
}

fn log_bytes(directory: &Path) -> u64 {
    fs::metadata(directory.join("relay.sqlite-wal")).map_or(0, |log| log.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_its_model_whatever_is_ordered_and_wherever_it_crashes(orders in orders()) {
        Runtime::new().unwrap().block_on(async {
            let directory = TempDir::new().unwrap();
            let store = open(&directory).await;
            let mut model = Model::default();
            for (order, crash) in orders {
                let (before, began) = (store.held().await, log_bytes(directory.path()));
                store.obey(order, &mut model).await;
                store.must_be_like(&model).await;
                let ended = log_bytes(directory.path());
                let Some(crash) = crash.filter(|_| ended > began) else { continue };
                let written = began + (ended - began) * u64::from(crash) / 255;
                let (held, problems) = after_a_crash(directory.path(), written).await;
                assert_eq!(problems, Vec::<String>::new());
                let is_a_state = held == before || held == model.waiting;
                assert!(is_a_state, "{held:?} is neither {before:?} nor {:?}", model.waiting);
                if written == ended {
                    assert_eq!(held, model.waiting, "what was answered is lost");
                }
            }
        });
    }
}
