//! A queue at a NATS server with JetStream: for many machines.
//!
//! What is written down is in a key-value bucket, files are in an object store, and each item is one
//! message of a stream that is a work queue: its subject is the item, and a second one of the same
//! subject is refused, so that an item is there once or not at all. A message is done by an
//! acknowledgement that the server confirms.

mod connect;
mod documents;
mod patience;
mod refusal;
mod work;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Mutex, atomic::AtomicU64},
    time::Duration,
};

use async_nats::jetstream::{
    Context, Message,
    consumer::{Consumer, pull},
    kv, object_store, stream,
};
use futures_util::TryStreamExt as _;
use tokio::runtime::Runtime;

use self::{
    connect::{Connected, Sayings},
    documents::PAGE_BYTES,
    patience::{Fault, Limit},
};
use crate::{
    key::{Item, Key, is_name},
    plan::Plan,
    queue::{
        Cursor, Document, Kept, LARGEST_FILE, LEASE, Lease, Queue, Trouble, Wanted, check_file,
    },
    server::Server,
};

/// What the names of a campaign's streams begin with.
const PREFIX: &str = "fedsim-";
/// The most campaigns of a server that are looked at.
const MOST_CAMPAIGNS: usize = 1_000;

/// A queue at a NATS server.
pub struct Nats {
    runtime: Runtime,
    /// The server, as it may be shown.
    shown: String,
    /// What went wrong with the connection last.
    sayings: Sayings,
    jetstream: Context,
    id: String,
    bucket: kv::Store,
    /// The stream of the bucket.
    log: stream::Stream,
    files: object_store::ObjectStore,
    /// Urgent items, and the others.
    now: Consumer<pull::Config>,
    later: Consumer<pull::Config>,
    lease: Duration,
    /// The messages of the items that are this process's.
    held: Mutex<BTreeMap<u64, Message>>,
    tokens: AtomicU64,
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nats")
            .field("server", &self.shown)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Nats {
    /// Makes the queue of a new campaign. The error says why, also if there is one already.
    pub fn create(server: &Server, id: &str, lease: Duration) -> Result<Self, Trouble> {
        let connected = connect::connect(server)?;
        let (jetstream, shown) = (&connected.jetstream, server.shown());
        connected.runtime.block_on(async {
            if jetstream.get_key_value(bucket(id)).await.is_ok() {
                let message = format!(
                    "there is a campaign {id} at {shown} already\nresume it, or give the new one \
                     another --id"
                );
                return Err(Trouble::new(message));
            }
            let refused = |error: &dyn std::fmt::Display| connect::refused(&shown, error);
            jetstream.create_stream(work::stream(id)).await.map_err(|error| refused(&error))?;
            jetstream
                .create_object_store(object_store::Config {
                    bucket: files(id),
                    ..object_store::Config::default()
                })
                .await
                .map_err(|error| refused(&error))?;
            let config = documents::stream(&bucket(id));
            jetstream.create_stream(config).await.map_err(|error| refused(&error))?;
            Ok(())
        })?;
        Self::open(connected, shown, (id, lease))
    }

    /// Finds a campaign: the one of this name, or the one that was started last. Returns its name.
    pub fn find(server: &Server, id: Option<&str>) -> Result<(String, Self), Trouble> {
        let connected = connect::connect(server)?;
        let (jetstream, shown) = (&connected.jetstream, server.shown());
        let none = |what: &str| Trouble::new(format!("there is no campaign{what} at {shown}"));
        let found = connected.runtime.block_on(async {
            match id {
                Some(id) => plan(jetstream, id).await.map(|plan| (id.to_owned(), plan)),
                None => latest(jetstream).await,
            }
        });
        let what = id.map(|id| format!(" {id}")).unwrap_or_default();
        let (id, plan) = found.ok_or_else(|| none(&what))?;
        let lease = Duration::from_millis(plan.lease_ms);
        Self::open(connected, shown, (&id, lease)).map(|queue| (id.clone(), queue))
    }

    fn open(
        connected: Connected,
        shown: String,
        (id, lease): (&str, Duration),
    ) -> Result<Self, Trouble> {
        let Connected { runtime, jetstream, sayings } = connected;
        let lease = if lease.is_zero() { LEASE } else { lease };
        let opened = runtime.block_on(async {
            let refused = |error: &dyn std::fmt::Display| connect::refused(&shown, error);
            let bucket = jetstream.get_key_value(bucket(id)).await.map_err(|it| refused(&it))?;
            let log = jetstream
                .get_stream(format!("KV_{}", self::bucket(id)))
                .await
                .map_err(|it| refused(&it))?;
            let files = jetstream.get_object_store(files(id)).await.map_err(|it| refused(&it))?;
            let work = jetstream.get_stream(work::name(id)).await.map_err(|it| refused(&it))?;
            let now = work::consumer(&work, id, "now", lease).await.map_err(|it| refused(&it))?;
            let later =
                work::consumer(&work, id, "later", lease).await.map_err(|it| refused(&it))?;
            Ok((bucket, log, files, now, later))
        });
        let (bucket, log, files, now, later) = opened?;
        Ok(Self {
            runtime,
            shown,
            sayings,
            jetstream,
            id: id.to_owned(),
            bucket,
            log,
            files,
            now,
            later,
            lease,
            held: Mutex::default(),
            tokens: AtomicU64::new(1),
        })
    }

    /// Does something at the server, again and again while that does not answer, as long as there is
    /// patience.
    fn patiently<T, F>(&self, act: impl Fn(u32) -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        self.within(Limit::of(0), act)
    }

    /// Does something for which so much time is due.
    fn within<T, F>(&self, limit: Limit, act: impl Fn(u32) -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let said = || self.sayings.last();
        self.runtime.block_on(patience::patiently(&self.shown, limit, said, act))
    }
}

impl Queue for Nats {
    fn offer(&self, item: &Item) -> Result<(), Trouble> {
        self.patiently(|_| work::offer(self, item))
    }

    fn lease(&self, wanted: Wanted) -> Result<Option<Lease>, Trouble> {
        self.patiently(|_| work::lease(self, wanted))
    }

    fn beat(&self, lease: &Lease) -> Result<(), Trouble> {
        self.patiently(|_| work::beat(self, lease))
    }

    fn done(&self, lease: Lease) -> Result<(), Trouble> {
        self.patiently(|_| work::done(self, &lease))?;
        work::forget(self, &lease);
        Ok(())
    }

    fn give_back(&self, lease: Lease) -> Result<(), Trouble> {
        self.patiently(|_| work::give_back(self, &lease))?;
        work::forget(self, &lease);
        Ok(())
    }

    fn keep(&self, key: &Key, body: &[u8]) -> Result<Kept, Trouble> {
        self.patiently(|_| documents::keep(self, key, body))
    }

    fn replace(&self, key: &Key, body: &[u8]) -> Result<(), Trouble> {
        self.patiently(|_| documents::replace(self, key, body))
    }

    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Trouble> {
        self.patiently(|_| documents::read(self, key))
    }

    fn changes(&self, cursor: &mut Cursor) -> Result<Vec<Document>, Trouble> {
        let (mut new, mut goal) = (Vec::new(), None);
        loop {
            let after = cursor.after;
            let limit = Limit::of(PAGE_BYTES);
            let page = match self.within(limit, |_| documents::after(self, after)) {
                Ok(page) => page,
                // What was read is told. What is wrong, the next call says.
                Err(_) if !new.is_empty() => return Ok(new),
                Err(trouble) => return Err(trouble),
            };
            // Others write on: what was there at first is enough.
            let goal = *goal.get_or_insert(page.last);
            cursor.after = page.read;
            new.extend(page.documents);
            if page.read >= goal || page.read == after {
                return Ok(new);
            }
        }
    }

    fn keep_file(&self, name: &str, body: &[u8]) -> Result<(), Trouble> {
        check_file(name, body.len())?;
        self.within(Limit::of(body.len()), |_| documents::keep_file(self, name, body))
    }

    fn file(&self, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
        check_file(name, 0)?;
        self.within(Limit::of(LARGEST_FILE), |_| documents::file(self, name))
    }

    fn lease_time(&self) -> Duration {
        self.lease
    }
}

fn bucket(id: &str) -> String {
    format!("{PREFIX}{id}")
}

fn files(id: &str) -> String {
    format!("{PREFIX}{id}-files")
}

/// Returns what a campaign is; none if there is none that this program can read.
async fn plan(jetstream: &Context, id: &str) -> Option<Plan> {
    if !is_name(id) {
        return None;
    }
    let bucket = jetstream.get_key_value(bucket(id)).await.ok()?;
    let body = bucket.get(Key::Plan.to_string()).await.ok()??;
    serde_json::from_slice(&body).ok()
}

/// Returns the campaign that was started last.
async fn latest(jetstream: &Context) -> Option<(String, Plan)> {
    let names: Vec<String> = jetstream.stream_names().try_collect().await.ok()?;
    let prefix = format!("KV_{PREFIX}");
    let ids = names.iter().filter_map(|name| name.strip_prefix(&prefix)).take(MOST_CAMPAIGNS);
    let mut latest: Option<(String, Plan)> = None;
    for id in ids {
        let Some(plan) = plan(jetstream, id).await else { continue };
        if latest.as_ref().is_none_or(|(_, known)| known.began_ms < plan.began_ms) {
            latest = Some((id.to_owned(), plan));
        }
    }
    latest
}
