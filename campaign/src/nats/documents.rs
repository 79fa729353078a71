//! What is written down, in a key-value bucket; files, in an object store.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull},
    kv::CreateErrorKind,
    object_store::GetErrorKind,
    stream::{Config, DiscardPolicy},
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::{io::AsyncReadExt as _, time::timeout};

use super::{Fault, Limit, Nats, bucket};
use crate::{
    key::Key,
    queue::{Document, Kept, LARGEST_FILE},
};

/// How many documents are fetched at once.
const AT_ONCE: usize = 500;
/// How long a server keeps a reader that has gone.
const GONE: Duration = Duration::from_secs(10);

/// Returns the stream of a key-value bucket, with one version of each. The client's own way to make
/// one asks the server for its account first, and cannot read what 2.9 answers.
pub(super) fn stream(bucket: &str) -> Config {
    Config {
        name: format!("KV_{bucket}"),
        subjects: vec![format!("$KV.{bucket}.>")],
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        num_replicas: 1,
        ..Config::default()
    }
}

pub(super) async fn keep(
    queue: &Nats,
    key: &Key,
    body: &[u8],
    attempt: u32,
) -> Result<Kept, Fault> {
    match queue.bucket.create(key.to_string(), Bytes::copy_from_slice(body)).await {
        Ok(_) => Ok(Kept::Now),
        Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {
            // An earlier attempt whose answer was lost may have done it.
            let known = if attempt == 0 { None } else { read(queue, key).await? };
            Ok(if known.as_deref() == Some(body) { Kept::Now } else { Kept::Before })
        }
        Err(error) => Err(Fault::again(error)),
    }
}

pub(super) async fn replace(queue: &Nats, key: &Key, body: &[u8]) -> Result<(), Fault> {
    let put = queue.bucket.put(key.to_string(), Bytes::copy_from_slice(body)).await;
    put.map(drop).map_err(Fault::again)
}

pub(super) async fn read(queue: &Nats, key: &Key) -> Result<Option<Vec<u8>>, Fault> {
    let body = queue.bucket.get(key.to_string()).await.map_err(Fault::again)?;
    Ok(body.map(|body| body.to_vec()))
}

/// Returns what was written down after the entry numbered `after`, and the number of the last one.
pub(super) async fn after(queue: &Nats, after: u64) -> Result<(u64, Vec<Document>), Fault> {
    let info = queue.log.get_info().await.map_err(Fault::again)?;
    let last = info.state.last_sequence;
    if last <= after {
        return Ok((after, Vec::new()));
    }
    let config = pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
        ack_policy: AckPolicy::None,
        inactive_threshold: GONE,
        ..pull::Config::default()
    };
    let reader = queue.log.create_consumer(config).await.map_err(Fault::again)?;
    let prefix = format!("$KV.{}.", bucket(&queue.id));
    let (mut read, mut documents) = (after, Vec::new());
    while read < last {
        let fetched = reader.fetch().max_messages(AT_ONCE).messages().await;
        let mut messages = fetched.map_err(Fault::again)?;
        let before = read;
        while let Some(message) = messages.next().await {
            let message = message.map_err(Fault::again)?;
            let info = message.info().map_err(Fault::again)?;
            read = read.max(info.stream_sequence);
            let key = message.subject.strip_prefix(&prefix).and_then(|name| name.parse().ok());
            if let Some(key) = key.filter(|key| !matches!(key, Key::Begun(_))) {
                documents.push((key, message.payload.to_vec()));
            }
        }
        if read == before {
            break;
        }
    }
    let _told = queue.log.delete_consumer(&reader.cached_info().name).await;
    Ok((read, documents))
}

pub(super) async fn keep_file(queue: &Nats, name: &str, body: &[u8]) -> Result<(), Fault> {
    let mut body = body;
    queue.files.put(name, &mut body).await.map(drop).map_err(Fault::again)
}

pub(super) async fn file(queue: &Nats, name: &str) -> Result<Option<Vec<u8>>, Fault> {
    // How large it is, and so how long it may take, the answer says.
    let Ok(found) = timeout(Limit::of(0).attempt, queue.files.get(name)).await else {
        return Err(Fault::again("no answer came"));
    };
    let object = match found {
        Ok(object) => object,
        Err(error) if error.kind() == GetErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::again(error)),
    };
    let size = object.info().size;
    if size > LARGEST_FILE {
        return Err(Fault::Final(format!("the file {name} is too large")));
    }
    let mut body = Vec::new();
    let mut object = object.take(LARGEST_FILE as u64);
    match timeout(Limit::of(size).attempt, object.read_to_end(&mut body)).await {
        Ok(read) => read.map(|_| Some(body)).map_err(Fault::again),
        Err(_) => Err(Fault::again(format!("only {} of {size} bytes came", body.len()))),
    }
}
