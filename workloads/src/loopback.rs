//! The plain program on real sockets, over the loopback.

use std::{
    net::{IpAddr, Ipv4Addr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use transport::{
    Host,
    http::Address,
    real::{self, RealConfig},
};

use crate::plain::{Plain, ask_times};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Runs `machines` servers for `time`, each asking the next one without a pause. Returns how many
/// requests were answered.
///
/// # Errors
/// Nothing was answered, or something of the real machine could not be had.
pub fn loaded(machines: usize, time: Duration) -> Result<u64, String> {
    let answers = Arc::new(AtomicU64::new(0));
    block_on(async {
        let ports = free_ports(machines)?;
        let mut started = Vec::new();
        for (port, next) in ports.iter().zip(ports.iter().cycle().skip(1)) {
            let peer = Some(address(*next));
            let plain = Plain { port: *port, peer, every: None, answers: Arc::clone(&answers) };
            started.push(start(plain).await?);
        }
        tokio::time::sleep(time).await;
        Ok(())
    })?;
    match answers.load(Ordering::Relaxed) {
        0 => Err("nothing was answered over the loopback".to_owned()),
        answers => Ok(answers),
    }
}

/// Wall time of `times` requests, one after the other, of one client to one server.
///
/// # Errors
/// One was not answered, or something of the real machine could not be had.
pub fn requests(times: u64) -> Result<Duration, String> {
    block_on(async {
        let port = free_ports(1)?[0];
        let (host, _home) = start(Plain { port, ..Plain::idle() }).await?;
        ask_times(&host, &address(port), times).await
    })
}

/// Runs `play` on a runtime of this thread.
pub(crate) fn block_on<T>(play: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(play)
}

/// Runs `play` on a runtime of several threads, as a real server has.
pub(crate) fn on_threads<T: Send + 'static>(
    play: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let played = runtime.block_on(play);
    runtime.shutdown_background();
    played
}

/// Starts a server on a machine with a disk of its own, which lasts as long as the folder.
async fn start(plain: Plain) -> Result<(Host, TempDir), String> {
    let home = tempfile::tempdir().map_err(|error| error.to_string())?;
    let config = RealConfig { bind: Some(LOCAL), ..RealConfig::default() };
    let host = real::host(home.path(), &config).map_err(|error| error.to_string())?;
    plain.start(host.clone()).await?;
    Ok((host, home))
}

fn address(port: u16) -> Address {
    Address { name: LOCAL.to_string(), port }
}

/// Ports that were free a moment ago.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, String> {
    let bound: Result<Vec<_>, _> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let ports = bound
        .and_then(|bound| bound.iter().map(|listener| Ok(listener.local_addr()?.port())).collect());
    ports.map_err(|error| format!("no free port: {error}"))
}
