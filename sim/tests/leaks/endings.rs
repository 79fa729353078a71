//! However a run ends, it leaves nothing behind.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use sim::{
    Ended, Schedule, World, WorldConfig,
    fault::{Moment, Watch},
};
use tokio::time::sleep;
use transport::Host;

use crate::{
    busy::{SECOND, Token, break_down, build},
    process::{alone, registered_disks, sqlite_bytes},
};

#[derive(Clone, Copy, Debug)]
enum Ending {
    Returns,
    ReturnsAtOnce,
    Panics,
    PanicsBeforeItAwaits,
    NamesNoMachine,
    TriggerPanics,
    NodePanics,
    DroppedTaskPanics,
    LimitPasses,
}

/// How a run of this kind ended; `None` if it panicked.
fn run(ending: Ending, schedule: Schedule, token: &Token) -> Option<Ended> {
    let token = Arc::clone(token);
    let limit = SECOND * 60;
    let run = move || {
        sim::run(WorldConfig { limit, schedule, ..WorldConfig::default() }, move |world| {
            build(&world, &token);
            assert!(!matches!(ending, Ending::PanicsBeforeItAwaits), "at once");
            async move {
                if !matches!(ending, Ending::ReturnsAtOnce) {
                    break_down(&world, &token).await;
                }
                end(ending, &world).await;
            }
        })
    };
    catch_unwind(AssertUnwindSafe(run)).ok().map(|outcome| outcome.ended)
}

async fn end(ending: Ending, world: &World) {
    match ending {
        Ending::Returns | Ending::ReturnsAtOnce | Ending::PanicsBeforeItAwaits => {}
        Ending::Panics => panic!("on purpose"),
        Ending::NamesNoMachine => {
            world.kill("nobody", None);
        }
        Ending::TriggerPanics => {
            world.on_exchange(Watch {
                moment: Moment::Sent,
                from: None,
                to: None,
                matches: Arc::new(|_, _| true),
                nth: 1,
                action: Box::new(|_| panic!("in the driver")),
            });
            world.repair_all();
            sleep(SECOND * 30).await;
        }
        Ending::NodePanics => {
            world.add_machine("d", Arc::new(|_: Host| async { panic!("out of cheese") }));
            world.boot("d");
            pending::<()>().await;
        }
        Ending::DroppedTaskPanics => {
            world.add_seat("d").spawn(async {
                let _bomb = Bomb;
                pending::<()>().await;
            });
            sleep(SECOND).await;
            world.kill("d", None);
            pending::<()>().await;
        }
        Ending::LimitPasses => pending::<()>().await,
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor with a bug");
    }
}

fn leaves_nothing(ending: Ending) -> Option<Ended> {
    let random = leaves_nothing_under(ending, Schedule::Random);
    assert_eq!(random, leaves_nothing_under(ending, Schedule::Fixed));
    random
}

fn leaves_nothing_under(ending: Ending, schedule: Schedule) -> Option<Ended> {
    let _alone = alone();
    let (token, before) = (Token::default(), sqlite_bytes());
    let ended = run(ending, schedule, &token);
    assert_eq!(Arc::strong_count(&token), 1, "{ending:?}: tasks, nodes or triggers live");
    assert_eq!(registered_disks(), 0, "{ending:?}: disks are mounted");
    assert_eq!(sqlite_bytes(), before, "{ending:?}: SQLite holds memory");
    ended
}

#[test]
fn a_run_that_ends_by_itself_leaves_nothing() {
    assert_eq!(leaves_nothing(Ending::Returns), Some(Ended::Finished));
    assert_eq!(leaves_nothing(Ending::ReturnsAtOnce), Some(Ended::Finished));
    assert_eq!(leaves_nothing(Ending::LimitPasses), Some(Ended::Limit));
}

#[test]
fn a_run_whose_harness_panics_leaves_nothing() {
    assert_eq!(leaves_nothing(Ending::Panics), None);
    assert_eq!(leaves_nothing(Ending::PanicsBeforeItAwaits), None);
    assert_eq!(leaves_nothing(Ending::NamesNoMachine), None);
    assert_eq!(leaves_nothing(Ending::TriggerPanics), None);
}

#[test]
fn a_run_whose_node_panics_leaves_nothing_and_names_it() {
    for ending in [Ending::NodePanics, Ending::DroppedTaskPanics] {
        let Some(Ended::Panicked { machine, .. }) = leaves_nothing(ending) else {
            panic!("{ending:?}: the run ended otherwise");
        };
        assert_eq!(machine, "d");
    }
}

#[test]
fn what_is_carried_out_of_a_world_is_dead_and_the_last_to_go() {
    let _alone = alone();
    let outcome = sim::run(WorldConfig::default(), |world| async move {
        let (host, far) = (world.add_seat("a"), world.add_seat("b"));
        let listener = far.listen(9).await.unwrap();
        let stream = host.net.connect("b", 9).await.unwrap();
        let database = host.open("main").await.unwrap();
        (host, listener, stream, database)
    });
    let (host, listener, stream, database) = outcome.value.unwrap();
    assert!(sqlite_bytes() > 0, "SQLite counts, or no test here sees what it holds");
    let opened = futures_util::future::FutureExt::now_or_never(host.open("other"));
    assert!(opened.unwrap().is_err());
    let token = Token::default();
    let held = Arc::clone(&token);
    host.spawn(async move { drop(held) });
    assert_eq!(Arc::strong_count(&token), 1, "a task of a world that is over is dropped at once");
    drop((host, listener, stream, database));
    assert_eq!(registered_disks(), 0);
}

#[test]
fn a_panic_of_the_harness_is_passed_on() {
    let _alone = alone();
    let run = || sim::run(WorldConfig::default(), |_| async { resume_unwind(Box::new(7)) });
    let panic = catch_unwind(|| drop(run())).unwrap_err();
    assert_eq!(panic.downcast_ref::<i32>(), Some(&7));
}
