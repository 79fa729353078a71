//! What the store promises, without HTTP.

mod aging;
mod model;

use std::collections::BTreeSet;

use tempfile::TempDir;
use transport::real::{RealConfig, host};

use super::*;

const NOW: u64 = 1_000_000_000;
const KEPT_MS: u64 = 60_000;
const QUOTAS: Quotas = Quotas {
    entries: 100,
    bytes: 1 << 20,
    origin_share_percent: 100,
    entries_of_origin: 1000,
    bytes_of_origin: 1 << 20,
    bytes_in_all: 1 << 20,
};

async fn open(directory: &TempDir) -> Store {
    let host = host(directory.path(), &RealConfig::default()).unwrap();
    let database = host.open("relay").await.unwrap();
    let reserve = Reserve::open(&host, 0).await;
    let time_to_live = Duration::from_millis(KEPT_MS);
    let config = Config { time_to_live, max_handouts: 20, ..Config::default() };
    Store::open(database, reserve, &config).await.unwrap()
}

fn named(name: &str) -> OwnedServerName {
    name.try_into().unwrap()
}

fn incoming(transaction_id: &str, destination: &str, body: &str) -> Incoming {
    let transaction = Transaction::read(body.as_bytes()).unwrap();
    Incoming {
        origin: named("a"),
        transaction_id: transaction_id.to_owned(),
        destination: named(destination),
        body_hash: transaction.hash(),
        body: transaction.to_json(),
    }
}

impl Store {
    async fn keep_for(&self, destination: &str, transaction_id: &str) -> Kept {
        self.keep(incoming(transaction_id, destination, "{}"), QUOTAS, NOW).await.unwrap()
    }

    async fn take(&self, destination: &str, acknowledged: EntryId, now_ms: u64) -> Option<EntryId> {
        let next = self.acknowledge_and_hand_out(named(destination), acknowledged, now_ms).await;
        match next.unwrap().next {
            Next::Entry(entry) => Some(entry.id),
            Next::Empty => None,
            Next::TooMuchPoison => panic!("too much poison"),
        }
    }

    /// Returns the bytes in the shares of all origins together.
    async fn share_bytes(&self) -> u64 {
        self.number("SELECT coalesce(sum(bytes), 0) FROM shares").await
    }

    /// Returns the bytes of all hosts together.
    async fn host_bytes(&self) -> u64 {
        self.number("SELECT coalesce(sum(bytes), 0) FROM hosts").await
    }

    async fn number(&self, sql: &'static str) -> u64 {
        let number = self.database.call(move |connection| {
            Ok::<i64, DatabaseError>(connection.query_row(sql, [], |row| row.get(0))?)
        });
        from_sql(number.await.unwrap())
    }

    async fn sql(&self, sql: &'static str) {
        let done =
            self.database.call(|connection| Ok::<_, DatabaseError>(connection.execute_batch(sql)?));
        done.await.unwrap();
    }
}

#[tokio::test]
async fn an_entry_stays_until_it_is_acknowledged() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    assert_eq!(store.keep_for("b", "t").await, Kept::New(1));
    assert_eq!(store.take("b", 0, NOW).await, Some(1));
    assert_eq!(store.take("b", 0, NOW).await, Some(1));
    assert_eq!(store.take("b", 1, NOW).await, None);
}

#[tokio::test]
async fn the_oldest_comes_first() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    for id in ["z", "m", "a"] {
        store.keep_for("b", id).await;
    }
    assert_eq!(store.take("b", 0, NOW).await, Some(1));
    assert_eq!(store.take("b", 1, NOW).await, Some(2));
    assert_eq!(store.take("b", 2, NOW).await, Some(3));
}

#[tokio::test]
async fn an_id_is_never_given_twice() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "one").await;
    store.take("b", 0, NOW).await;
    store.take("b", 1, NOW).await;
    drop(store);
    assert_eq!(open(&directory).await.keep_for("b", "two").await, Kept::New(2));
}

#[tokio::test]
async fn an_entry_that_was_not_handed_out_cannot_be_acknowledged() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "one").await;
    store.keep_for("b", "two").await;
    assert_eq!(store.take("b", 2, NOW).await, Some(1));
    assert_eq!(store.take("b", 1, NOW).await, Some(2));
}

#[tokio::test]
async fn the_entry_of_another_destination_cannot_be_acknowledged() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "t").await;
    store.take("b", 0, NOW).await;
    assert_eq!(store.take("c", 1, NOW).await, None);
    assert_eq!(store.take("b", 0, NOW).await, Some(1));
}

#[tokio::test]
async fn the_same_transaction_is_kept_once_even_after_it_was_delivered() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "t").await;
    assert_eq!(store.keep_for("b", "t").await, Kept::Already);
    store.take("b", 0, NOW).await;
    store.take("b", 1, NOW).await;
    assert_eq!(store.keep_for("b", "t").await, Kept::Already);
}

#[tokio::test]
async fn another_body_under_the_same_id_is_another_transaction() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "t").await;
    let more = incoming("t", "b", r#"{"pdus":[{}]}"#);
    assert_eq!(store.keep(more, QUOTAS, NOW).await.unwrap(), Kept::New(2));
    assert_eq!(store.keep_for("c", "t").await, Kept::New(3));
}

#[tokio::test]
async fn a_reopened_store_has_forgotten_nothing() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "t").await;
    store.take("b", 0, NOW).await;
    drop(store);
    let store = open(&directory).await;
    assert_eq!(store.keep_for("b", "t").await, Kept::Already);
    assert_eq!(store.take("b", 1, NOW).await, None);
}

#[tokio::test]
async fn each_quota_refuses_and_writes_nothing() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "one").await;
    let used = store.sums().await.unwrap().bytes;
    let refused = [
        Quotas { entries: 1, ..QUOTAS },
        Quotas { bytes: 2 * used - 1, ..QUOTAS },
        Quotas { bytes_in_all: 2 * used - 1, ..QUOTAS },
    ];
    for (index, quotas) in refused.into_iter().enumerate() {
        let kept = store.keep(incoming("two", "b", "{}"), quotas, NOW).await.unwrap();
        assert_eq!(matches!(kept, Kept::RelayFull(_)), index == 2, "{kept:?}");
        assert!(matches!(kept, Kept::RelayFull(_) | Kept::MailboxFull(_)), "{kept:?}");
        assert_eq!(store.sums().await.unwrap().entries, 1);
    }
    let exactly = Quotas { entries: 2, bytes: 2 * used, bytes_in_all: 2 * used, ..QUOTAS };
    assert_eq!(store.keep(incoming("two", "b", "{}"), exactly, NOW).await.unwrap(), Kept::New(2));
}

#[tokio::test]
async fn one_origin_cannot_fill_a_mailbox() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    let quotas = Quotas { entries: 260, origin_share_percent: 25, ..QUOTAS };
    let keep = |id: usize, origin: &str, destination: &str| {
        let incoming =
            Incoming { origin: named(origin), ..incoming(&id.to_string(), destination, "{}") };
        store.keep(incoming, quotas, NOW)
    };
    for id in 0..65 {
        assert!(matches!(keep(id, "a", "b").await.unwrap(), Kept::New(_)));
    }
    let refused = keep(65, "a", "b").await.unwrap();
    assert!(matches!(&refused, Kept::MailboxFull(what) if what.contains("share of a")));
    assert!(matches!(keep(65, "c", "b").await.unwrap(), Kept::New(_)));
    assert!(matches!(keep(65, "a", "d").await.unwrap(), Kept::New(_)));
    store.delivered(1, NOW).await.unwrap();
    assert!(matches!(keep(65, "a", "b").await.unwrap(), Kept::New(_)));
}

#[tokio::test]
async fn the_sums_follow_every_way_in_and_out() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    for id in ["1", "2", "3", "4"] {
        store.keep_for("b", id).await;
    }
    store.delivered(1, NOW).await.unwrap();
    let rest = Transaction::read(br#"{"edus":[{"edu_type":"m.receipt"}]}"#).unwrap();
    store.leave_to_the_retriever(2, rest).await.unwrap();
    store.sql("UPDATE entries SET body = x'00' WHERE id = 3").await;
    store.sql("INSERT INTO handouts VALUES (2, 'b', 1)").await;
    assert_eq!(store.take("b", 2, NOW).await, Some(4));
    let one_empty_entry = counted(r#"{"pdus":[],"edus":[]}"#);
    let sums = store.sums().await.unwrap();
    assert_eq!((sums.entries, sums.quarantined), (1, 1));
    assert_eq!(sums.bytes, 2 * one_empty_entry);
    assert_eq!(store.mailboxes(String::new()).await.unwrap()[0].bytes, one_empty_entry);
    assert_eq!(store.share_bytes().await, one_empty_entry);
    assert_eq!(store.host_bytes().await, one_empty_entry);
    let purge = Purge { destination: Some(named("b")), ..Purge::default() };
    assert_eq!(store.count(purge.clone()).await.unwrap(), (1, one_empty_entry));
    assert_eq!(store.purge_batch(purge).await.unwrap(), (1, false));
    assert!(store.mailboxes(String::new()).await.unwrap().is_empty());
    assert_eq!((store.share_bytes().await, store.host_bytes().await), (0, 0));
    assert_eq!(store.number("SELECT count(*) FROM handouts").await, 0);
}

#[tokio::test]
async fn ports_of_one_host_are_one_origin_and_have_one_total() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    let quotas = Quotas { entries_of_origin: 3, ..QUOTAS };
    let keep = async |origin: &str, destination: &str| {
        let incoming = Incoming { origin: named(origin), ..incoming("t", destination, "{}") };
        store.keep(incoming, quotas, NOW).await.unwrap()
    };
    for (origin, destination) in [("a:1", "b"), ("a:2", "c"), ("A", "d"), ("[::1]:1", "b")] {
        assert!(matches!(keep(origin, destination).await, Kept::New(_)), "{origin}");
    }
    assert!(matches!(keep("a:4", "e").await, Kept::OriginFull(_)));
    assert!(matches!(keep("[::1]", "c").await, Kept::New(_)));
    assert_eq!(store.number("SELECT entries FROM hosts WHERE host = '[::1]'").await, 2);
    store.delivered(1, NOW).await.unwrap();
    assert!(matches!(keep("a:4", "e").await, Kept::New(_)));
}

#[tokio::test]
async fn what_is_never_acknowledged_lets_others_pass_and_is_set_aside_in_the_end() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    for id in ["one", "two", "three"] {
        store.keep_for("b", id).await;
    }
    for _ in 0..5 {
        assert_eq!(store.take("b", 0, NOW).await, Some(1));
    }
    assert_eq!(store.take("b", 0, NOW).await, Some(2));
    assert_eq!(store.take("b", 2, NOW).await, Some(3));
    for _ in 0..15 {
        assert_eq!(store.take("b", 3, NOW).await, Some(1));
    }
    assert_eq!(store.take("b", 0, NOW).await, None);
    let quarantine = store.quarantine(0).await.unwrap();
    assert_eq!(quarantine[0].reason, "handed out 20 times and never acknowledged");
    assert_eq!(store.release(1).await.unwrap(), Some(4));
    assert_eq!(store.take("b", 0, NOW).await, Some(4));
    assert_eq!(store.take("b", 4, NOW).await, None);
}

#[tokio::test]
async fn an_entry_queued_again_is_as_if_it_had_never_been_handed_out() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "one").await;
    store.keep_for("b", "two").await;
    for _ in 0..5 {
        store.take("b", 0, NOW).await;
    }
    assert_eq!(store.take("b", 0, NOW).await, Some(2));
    assert!(store.requeue(1).await.unwrap() && !store.requeue(7).await.unwrap());
    assert_eq!(store.take("b", 0, NOW).await, Some(1));
}

fn counted(body: &str) -> u64 {
    counted_bytes(body.as_bytes())
}

#[tokio::test]
async fn an_unreadable_entry_is_set_aside_and_blocks_nobody() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "broken").await;
    store.keep_for("b", "whole").await;
    store.sql("UPDATE entries SET body = CAST('{\"pdus\":[{' AS BLOB) WHERE id = 1").await;
    assert_eq!(store.take("b", 0, NOW).await, Some(2));
    let quarantine = store.quarantine(0).await.unwrap();
    assert_eq!((quarantine[0].id, quarantine[0].transaction_id.as_str()), (1, "broken"));
    assert_eq!(store.keep_for("b", "broken").await, Kept::New(3));
}

#[tokio::test]
async fn what_is_unreadable_in_masses_is_set_aside_in_bounded_steps() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    for id in 0..100 {
        store.keep_for("b", &id.to_string()).await;
    }
    store.sql("UPDATE entries SET origin = '?'").await;
    let next = store.acknowledge_and_hand_out(named("b"), 0, NOW).await.unwrap();
    assert!(matches!(next.next, Next::TooMuchPoison));
    assert_eq!(next.aside.len(), 100, "each is told");
    assert_eq!(store.take("b", 0, NOW).await, None);
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "one").await;
    store.sql("PRAGMA max_page_count = 1").await;
    let big = format!(r#"{{"pdus":["{}"]}}"#, "x".repeat(200_000));
    let error = store.keep(incoming("two", "b", &big), QUOTAS, NOW).await.unwrap_err();
    assert!(error.is_disk_trouble(), "{error}");
    store.sql("PRAGMA max_page_count = 1000000").await;
    assert_eq!(store.keep(incoming("two", "b", &big), QUOTAS, NOW).await.unwrap(), Kept::New(2));
    assert_eq!(store.take("b", 0, NOW).await, Some(1));
}

#[tokio::test]
async fn destinations_to_forward_come_in_pages() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    for name in ["c", "b", "d"] {
        store.keep_for(name, "t").await;
    }
    store.leave_to_the_retriever(3, Transaction::default()).await.unwrap();
    let all: BTreeSet<_> = store.destinations_to_forward(None).await.unwrap().into_iter().collect();
    assert_eq!(all, BTreeSet::from([named("b"), named("c")]));
    assert_eq!(store.destinations_to_forward(Some(named("b"))).await.unwrap(), [named("c")]);
}
