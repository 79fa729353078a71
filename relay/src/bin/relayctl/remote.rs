//! A running relay, seen through its admin API.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::{Method, Request, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use relay::ConfigFile;
use ruma::OwnedServerName;
use serde_json::Value;
use transport::{
    MatrixError,
    federation::address_of,
    http::{Client, ClientLimits, RequestError},
    real::caller,
};

use crate::Trouble;

/// The time within which a relay answers; purging much takes long.
const DEADLINE: Duration = Duration::from_secs(60);

/// Which relay, and the proof that one may operate it.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Configuration file of the relay, for its admin port and its admin token
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Where its admin API listens: a name or an address, and a port; the configuration's port of this
    /// machine without it
    #[arg(long, value_name = "NAME:PORT", global = true)]
    server: Option<OwnedServerName>,
    /// Its admin token, or an operator's; that of the configuration without it
    #[arg(long, env = "RELAY_ADMIN_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
    /// Speak TLS, and trust the authorities in this PEM file
    #[arg(long, value_name = "FILE", global = true)]
    authorities: Option<PathBuf>,
}

/// The relay.
pub(crate) struct Remote {
    http: Client,
    server: OwnedServerName,
    authorization: String,
    speaks_tls: bool,
}

impl Remote {
    /// Returns the relay that `access` is about. Call inside a tokio runtime.
    pub(crate) fn new(access: Access) -> Result<Self, Trouble> {
        let mistake = |text: &str| Trouble::Mistake(text.to_owned());
        let config = access.config.as_deref().map(|path| {
            let shown = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| Trouble::Mistake(format!("failed to read {shown}: {error}")))?;
            ConfigFile::parse(&text)
                .map(|file| file.config)
                .map_err(|wrong| Trouble::Mistake(wrong.render(&shown, &text, false)))
        });
        let config = config.transpose()?;
        let local = config.as_ref().map(|config| format!("127.0.0.1:{}", config.admin_port));
        let local = local.and_then(|name| OwnedServerName::try_from(name).ok());
        let server = access.server.or(local);
        let server = server.ok_or_else(|| mistake("give --config FILE, or --server NAME:PORT"))?;
        let token = access.token.or_else(|| {
            let config = config?;
            config.admin_token.or_else(|| config.operators.into_values().next())
        });
        let token = token.ok_or_else(|| {
            mistake(
                "the admin token is missing; give --token, set RELAY_ADMIN_TOKEN, or `admin_token` \
                 in the configuration",
            )
        })?;
        let machine = caller(access.authorities.as_deref())
            .map_err(|error| Trouble::Mistake(error.to_string()))?;
        let http = Client::new(&machine, ClientLimits::default());
        let speaks_tls = access.authorities.is_some();
        Ok(Self { http, server, authorization: format!("Bearer {token}"), speaks_tls })
    }

    /// Returns the answer to a request.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Trouble> {
        let other = |error: &dyn std::fmt::Display| Trouble::Other(error.to_string());
        let request = Request::builder()
            .method(method)
            .uri(format!("/_relay/admin/v1/{path}"))
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.map_or_else(String::new, |body| body.to_string())))
            .map_err(|error| other(&error))?;
        let answer = self.http.send(&address_of(&self.server), request, DEADLINE).await;
        let answer = answer.map_err(|error| self.no_answer(&error))?;
        if !answer.status().is_success() {
            let error = MatrixError::from_answer(answer.status(), answer.body());
            let remedy = remedy(&error);
            return Err(Trouble::Other(format!("{} answered {error}; {remedy}", self.server)));
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| Trouble::Other(format!("failed to read the answer: {error}")))
    }

    fn no_answer(&self, error: &RequestError) -> Trouble {
        let remedy = match error {
            RequestError::Connect { .. } => {
                "is the relay running, and is this the port of its admin API (`admin_port`)?"
            }
            RequestError::Broken { .. } if self.speaks_tls => {
                "on the relay's own machine the admin API speaks no TLS: leave out --authorities"
            }
            RequestError::Broken { .. } => "give --authorities if the admin API speaks TLS there",
            RequestError::Deadline { .. } | RequestError::TooLarge { .. } => "see the relay's log",
        };
        Trouble::Other(format!("{error}; {remedy}"))
    }
}

fn remedy(error: &MatrixError) -> &'static str {
    match error.errcode.as_str() {
        "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN" => {
            "give --token the admin_token of the relay's configuration"
        }
        "M_UNRECOGNIZED" => {
            "set admin_token in the relay's configuration to turn this API on, and give the \
             port of the admin API"
        }
        "M_NOT_FOUND" => "see `relayctl list DESTINATION` or `relayctl quarantine list`",
        "M_INVALID_PARAM" | "M_BAD_JSON" => "see `relayctl help`",
        _ => "see the relay's log",
    }
}

/// Returns a text as a segment of a path, or a value of a query.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
