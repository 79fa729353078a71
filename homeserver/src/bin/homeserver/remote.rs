//! A running server, seen through its admin API.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::{Method, Request, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ruma::OwnedServerName;
use serde::{Serialize, de::DeserializeOwned};
use transport::{
    MatrixError,
    federation::address_of,
    http::{Client, ClientLimits},
    real::{RealConfig, host},
};

use crate::{Trouble, settings::read_file};

/// The time within which a server answers.
const DEADLINE: Duration = Duration::from_secs(60);

/// Which server, and the proof that one may operate it.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Configuration file of the server, for its port and its admin token
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Where its client-server API listens, in plain TCP; the configuration's port of this machine
    /// without it
    #[arg(long, value_name = "NAME:PORT", global = true)]
    server: Option<OwnedServerName>,
    /// Its admin token; that of the configuration without it
    #[arg(long, env = "HOMESERVER_ADMIN_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
}

/// The server.
pub(crate) struct Remote {
    http: Client,
    server: OwnedServerName,
    authorization: String,
}

impl Remote {
    /// Returns the server that `access` is about. Call inside a tokio runtime.
    pub(crate) fn new(access: Access) -> Result<Self, Trouble> {
        let file = access.config.as_deref().map(read_file).transpose()?;
        let config = file.map(|file| file.config);
        let mistake = |text: &str| Trouble::Mistake(text.to_owned());
        let local = config.as_ref().map(|config| format!("127.0.0.1:{}", config.client_port));
        let local = local.and_then(|name| OwnedServerName::try_from(name).ok());
        let server = access.server.or(local);
        let token = access.token.or_else(|| config.and_then(|config| config.admin_token));
        let server = server.ok_or_else(|| mistake("give --config FILE, or --server NAME:PORT"))?;
        let token = token.ok_or_else(|| {
            mistake(
                "the admin token is missing; set `admin_token` in the configuration, or --token",
            )
        })?;
        // Nothing is stored: the directory is there, and no database is opened in it.
        let machine = host(&std::env::temp_dir(), &RealConfig::default())
            .map_err(|error| Trouble::Other(error.to_string()))?;
        let http = Client::new(&machine, ClientLimits::default());
        Ok(Self { http, server, authorization: format!("Bearer {token}") })
    }

    /// Returns the answer to a request without a body.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<T, Trouble> {
        self.call(method, path, Bytes::new()).await
    }

    /// Returns the answer to a request.
    pub(crate) async fn tell<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Trouble> {
        let body = serde_json::to_vec(body).map_err(|error| Trouble::Other(error.to_string()))?;
        self.call(method, path, body.into()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, Trouble> {
        let other = |error: &dyn std::fmt::Display| Trouble::Other(error.to_string());
        let request = Request::builder()
            .method(method)
            .uri(format!("/_fedsim/admin/v1/{path}"))
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| other(&error))?;
        let answer = self.http.send(&address_of(&self.server), request, DEADLINE).await;
        let answer = answer.map_err(|error| other(&error))?;
        if !answer.status().is_success() {
            let error = MatrixError::from_answer(answer.status(), answer.body());
            let remedy = remedy(&error);
            return Err(Trouble::Other(format!("{} answered {error}{remedy}", self.server)));
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| Trouble::Other(format!("failed to read the answer: {error}")))
    }
}

fn remedy(error: &MatrixError) -> &'static str {
    match error.errcode.as_str() {
        "M_UNRECOGNIZED" => "; set `admin_token` in the server's configuration to turn this API on",
        "M_FORBIDDEN" if error.message.contains("token") => {
            "; give the admin token of the server's configuration"
        }
        _ => "",
    }
}

/// Returns a text as a segment of a path.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
