//! The command `relay`: a relay on real sockets and a real disk.

use std::{
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser};
use relay::{Config, Relay};
use ruma::OwnedServerName;
use tokio::signal::unix::{SignalKind, signal};
use transport::real::{RealConfig, TlsConfig, host, lock, logs};

/// The exit code for a mistake in the arguments or the configuration file.
const EXIT_BAD_CONFIG: u8 = 2;

/// How long a relay that ends waits for the requests that it is answering.
const DRAIN: Duration = Duration::from_secs(10);

/// A mailbox for homeservers: keeps what could not reach a destination until it asks.
#[derive(Parser)]
#[command(name = "relay", version, max_term_width = 100)]
struct Arguments {
    /// The configuration file (TOML); may be left out if --server-name is given
    #[arg(long, value_name = "FILE", required_unless_present = "server_name")]
    config: Option<PathBuf>,
    /// The directory of the relay's database; made if it does not exist
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The address to listen on; every address if left out
    #[arg(long, value_name = "IP")]
    listen: Option<IpAddr>,
    /// Connect to loopback, private and link-local addresses too, which the names of servers may
    /// stand for (tests, or a federation within one network)
    #[arg(long)]
    allow_private: bool,
    /// The port to listen on, instead of the configuration's; 0 takes a free one
    #[arg(long)]
    port: Option<u16>,
    /// The relay's server name, instead of the configuration's
    #[arg(long, value_name = "NAME")]
    server_name: Option<OwnedServerName>,
    /// How much to log to stderr: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: tracing::Level,
    #[command(flatten)]
    tls: TlsArguments,
}

/// TLS; without these the relay speaks plain HTTP (tests, or a proxy in front).
#[derive(Args)]
struct TlsArguments {
    /// The PEM file of the relay's certificate chain; turns TLS on
    #[arg(long = "tls-certificate", value_name = "FILE", requires = "private_key")]
    certificate: Option<PathBuf>,
    /// The PEM file of its private key
    #[arg(long = "tls-private-key", value_name = "FILE", requires = "authorities")]
    private_key: Option<PathBuf>,
    /// The PEM file of the authorities trusted when connecting
    #[arg(long = "tls-authorities", value_name = "FILE", requires = "certificate")]
    authorities: Option<PathBuf>,
}

impl TlsArguments {
    /// Returns all three files, or none: each argument requires the next.
    fn config(self) -> Option<TlsConfig> {
        Some(TlsConfig {
            certificate: self.certificate?,
            private_key: self.private_key?,
            authorities: self.authorities?,
            plain_ports: Vec::new(),
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logs::begin(arguments.log.into());
    let config = match configuration(&arguments) {
        Ok(config) => config,
        Err(mistake) => {
            report(&mistake);
            return ExitCode::from(EXIT_BAD_CONFIG);
        }
    };
    match run(arguments, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            report(&trouble);
            ExitCode::FAILURE
        }
    }
}

/// Returns the configuration with what the arguments override.
fn configuration(arguments: &Arguments) -> Result<Config, String> {
    let mut config = match (&arguments.config, &arguments.server_name) {
        (Some(file), _) => read(file)?,
        (None, Some(server_name)) => Config::new(server_name.clone()),
        (None, None) => return Err("give --config FILE or --server-name NAME".to_owned()),
    };
    if let Some(server_name) = &arguments.server_name {
        config.server_name.clone_from(server_name);
    }
    if let Some(port) = arguments.port {
        config.port = port;
    }
    config.check().map_err(|mistake| match &arguments.config {
        Some(file) => format!("{}: {mistake}", file.display()),
        None => mistake.to_string(),
    })?;
    Ok(config)
}

fn read(file: &Path) -> Result<Config, String> {
    let named = |mistake: String| format!("{}: {mistake}", file.display());
    let text = std::fs::read_to_string(file)
        .map_err(|error| named(format!("{error}; name an existing file with --config")))?;
    toml::from_str(&text).map_err(|error| {
        named(format!(
            "{}\ncorrect that key; every key but server_name has a default",
            error.to_string().trim_end()
        ))
    })
}

fn run(arguments: Arguments, config: Config) -> Result<(), String> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("failed to start the runtime: {error}"))?
        .block_on(serve(arguments, config))
}

async fn serve(arguments: Arguments, config: Config) -> Result<(), String> {
    let _lock =
        lock(&arguments.data).map_err(|error| format!("{}: {error}", arguments.data.display()))?;
    let machine = RealConfig {
        bind: arguments.listen,
        public_only: !arguments.allow_private,
        tls: arguments.tls.config(),
        ..RealConfig::default()
    };
    let host = host(&arguments.data, &machine)
        .map_err(|error| format!("{}: {error}", arguments.data.display()))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let server_name = config.server_name.clone();
    let relay = Relay::start(host, config).await.map_err(|error| error.to_string())?;
    // Whoever started this process waits for the line to learn the port; if nobody reads it, the
    // relay serves all the same.
    let line = format!("relay {server_name} listens on port {}", relay.port());
    if let Err(error) = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush()) {
        tracing::warn!(%error, "failed to write the port to stdout");
    }
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("the relay is shutting down; everything it has acknowledged is on the disk");
    let broken_off = relay.drain(DRAIN).await;
    if broken_off > 0 {
        tracing::warn!(broken_off, "requests are left without an answer");
    }
    Ok(())
}

/// Says what went wrong; if even stderr is gone, the exit code says it.
fn report(sentence: &str) {
    writeln!(io::stderr(), "relay: {sentence}").ok();
}
