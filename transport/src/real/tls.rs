//! TLS by rustls on both sides, with the ring provider and PEM files.

use std::{io, sync::Arc};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring},
};

use super::TlsConfig;
use crate::host::Stream;

/// Both sides of TLS.
#[derive(Clone)]
pub(super) struct Tls {
    /// Unset on a machine that serves nothing.
    acceptor: Option<TlsAcceptor>,
    connector: TlsConnector,
    plain_ports: Arc<[u16]>,
}

impl Tls {
    /// Reads the files that `config` names.
    pub(super) fn load(config: &TlsConfig) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&config.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&config.private_key)
            .map_err(|error| bad_file(&config.private_key, &error))?;
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| bad_file(&config.certificate, &error))?;
        Ok(Self {
            acceptor: Some(TlsAcceptor::from(Arc::new(server))),
            connector: connector(&config.authorities)?,
            plain_ports: config.plain_ports.clone().into(),
        })
    }

    /// Reads whom a machine trusts that serves nothing.
    pub(super) fn of_caller(authorities: &std::path::Path) -> io::Result<Self> {
        let connector = connector(authorities)?;
        Ok(Self { acceptor: None, connector, plain_ports: Arc::default() })
    }

    /// Returns whether this machine speaks TLS on its own `port`. Towards others it always does.
    pub(super) fn is_served_on(&self, port: u16) -> bool {
        !self.plain_ports.contains(&port)
    }

    /// Returns the client's side of a handshake with the server called `name`, whose certificate
    /// must be for that name.
    pub(super) async fn connect(&self, name: &str, stream: TcpStream) -> io::Result<Stream> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(self.connector.connect(name, stream).await?))
    }

    /// Returns the server's side of a handshake.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        let acceptor = self
            .acceptor
            .as_ref()
            .ok_or_else(|| io::Error::other("this machine has no certificate to serve with"))?;
        Ok(Box::new(acceptor.accept(stream).await?))
    }
}

fn connector(authorities: &std::path::Path) -> io::Result<TlsConnector> {
    let mut trusted = RootCertStore::empty();
    for authority in certificates(authorities)? {
        trusted.add(authority).map_err(|error| bad_file(authorities, &error))?;
    }
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(client)))
}

fn certificates(path: &std::path::Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| bad_file(path, &error))?;
    if found.is_empty() {
        return Err(bad_file(path, &"there is no certificate in it"));
    }
    Ok(found)
}

fn bad_file(path: &std::path::Path, reason: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {reason}", path.display()))
}
