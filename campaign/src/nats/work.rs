//! Items as messages of a work queue.

use std::{
    fmt::Display,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use async_nats::jetstream::{
    AckKind, Message,
    consumer::{AckPolicy, Consumer, pull},
    stream::{Config, DiscardPolicy, RetentionPolicy, Stream},
};
use futures_util::StreamExt as _;

use super::{Fault, Nats, PREFIX};
use crate::{
    key::Item,
    queue::{Lease, Wanted},
};

/// How long whoever finds nothing to do waits before he says so.
const PAUSE: Duration = Duration::from_millis(500);
/// How long nobody gets an item that was given back.
const MOMENT: Duration = Duration::from_millis(300);
/// The most items that are somebody's at once.
const MOST_HELD: i64 = 20_000;

pub(super) fn name(id: &str) -> String {
    format!("{PREFIX}{id}-work")
}

/// Returns the stream of the items: each once.
pub(super) fn stream(id: &str) -> Config {
    Config {
        name: name(id),
        subjects: vec![format!("fedsim.{id}.now.*"), format!("fedsim.{id}.later.*")],
        retention: RetentionPolicy::WorkQueue,
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        ..Config::default()
    }
}

/// Returns the consumer that all workers share.
pub(super) async fn consumer(
    stream: &Stream,
    id: &str,
    urgency: &str,
    lease: Duration,
) -> Result<Consumer<pull::Config>, impl Display + use<>> {
    let config = pull::Config {
        durable_name: Some(urgency.to_owned()),
        filter_subject: format!("fedsim.{id}.{urgency}.*"),
        ack_policy: AckPolicy::Explicit,
        ack_wait: lease,
        max_deliver: -1,
        max_ack_pending: MOST_HELD,
        ..pull::Config::default()
    };
    stream.get_or_create_consumer(urgency, config).await
}

fn subject(id: &str, item: &Item) -> String {
    let urgency = if item.is_urgent() { "now" } else { "later" };
    format!("fedsim.{id}.{urgency}.{item}")
}

pub(super) async fn offer(queue: &Nats, item: &Item) -> Result<(), Fault> {
    let published = queue.jetstream.publish(subject(&queue.id, item), "".into()).await;
    match published.map_err(Fault::again)?.await {
        Ok(_) => Ok(()),
        // It is there already.
        Err(error) if is_there(&error) => Ok(()),
        Err(error) => Err(Fault::again(error)),
    }
}

fn is_there(error: &dyn std::error::Error) -> bool {
    let mut error = Some(error);
    while let Some(it) = error {
        if it.to_string().contains("maximum messages per subject") {
            return true;
        }
        error = it.source();
    }
    false
}

pub(super) async fn lease(queue: &Nats, wanted: Wanted) -> Result<Option<Lease>, Fault> {
    if wanted == Wanted::Any {
        let urgent = queue.now.fetch().max_messages(1).messages().await.map_err(Fault::again)?;
        if let Some(lease) = first(queue, urgent).await? {
            return Ok(Some(lease));
        }
    }
    let others = queue.later.batch().max_messages(1).expires(PAUSE);
    let others = others.messages().await.map_err(Fault::again)?;
    first(queue, others).await
}

async fn first(queue: &Nats, mut messages: pull::Batch) -> Result<Option<Lease>, Fault> {
    let Some(message) = messages.next().await else { return Ok(None) };
    let message = message.map_err(Fault::again)?;
    let Some(item) = message.subject.rsplit('.').next().and_then(|text| text.parse().ok()) else {
        // Nobody ever offered it.
        let _told = message.ack_with(AckKind::Term).await;
        return Ok(None);
    };
    let token = queue.tokens.fetch_add(1, Ordering::Relaxed);
    held(queue).insert(token, message);
    Ok(Some(Lease { item, token }))
}

fn held(queue: &Nats) -> MutexGuard<'_, std::collections::BTreeMap<u64, Message>> {
    queue.held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn message(queue: &Nats, lease: &Lease) -> Option<Message> {
    held(queue).get(&lease.token).cloned()
}

pub(super) fn forget(queue: &Nats, lease: &Lease) {
    held(queue).remove(&lease.token);
}

pub(super) async fn beat(queue: &Nats, lease: &Lease) -> Result<(), Fault> {
    let Some(message) = message(queue, lease) else { return Ok(()) };
    message.ack_with(AckKind::Progress).await.map_err(Fault::again)
}

pub(super) async fn done(queue: &Nats, lease: &Lease) -> Result<(), Fault> {
    let Some(message) = message(queue, lease) else { return Ok(()) };
    message.double_ack().await.map_err(Fault::again)
}

pub(super) async fn give_back(queue: &Nats, lease: &Lease) -> Result<(), Fault> {
    let Some(message) = message(queue, lease) else { return Ok(()) };
    message.ack_with(AckKind::Nak(Some(MOMENT))).await.map_err(Fault::again)
}
