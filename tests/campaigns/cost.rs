//! What the queue costs, measured: `cargo test --workspace --test campaigns -- --ignored cost`.

use std::{fs, sync::atomic::AtomicBool};

use campaign::{Desk, Folder, Key, Plan, Queue, block::State, feeder, plan::Base, worker::Worker};
use explore::Subject;
use scenarios::language;

use crate::{contract::LEASE, server::NatsServer, together::plan};

/// A scenario that is played at once.
const EMPTY: &str = "name = 'empty'\nlimit = '1s'\nsettle = '1s'\nbackends = { a = {} }\n";
/// How many blocks, of one run each.
const BLOCKS: u64 = 400;

/// Returns the processor time of this process so far, in milliseconds.
fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit_once(')').expect("a name in brackets").1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    // User and system time, in hundredths of a second.
    (fields[11].parse::<u64>().expect("ticks") + fields[12].parse::<u64>().expect("ticks")) * 10
}

/// Returns what a block costs beyond its run, in microseconds of processor time.
fn cost_of_a_block(queue: &dyn Queue) -> u64 {
    let desk = Desk::new(queue);
    let text = desk.keep_text(EMPTY).expect("kept");
    let base =
        Base { name: "empty".to_owned(), text: text.clone(), root: text, runs: 1, bred_runs: 1 };
    let (id, bases) = ("cost".to_owned(), vec![base]);
    let plan = Plan { id, bases, lease_ms: 30_000, ..plan(&desk, BLOCKS) };
    desk.replace(&Key::State, &State::default()).expect("written");
    desk.keep(&Key::Plan, &plan).expect("kept");
    feeder::feed(&desk).expect("fed");
    let subject = Subject::homeservers();
    let scenario = language::parse("empty", EMPTY).expect("a scenario");
    let before = cpu_ms();
    for seed in 0..BLOCKS {
        let _trial = subject.play(&scenarios::Scenario { seed, ..scenario.clone() });
    }
    let playing = cpu_ms() - before;
    let worker = Worker {
        desk: &desk,
        subject,
        name: "w".to_owned(),
        build: "this".to_owned(),
        threads: 1,
        stop: &AtomicBool::new(false),
        watch: &|_, _| {},
        stuck: &|trouble| panic!("{trouble}"),
    };
    let before = cpu_ms();
    worker.work().expect("it works");
    let all = cpu_ms() - before;
    assert_eq!(desk.picture().runs(), BLOCKS);
    all.saturating_sub(playing) * 1_000 / BLOCKS
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
#[ignore = "measures the processor time of the whole process: alone"]
fn a_block_of_a_second_pays_less_than_two_percent_for_its_queue() {
    needs_nats!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let local = cost_of_a_block(&Folder::create(folder.path(), LEASE).expect("made"));
    let server = NatsServer::start();
    let queue = campaign::server::create(&server.at(), "cost", LEASE).expect("made");
    let shared = cost_of_a_block(&*queue);
    println!("a block costs {local} us in a folder, and {shared} us at a NATS server");
    assert!(local < 20_000 && shared < 20_000);
}
