//! A long campaign's memory is flat. The one test of its process, whose whole heap it counts.
#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

#[path = "../leaks/busy.rs"]
mod busy;
mod heap;
#[path = "../leaks/process.rs"]
mod process;

use sim::WorldConfig;

use crate::{
    busy::{SECOND, Token, break_down, build},
    heap::live_bytes,
    process::{alone, registered_disks, sqlite_bytes},
};

/// Worlds in each half of the campaign.
const WORLDS: u64 = 25;

/// Worlds that are run first: whatever a process makes once and keeps is made by them.
const WARM_UP: u64 = 3;

/// Bytes by which the heap may differ after the second half: buffers that are kept and grow by
/// doubling, but not a byte for each entry, task or connection of a world.
const SLACK: usize = 1024;

fn run_worlds(seeds: std::ops::Range<u64>) -> (usize, i64) {
    for seed in seeds {
        let outcome =
            sim::run(WorldConfig { seed, ..WorldConfig::default() }, |world| async move {
                let token = Token::default();
                build(&world, &token);
                break_down(&world, &token).await;
                world.repair_all();
                tokio::time::sleep(SECOND * 10).await;
            });
        assert!(outcome.journal.entries().len() > 100, "the world does something");
    }
    (live_bytes(), sqlite_bytes())
}

#[test]
fn twice_as_many_worlds_hold_no_more_memory() {
    let _alone = alone();
    run_worlds(0..WARM_UP);
    let (heap, sqlite) = run_worlds(0..WORLDS);
    let (later_heap, later_sqlite) = run_worlds(WORLDS..2 * WORLDS);
    let grown = later_heap.saturating_sub(heap);
    assert!(grown <= SLACK, "{WORLDS} worlds left {grown} bytes behind");
    assert_eq!((later_sqlite, registered_disks()), (sqlite, 0));
}
