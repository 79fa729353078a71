//! Programs that break the rules of a world end their run, which names them and what they did.

use std::{
    pin::Pin,
    sync::{Arc, mpsc},
    task::Poll,
    time::Duration,
};

use sim::{Ended, Misbehavior, WorldConfig};
use tokio::{sync::oneshot, time::sleep};
use transport::Host;

use crate::support::{Echo, config, ms, secs};

/// How a world ends in which `b` echoes and `bad` runs `program`, and nobody ever waits for more
/// than an hour.
fn ended_with<F, Fut>(program: F) -> Ended
where
    F: Fn(Host) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), String>> + Send + 'static,
{
    ended(config(), program)
}

fn ended<F, Fut>(config: WorldConfig, program: F) -> Ended
where
    F: Fn(Host) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), String>> + Send + 'static,
{
    let outcome = sim::run(config, |world| async move {
        for (name, program) in
            [("b", Arc::new(Echo) as Arc<dyn sim::Node>), ("bad", Arc::new(program))]
        {
            world.add_machine(name, program);
            world.boot(name);
        }
        sleep(secs(3600)).await;
    });
    assert_eq!(outcome.value.is_some(), outcome.ended == Ended::Finished);
    assert!(outcome.journal.entries().len() >= 2, "what had happened until then is kept");
    outcome.ended
}

fn misbehaved(how: Misbehavior) -> Ended {
    Ended::Misbehaved { machine: "bad".to_owned(), how }
}

#[test]
fn a_program_that_panics_is_named_with_its_message() {
    let ended = ended_with(|_| async { panic!("out of luck") });
    let (machine, message) = ("bad".to_owned(), "out of luck".to_owned());
    assert_eq!(ended, Ended::Panicked { machine, message });
}

#[test]
fn a_destructor_that_panics_when_all_is_over_is_named_too() {
    struct Trap;
    impl Drop for Trap {
        fn drop(&mut self) {
            panic!("too late");
        }
    }
    let ended = ended_with(|_| async {
        let _trap = Trap;
        std::future::pending().await
    });
    let (machine, message) = ("bad".to_owned(), "too late".to_owned());
    assert_eq!(ended, Ended::Panicked { machine, message });
}

#[test]
fn a_program_that_blocks_the_thread_for_ever_is_given_up_and_the_next_run_is_not_hurt() {
    let impatient = WorldConfig { patience: Duration::from_millis(500), ..config() };
    let ended = ended(impatient, |_| async {
        let (_sender, never) = mpsc::channel::<()>();
        never.recv_timeout(Duration::from_hours(1)).ok();
        Ok(())
    });
    assert_eq!(ended, misbehaved(Misbehavior::Blocks));
    let healthy = sim::run(config(), |_| async { sleep(ms(1)).await });
    assert_eq!(healthy.ended, Ended::Finished);
}

#[test]
fn a_program_that_spins_without_letting_time_pass_is_told_from_one_that_is_busy() {
    let ended = ended_with(|_| async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(ended, misbehaved(Misbehavior::NeverSettles));
    let busy = sim::run(config(), |world| async move {
        let node = |_| async {
            for _ in 0..10_000 {
                tokio::task::yield_now().await;
            }
            Ok(())
        };
        world.add_machine("busy", Arc::new(node));
        world.boot("busy");
        sleep(secs(1)).await;
    });
    assert_eq!(busy.ended, Ended::Finished);
}

#[test]
fn a_task_beside_the_host_is_told_and_one_of_the_host_is_not() {
    let ended = ended_with(|_| async {
        #[expect(clippy::disallowed_methods, reason = "this is what is to be found out")]
        tokio::spawn(sleep(secs(1)));
        Ok(())
    });
    assert_eq!(ended, misbehaved(Misbehavior::SpawnsTask));
    let tidy = ended_with(|host| async move {
        host.spawn(sleep(secs(1))).abort();
        host.spawn(sleep(secs(1)));
        Ok(())
    });
    assert_eq!(tidy, Ended::Finished);
}

#[test]
fn a_blocking_thread_is_told_also_when_it_never_ends() {
    let ended = ended_with(|_| async {
        let (_sender, never) = mpsc::channel::<()>();
        let wait = move || never.recv_timeout(Duration::from_secs(5)).ok();
        #[expect(clippy::disallowed_methods, reason = "this is what is to be found out")]
        drop(tokio::task::spawn_blocking(wait).await);
        Ok(())
    });
    assert_eq!(ended, misbehaved(Misbehavior::SpawnsBlocking));
}

#[test]
fn a_thread_that_wakes_a_task_is_told() {
    let ended = ended_with(|_| async {
        let (sender, mut receiver) = oneshot::channel();
        // The task waits already when the thread answers.
        std::future::poll_fn(|context| {
            assert!(Pin::new(&mut receiver).poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        let answer = move || sender.send(()).ok();
        #[expect(clippy::disallowed_methods, reason = "this is what is to be found out")]
        std::thread::spawn(answer).join().map_err(|_| "the thread panicked")?;
        Ok(())
    });
    assert_eq!(ended, misbehaved(Misbehavior::WokenFromOutside));
}
