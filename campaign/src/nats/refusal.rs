//! Says why a server could not be connected to, and what has to be set for it.

use std::error::Error;

use async_nats::{ConnectError, ConnectErrorKind, rustls};

use crate::{queue::Trouble, server::Server};

/// Returns why there is no connection, with what names the remedy. No secret is in it.
pub(super) fn of(server: &Server, error: &ConnectError) -> Trouble {
    let shown = server.shown();
    let remedy = match (error.kind(), tls(error)) {
        (ConnectErrorKind::AuthorizationViolation, _) => lets_not_in(server),
        (ConnectErrorKind::Authentication, _) => {
            "--nats-nkey-file takes the seed of a user's nkey, which begins with SU".to_owned()
        }
        (_, Some(rustls::Error::InvalidCertificate(_))) => {
            "--nats-ca takes the certificates of those who vouch for the server, which must be for \
             the name or the address in --nats"
                .to_owned()
        }
        (_, Some(rustls::Error::AlertReceived(_))) => {
            "--nats-cert and --nats-key take the certificate and the key that the server knows this \
             client by"
                .to_owned()
        }
        (ConnectErrorKind::Tls, _) => {
            "--nats-ca, --nats-cert and --nats-key take files in PEM".to_owned()
        }
        _ => {
            let tls = "start one with `nats-server --jetstream`, or check --nats";
            format!("{tls}: tls:// and --nats-ca are for a server with a certificate")
        }
    };
    Trouble::new(format!("cannot reach NATS at {shown}: {error}\n{remedy}"))
}

/// Says what was shown to a server that did not let this client in.
fn lets_not_in(server: &Server) -> String {
    let user = server.user.as_deref();
    if let Some(user) = user {
        return format!(
            "it does not let the user {user} in: check --nats-user, and FEDSIM_NATS_PASSWORD or \
             --nats-password-file"
        );
    }
    let shown = if server.token.is_some() {
        "it does not know the token: check FEDSIM_NATS_TOKEN or --nats-token-file"
    } else if server.nkey.is_some() {
        "it does not know the nkey: check --nats-nkey-file"
    } else if server.credentials.is_some() {
        "it does not trust the JWT, or that has expired: check --nats-creds"
    } else {
        "it lets in only whom it knows: give --nats-user with FEDSIM_NATS_PASSWORD, \
         FEDSIM_NATS_TOKEN, --nats-nkey-file, --nats-creds, or --nats-cert with --nats-key"
    };
    shown.to_owned()
}

/// Returns what was wrong with TLS, if it was that.
fn tls(error: &ConnectError) -> Option<&rustls::Error> {
    let mut error: Option<&(dyn Error + 'static)> = error.source();
    while let Some(it) = error {
        if let Some(found) = it.downcast_ref() {
            return Some(found);
        }
        // What an I/O error carries is itself, not its source.
        let carried = it.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        error = match carried {
            Some(carried) => Some(carried),
            None => it.source(),
        };
    }
    None
}
