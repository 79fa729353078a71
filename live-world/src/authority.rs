//! The authority of one run: it vouches for every server's name, towards servers and towards the
//! gateway, and for nothing else.

use std::{io, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring},
};
use transport::host::Stream;

/// The certificates of one run. One certificate is for all names: whoever calls whom is told by
/// addresses.
pub(crate) struct Authority {
    /// PEM of the certificate for all names.
    pub(crate) certificate: String,
    /// PEM of its private key.
    pub(crate) private_key: String,
    /// PEM of the authority's own certificate.
    pub(crate) authorities: String,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Authority {
    /// Makes an authority, and a certificate for these names.
    ///
    /// # Errors
    /// One of them is no name of a host.
    pub(crate) fn new(names: Vec<String>) -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // OpenSSL takes a certificate whose subject is its issuer for one that vouches for itself.
        params.distinguished_name.push(DnType::CommonName, "the authority of a fedsim run");
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, "the servers of a fedsim run");
        let certificate = params.signed_by(&key, &issuer).map_err(io::Error::other)?;
        let (certificate, private_key) = (certificate.pem(), key.serialize_pem());
        let authorities = issuer.pem();
        let (acceptor, connector) = ends(&certificate, &private_key, &authorities)?;
        Ok(Self { certificate, private_key, authorities, acceptor, connector })
    }

    /// Returns the gateway's side of a handshake that a server begins.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        Ok(Box::new(self.acceptor.accept(stream).await?))
    }

    /// Returns the gateway's side of a handshake with the server called `name`.
    pub(crate) async fn connect(&self, name: &str, stream: TcpStream) -> io::Result<Stream> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(self.connector.connect(name, stream).await?))
    }
}

fn ends(
    certificate: &str,
    private_key: &str,
    authorities: &str,
) -> io::Result<(TlsAcceptor, TlsConnector)> {
    let provider = Arc::new(ring::default_provider());
    let chain =
        |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other);
    let key = PrivateKeyDer::from_pem_slice(private_key.as_bytes()).map_err(io::Error::other)?;
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![chain(certificate)?], key)
        .map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    roots.add(chain(authorities)?).map_err(io::Error::other)?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client))))
}
