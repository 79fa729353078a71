//! Transactions of a peer that has a key and no principles, to a whole homeserver: each is answered, the
//! same one the same way, and afterwards everybody is served as before.
#![no_main]

use std::cell::RefCell;

use fuzz::World;
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;

/// Inputs after which a world is made anew: a room's history, and what is kept of it, grow.
const MAX_INPUTS: u64 = 1000;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(input) = serde_json::from_slice::<Value>(input) else { return Corpus::Reject };
    WORLD.with_borrow_mut(|kept| {
        let mut world = kept.take().unwrap_or_else(World::start);
        if world.take(&input) && world.inputs() < MAX_INPUTS {
            *kept = Some(world);
        }
    });
    Corpus::Keep
});
