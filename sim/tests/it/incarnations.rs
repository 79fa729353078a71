//! A dead incarnation can do nothing, whoever still holds something of it, and the next one has
//! everything that it had.

use std::{
    io::ErrorKind,
    sync::{Arc, Mutex},
};

use sim::{
    World,
    fault::{DiskFate, FaultId},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    time::{sleep, timeout},
};
use transport::{
    Database, DatabaseError, Host,
    host::{Listener, Stream, TaskHandle},
};

use crate::support::{Echo, PORT, config, exchange, ms, secs, with_echo};

/// The host of each incarnation of the machine `m`, last one last.
type Hosts = Arc<Mutex<Vec<Host>>>;

/// A machine that gives its host to the harness.
fn add_machine(world: &World) -> Hosts {
    let hosts = Hosts::default();
    let given = Arc::clone(&hosts);
    let node = move |host: Host| {
        given.lock().unwrap().push(host);
        async { Ok(()) }
    };
    world.add_machine("m", Arc::new(node));
    world.boot("m");
    hosts
}

/// Something of everything that a process can hold.
struct Held {
    host: Host,
    listener: Box<dyn Listener>,
    stream: Stream,
    database: Database,
    task: TaskHandle,
}

async fn hold(host: &Host) -> Held {
    Held {
        listener: host.listen(9).await.unwrap(),
        stream: host.net.connect("b", PORT).await.unwrap(),
        database: host.open("main").await.unwrap(),
        task: host.spawn(std::future::pending()),
        host: host.clone(),
    }
}

async fn add_row(database: &Database) -> Result<i64, DatabaseError> {
    let sql = "CREATE TABLE IF NOT EXISTS t (n); INSERT INTO t VALUES (1)";
    let work = move |db: &mut rusqlite::Connection| {
        db.execute_batch(sql)?;
        Ok::<_, DatabaseError>(db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)
    };
    database.call(work).await
}

/// Uses all of it; everything has to fail, at once.
async fn is_dead(held: &mut Held) {
    assert!(held.stream.write_all(b"x").await.is_err());
    assert!(held.stream.read(&mut [0]).await.is_err());
    assert!(held.stream.shutdown().await.is_err());
    assert!(held.listener.accept().await.is_err());
    assert!(add_row(&held.database).await.is_err());
    assert!(held.host.listen(10).await.is_err());
    assert!(held.host.net.connect("b", PORT).await.is_err());
    assert!(held.host.open("main").await.is_err());
    held.task.abort();
    let (polled, was_polled) = oneshot::channel();
    held.host.spawn(async move { polled.send(()).expect("somebody waits") });
    assert!(was_polled.await.is_err(), "a task of a dead process was polled");
}

async fn dies_for_good(world: &World, down: impl Fn(&World) -> FaultId) {
    let hosts = add_machine(world);
    sleep(ms(1)).await;
    let first = hosts.lock().unwrap()[0].clone();
    let mut held = hold(&first).await;
    add_row(&held.database).await.unwrap();
    let fault = down(world);
    assert_eq!(world.live_tasks("m"), 0);
    is_dead(&mut held).await;
    world.restart(fault);
    sleep(ms(1)).await;
    let second = hosts.lock().unwrap()[1].clone();
    let mut next = hold(&second).await;
    is_dead(&mut held).await;
    drop((held, first));
    assert_eq!(world.live_tasks("m"), 1);
    assert_eq!(exchange(&mut next.stream, "alive").await.unwrap(), "alive");
    assert_eq!(add_row(&next.database).await.unwrap(), 2);
    let far = world.add_seat("far");
    let connected = tokio::join!(biased; far.net.connect("m", 9), next.listener.accept());
    assert!(connected.0.is_ok() && connected.1.is_ok(), "the port is the next one's");
}

#[test]
fn what_is_held_of_a_process_that_lost_power_does_nothing() {
    let outcome = with_echo(|world, _| async move {
        dies_for_good(&world, |world| world.crash("m", DiskFate::LoseUnsynced, None)).await;
    });
    outcome.value.unwrap();
}

#[test]
fn what_is_held_of_a_process_that_was_killed_does_nothing() {
    let outcome = with_echo(|world, _| async move {
        dies_for_good(&world, |world| world.kill("m", None)).await;
    });
    outcome.value.unwrap();
}

#[test]
fn a_kill_closes_sockets_that_somebody_outside_still_holds() {
    let outcome = sim::run(config(), |world| async move {
        let (server, client) = (world.add_seat("b"), world.add_seat("a"));
        let mut listener = server.listen(PORT).await?;
        let mut accepted = client.net.connect("b", PORT).await?;
        let _held = listener.accept().await?;
        let mut waiting = client.net.connect("b", PORT).await?;
        sleep(ms(10)).await;
        world.kill("b", None);
        let end = timeout(secs(1), accepted.read(&mut [0])).await??;
        let reset = timeout(secs(1), waiting.read(&mut [0])).await?;
        let refused = client.net.connect("b", PORT).await;
        Ok::<_, std::io::Error>((end, reset.map_err(|e| e.kind()), refused.is_err()))
    });
    let expected = (0, Err(ErrorKind::ConnectionReset), true);
    assert_eq!(outcome.value.unwrap().unwrap(), expected);
}

/// How the process on machine `a` ends.
const WAYS_DOWN: [fn(&World) -> FaultId; 2] =
    [|world| world.kill("a", None), |world| world.crash("a", DiskFate::Keep, None)];

/// Begins a task when it is dropped.
struct Successor(Host, Arc<()>);

impl Drop for Successor {
    fn drop(&mut self) {
        let token = Arc::clone(&self.1);
        self.0.spawn(async move {
            std::future::pending::<()>().await;
            drop(token);
        });
    }
}

#[test]
fn a_task_that_a_dying_task_begins_does_not_live() {
    for down in WAYS_DOWN {
        let outcome = sim::run(config(), move |world| async move {
            let (host, token) = (world.add_seat("a"), Arc::new(()));
            let successor = Successor(host.clone(), Arc::clone(&token));
            host.spawn(async move {
                std::future::pending::<()>().await;
                drop(successor);
            });
            sleep(ms(1)).await;
            let before = world.live_tasks("a");
            down(&world);
            (before, world.live_tasks("a"), Arc::strong_count(&token))
        });
        assert_eq!(outcome.value.unwrap(), (1, 0, 1));
    }
}

#[test]
fn the_runtime_keeps_nothing_of_the_tasks_of_a_dead_process() {
    for down in WAYS_DOWN {
        let outcome = sim::run(config(), move |world| async move {
            let runtime = tokio::runtime::Handle::current().metrics();
            let before = runtime.num_alive_tasks();
            let host = world.add_seat("a");
            for _ in 0..100 {
                host.spawn(std::future::pending());
            }
            sleep(ms(1)).await;
            let held = runtime.num_alive_tasks() - before;
            down(&world);
            sleep(ms(1)).await;
            (held, runtime.num_alive_tasks() - before)
        });
        assert_eq!(outcome.value.unwrap(), (100, 0));
    }
}

#[test]
fn a_power_loss_does_not_close_databases_politely() {
    let outcome = sim::run(config(), |world| async move {
        world.add_machine("b", Arc::new(Echo));
        let host = world.add_seat("a");
        let database = host.open("main").await.unwrap();
        add_row(&database).await.unwrap();
        host.spawn(async move {
            std::future::pending::<()>().await;
            drop(database);
        });
        sleep(ms(1)).await;
        let before = world.journal_len();
        world.crash("a", DiskFate::LoseUnsynced, None);
        world.journal_len() - before
    });
    // The beginning of the fault; no sync of anything.
    assert_eq!(outcome.value.unwrap(), 1);
}
