//! Each fault does exactly what its documentation says, shown on a plain TCP echo.

use std::{io::ErrorKind, sync::Arc};

use sim::{
    Ended, Latency, MachineState,
    fault::{Change, Cut, DiskFate, LinkChange},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};

use crate::support::{Echo, PORT, Run, exchange, ms, on_seat, receive, secs, with_echo};

fn cut() -> Cut {
    Cut::Between(vec!["a".into()], vec!["b".into()])
}

#[test]
fn connecting_and_echoing_take_a_round_trip_each() {
    let outcome = with_echo(|world, host| async move {
        let began = world.elapsed();
        let mut stream = host.net.connect("b", PORT).await?;
        let open = world.elapsed() - began;
        let text = exchange(&mut stream, "one").await?;
        Ok::<_, std::io::Error>((open, world.elapsed() - began, text))
    });
    assert_eq!(outcome.value.unwrap().unwrap(), (ms(10), ms(20), "one".into()));
}

#[test]
fn bytes_written_into_a_partition_arrive_after_it_is_repaired() {
    let outcome = with_echo(|world, host| async move {
        let mut stream = host.net.connect("b", PORT).await?;
        let fault = world.partition(&cut(), None);
        stream.write_all(b"two").await?;
        let early = timeout(secs(9), receive(&mut stream, 3)).await.is_ok();
        world.repair(fault);
        let text = receive(&mut stream, 3).await?;
        Ok::<_, std::io::Error>((early, text, world.fault(fault).hits > 0))
    });
    assert_eq!(outcome.value.unwrap().unwrap(), (false, "two".into(), true));
}

#[test]
fn a_connect_into_a_partition_waits_and_succeeds_after_it() {
    let outcome = with_echo(|world, host| async move {
        let fault = world.partition(&cut(), None);
        let connect = host.net.connect("b", PORT);
        let repair = async {
            sleep(secs(5)).await;
            world.repair(fault);
        };
        let (stream, ()) = tokio::join!(biased; connect, repair);
        (stream.is_ok(), world.elapsed())
    });
    // SYNs at 0, 1, 2, 4 and 8 seconds: the last one gets through.
    let (connected, at) = outcome.value.unwrap();
    assert!(connected && at > secs(5) && at < secs(9), "{at:?}");
}

#[test]
fn a_one_way_partition_lets_the_request_in_and_keeps_the_answer() {
    let outcome = with_echo(|world, host| async move {
        let mut stream = host.net.connect("b", PORT).await?;
        let back = Cut::OneWay(vec!["b".into()], vec!["a".into()]);
        let fault = world.partition(&back, None);
        stream.write_all(b"x").await?;
        let answered = timeout(secs(3), receive(&mut stream, 1)).await.is_ok();
        world.repair(fault);
        receive(&mut stream, 1).await?;
        Ok::<_, std::io::Error>(answered)
    });
    assert!(!outcome.value.unwrap().unwrap());
}

#[test]
fn groups_cut_every_pair_but_leave_a_machine_in_no_group_alone() {
    let outcome = with_echo(|world, host| async move {
        let seat = world.add_seat("c");
        let groups = Cut::Groups(vec![vec!["a".into()], vec!["b".into()]]);
        world.partition(&groups, None);
        let cut = timeout(secs(3), host.net.connect("b", PORT)).await.is_err();
        let open = on_seat(seat.clone(), seat.net.connect("b", PORT)).await.is_ok();
        (cut, open)
    });
    assert_eq!(outcome.value.unwrap(), (true, true));
}

#[test]
fn a_partition_longer_than_the_user_timeout_resets_the_connection() {
    let outcome = with_echo(|world, host| async move {
        let mut stream = host.net.connect("b", PORT).await?;
        world.partition(&cut(), None);
        stream.write_all(b"x").await?;
        let error = receive(&mut stream, 1).await.unwrap_err();
        Ok::<_, std::io::Error>((error.kind(), world.elapsed()))
    });
    let (kind, at) = outcome.value.unwrap().unwrap();
    assert_eq!(kind, ErrorKind::TimedOut);
    assert!(at >= secs(120) && at < secs(240), "{at:?}");
}

#[test]
fn a_crash_is_silent_and_the_next_boot_resets_the_old_connection() {
    let outcome = with_echo(|world, host| async move {
        let mut stream = host.net.connect("b", PORT).await?;
        let fault = world.crash("b", DiskFate::LoseUnsynced, None);
        let tasks = world.live_tasks("b");
        stream.write_all(b"x").await?;
        let silent = timeout(secs(3), receive(&mut stream, 1)).await.is_err();
        world.restart(fault);
        let error = receive(&mut stream, 1).await.unwrap_err();
        let mut fresh = host.net.connect("b", PORT).await?;
        let text = exchange(&mut fresh, "new").await?;
        Ok::<_, std::io::Error>((tasks, silent, error.kind(), text))
    });
    let expected = (0, true, ErrorKind::ConnectionReset, "new".into());
    assert_eq!(outcome.value.unwrap().unwrap(), expected);
}

#[test]
fn a_kill_closes_sockets_and_later_connects_are_refused() {
    let outcome = with_echo(|world, host| async move {
        let mut stream = host.net.connect("b", PORT).await?;
        exchange(&mut stream, "x").await?;
        world.kill("b", None);
        let end = stream.read(&mut [0; 1]).await?;
        let refused = host.net.connect("b", PORT).await.err().map(|error| error.kind());
        Ok::<_, std::io::Error>((end, refused, world.live_tasks("b")))
    });
    assert_eq!(outcome.value.unwrap().unwrap(), (0, Some(ErrorKind::ConnectionRefused), 0));
}

#[test]
fn a_paused_machine_acknowledges_and_goes_on_when_resumed() {
    let outcome = with_echo(|world, host| async move {
        let mut stream = host.net.connect("b", PORT).await?;
        let fault = world.pause("b", None);
        let state = world.state("b");
        stream.write_all(b"x").await?;
        // Longer than the user timeout: an acknowledged segment is not retransmitted.
        let silent = timeout(secs(300), receive(&mut stream, 1)).await.is_err();
        world.repair(fault);
        let text = receive(&mut stream, 1).await?;
        Ok::<_, std::io::Error>((state, silent, text))
    });
    assert_eq!(outcome.value.unwrap().unwrap(), (MachineState::Paused, true, "x".into()));
}

#[test]
fn loss_delays_but_loses_nothing() {
    let outcome = with_echo(|world, host| async move {
        let change = Change { loss: Some(0.5), ..Change::default() };
        let (from, to) = (vec!["a".into()], vec!["b".into()]);
        let fault = world.change_links(&LinkChange { from, to, both_ways: true, change }, None);
        let mut stream = host.net.connect("b", PORT).await?;
        let text = "abcdefghij".repeat(10);
        let mut back = String::new();
        for letter in text.chars() {
            back += &exchange(&mut stream, &letter.to_string()).await?;
        }
        Ok::<_, std::io::Error>((back == text, world.elapsed() > secs(2), world.fault(fault).hits))
    });
    let (same, delayed, hits) = outcome.value.unwrap().unwrap();
    assert!(same && delayed && hits >= 200, "{same} {delayed} {hits}");
}

#[test]
fn a_change_of_latency_is_one_way_if_asked() {
    let outcome = with_echo(|world, host| async move {
        let mut stream = host.net.connect("b", PORT).await?;
        let change = Change { latency: Some(Latency::Fixed(ms(100))), ..Change::default() };
        let (from, to) = (vec!["a".into()], vec!["b".into()]);
        world.change_links(&LinkChange { from, to, both_ways: false, change }, None);
        let began = world.elapsed();
        exchange(&mut stream, "x").await?;
        Ok::<_, std::io::Error>(world.elapsed() - began)
    });
    assert_eq!(outcome.value.unwrap().unwrap(), ms(105));
}

#[test]
fn a_crash_ends_tasks_that_other_tasks_spawned() {
    let outcome = sim::run(crate::support::config(), |world| async move {
        world.add_machine(
            "a",
            Arc::new(Run(|host: transport::Host| async move {
                let inner = host.clone();
                host.spawn(async move {
                    inner.spawn(std::future::pending());
                    std::future::pending::<()>().await;
                });
                std::future::pending().await
            })),
        );
        world.boot("a");
        sleep(ms(1)).await;
        let before = world.live_tasks("a");
        world.crash("a", DiskFate::Keep, None);
        (before, world.live_tasks("a"))
    });
    assert_eq!(outcome.value.unwrap(), (3, 0));
}

#[test]
fn a_fault_on_a_machine_that_is_down_touches_nothing() {
    let outcome = with_echo(|world, _| async move {
        world.crash("b", DiskFate::Keep, None);
        let kill = world.kill("b", None);
        sleep(secs(1)).await;
        world.repair(kill);
        (world.fault(kill).hits, world.state("b"))
    });
    assert_eq!(outcome.value.unwrap(), (0, MachineState::Down));
}

#[test]
fn a_panic_of_a_task_ends_the_run_and_names_the_machine() {
    let outcome = sim::run(crate::support::config(), |world| async move {
        world.add_machine("a", Arc::new(Run(|_| async { panic!("out of cheese") })));
        world.boot("a");
        sleep(secs(1)).await;
    });
    let panicked = Ended::Panicked { machine: "a".into(), message: "out of cheese".into() };
    assert_eq!(outcome.ended, panicked);
}

#[test]
fn a_program_that_fails_is_started_again_later_and_later_and_at_once_when_a_fault_ends() {
    let outcome = sim::run(crate::support::config(), |world| async move {
        world.add_machine("a", Arc::new(Run(|_| async { Err("no".to_owned()) })));
        world.boot("a");
        sleep(secs(10)).await;
        let kill = world.kill("a", None);
        sleep(secs(10)).await;
        world.repair(kill);
        sleep(ms(500)).await;
    });
    let boots = outcome.journal.entries().iter().filter_map(|entry| match entry.event {
        journal::Event::Booted { .. } => Some(entry.at.as_secs()),
        _ => None,
    });
    assert_eq!(boots.collect::<Vec<_>>(), [0, 1, 3, 7, 20]);
}

#[test]
fn a_run_without_an_end_stops_at_its_limit() {
    let outcome = sim::run(crate::support::config(), |world| async move {
        world.add_machine("b", Arc::new(Echo));
        world.boot("b");
        std::future::pending::<()>().await;
    });
    assert_eq!((outcome.ended, outcome.at), (Ended::Limit, secs(24 * 3600)));
}
