//! The command `relayctl`: sees and sets a running relay through its admin API.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use bytes::Bytes;
use clap::{Parser, Subcommand};
use http::{Method, Request, header};
use percent_encoding::{AsciiSet, utf8_percent_encode};
use relay::admin::{Entries, Purged, Quarantine, Relaying, Status};
use ruma::OwnedServerName;
use serde::de::DeserializeOwned;
use transport::{
    MatrixError,
    federation::address_of,
    http::{Client, ClientLimits},
    real::{RealConfig, host},
};

/// The time within which a relay answers.
const DEADLINE: Duration = Duration::from_secs(10);

/// Pages asked for by one command; more is cut off, and said so.
const MAX_PAGES: usize = 1000;

/// Sees and sets a running relay.
#[derive(Parser)]
#[command(name = "relayctl", version, max_term_width = 100)]
struct Arguments {
    /// Where the relay listens: a name or an address, and a port (8448 if left out)
    #[arg(long, value_name = "NAME:PORT")]
    server: OwnedServerName,
    /// The admin token of the relay's configuration
    #[arg(long, env = "RELAY_ADMIN_TOKEN", hide_env_values = true)]
    token: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What waits for whom
    Status,
    /// Turn relaying on
    Enable,
    /// Turn relaying off; what is stored stays
    Disable,
    /// The entries that wait for a destination, oldest first
    List {
        /// The destination's server name
        destination: OwnedServerName,
    },
    /// Delete everything that waits for a destination
    Purge {
        /// The destination's server name
        destination: OwnedServerName,
    },
    /// The entries that were set aside because they cannot be read
    Quarantine,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(run(arguments)))
        .and_then(|text| {
            io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            // If even stderr is gone, the exit code says it.
            writeln!(io::stderr(), "relayctl: {trouble}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<String, String> {
    let relay = Remote::new(&arguments)?;
    match arguments.command {
        Command::Status => relay.status().await,
        Command::Enable => relay.set_relaying(true).await,
        Command::Disable => relay.set_relaying(false).await,
        Command::List { destination } => relay.list(&destination).await,
        Command::Purge { destination } => relay.purge(&destination).await,
        Command::Quarantine => relay.quarantine().await,
    }
}

/// A relay, seen through its admin API.
struct Remote {
    http: Client,
    server: OwnedServerName,
    authorization: String,
}

impl Remote {
    fn new(arguments: &Arguments) -> Result<Self, String> {
        // Nothing is stored: the directory is there, and no database is opened in it.
        let machine = host(&std::env::temp_dir(), &RealConfig::default())
            .map_err(|error| error.to_string())?;
        Ok(Self {
            http: Client::new(&machine, ClientLimits::default()),
            server: arguments.server.clone(),
            authorization: format!("Bearer {}", arguments.token),
        })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/_relay/admin/v1/{path}"))
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body))
            .map_err(|error| error.to_string())?;
        let answer = self
            .http
            .send(&address_of(&self.server), request, DEADLINE)
            .await
            .map_err(|error| error.to_string())?;
        if answer.status().is_success() {
            serde_json::from_slice(answer.body())
                .map_err(|error| format!("failed to read the answer: {error}"))
        } else {
            let error = MatrixError::from_answer(answer.status(), answer.body());
            Err(format!("{} answered {error}; {}", self.server, remedy(&error)))
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        self.call(Method::GET, path, Vec::new()).await
    }

    async fn status(&self) -> Result<String, String> {
        let mut page: Status = self.get("status").await?;
        let mut text = format!(
            "relaying {}, {} entries, {} bytes, {} in quarantine\n",
            if page.relaying { "on" } else { "off" },
            page.entries,
            page.bytes,
            page.quarantined
        );
        for _ in 0..MAX_PAGES {
            for row in &page.destinations {
                let age = seconds(row.oldest_age_ms);
                let (name, entries, bytes) = (&row.destination, row.entries, row.bytes);
                line(
                    &mut text,
                    format_args!("{name}\t{entries} entries\t{bytes} bytes\toldest {age}"),
                );
            }
            let Some(next) = page.next else { return Ok(text) };
            page = self.get(&format!("status?after={}", encoded(&next))).await?;
        }
        Ok(cut_off(text))
    }

    async fn set_relaying(&self, enabled: bool) -> Result<String, String> {
        let body = serde_json::to_vec(&Relaying { enabled }).map_err(|error| error.to_string())?;
        let now: Relaying = self.call(Method::PUT, "relaying", body).await?;
        Ok(format!("relaying {}\n", if now.enabled { "on" } else { "off" }))
    }

    async fn list(&self, destination: &OwnedServerName) -> Result<String, String> {
        let path = entries_path(destination);
        let mut text = String::new();
        let mut after = 0;
        for _ in 0..MAX_PAGES {
            let page: Entries = self.get(&format!("{path}?after={after}")).await?;
            for row in &page.entries {
                let (id, origin, transaction) = (row.entry_id, &row.origin, &row.transaction_id);
                let (bytes, age) = (row.bytes, seconds(row.age_ms));
                let handed_out = if row.handed_out { "\thanded out" } else { "" };
                line(
                    &mut text,
                    format_args!("{id}\t{origin}\t{transaction}\t{bytes} bytes\t{age}{handed_out}"),
                );
            }
            let Some(next) = page.next else { return Ok(text) };
            after = next;
        }
        Ok(cut_off(text))
    }

    async fn purge(&self, destination: &OwnedServerName) -> Result<String, String> {
        let path = entries_path(destination);
        let Purged { purged } = self.call(Method::DELETE, &path, Vec::new()).await?;
        Ok(format!("{purged} entries deleted\n"))
    }

    async fn quarantine(&self) -> Result<String, String> {
        let mut text = String::new();
        let mut after = 0;
        for _ in 0..MAX_PAGES {
            let page: Quarantine = self.get(&format!("quarantine?after={after}")).await?;
            for row in &page.entries {
                let (id, destination, origin) = (row.entry_id, &row.destination, &row.origin);
                let (age, reason) = (seconds(row.age_ms), &row.reason);
                line(
                    &mut text,
                    format_args!("{id}\tfor {destination}\tfrom {origin}\t{age}\t{reason}"),
                );
            }
            let Some(next) = page.next else { return Ok(text) };
            after = next;
        }
        Ok(cut_off(text))
    }
}

fn line(text: &mut String, row: std::fmt::Arguments<'_>) {
    writeln!(text, "{row}").expect("a string takes every write");
}

fn cut_off(mut text: String) -> String {
    text.push_str("(there are more, which are left out)\n");
    text
}

fn entries_path(destination: &OwnedServerName) -> String {
    format!("destinations/{}/entries", encoded(destination.as_str()))
}

/// Returns a server name as a path segment or a value of a query: only an IPv6 literal has what
/// must be encoded there.
fn encoded(name: &str) -> String {
    const BRACKETS: AsciiSet = AsciiSet::EMPTY.add(b'[').add(b']');
    utf8_percent_encode(name, &BRACKETS).to_string()
}

fn seconds(ms: u64) -> String {
    format!("{} s ago", ms / 1000)
}

fn remedy(error: &MatrixError) -> &'static str {
    match error.errcode.as_str() {
        "M_UNKNOWN_TOKEN" => "give --token the admin_token of the relay's configuration",
        "M_UNRECOGNIZED" => "set admin_token in the relay's configuration to turn this API on",
        _ => "see the relay's log",
    }
}
