//! Sockets behave as TCP's do, where a program can tell.

use std::{io::ErrorKind, sync::Arc};

use crate::support::{PORT, Run, config, ms, on_seat, receive, with_echo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
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
fn a_port_is_bound_once() {
    let outcome = with_echo(|_, host| async move {
        let first = host.listen(9).await;
        let second = host.listen(9).await.err().map(|error| error.kind());
        drop(first);
        (second, host.listen(9).await.is_ok())
    });
    assert_eq!(outcome.value.unwrap(), (Some(ErrorKind::AddrInUse), true));
}

#[test]
fn a_half_closed_connection_still_answers() {
    let outcome = sim::run(config(), |world| async move {
        world.add_machine(
            "b",
            Arc::new(Run(|host: transport::Host| async move {
                let mut listener = host.listen(PORT).await.unwrap();
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut all = String::new();
                stream.read_to_string(&mut all).await.unwrap();
                stream.write_all(all.to_uppercase().as_bytes()).await.unwrap();
                Ok(())
            })),
        );
        world.boot("b");
        let host = world.add_seat("a");
        on_seat(host.clone(), async move {
            sleep(ms(1)).await;
            let mut stream = host.net.connect("b", PORT).await?;
            stream.write_all(b"whole").await?;
            stream.shutdown().await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        })
        .await
    });
    assert_eq!(outcome.value.unwrap().unwrap(), "WHOLE");
}

#[test]
fn a_megabyte_is_echoed_whole_although_the_window_is_smaller() {
    let outcome = with_echo(|_, host| async move {
        let stream = host.net.connect("b", PORT).await?;
        let (mut read, mut write) = tokio::io::split(stream);
        let sent: Vec<u8> = (0..1 << 20).map(|n: u32| n.to_le_bytes()[1]).collect();
        let expected = sent.clone();
        let mut back = vec![0; sent.len()];
        let (wrote, was_read) =
            tokio::join!(biased; write.write_all(&sent), read.read_exact(&mut back));
        wrote?;
        was_read?;
        Ok::<_, std::io::Error>(back == expected)
    });
    assert!(outcome.value.unwrap().unwrap());
}

#[test]
fn a_writer_waits_while_nobody_reads() {
    let outcome = sim::run(config(), |world| async move {
        let server = Run(|host: transport::Host| async move {
            let mut listener = host.listen(PORT).await.unwrap();
            let held = listener.accept().await.unwrap();
            std::future::pending::<()>().await;
            drop(held);
            Ok(())
        });
        world.add_machine("b", Arc::new(server));
        world.boot("b");
        let host = world.add_seat("a");
        on_seat(host.clone(), async move {
            sleep(ms(1)).await;
            let mut stream = host.net.connect("b", PORT).await.unwrap();
            let all = vec![0; 1 << 20];
            tokio::time::timeout(crate::support::secs(60), stream.write_all(&all)).await.is_err()
        })
        .await
    });
    assert!(outcome.value.unwrap());
}

#[test]
fn closing_with_unread_data_resets_the_peer() {
    let outcome = sim::run(config(), |world| async move {
        let server = Run(|host: transport::Host| async move {
            let mut listener = host.listen(PORT).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            sleep(ms(100)).await;
            drop(stream);
            std::future::pending().await
        });
        world.add_machine("b", Arc::new(server));
        world.boot("b");
        let host = world.add_seat("a");
        on_seat(host.clone(), async move {
            sleep(ms(1)).await;
            let mut stream = host.net.connect("b", PORT).await.unwrap();
            stream.write_all(b"never read").await.unwrap();
            receive(&mut stream, 1).await.err().map(|error| error.kind())
        })
        .await
    });
    assert_eq!(outcome.value.unwrap(), Some(ErrorKind::ConnectionReset));
}
