//! One request and its answer through the simulated network, against real loopback TCP.

use std::{
    net::{IpAddr, Ipv4Addr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use transport::{
    http::Address,
    real::{RealConfig, host},
};

use super::{
    clock::cpu,
    loaded,
    plain::Plain,
    row::{Length, Measured},
};

const MACHINES: usize = 3;

/// The program is the same: three machines, each asking the next one without a pause.
pub(super) fn request(length: Length) -> Result<Measured, String> {
    let real = run(Duration::from_millis(length.pick(2000, 300)))?;
    let simulated = loaded::run(MACHINES, None, Duration::from_secs(length.pick(200, 30)))?;
    let [real, simulated] = [real, simulated].map(|cost| micros_each(&cost));
    Ok(Measured {
        figure: simulated / real,
        detail: format!("{simulated:.1} us of CPU a request against {real:.1} us"),
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn micros_each(cost: &loaded::Cost) -> f64 {
    cost.cpu.as_secs_f64() * 1e6 / cost.answers as f64
}

fn run(time: Duration) -> Result<loaded::Cost, String> {
    let answers = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let (ran, cpu) = cpu(|| runtime.block_on(ask_for(time, &answers)));
    ran?;
    match answers.load(Ordering::Relaxed) {
        0 => Err("nothing was answered over the loopback".to_owned()),
        answers => Ok(loaded::Cost { cpu, answers }),
    }
}

async fn ask_for(time: Duration, answers: &Arc<AtomicU64>) -> Result<(), String> {
    let home = tempfile::tempdir().map_err(|error| error.to_string())?;
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let config = RealConfig { bind: Some(local), tls: None };
    let ports = free_ports().map_err(|error| format!("no free port: {error}"))?;
    let mut hosts = Vec::new();
    for (number, port) in ports.iter().enumerate() {
        let host = host(home.path(), &config).map_err(|error| error.to_string())?;
        let next = ports[(number + 1) % MACHINES];
        let peer = Some(Address { name: local.to_string(), port: next });
        let plain = Plain { port: *port, peer, every: None, answers: Arc::clone(answers) };
        plain.start(host.clone()).await?;
        hosts.push(host);
    }
    tokio::time::sleep(time).await;
    Ok(())
}

/// Ports that were free a moment ago.
fn free_ports() -> std::io::Result<[u16; MACHINES]> {
    let mut ports = [0; MACHINES];
    let mut bound = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        bound.push(listener);
    }
    Ok(ports)
}
