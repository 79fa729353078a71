//! Where it is listened, and the threads that answer.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
};

use tokio::runtime;

use crate::{folder::Folder, listener::Bounded, routes, shelf::Shelf};

/// Threads that take requests.
const THREADS: usize = 2;
/// The most threads that read files while others take requests.
const MOST_READERS: usize = 8;

/// What is shown, and where.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder that is shown. Nothing outside of it is ever read.
    pub folder: PathBuf,
    /// The address to listen at.
    pub bind: IpAddr,
    /// The port; 0 for any that is free.
    pub port: u16,
}

/// Why nothing can be shown there.
#[derive(Debug)]
pub enum Refused {
    /// The folder is not there, or is no folder.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The address cannot be listened at.
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        why: io::Error,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { folder, why } => write!(
                f,
                "cannot show {}: {why}\nname a folder that `fedsim run` or `fedsim explore` wrote",
                folder.display()
            ),
            Self::Address { address, why } => {
                write!(f, "cannot listen at {address}: {why}\nname another one with `--port`")
            }
        }
    }
}

impl std::error::Error for Refused {}

/// A folder that is ready to be shown.
#[derive(Debug)]
pub struct Served {
    listener: TcpListener,
    address: SocketAddr,
    shelf: Arc<Shelf>,
}

/// Begins to listen.
///
/// # Errors
/// The folder is not there, or the address cannot be listened at.
pub fn open(place: &Place) -> Result<Served, Refused> {
    let folder = Folder::open(&place.folder)
        .map_err(|why| Refused::Folder { folder: place.folder.clone(), why })?;
    let address = SocketAddr::new(place.bind, place.port);
    let refused = |why| Refused::Address { address, why };
    let listener = TcpListener::bind(address).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok(Served { listener, address, shelf: Arc::new(Shelf::of(folder)) })
}

impl Served {
    /// Returns where it is listened.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the program ends.
    ///
    /// # Errors
    /// The threads could not be begun.
    pub fn run(self) -> io::Result<()> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(MOST_READERS)
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let listener = Bounded::of(tokio::net::TcpListener::from_std(self.listener)?);
            axum::serve(listener, routes::all(self.shelf)).await
        })
    }
}
