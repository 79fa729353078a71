//! The machine of the real world: sockets, files, threads, the system clock.

mod backup;
mod disk;
mod handshakes;
pub mod logs;
mod net;
mod public;
mod tasks;
mod tls;

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use tokio_rustls::rustls::crypto::{SecureRandom, ring};

pub use self::backup::{back_up, copy_database};
use self::{disk::DirectoryDisk, net::TcpNet, tasks::TokioTasks};
use crate::host::{Clock, Entropy, Host};

/// How the real machine listens and connects.
#[derive(Clone, Debug, Default)]
pub struct RealConfig {
    /// The address to bind; unset binds every address.
    pub bind: Option<IpAddr>,
    /// The addresses to bind for single ports, in the place of `bind`.
    pub bind_of: BTreeMap<u16, IpAddr>,
    /// Whether only public addresses are connected to: no loopback, private or link-local ones, which
    /// a name that somebody else chose may stand for.
    pub public_only: bool,
    /// TLS on the federation side; unset is plain TCP (tests, or a proxy in front).
    pub tls: Option<TlsConfig>,
}

/// TLS by rustls.
#[derive(Clone, Debug, Default)]
pub struct TlsConfig {
    /// PEM file of this server's certificate chain.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub private_key: PathBuf,
    /// PEM file of the authorities trusted when connecting.
    pub authorities: PathBuf,
    /// Ports of this machine on which it speaks plain TCP nevertheless (a client API behind a
    /// proxy). Whatever port another machine has, it is called with TLS.
    pub plain_ports: Vec<u16>,
}

/// What an operator has said about TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// That there is none.
    pub plain: bool,
    /// See [`TlsConfig::certificate`].
    pub certificate: Option<PathBuf>,
    /// See [`TlsConfig::private_key`].
    pub private_key: Option<PathBuf>,
    /// See [`TlsConfig::authorities`].
    pub authorities: Option<PathBuf>,
}

impl TlsFiles {
    /// Returns what it means: all three files, or none.
    ///
    /// # Errors
    /// Some are missing, or exclude each other; what to do about it.
    pub fn config(self, plain_ports: Vec<u16>) -> Result<Option<TlsConfig>, String> {
        match (self.plain, self.certificate, self.private_key, self.authorities) {
            (true, None, None, None) => Ok(None),
            (false, Some(certificate), Some(private_key), Some(authorities)) => {
                Ok(Some(TlsConfig { certificate, private_key, authorities, plain_ports }))
            }
            (true, ..) => {
                Err("plain TCP and a certificate exclude each other; leave out one of them"
                    .to_owned())
            }
            (false, ..) => {
                Err("a certificate, its private key and the authorities are missing; give \
                 --certificate, --private-key and --authorities, or --plain for a test or behind a \
                 proxy that speaks TLS"
                    .to_owned())
            }
        }
    }
}

/// Returns the real machine, with its databases in `directory`. Call inside a tokio runtime.
///
/// # Errors
/// The directory cannot be made, or a TLS file cannot be read.
pub fn host(directory: &Path, config: &RealConfig) -> std::io::Result<Host> {
    std::fs::create_dir_all(directory)?;
    let tls = config.tls.as_ref().map(tls::Tls::load).transpose()?;
    Ok(Host {
        net: Arc::new(TcpNet::new(config, tls)),
        disk: Arc::new(DirectoryDisk::new(directory)),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy(ring::default_provider().secure_random)),
        tasks: Arc::new(TokioTasks::default()),
    })
}

/// Returns a machine that calls others with TLS, if `authorities` names the PEM file of those trusted,
/// and that serves nothing and stores nothing. Call inside a tokio runtime.
///
/// # Errors
/// The file cannot be read.
pub fn caller(authorities: Option<&Path>) -> std::io::Result<Host> {
    let tls = authorities.map(tls::Tls::of_caller).transpose()?;
    Ok(Host {
        net: Arc::new(TcpNet::new(&RealConfig::default(), tls)),
        disk: Arc::new(DirectoryDisk::new(&std::env::temp_dir())),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy(ring::default_provider().secure_random)),
        tasks: Arc::new(TokioTasks::default()),
    })
}

/// Reads the files of TLS as [`host`] would, and nothing else.
///
/// # Errors
/// One of them cannot be read, or is not what it should be.
pub fn check_tls(config: &TlsConfig) -> std::io::Result<()> {
    tls::Tls::load(config).map(drop)
}

/// Keeps other processes off a directory for as long as it lives.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// Locks `directory` for this process: two that write to the same databases would each take the other's
/// work for its own. The operating system ends the lock with the process, however that ends.
///
/// # Errors
/// Another process holds it, or the directory cannot be made or written to.
pub fn lock(directory: &Path) -> std::io::Result<DirectoryLock> {
    std::fs::create_dir_all(directory)?;
    let file =
        File::options().create(true).truncate(false).write(true).open(directory.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(DirectoryLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(std::io::Error::new(
            std::io::ErrorKind::AddrInUse,
            "another process uses this directory; end that one first",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Up to how many bytes a database is read through, unless an operator says otherwise: some minutes on a
/// usual disk.
pub const READ_THROUGH_UP_TO: usize = 32 << 30;

/// Reads the database called `name` in `directory` through, if it is there and no larger than `most` bytes,
/// as far as SQLite can tell what is wrong with it: a page that a disk has spoilt would be found when
/// somebody asks for it, and what is written until then would build on it.
///
/// # Errors
/// It is corrupt, or cannot be read; what was found first.
pub fn check_database(directory: &Path, name: &str, most: u64) -> std::io::Result<()> {
    let path = directory.join(format!("{name}.sqlite"));
    let bytes = match std::fs::metadata(&path) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let shown = path.display().to_string();
    if bytes > most {
        tracing::info!(path = shown, bytes, "the database is not read through: it is too large");
        return Ok(());
    }
    tracing::info!(path = shown, bytes, "the database is read through");
    let defect = match disk::first_defect(&path) {
        Ok(None) => return Ok(()),
        Ok(Some(defect)) => defect,
        Err(error) => error.to_string(),
    };
    let remedy = "put a backup in its place, or recover what can be read with sqlite3's .recover";
    Err(std::io::Error::other(format!("{shown}: {defect}; {remedy}")))
}

/// The operating system's wall clock.
struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the real clock enters")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The operating system's randomness.
struct OsEntropy(&'static dyn SecureRandom);

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("the operating system has no randomness to make keys with");
    }
}
