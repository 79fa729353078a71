//! Workers and the server are killed while a campaign goes on: exactly its runs are made.

use std::{
    collections::BTreeSet,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use campaign::{Desk, Item, Picture, Plan, plan::Base};
use tempfile::TempDir;

use crate::{
    local::{SOUND, ends, fedsim, folder_with, told},
    server::NatsServer,
    together::{begin, plan},
};

/// How many runs are made.
const RUNS: u64 = 300;
/// How many workers are killed; the server is killed among them twice.
const KILLS: u32 = 6;

#[test]
fn nothing_is_lost_or_counted_twice_when_workers_and_the_server_are_killed() {
    needs_nats!();
    let mut server = NatsServer::start();
    let url = server.url();
    let folder = folder_with(SOUND);
    begun_for(&build(&folder), &server);
    let worker = || -> Child {
        let arguments = ["worker", "--nats", &url, "-j", "1", "--quiet"];
        let mut command = fedsim(folder.path(), &arguments);
        command.stdout(Stdio::null()).spawn().expect("a worker")
    };
    let mut workers = [worker(), worker()];
    let mut drawn: u64 = 1;
    for kill in 0..KILLS {
        drawn =
            drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        thread::park_timeout(Duration::from_millis(1_200 + (drawn >> 33) % 1_200));
        if kill == KILLS / 3 || kill == 2 * KILLS / 3 {
            server.die_and_return(Duration::from_millis(500));
        }
        let victim = &mut workers[kill as usize % 2];
        victim.kill().expect("killed");
        victim.wait().expect("ended");
        *victim = worker();
    }
    for mut worker in workers {
        worker.wait().expect("the campaign ends");
    }
    let picture = picture(&server, "kills");
    assert!(picture.is_finished(), "{:?} is left", picture.open());
    // A block of which three workers died is given up, and named: that may happen, and nothing else.
    let given_up = picture.poison.keys().filter_map(|item| match item {
        Item::Block(number) => Some(u64::from(picture.blocks[number].count)),
        _ => None,
    });
    let given_up: u64 = given_up.sum();
    assert!(given_up <= u64::from(BLOCK), "{:?}", picture.poison);
    let runs = RUNS - given_up;
    assert_eq!((distinct(&picture), picture.runs(), picture.planned), (runs, runs, RUNS));
    let report = ends(folder.path(), &["report", "--nats", &url, "--message-format", "json"]);
    assert_eq!(told(&report)["runs"], runs);
}

/// How many runs a block has: few, so that no block meets its end three times.
const BLOCK: u32 = 5;

/// Returns the build of the command.
fn build(folder: &TempDir) -> String {
    let output = ends(folder.path(), &["worker", "--build-id"]);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Begins the campaign.
fn begun_for(build: &str, server: &NatsServer) {
    let lease = Duration::from_secs(2);
    let queue = campaign::server::create(&server.at(), "kills", lease).expect("made");
    let desk = Desk::new(&*queue);
    let plan = Plan { id: "kills".to_owned(), build: build.to_owned(), ..plan(&desk, RUNS) };
    let bases = plan.bases.iter().map(|base| Base { runs: BLOCK, ..base.clone() });
    let plan = Plan { bases: bases.collect(), ..plan };
    begin(&desk, &plan);
}

/// Returns everything that is known of a campaign.
pub(crate) fn picture(server: &NatsServer, id: &str) -> Picture {
    let (_, queue) = campaign::server::find(&server.at(), Some(id)).expect("it is there");
    let desk = Desk::new(&*queue);
    desk.look().expect("it answers");
    desk.picture().clone()
}

/// Returns of how many runs there is a result: pairs of a block's scenario and a seed.
pub(crate) fn distinct(picture: &Picture) -> u64 {
    let runs = picture.results.iter().flat_map(|(number, outcome)| {
        let block = &picture.blocks[number];
        assert_eq!(outcome.ends.len(), block.count as usize, "block {number}");
        block.seeds().map(move |seed| (block.text.clone(), block.way, seed))
    });
    runs.collect::<BTreeSet<_>>().len() as u64
}
