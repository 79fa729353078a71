//! What every queue promises, held against each of them.

use std::{collections::BTreeSet, path::Path, sync::Barrier, thread, time::Duration};

use campaign::{
    Folder, Item, Key, Queue,
    queue::{Cursor, Kept, Lease, Wanted},
};

use crate::server::NatsServer;

/// How long a lease lasts here.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// Returns a lease, which somebody must get within a few tries.
fn leased(queue: &dyn Queue) -> Lease {
    for _ in 0..80 {
        if let Some(lease) = queue.lease(Wanted::Any).expect("it answers") {
            return lease;
        }
    }
    panic!("nobody got an item")
}

fn is_idle(queue: &dyn Queue) -> bool {
    (0..3).all(|_| queue.lease(Wanted::Any).expect("it answers").is_none())
}

/// Holds a queue, which must be new, to everything.
fn holds(queue: &dyn Queue) {
    an_item_is_one_workers_until_it_is_done(queue);
    who_falls_silent_loses_an_item_and_who_beats_keeps_it(queue);
    what_is_given_back_and_what_is_offered_twice_comes_once(queue);
    urgent_items_come_first(queue);
    who_left_urgent_items_to_others_can_look_for_the_rest(queue);
    what_is_written_down_once_stays_and_is_told_to_everybody(queue);
    of_those_who_write_the_same_thing_down_at_once_one_is_first(queue);
    files_are_kept_and_lead_nowhere_else(queue);
}

fn an_item_is_one_workers_until_it_is_done(queue: &dyn Queue) {
    queue.offer(&Item::Block(1)).expect("offered");
    let lease = leased(queue);
    assert_eq!(lease.item, Item::Block(1));
    assert!(is_idle(queue), "an item is handed out once");
    queue.done(lease).expect("done");
    thread::park_timeout(LEASE + LEASE / 4);
    assert!(is_idle(queue), "what is done does not come again");
}

fn who_falls_silent_loses_an_item_and_who_beats_keeps_it(queue: &dyn Queue) {
    queue.offer(&Item::Block(2)).expect("offered");
    let kept = leased(queue);
    for _ in 0..6 {
        thread::park_timeout(LEASE / 3);
        queue.beat(&kept).expect("beaten");
    }
    assert!(is_idle(queue), "a sign of life keeps an item");
    // From now on nothing is heard of it.
    let again = leased(queue);
    assert_eq!(again.item, Item::Block(2));
    queue.done(again).expect("done");
    // Whoever comes back late does no harm.
    let _late = queue.done(kept);
    thread::park_timeout(LEASE + LEASE / 4);
    assert!(is_idle(queue));
}

fn what_is_given_back_and_what_is_offered_twice_comes_once(queue: &dyn Queue) {
    queue.offer(&Item::Block(3)).expect("offered");
    queue.offer(&Item::Block(3)).expect("offered twice");
    let lease = leased(queue);
    queue.offer(&Item::Block(3)).expect("offered while it is somebody's");
    queue.give_back(lease).expect("given back");
    let again = leased(queue);
    assert_eq!(again.item, Item::Block(3));
    assert!(is_idle(queue), "it is there once");
    queue.done(again).expect("done");
    assert!(is_idle(queue));
}

fn urgent_items_come_first(queue: &dyn Queue) {
    for item in [Item::Block(4), Item::Shrink("abc".to_owned())] {
        queue.offer(&item).expect("offered");
    }
    for expected in [Item::Shrink("abc".to_owned()), Item::Block(4)] {
        let lease = leased(queue);
        assert_eq!(lease.item, expected);
        queue.done(lease).expect("done");
    }
}

fn who_left_urgent_items_to_others_can_look_for_the_rest(queue: &dyn Queue) {
    queue.offer(&Item::Audit(4)).expect("offered");
    let not_urgent = || queue.lease(Wanted::NotUrgent).expect("it answers");
    assert_eq!(not_urgent(), None);
    queue.offer(&Item::Block(6)).expect("offered");
    let block = (0..80).find_map(|_| not_urgent()).expect("there is a block");
    assert_eq!(block.item, Item::Block(6));
    queue.done(block).expect("done");
    let audit = leased(queue);
    assert_eq!(audit.item, Item::Audit(4));
    queue.done(audit).expect("done");
}

fn what_is_written_down_once_stays_and_is_told_to_everybody(queue: &dyn Queue) {
    let (key, worker) = (Key::Result(1), Key::Worker("w".to_owned()));
    assert_eq!(queue.keep(&key, b"first").expect("kept"), Kept::Now);
    assert_eq!(queue.keep(&key, b"second").expect("kept"), Kept::Before);
    assert_eq!(queue.read(&key).expect("read").as_deref(), Some(&b"first"[..]));
    assert_eq!(queue.read(&Key::Result(2)).expect("read"), None);
    queue.replace(&worker, b"here").expect("replaced");
    let mut cursors = [Cursor::default(), Cursor::default()];
    for cursor in &mut cursors {
        let told = queue.changes(cursor).expect("told");
        assert!(told.contains(&(key.clone(), b"first".to_vec())), "{told:?}");
        assert!(told.contains(&(worker.clone(), b"here".to_vec())), "{told:?}");
    }
    queue.replace(&worker, b"gone").expect("replaced");
    let told = queue.changes(&mut cursors[0]).expect("told");
    assert_eq!(told, [(worker, b"gone".to_vec())], "only what is new");
}

fn of_those_who_write_the_same_thing_down_at_once_one_is_first(queue: &dyn Queue) {
    let (numbers, begin) = (100..130_u64, Barrier::new(4));
    let is_first = |number: &u64, who: u64| {
        begin.wait();
        let kept = queue.keep(&Key::Result(*number), who.to_string().as_bytes());
        kept.expect("kept") == Kept::Now
    };
    let firsts_of = |who| numbers.clone().filter(|it| is_first(it, who)).collect::<BTreeSet<_>>();
    let firsts: Vec<BTreeSet<u64>> = thread::scope(|scope| {
        let begin = |who| thread::Builder::new().spawn_scoped(scope, move || firsts_of(who));
        let writers: Vec<_> = (0..4).map(begin).collect();
        writers.into_iter().map(|it| it.expect("a thread").join().expect("it ends")).collect()
    });
    for number in numbers.clone() {
        let first = (0..4_usize).filter(|who| firsts[*who].contains(&number));
        let first: Vec<String> = first.map(|who| who.to_string()).collect();
        let there = queue.read(&Key::Result(number)).expect("read").expect("it is there");
        assert_eq!(first, [String::from_utf8(there).expect("text")]);
    }
}

fn files_are_kept_and_lead_nowhere_else(queue: &dyn Queue) {
    let large = vec![7; 3 << 20];
    queue.keep_file("finding-1/journal.zst", &large).expect("kept");
    assert_eq!(queue.file("finding-1/journal.zst").expect("read"), Some(large));
    assert_eq!(queue.file("texts/none.toml").expect("read"), None);
    for name in ["../secret", "/etc/passwd", "a/../b", "a//b", ""] {
        assert!(queue.keep_file(name, b"").is_err(), "{name}");
        assert!(queue.file(name).is_err(), "{name}");
    }
}

#[test]
fn a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    holds(&Folder::create(folder.path(), LEASE).expect("made"));
}

#[test]
fn a_folder_that_was_opened_by_another_process_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _first = Folder::create(folder.path(), LEASE).expect("made");
    holds(&reopened(folder.path()));
}

fn reopened(root: &Path) -> Folder {
    Folder::open(root, LEASE).expect("it is there")
}

#[test]
fn a_nats_server_keeps_the_contract() {
    needs_nats!();
    let server = NatsServer::start();
    holds(&*campaign::server::create(&server.at(), "contract", LEASE).expect("made"));
}

#[test]
fn a_reader_gets_everything_however_many_pages_that_is() {
    needs_nats!();
    let server = NatsServer::start();
    let queue = campaign::server::create(&server.at(), "pages", LEASE).expect("made");
    // Two of them are more than a page.
    let body = vec![b'x'; 600 << 10];
    for number in 0..7 {
        queue.keep(&Key::Result(number), &body).expect("kept");
    }
    let mut cursor = Cursor::default();
    let told = queue.changes(&mut cursor).expect("told");
    let keys: Vec<Key> = told.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, (0..7).map(Key::Result).collect::<Vec<_>>());
    assert_eq!(queue.changes(&mut cursor), Ok(Vec::new()));
}

#[test]
fn a_server_that_lost_what_it_had_acknowledged_is_noticed() {
    needs_nats!();
    let mut server = NatsServer::start();
    let make = |server: &NatsServer| campaign::server::create(&server.at(), "lost", LEASE);
    let queue = make(&server).expect("made");
    queue.keep(&Key::Result(1), b"one").expect("kept");
    let mut cursor = Cursor::default();
    assert_eq!(queue.changes(&mut cursor).expect("told").len(), 1);
    let empty = tempfile::tempdir().expect("a temporary folder");
    let store = ["--store_dir".to_owned(), empty.path().display().to_string()];
    server.die_and_return_with(Duration::ZERO, store.to_vec());
    let again = make(&server).expect("it is gone");
    again.keep(&Key::Result(2), b"two").expect("kept");
    let lost = queue.changes(&mut cursor).expect_err("it is another stream");
    assert!(lost.to_string().contains("lost what it had acknowledged"), "{lost}");
    assert!(!lost.is_of_item());
}

#[test]
fn what_is_too_large_for_a_server_is_refused_at_once_and_by_itself() {
    needs_nats!();
    let server = NatsServer::start();
    let queue = campaign::server::create(&server.at(), "large", LEASE).expect("made");
    let body = vec![b'x'; 2 << 20];
    for refused in [
        queue.keep(&Key::Result(1), &body).map(drop),
        queue.replace(&Key::Worker("w".to_owned()), &body),
    ] {
        let refused = refused.expect_err("a server takes a MiB");
        assert!(refused.is_of_item() && refused.to_string().contains("at most"), "{refused}");
    }
    queue.keep(&Key::Result(1), b"small").expect("kept");
}
