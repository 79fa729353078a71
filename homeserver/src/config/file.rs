//! The configuration file: what the homeserver is told, and what of this machine it is given.

use std::{net::IpAddr, path::PathBuf};

use serde::Deserialize;
use tracing::Level;
use transport::{
    real::logs::Format,
    settings::{Document, Mistake, level, some_bytes},
};

use super::Config;

/// What a configuration file says.
#[derive(Clone, Debug, Default)]
pub struct ConfigFile {
    /// What the homeserver is told.
    pub config: Config,
    /// The table `[machine]`.
    pub machine: Machine,
}

/// What the program uses of the machine that it runs on. What the command line says wins.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// Directory of the database and the signing key.
    pub data: Option<PathBuf>,
    /// Address to bind; unset binds every address.
    pub bind: Option<IpAddr>,
    /// Address to bind for the client-server API, if it is another one.
    pub client_bind: Option<IpAddr>,
    /// Address to bind for metrics; unset is this machine itself alone.
    pub metrics_bind: Option<IpAddr>,
    /// Whether addresses are connected to that only a machine or its network knows.
    pub allow_private: bool,
    /// Plain TCP towards other servers.
    pub plain: bool,
    /// PEM file of this server's certificate chain.
    pub certificate: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    pub private_key: Option<PathBuf>,
    /// PEM file of the authorities trusted when connecting to other servers.
    pub authorities: Option<PathBuf>,
    /// Up to how many bytes a database is read through before it is served; 0: none is. Unset is
    /// [`transport::real::READ_THROUGH_UP_TO`].
    #[serde(deserialize_with = "some_bytes")]
    pub read_through_up_to: Option<usize>,
    /// How much is logged: records of this level and above.
    #[serde(deserialize_with = "level")]
    pub log: Option<Level>,
    /// How records are written.
    pub log_format: Option<Format>,
}

impl ConfigFile {
    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// The first mistake in it, with its place.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mut document = Document::parse(text)?;
        let machine = document.take("machine")?;
        let config: Config = document.read()?;
        config.check().map_err(|wrong| document.mistake(&wrong))?;
        Ok(Self { config, machine })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    use transport::real::READ_THROUGH_UP_TO;

    const SAMPLE: &str = include_str!("../../homeserver.sample.toml");

    fn shown(text: &str) -> String {
        ConfigFile::parse(text).unwrap_err().render("a.toml", text, false)
    }

    #[test]
    fn the_sample_says_what_is_so_without_it() {
        let written = ConfigFile::parse(SAMPLE).unwrap();
        let without =
            Config { server_name: written.config.server_name.clone(), ..Config::default() };
        assert_eq!(format!("{:?}", written.config), format!("{without:?}"));
    }

    #[test]
    fn every_key_of_the_sample_is_one() {
        let is_key = |line: &&str| line.starts_with("# ") && line.contains(" = ");
        let uncommented: String = SAMPLE
            .lines()
            .map(|line| if is_key(&line) { line.trim_start_matches("# ") } else { line })
            .fold(String::new(), |text, line| text + line + "\n");
        let all = ConfigFile::parse(&uncommented);
        let all = all.unwrap_or_else(|it| panic!("{}", it.render("sample", &uncommented, false)));
        assert_eq!(all.config.metrics_port, Some(9090));
        assert_eq!(all.config.relays.len(), 2);
        assert!(all.machine.metrics_bind.is_some() && all.machine.log == Some(Level::INFO));
        assert_eq!(all.machine.log_format, Some(Format::Text));
        assert_eq!(all.machine.read_through_up_to, Some(READ_THROUGH_UP_TO));
    }

    #[test]
    fn durations_have_units() {
        let written = ConfigFile::parse("answer_time_to_live = \"28d\"\nbackoff_first = 5\n");
        let config = written.unwrap().config;
        assert_eq!(config.answer_time_to_live, Duration::from_hours(28 * 24));
        assert_eq!(config.backoff_first, Duration::from_millis(5));
    }

    #[test]
    fn a_value_that_makes_no_sense_is_pointed_at() {
        let shown = shown("backoff_first = \"5s\"\nbackoff_max = \"1s\"\n");
        assert!(shown.contains("a.toml:2:15") && shown.contains("raise it"), "{shown}");
    }

    #[test]
    fn the_page_for_operators_shows_a_mistake_as_it_is_shown() {
        let text = "server_name = \"a.example\"\n\nbackoff_first = \"5s\"\nbackoff_max = \"1s\"\n";
        let shown = ConfigFile::parse(text).unwrap_err().render("homeserver.toml", text, false);
        let page = include_str!("../../../docs/operating.md");
        assert!(page.contains(&format!("```\n{}\n```\n", shown.trim_end())), "{shown}");
    }

    #[test]
    fn a_key_of_the_machine_in_the_wrong_place_is_pointed_at() {
        assert!(shown("plain = true\n").contains("a.toml:1:1"));
        assert!(shown("[machine]\nplain = 1\n").contains("a.toml:2:9"));
        assert!(shown("[machine]\nlog_format = \"xml\"\n").contains("expected text or json"));
    }
}
