//! The journal tells what the network saw, with causes, and triggers act on it in time.

use std::sync::{Arc, Mutex};

use axum::{Router, routing::put};
use bytes::Bytes;
use http::Request;
use journal::{ConnectFailed, Entry, Event, Loss};
use sim::{
    Node, Outcome, World,
    fault::{Cut, DiskFate, Moment, Watch},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};
use transport::{
    Host,
    http::{Address, Client, ClientLimits, ServerLimits, serve},
};

use crate::support::{PORT, Run, config, ms, on_seat, secs};

async fn put_to(host: &Host, name: &str, path: &str, deadline: u64) -> Option<u16> {
    let client = Client::new(host, ClientLimits::default());
    let address = Address { name: name.into(), port: PORT };
    let request = Request::put(path).body(Bytes::from_static(b"{}")).unwrap();
    client.send(&address, request, secs(deadline)).await.ok().map(|answer| answer.status().as_u16())
}

/// Answers 200 to any PUT.
fn leaf() -> impl Node {
    Run(|host: Host| async move {
        let router = Router::new().route("/{*path}", put(async || "{}"));
        serve(&host, PORT, router, ServerLimits::default()).await.map_err(|e| e.to_string())?;
        Ok(())
    })
}

/// Asks `c` before it answers.
fn middle() -> impl Node {
    Run(|host: Host| async move {
        let inner = host.clone();
        let handler = put(async move || match put_to(&inner, "c", "/inner", 5).await {
            Some(200) => "{}",
            _ => "no",
        });
        let router = Router::new().route("/{*path}", handler);
        serve(&host, PORT, router, ServerLimits::default()).await.map_err(|e| e.to_string())?;
        Ok(())
    })
}

/// Seat `a` puts to `b`, which asks `c`.
fn chain(prepare: impl FnOnce(&World) + Send + 'static) -> Outcome<Option<u16>> {
    sim::run(config(), |world| async move {
        world.add_machine("b", Arc::new(middle()));
        world.add_machine("c", Arc::new(leaf()));
        world.boot("b");
        world.boot("c");
        let host = world.add_seat("a");
        sleep(ms(1)).await;
        prepare(&world);
        on_seat(host.clone(), async move { put_to(&host, "b", "/outer", 10).await }).await
    })
}

fn entry<T>(outcome: &Outcome<T>, is: impl Fn(&Entry) -> bool) -> &Entry {
    outcome.journal.entries().iter().find(|entry| is(entry)).expect("the journal has it")
}

fn sent_to(name: &str) -> impl Fn(&Entry) -> bool + '_ {
    move |entry| matches!(&entry.event, Event::RequestSent(request) if &*request.to == name)
}

#[test]
fn a_request_made_while_serving_another_is_caused_by_it() {
    let outcome = chain(|_| {});
    assert_eq!(outcome.value, Some(Some(200)));
    let inner = entry(&outcome, sent_to("c"));
    let cause = outcome.journal.get(inner.cause.unwrap()).unwrap();
    let Event::RequestArrived { request } = cause.event else { panic!("{cause:?}") };
    assert_eq!(request, entry(&outcome, sent_to("b")).n);
}

#[test]
fn an_answer_is_caused_by_its_requests_arrival() {
    let outcome = chain(|_| {});
    let answer = entry(
        &outcome,
        |entry| matches!(&entry.event, Event::AnswerSent(answer) if answer.status == 200),
    );
    let cause = outcome.journal.get(answer.cause.unwrap()).unwrap();
    assert!(matches!(cause.event, Event::RequestArrived { .. }), "{cause:?}");
}

fn trigger(
    world: &World,
    moment: Moment,
    to: &str,
    action: impl FnOnce(&World, u64) + Send + 'static,
) -> Watch {
    let world = world.clone();
    let matches = Arc::new(|method: &str, _: &str| method == "PUT");
    Watch {
        moment,
        from: None,
        to: Some(to.into()),
        matches,
        nth: 1,
        action: Box::new(move |entry| action(&world, entry)),
    }
}

fn cut() -> Cut {
    Cut::Between(vec!["b".into()], vec!["c".into()])
}

#[test]
fn a_partition_made_when_a_request_is_sent_stops_that_very_request() {
    let outcome = chain(|world| {
        world.on_exchange(trigger(world, Moment::Sent, "c", |world, entry| {
            world.partition(&cut(), Some(entry));
        }));
    });
    assert_eq!(outcome.value, Some(Some(200)), "b answers, having given up on c");
    let arrived =
        outcome.journal.entries().iter().any(|entry| {
            &*entry.machine == "c" && matches!(entry.event, Event::RequestArrived { .. })
        });
    assert!(!arrived);
    assert!(outcome.faults[0].hits > 0 && outcome.faults[0].requests.len() == 1);
}

#[test]
fn a_partition_made_when_it_is_answered_keeps_the_answer() {
    let outcome = chain(|world| {
        world.on_exchange(trigger(world, Moment::Answered, "c", |world, entry| {
            world.partition(&cut(), Some(entry));
        }));
    });
    let lost = entry(&outcome, |entry| matches!(entry.event, Event::RequestLost { .. }));
    assert_eq!(&*lost.machine, "b");
}

/// Returns why each connection failed that seat `a` asked for, who waited 5 s at most.
fn connects(
    port: Option<u16>,
    prepare: impl FnOnce(&World) + Send + 'static,
) -> Vec<ConnectFailed> {
    let outcome = sim::run(config(), move |world| async move {
        let program = Run(move |host: Host| async move {
            let bound = match port {
                Some(port) => Some(host.listen(port).await.map_err(|e| e.to_string())?),
                None => None,
            };
            std::future::pending::<()>().await;
            drop(bound);
            Ok(())
        });
        world.add_machine("c", Arc::new(program));
        world.boot("c");
        let host = world.add_seat("a");
        sleep(ms(1)).await;
        prepare(&world);
        on_seat(host.clone(), async move { put_to(&host, "c", "/", 5).await }).await
    });
    let failed = outcome.journal.entries().iter().filter_map(|entry| match &entry.event {
        Event::ConnectFailed(failed) if &*entry.machine == "a" => Some(failed.clone()),
        _ => None,
    });
    failed.collect()
}

#[test]
fn a_connection_that_does_not_come_about_is_one_entry_that_says_why() {
    let refused = connects(None, |_| {});
    let [failed] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((&*failed.to, failed.why, failed.fault), ("c", Loss::Refused, None));
    let killed = connects(Some(PORT), |world| {
        world.kill("c", None);
    });
    let [failed] = &killed[..] else { panic!("{killed:?}") };
    assert_eq!((failed.why, failed.fault), (Loss::Refused, Some(1)));
    let unheard = connects(Some(PORT), |world| {
        world.partition(&Cut::Between(vec!["a".into()], vec!["c".into()]), None);
    });
    let [failed] = &unheard[..] else { panic!("{unheard:?}") };
    assert_eq!((failed.why, failed.waited, failed.fault), (Loss::GivenUp, secs(5), Some(1)));
    assert!(connects(Some(PORT), |_| {}).is_empty(), "it came about");
}

/// Returns why the request of `b` to `c` was lost, at the moment of which `act` is done.
fn lost_by(moment: Moment, act: impl FnOnce(&World, u64) + Send + 'static) -> Loss {
    let outcome = chain(move |world| world.on_exchange(trigger(world, moment, "c", act)));
    let lost = entry(&outcome, |entry| {
        &*entry.machine == "b" && matches!(entry.event, Event::RequestLost { .. })
    });
    let Event::RequestLost { why, .. } = lost.event else { panic!("{lost:?}") };
    why
}

#[test]
fn who_does_not_wait_any_longer_has_given_up_and_who_has_ended_has_not() {
    let cut = lost_by(Moment::Sent, |world, n| {
        world.partition(&cut(), Some(n));
    });
    assert_eq!(cut, Loss::GivenUp);
    assert_eq!(
        lost_by(Moment::Sent, |world, n| {
            world.kill("b", Some(n));
        }),
        Loss::Closed
    );
    let crash = |world: &World, n| {
        world.crash("b", DiskFate::Keep, Some(n));
    };
    assert_eq!(lost_by(Moment::Sent, crash), Loss::Crashed);
    // The one that was asked closes first: nobody gives up.
    let asked = lost_by(Moment::Arrived, |world, n| {
        world.kill("c", Some(n));
    });
    assert!(matches!(asked, Loss::Closed | Loss::Reset), "{asked}");
}

#[test]
fn a_request_whose_asker_has_hung_up_before_it_came_is_let_go_of_and_that_is_told() {
    let slow = Run(|host: Host| async move {
        let handler = put(async || {
            sleep(secs(1)).await;
            "{}"
        });
        let router = Router::new().route("/{*path}", handler);
        serve(&host, PORT, router, ServerLimits::default()).await.map_err(|e| e.to_string())?;
        Ok(())
    });
    let outcome = sim::run(config(), |world| async move {
        world.add_machine("c", Arc::new(slow));
        world.boot("c");
        let host = world.add_seat("a");
        sleep(ms(1)).await;
        world.on_exchange(trigger(&world, Moment::Sent, "c", |world, n| {
            world.partition(&Cut::Between(vec!["a".into()], vec!["c".into()]), Some(n));
        }));
        on_seat(host.clone(), async move { put_to(&host, "c", "/1", 5).await }).await;
        world.repair_all();
        sleep(secs(30)).await;
    });
    let dropped = entry(&outcome, |entry| matches!(entry.event, Event::RequestDropped { .. }));
    let Event::RequestDropped { why, .. } = dropped.event else { panic!("{dropped:?}") };
    assert_eq!((&*dropped.machine, why), ("c", Loss::Closed));
    let answered =
        outcome.journal.entries().iter().any(|it| matches!(it.event, Event::AnswerSent(_)));
    assert!(!answered);
}

#[test]
fn an_answer_that_is_written_as_the_connection_is_let_go_of_is_told() {
    let hasty = Run(|host: Host| async move {
        let mut listener = host.listen(PORT).await.map_err(|e| e.to_string())?;
        loop {
            let (mut stream, _) = listener.accept().await.map_err(|e| e.to_string())?;
            stream.read(&mut [0; 1024]).await.map_err(|e| e.to_string())?;
            let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer).await.map_err(|e| e.to_string())?;
        }
    });
    let outcome = sim::run(config(), |world| async move {
        world.add_machine("c", Arc::new(hasty));
        world.boot("c");
        let host = world.add_seat("a");
        sleep(ms(1)).await;
        on_seat(host.clone(), async move { put_to(&host, "c", "/1", 5).await }).await
    });
    assert_eq!(outcome.value.flatten(), Some(401));
    entry(&outcome, |entry| matches!(&entry.event, Event::AnswerSent(it) if it.status == 401));
    entry(&outcome, |entry| matches!(entry.event, Event::AnswerArrived { .. }));
    let is_drop = |it: &Entry| matches!(it.event, Event::RequestDropped { .. });
    assert!(!outcome.journal.entries().iter().any(is_drop));
}

#[test]
fn who_asks_and_lets_go_in_one_instant_has_given_up_then() {
    let outcome = sim::run(config(), |world| async move {
        world.add_machine("c", Arc::new(leaf()));
        world.boot("c");
        let host = world.add_seat("a");
        sleep(ms(1)).await;
        on_seat(host.clone(), async move {
            let mut stream = host.net.connect("c", PORT).await.unwrap();
            stream.write_all(b"PUT /1 HTTP/1.1\r\nhost: c\r\ncontent-length: 0\r\n\r\n").await
        })
        .await
        .unwrap();
        sleep(secs(1)).await;
    });
    let sent = entry(&outcome, |entry| matches!(entry.event, Event::RequestSent(_))).at;
    let lost = entry(&outcome, |entry| matches!(entry.event, Event::RequestLost { .. })).at;
    assert_eq!(sent, lost);
}

#[test]
fn a_machine_that_crashes_when_a_request_arrives_never_answers_it() {
    let outcome = chain(|world| {
        world.on_exchange(trigger(world, Moment::Arrived, "c", |world, entry| {
            world.crash("c", DiskFate::LoseUnsynced, Some(entry));
        }));
    });
    let answered = outcome
        .journal
        .entries()
        .iter()
        .any(|entry| &*entry.machine == "c" && matches!(entry.event, Event::AnswerSent(_)));
    assert!(!answered);
}

#[test]
fn a_trigger_fires_on_the_nth_match_and_once() {
    let fired = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&fired);
    let outcome = sim::run(config(), |world| async move {
        world.add_machine("c", Arc::new(leaf()));
        world.boot("c");
        let host = world.add_seat("a");
        sleep(ms(1)).await;
        let mut second =
            trigger(&world, Moment::Sent, "c", move |_, n| seen.lock().unwrap().push(n));
        second.nth = 2;
        world.on_exchange(second);
        on_seat(host.clone(), async move {
            for path in ["/1", "/2", "/3"] {
                put_to(&host, "c", path, 5).await;
            }
        })
        .await;
    });
    let sent: Vec<u64> =
        outcome.journal.entries().iter().filter(|e| sent_to("c")(e)).map(|e| e.n).collect();
    assert_eq!(*fired.lock().unwrap(), [sent[1]]);
}

#[test]
fn every_disk_sync_of_a_program_is_in_the_journal() {
    let outcome = sim::run(config(), |world| async move {
        let program = Run(|host: Host| async move {
            let database = host.open("main").await.map_err(|e| e.to_string())?;
            let write = database.transaction(|transaction| {
                transaction.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES (1)")?;
                Ok::<_, Failed>(())
            });
            write.await.map_err(|Failed(text)| text)
        });
        world.add_machine("a", Arc::new(program));
        world.boot("a");
        sleep(secs(1)).await;
    });
    let syncs = outcome.journal.entries().iter().filter(|entry| {
        matches!(&entry.event, Event::DiskSynced { file, bytes } if file.contains("wal") && *bytes > 0)
    });
    assert!(syncs.count() > 0);
}

struct Failed(String);

impl<E: std::fmt::Display> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
