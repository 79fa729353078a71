//! What the server is told: the configuration file, with what the command line says on top.

use std::{
    io::{self, IsTerminal},
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use clap::{ArgAction, Args};
use homeserver::{Config, ConfigFile, Machine};
use ruma::OwnedServerName;
use tracing::Level;
use transport::real::{
    READ_THROUGH_UP_TO, RealConfig, TlsConfig, TlsFiles, check_tls, logs::Format,
};

use crate::{Trouble, say};

/// What the command line may say of a server. It wins over the configuration file.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the database and the signing key
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The server's name
    #[arg(long, value_name = "NAME")]
    server_name: Option<OwnedServerName>,
    /// Port of the server-server API
    #[arg(long, value_name = "PORT")]
    federation_port: Option<u16>,
    /// Port of the client-server API
    #[arg(long, value_name = "PORT")]
    client_port: Option<u16>,
    /// Port of `/metrics` and `/health`
    #[arg(long, value_name = "PORT")]
    metrics_port: Option<u16>,
    /// Address to bind; every address without it
    #[arg(long, value_name = "IP")]
    bind: Option<IpAddr>,
    /// Address to bind for the client-server API, if it is another one
    #[arg(long, value_name = "IP")]
    client_bind: Option<IpAddr>,
    /// Let anybody make an account
    #[arg(long)]
    open_registration: bool,
    /// Connect to loopback, private and link-local addresses too, which the names of other servers
    /// may stand for (tests, or a federation within one network)
    #[arg(long)]
    allow_private: bool,
    /// Plain TCP towards other servers (tests, or a proxy in front)
    #[arg(long, conflicts_with_all = ["certificate", "private_key", "authorities"])]
    plain: bool,
    /// PEM file of this server's certificate chain
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// PEM file of the certificate's private key
    #[arg(long, value_name = "FILE")]
    private_key: Option<PathBuf>,
    /// PEM file of the authorities trusted when connecting to other servers
    #[arg(long, value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// Start at once, without reading the database through for what the disk has spoilt
    #[arg(long)]
    unread: bool,
    /// How much to log to stderr: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log: Option<Level>,
    /// How to log: text, for people, or json, for programs
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<Format>,
    /// Log debug messages too, as `--log debug` does
    #[arg(long, short, conflicts_with = "log", action = ArgAction::Count)]
    verbose: u8,
}

/// All of it, put together.
pub(crate) struct Settings {
    pub(crate) config: Config,
    machine: Machine,
}

impl Settings {
    /// Reads the configuration file that `arguments` name, if any.
    pub(crate) fn read(arguments: &RunArguments) -> Result<Self, Trouble> {
        let ConfigFile { config, machine } = match &arguments.config {
            None => ConfigFile::default(),
            Some(path) => read_file(path)?,
        };
        let settings = Self { config, machine }.overridden(arguments);
        settings.config.check().map_err(|wrong| Trouble::Mistake(wrong.to_string()))?;
        Ok(settings)
    }

    fn overridden(mut self, arguments: &RunArguments) -> Self {
        let RunArguments { server_name, federation_port, client_port, .. } = arguments;
        let (config, machine) = (&mut self.config, &mut self.machine);
        override_with(&mut config.server_name, server_name.as_ref());
        override_with(&mut config.federation_port, federation_port.as_ref());
        override_with(&mut config.client_port, client_port.as_ref());
        config.metrics_port = arguments.metrics_port.or(config.metrics_port);
        config.open_registration |= arguments.open_registration;
        let path = |given: &Option<PathBuf>, known: &mut Option<PathBuf>| {
            *known = given.clone().or_else(|| known.take());
        };
        path(&arguments.data, &mut machine.data);
        path(&arguments.certificate, &mut machine.certificate);
        path(&arguments.private_key, &mut machine.private_key);
        path(&arguments.authorities, &mut machine.authorities);
        machine.bind = arguments.bind.or(machine.bind);
        machine.client_bind = arguments.client_bind.or(machine.client_bind);
        machine.allow_private |= arguments.allow_private;
        if arguments.unread {
            machine.read_through_up_to = Some(0);
        }
        if arguments.plain {
            machine.plain = true;
            (machine.certificate, machine.private_key, machine.authorities) = (None, None, None);
        }
        let log = arguments.log.or((arguments.verbose > 0).then_some(Level::DEBUG));
        machine.log = log.or(machine.log);
        machine.log_format = arguments.log_format.or(machine.log_format);
        self
    }

    /// Returns the directory of the database.
    pub(crate) fn data(&self) -> Result<&Path, Trouble> {
        let missing = "the directory of the database is missing; give --data DIR, or `data` in the \
                       table [machine] of the configuration";
        self.machine.data.as_deref().ok_or_else(|| Trouble::Mistake(missing.to_owned()))
    }

    /// Returns up to how many bytes a database is read through.
    pub(crate) fn read_through_up_to(&self) -> u64 {
        self.machine.read_through_up_to.unwrap_or(READ_THROUGH_UP_TO) as u64
    }

    pub(crate) fn log(&self) -> Level {
        self.machine.log.unwrap_or(Level::INFO)
    }

    pub(crate) fn log_format(&self) -> Format {
        self.machine.log_format.unwrap_or_default()
    }

    /// Returns how the machine listens and connects.
    pub(crate) fn real(&self) -> Result<RealConfig, Trouble> {
        let (config, machine) = (&self.config, &self.machine);
        let client = machine.client_bind.map(|bind| (config.client_port, bind));
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let metrics = machine.metrics_bind.unwrap_or(loopback);
        let metrics = config.metrics_port.map(|port| (port, metrics));
        Ok(RealConfig {
            bind: machine.bind,
            bind_of: client.into_iter().chain(metrics).collect(),
            public_only: !machine.allow_private,
            tls: self.tls()?,
        })
    }

    fn tls(&self) -> Result<Option<TlsConfig>, Trouble> {
        let Machine { plain, certificate, private_key, authorities, .. } = self.machine.clone();
        let files = TlsFiles { plain, certificate, private_key, authorities };
        files.config(self.plain_ports()).map_err(Trouble::Mistake)
    }

    /// Returns the ports that never speak TLS. One that serves both APIs is of the federation.
    fn plain_ports(&self) -> Vec<u16> {
        let Config { client_port, federation_port, metrics_port, .. } = self.config;
        let client = Some(client_port).filter(|port| *port != federation_port);
        client.into_iter().chain(metrics_port).collect()
    }
}

fn override_with<T: Clone>(value: &mut T, with: Option<&T>) {
    if let Some(with) = with {
        value.clone_from(with);
    }
}

/// Returns what a configuration file says.
pub(crate) fn read_file(path: &Path) -> Result<ConfigFile, Trouble> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Trouble::Mistake(format!("failed to read {shown}: {error}")))?;
    let color = io::stderr().is_terminal();
    ConfigFile::parse(&text)
        .map_err(|mistake| Trouble::Mistake(mistake.render(&shown, &text, color)))
}

/// Says whether a server could start with these settings, as far as they themselves tell.
pub(crate) fn check(arguments: &RunArguments) -> Result<(), Trouble> {
    let settings = Settings::read(arguments)?;
    settings.data()?;
    if let Some(tls) = settings.tls()? {
        check_tls(&tls).map_err(|error| Trouble::Mistake(error.to_string()))?;
    }
    let name = &settings.config.server_name;
    say(&format!("the configuration of {name} has no mistakes"))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use homeserver::{Config, Machine};

    use super::Settings;

    #[test]
    fn each_api_may_have_an_address_of_its_own() {
        let at = |last| Some(IpAddr::from(Ipv4Addr::new(192, 0, 2, last)));
        let config = Config { metrics_port: Some(9090), ..Config::default() };
        let machine =
            Machine { bind: at(1), client_bind: at(2), plain: true, ..Machine::default() };
        let real = Settings { config, machine }.real().unwrap();
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(real.bind, at(1));
        assert_eq!(real.bind_of.get(&8008).copied(), at(2));
        assert_eq!((real.bind_of.get(&9090), real.bind_of.len()), (Some(&loopback), 2));
    }

    #[test]
    fn one_port_for_both_apis_speaks_tls_and_a_port_of_its_own_does_not() {
        for (client_port, plain) in [(8448, vec![]), (8008, vec![8008])] {
            let config = Config { client_port, federation_port: 8448, ..Config::default() };
            let settings = Settings { config, machine: Machine::default() };
            assert_eq!(settings.plain_ports(), plain);
        }
    }
}
