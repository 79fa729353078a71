//! An authority, and the certificates that it vouches for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

/// An authority whose files are in a folder of its own.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "who vouches");
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { folder, issuer }
    }

    /// Returns the file with its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Makes a certificate for a name or an address. Returns its file, and that of its key.
    pub(crate) fn vouch(&self, name: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let (path, key_path) =
            (self.path(&format!("{name}.pem")), self.path(&format!("{name}-key.pem")));
        fs::write(&path, certificate.pem()).expect("written");
        fs::write(&key_path, key.serialize_pem()).expect("written");
        (path, key_path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Returns the arguments of a server that has a certificate.
pub(crate) fn with_tls((certificate, key): &(PathBuf, PathBuf)) -> Vec<String> {
    let shown = |path: &Path| path.display().to_string();
    ["--tls".to_owned(), "--tlscert".to_owned(), shown(certificate)]
        .into_iter()
        .chain(["--tlskey".to_owned(), shown(key)])
        .collect()
}
