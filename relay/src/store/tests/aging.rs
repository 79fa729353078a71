//! What grows old goes, by a clock that does not jump.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use transport::{Host, host::Clock};

use super::*;
use crate::events::Events;

#[tokio::test]
async fn an_entry_that_outlived_its_time_may_be_sent_again() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "t").await;
    store.expire_batch(NOW + KEPT_MS + 1).await.unwrap();
    assert_eq!(store.take("b", 0, NOW + KEPT_MS + 1).await, None);
    assert_eq!(store.keep_for("b", "t").await, Kept::New(2));
}

#[tokio::test]
async fn no_request_deletes_what_a_jump_of_the_clock_made_old() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    let jumped = NOW + 1000 * KEPT_MS;
    store.keep_for("b", "one").await;
    store.keep(incoming("two", "b", "{}"), QUOTAS, jumped).await.unwrap();
    let (forwarded, _) = store.next_to_forward(named("b")).await.unwrap();
    assert!(matches!(forwarded, Next::Entry(entry) if entry.id == 1));
    assert_eq!(store.take("b", 0, jumped).await, Some(1));
    assert_eq!(store.take("b", 1, jumped).await, Some(2));
}

#[tokio::test]
async fn the_clock_of_the_sweeps_is_kept_and_does_not_jump_ahead() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    let minute = Duration::from_mins(1);
    assert_eq!(store.advance_sweep_clock(NOW, Duration::ZERO).await.unwrap(), NOW);
    drop(store);
    let store = open(&directory).await;
    let jumped = NOW + 1_000_000_000;
    assert_eq!(store.advance_sweep_clock(jumped, minute).await.unwrap(), NOW + 60_000);
    assert_eq!(store.advance_sweep_clock(jumped, minute).await.unwrap(), NOW + 120_000);
    assert_eq!(store.advance_sweep_clock(NOW + 1, minute).await.unwrap(), NOW + 1);
    assert_eq!(store.advance_sweep_clock(NOW + 2, minute).await.unwrap(), NOW + 2);
}

#[tokio::test]
async fn what_comes_while_the_clock_is_behind_is_not_old_when_it_is_right_again() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    let later = NOW + 1000 * KEPT_MS;
    store.advance_sweep_clock(later, Duration::ZERO).await.unwrap();
    store.keep_for("b", "t").await;
    store.keep_for("c", "t").await;
    assert_eq!(store.take("c", 0, NOW).await, Some(2));
    store.take("c", 2, NOW).await;
    store.expire_batch(later).await.unwrap();
    assert_eq!(store.take("b", 0, later).await, Some(1));
    assert_eq!(store.keep_for("c", "t").await, Kept::Already);
}

/// A clock that is a thousand times to live further on whenever it is read.
struct JumpingClock(AtomicU64);

impl Clock for JumpingClock {
    fn now(&self) -> SystemTime {
        let now_ms = NOW + 1000 * KEPT_MS * self.0.fetch_add(1, Ordering::Relaxed);
        SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms)
    }
}

#[tokio::test(start_paused = true)]
async fn a_jump_of_the_clock_expires_nothing_in_the_sweeps() {
    let directory = TempDir::new().unwrap();
    let real = host(directory.path(), &RealConfig::default()).unwrap();
    let machine = Host { clock: Arc::new(JumpingClock(AtomicU64::new(0))), ..real };
    let database = machine.open("relay").await.unwrap();
    let config = Config { time_to_live: Duration::from_hours(10_000), ..Config::default() };
    let reserve = Reserve::open(&machine, 0).await;
    let store = Store::open(database, reserve, &config).await.unwrap();
    store.keep_for("b", "t").await;
    crate::sweep::start(&machine, store.clone(), Events::default());
    let began = tokio::time::Instant::now();
    let mut swept_ms = NOW;
    while swept_ms <= NOW + 3_600_000 {
        tokio::time::sleep(Duration::from_mins(1)).await;
        swept_ms = store.number("SELECT coalesce(max(time_ms), 0) FROM sweep_clock").await;
    }
    let passed_ms = u64::try_from(began.elapsed().as_millis()).unwrap();
    assert!(swept_ms - NOW <= passed_ms * 11 / 10 + 60_000, "{swept_ms} after {passed_ms}");
    assert_eq!(store.sums().await.unwrap().entries, 1);
}

#[tokio::test]
async fn a_sweep_deletes_what_nobody_asks_for() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "t").await;
    assert!(!store.expire_batch(NOW + KEPT_MS).await.unwrap().is_more);
    assert_eq!(store.sums().await.unwrap().entries, 1);
    assert_eq!(store.expire_batch(NOW + KEPT_MS + 1).await.unwrap().entries, 1);
    assert_eq!(store.sums().await.unwrap().entries, 0);
}

#[tokio::test]
async fn a_receipt_is_forgotten_after_a_day_and_no_sooner() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory).await;
    store.keep_for("b", "t").await;
    store.delivered(1, NOW).await.unwrap();
    let day_ms = 24 * 60 * 60 * 1000;
    store.expire_batch(NOW + day_ms).await.unwrap();
    assert_eq!(store.keep_for("b", "t").await, Kept::Already);
    store.expire_batch(NOW + day_ms + 1).await.unwrap();
    assert_eq!(store.keep_for("b", "t").await, Kept::New(2));
}
