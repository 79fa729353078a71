//! Sockets behave as TCP's do where only a simulated network can show it: in time, and when links
//! and machines break. (`tests/tcp` compares everything else with real sockets.)

use std::io::ErrorKind;

use crate::support::{PORT, config, exchange, ms, receive, secs, with_echo};
use sim::fault::{Cut, DiskFate};
use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};

#[test]
fn a_port_that_nothing_listens_on_refuses_after_a_round_trip() {
    let outcome = with_echo(|world, host| async move {
        sleep(ms(1)).await;
        let began = world.elapsed();
        let error = host.net.connect("b", 99).await.err().map(|error| error.kind());
        (error, world.elapsed() - began)
    });
    assert_eq!(outcome.value.unwrap(), (Some(ErrorKind::ConnectionRefused), ms(10)));
}

#[test]
fn a_name_without_a_machine_does_not_resolve() {
    let outcome = with_echo(|_, host| async move {
        host.net.connect("nowhere", PORT).await.err().map(|error| error.kind())
    });
    assert_eq!(outcome.value.unwrap(), Some(ErrorKind::NotFound));
}

#[test]
fn a_refusal_that_is_lost_is_asked_for_again() {
    let outcome = with_echo(|world, host| async move {
        let back = Cut::OneWay(vec!["b".into()], vec!["a".into()]);
        let cut = world.partition(&back, None);
        let repair = async {
            sleep(secs(5)).await;
            world.repair(cut);
        };
        let (refused, ()) = tokio::join!(biased; host.net.connect("b", 99), repair);
        (refused.err().map(|error| error.kind()), world.elapsed() > secs(5))
    });
    assert_eq!(outcome.value.unwrap(), (Some(ErrorKind::ConnectionRefused), true));
}

#[test]
fn a_connect_to_a_machine_that_loses_power_meanwhile_succeeds_after_its_boot() {
    let outcome = with_echo(|world, host| async move {
        let crash = async {
            // The SYN is there after 5 ms; its answer is on the way.
            sleep(ms(7)).await;
            let crash = world.crash("b", DiskFate::Keep, None);
            world.restart(crash);
        };
        let (stream, ()) = tokio::join!(biased; host.net.connect("b", PORT), crash);
        exchange(&mut stream?, "hello").await
    });
    assert_eq!(outcome.value.unwrap().unwrap(), "hello");
}

#[test]
fn connections_that_were_given_up_half_open_do_not_fill_the_backlog() {
    let outcome = with_echo(|_, host| async move {
        for _ in 0..5000 {
            // The SYN is there by then; its answer is on the way.
            drop(timeout(ms(7), host.net.connect("b", PORT)).await);
        }
        let mut stream = timeout(ms(20), host.net.connect("b", PORT)).await.unwrap()?;
        exchange(&mut stream, "hello").await
    });
    assert_eq!(outcome.value.unwrap().unwrap(), "hello");
}

#[test]
fn a_reset_that_a_partition_swallows_is_provoked_again_by_the_next_byte() {
    let outcome = sim::run(config(), |world| async move {
        let (server, host) = (world.add_seat("b"), world.add_seat("a"));
        let mut listener = server.listen(PORT).await?;
        let mut stream = host.net.connect("b", PORT).await?;
        let (far, _) = listener.accept().await?;
        stream.write_all(b"unread").await?;
        sleep(ms(5)).await;
        let cut = world.partition(&Cut::Between(vec!["a".into()], vec!["b".into()]), None);
        drop(far);
        sleep(secs(1)).await;
        world.repair(cut);
        let silent = timeout(secs(300), receive(&mut stream, 1)).await.is_err();
        stream.write_all(b"x").await?;
        let error = receive(&mut stream, 1).await.unwrap_err();
        Ok::<_, std::io::Error>((silent, error.kind()))
    });
    assert_eq!(outcome.value.unwrap().unwrap(), (true, ErrorKind::ConnectionReset));
}
