//! `homeserver`: a homeserver on this machine's sockets and disk.

use std::{net::IpAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use homeserver::{Config, Homeserver};
use ruma::OwnedServerName;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;
use transport::real::{RealConfig, TlsConfig, host, lock, logs};

/// A Matrix homeserver with M1 delivery.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Configuration file (TOML); every key has a default.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Directory of the database.
    #[arg(long)]
    data: PathBuf,
    /// The server's name; wins over the configuration file.
    #[arg(long)]
    server_name: Option<OwnedServerName>,
    /// Port of the server-server API; wins over the configuration file.
    #[arg(long)]
    federation_port: Option<u16>,
    /// Port of the client-server API; wins over the configuration file.
    #[arg(long)]
    client_port: Option<u16>,
    /// Address to bind; every address without it.
    #[arg(long)]
    bind: Option<IpAddr>,
    /// Address to bind for the client-server API, if it is another one.
    #[arg(long)]
    client_bind: Option<IpAddr>,
    /// Connect to loopback, private and link-local addresses too, which the names of other servers
    /// may stand for (tests, or a federation within one network).
    #[arg(long)]
    allow_private: bool,
    /// Plain TCP towards other servers (tests, or a proxy in front).
    #[arg(long, conflicts_with_all = ["certificate", "private_key", "authorities"])]
    plain: bool,
    /// PEM file of this server's certificate chain.
    #[arg(long, required_unless_present = "plain")]
    certificate: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    #[arg(long, required_unless_present = "plain")]
    private_key: Option<PathBuf>,
    /// PEM file of the authorities trusted when connecting to other servers.
    #[arg(long, required_unless_present = "plain")]
    authorities: Option<PathBuf>,
    /// Log debug messages too.
    #[arg(long, short)]
    verbose: bool,
}

/// The exit code of a mistake in the command line or the configuration.
const MISTAKE: u8 = 2;

/// How long a server that ends waits for the requests that it is answering.
const DRAIN: Duration = Duration::from_secs(10);

/// The exit code of trouble on this machine.
const TROUBLE: u8 = 1;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = if arguments.verbose { LevelFilter::DEBUG } else { LevelFilter::INFO };
    logs::begin(level);
    let config = match configuration(&arguments) {
        Ok(config) => config,
        Err(mistake) => {
            tracing::error!("{mistake}");
            return ExitCode::from(MISTAKE);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("failed to start the runtime: {error}");
            return ExitCode::from(TROUBLE);
        }
    };
    let ended = runtime.block_on(run(&arguments, config));
    // What is acknowledged is durable, so that there is nothing to wait for.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            tracing::error!("{trouble}");
            ExitCode::from(TROUBLE)
        }
    }
}

/// Runs until SIGTERM or SIGINT.
async fn run(arguments: &Arguments, config: Config) -> Result<(), String> {
    let _lock = lock(&arguments.data)
        .map_err(|error| format!("failed to lock {}: {error}", arguments.data.display()))?;
    let real = RealConfig {
        bind: arguments.bind,
        bind_of: arguments.client_bind.map(|bind| (config.client_port, bind)).into_iter().collect(),
        public_only: !arguments.allow_private,
        tls: tls(arguments, &config),
    };
    let host = host(&arguments.data, &real)
        .map_err(|error| format!("failed to open {}: {error}", arguments.data.display()))?;
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let name = config.server_name.clone();
    let running = Homeserver::start(host, config).await.map_err(|error| error.to_string())?;
    tracing::info!(
        %name, federation_port = running.federation_port, client_port = running.client_port,
        "the homeserver is running"
    );
    tokio::select! {
        biased;
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("the homeserver is shutting down");
    let broken_off = running.drain.drain(DRAIN).await;
    if broken_off > 0 {
        tracing::warn!(broken_off, "requests are left without an answer");
    }
    Ok(())
}

fn tls(arguments: &Arguments, config: &Config) -> Option<TlsConfig> {
    Some(TlsConfig {
        certificate: arguments.certificate.clone()?,
        private_key: arguments.private_key.clone()?,
        authorities: arguments.authorities.clone()?,
        // A port that serves both APIs is one of the federation, and never plain.
        plain_ports: Some(config.client_port)
            .filter(|port| *port != config.federation_port)
            .into_iter()
            .collect(),
    })
}

/// Returns the configuration file, with what the command line says on top.
fn configuration(arguments: &Arguments) -> Result<Config, String> {
    let mut config = match &arguments.config {
        None => Config::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("failed to read {}: {error}", path.display()))?;
            Config::parse(&text).map_err(|mistake| format!("{}: {mistake}", path.display()))?
        }
    };
    if let Some(name) = &arguments.server_name {
        config.server_name.clone_from(name);
    }
    config.federation_port = arguments.federation_port.unwrap_or(config.federation_port);
    config.client_port = arguments.client_port.unwrap_or(config.client_port);
    config.check()?;
    Ok(config)
}
