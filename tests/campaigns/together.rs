//! What workers do for each other: compare what they played, give up what ends them, stop together,
//! refuse what is not theirs.

use std::sync::{Arc, atomic::AtomicBool};

use campaign::{
    Desk, Folder, Item, Key, Picture, Plan, Queue as _,
    block::{Begun, Block, Ended, Finding, Outcome, Poison, State, Way},
    feeder,
    plan::{Base, VERSION},
    queue::Wanted,
    summary::{self, Verdict},
    worker::Worker,
};
use explore::{Subject, trial::Founder};

use crate::{contract::LEASE, local::SOUND, server::NatsServer};

pub(crate) fn plan(desk: &Desk<'_>, runs: u64) -> Plan {
    let text = desk.keep_text(SOUND).expect("kept");
    Plan {
        version: VERSION,
        id: "together".to_owned(),
        build: "this".to_owned(),
        bases: vec![Base {
            name: "sound".to_owned(),
            text: text.clone(),
            root: text,
            runs: 4,
            bred_runs: 4,
        }],
        breeds: false,
        runs: Some(runs),
        until_ms: None,
        fail_fast: None,
        seed: 1,
        canary: None,
        part: (0, 1),
        began_ms: campaign::now_ms(),
        lease_ms: 2_000,
    }
}

pub(crate) fn begin(desk: &Desk<'_>, plan: &Plan) {
    desk.replace(&Key::State, &State::default()).expect("written");
    desk.keep(&Key::Plan, plan).expect("kept");
    feeder::feed(desk).expect("fed");
}

fn works(desk: &Desk<'_>, build: &str) -> Result<Picture, String> {
    works_on(desk, build, Subject::homeservers())
}

fn works_on(desk: &Desk<'_>, build: &str, subject: Subject) -> Result<Picture, String> {
    let worker = Worker {
        desk,
        subject,
        name: "w".to_owned(),
        build: build.to_owned(),
        threads: 1,
        stop: &AtomicBool::new(false),
        watch: &|_, _| {},
        stuck: &|trouble| panic!("{trouble}"),
    };
    worker.work().map_err(|trouble| trouble.to_string())?;
    let picture = desk.picture().clone();
    Ok(picture)
}

fn folder() -> (tempfile::TempDir, Folder) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let queue = Folder::create(folder.path(), LEASE).expect("made");
    (folder, queue)
}

#[test]
fn what_two_workers_saw_differently_is_a_finding_of_its_own_kind() {
    let (_folder, queue) = folder();
    let desk = Desk::new(&queue);
    let plan = plan(&desk, 4);
    // A campaign whose first block is played by two.
    let plan = (0..).map(|n| Plan { id: format!("t{n}"), ..plan.clone() });
    let plan = plan.into_iter().find(|plan| plan.audits(0)).expect("one in fifty");
    begin(&desk, &plan);
    let outcome = Outcome {
        worker: "elsewhere_1".to_owned(),
        build: plan.build.clone(),
        at_ms: 1,
        wall_ms: 1,
        simulated_ns: 1,
        ends: "PPPP".to_owned(),
        failures: Vec::new(),
        first_unknown: None,
        hashes: vec!["something else".to_owned(); 4],
    };
    desk.keep(&Key::Result(0), &Ended::Done(outcome)).expect("kept");
    let picture = works(&desk, "this").expect("it works");
    assert_eq!(picture.audits[&0].differ, [1, 2, 3, 4]);
    assert_eq!(summary::verdict(&picture), Verdict::Differs);
}

#[test]
fn what_ended_three_workers_is_given_up_and_the_rest_is_done() {
    let (_folder, queue) = folder();
    let desk = Desk::new(&queue);
    begin(&desk, &plan(&desk, 12));
    let begun = |dead: &[&str]| Begun {
        workers: dead.iter().map(|it| (*it).to_owned()).collect(),
        refused: Vec::new(),
    };
    desk.replace(&Key::Begun(Item::Block(1)), &begun(&["one", "two", "three"])).expect("written");
    desk.replace(&Key::Begun(Item::Block(2)), &begun(&["one", "two"])).expect("written");
    let picture = works(&desk, "this").expect("it works");
    let given_up: Vec<_> = picture.poison.keys().collect();
    assert_eq!(given_up, [&Item::Block(1)]);
    assert_eq!((picture.runs(), picture.is_finished()), (8, true));
    assert_eq!(summary::verdict(&picture), Verdict::Inconclusive);
}

#[test]
fn a_campaign_of_another_build_is_refused_and_a_block_of_one_given_up() {
    let (_folder, queue) = folder();
    let desk = Desk::new(&queue);
    let plan = plan(&desk, 4);
    begin(&desk, &plan);
    let refused = works(&desk, "other").expect_err("it is of another build");
    assert!(refused.contains("for build this, and this is build other"), "{refused}");
    let block = Block {
        number: 7,
        campaign: plan.id.clone(),
        build: "other".to_owned(),
        text: plan.bases[0].text.clone(),
        way: Way::Seeds,
        first: 1,
        count: 1,
    };
    desk.keep(&Key::Block(7), &block).expect("kept");
    desk.queue.offer(&Item::Block(7)).expect("offered");
    let picture = works(&desk, "this").expect("the rest is done");
    assert_eq!((picture.runs(), picture.is_finished()), (4, true));
    refused_three_times(&picture, &Item::Block(7), "block 7 is for build other");
}

#[test]
fn a_text_that_was_exchanged_is_not_played() {
    let (_folder, queue) = folder();
    let desk = Desk::new(&queue);
    let plan = plan(&desk, 4);
    begin(&desk, &plan);
    let file = format!("texts/{}.toml", plan.bases[0].text);
    desk.queue.keep_file(&file, b"name = 'other'").expect("kept");
    let picture = works(&desk, "this").expect("it is no trouble of the queue");
    assert_eq!((picture.runs(), picture.is_finished()), (0, true));
    refused_three_times(&picture, &Item::Block(0), "it has another hash");
}

#[test]
fn whatever_panics_is_given_up_and_ends_no_worker() {
    let (_folder, queue) = folder();
    let desk = Desk::new(&queue);
    begin(&desk, &plan(&desk, 8));
    let found: Founder = Arc::new(|| panic!("no federation can be made"));
    let subject = Subject { found, ..Subject::homeservers() };
    let picture = works_on(&desk, "this", subject).expect("it is no trouble of the queue");
    assert!(picture.is_finished() && picture.poison.len() == 2);
    refused_three_times(&picture, &Item::Block(0), "panicked: no federation can be made");
}

/// Holds that an item was given up because of itself, and that the campaign says so.
fn refused_three_times(picture: &Picture, item: &Item, why: &str) {
    let poison = picture.poison.get(item).expect("it was given up");
    assert_eq!((poison.refused.len(), poison.workers.len()), (3, 0));
    assert!(poison.refused.iter().all(|it| it.contains(why)), "{:?}", poison.refused);
    assert_eq!(summary::verdict(picture), Verdict::Inconclusive);
}

#[test]
fn a_block_that_cannot_be_read_is_given_up_and_others_take_its_place() {
    let (_folder, queue) = folder();
    let desk = Desk::new(&queue);
    desk.queue.keep(&Key::Block(0), b"{}").expect("kept");
    begin(&desk, &plan(&desk, 8));
    let picture = works(&desk, "this").expect("the rest is done");
    let blocks: Vec<_> = picture.blocks.keys().collect();
    assert_eq!((blocks, picture.runs(), picture.is_finished()), (vec![&1, &2], 8, true));
    refused_three_times(&picture, &Item::Block(0), "block 0 cannot be read");
}

#[test]
fn who_found_enough_and_died_before_he_said_so_stops_all_others() {
    let (_folder, queue) = folder();
    let desk = Desk::new(&queue);
    let plan = Plan { fail_fast: Some(1), ..plan(&desk, 12) };
    begin(&desk, &plan);
    let finding = Finding {
        check: "a-check".to_owned(),
        sentence: "it was violated".to_owned(),
        scenario: "sound".to_owned(),
        text: plan.bases[0].text.clone(),
        block: 0,
        seed: 1,
        way: Way::Seeds,
        worker: "dead_1".to_owned(),
        at_ms: 1,
    };
    desk.keep(&Key::Finding("f".to_owned()), &finding).expect("kept");
    let picture = works(&desk, "this").expect("it works");
    let why = picture.stopped.clone().unwrap_or_default();
    assert!(why.contains("--fail-fast=1") && picture.runs() < 12, "{why}");
    desk.replace(&Key::State, &picture.resumed()).expect("written");
    let picture = works(&desk, "this").expect("it goes on");
    assert_eq!((picture.runs(), picture.is_finished()), (12, true));
}

#[test]
fn what_somebody_decided_and_did_not_offer_before_he_died_is_done_all_the_same() {
    needs_nats!();
    let server = NatsServer::start();
    let queue = campaign::server::create(&server.at(), "orphan", LEASE).expect("made");
    let desk = Desk::new(&*queue);
    let plan = plan(&desk, 4);
    desk.replace(&Key::State, &State::default()).expect("written");
    desk.keep(&Key::Plan, &plan).expect("kept");
    let block = Block {
        number: 0,
        campaign: plan.id.clone(),
        build: plan.build.clone(),
        text: plan.bases[0].text.clone(),
        way: Way::Seeds,
        first: 1,
        count: 4,
    };
    desk.keep(&Key::Block(0), &block).expect("kept");
    let picture = works(&desk, "this").expect("it works");
    assert_eq!((picture.runs(), picture.is_finished()), (4, true));
}

#[test]
fn an_audit_of_what_was_given_up_is_done_and_not_handed_out_for_ever() {
    let (_folder, queue) = folder();
    let desk = Desk::new(&queue);
    let plan = plan(&desk, 4);
    begin(&desk, &plan);
    let poison = Poison { workers: Vec::new(), refused: vec!["why".to_owned()], at_ms: 1 };
    desk.keep(&Key::Result(0), &Ended::<()>::Poison(poison)).expect("kept");
    desk.queue.offer(&Item::Audit(0)).expect("offered");
    let last = Block { number: 1, campaign: plan.id.clone(), ..desk.picture().blocks[&0].clone() };
    desk.keep(&Key::Block(1), &last).expect("kept");
    desk.queue.offer(&Item::Block(1)).expect("offered");
    let picture = works(&desk, "this").expect("it works");
    assert!(picture.is_finished() && picture.results.contains_key(&1));
    assert!((0..10).all(|_| queue.lease(Wanted::Any) == Ok(None)), "nothing is left to do");
}
