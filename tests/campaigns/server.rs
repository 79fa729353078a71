//! A real `nats-server`, which tests start, kill and start again.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use campaign::server::Server;
use tempfile::TempDir;

/// Where Debian's package has it, which is not on every PATH.
const PLACES: [&str; 4] =
    ["nats-server", "/usr/sbin/nats-server", "/usr/local/bin/nats-server", "/usr/bin/nats-server"];

/// What a machine lacks that has none.
const MISSING: &str = "there is no nats-server: `apt-get install nats-server`, or put the one of \
    https://github.com/nats-io/nats-server/releases on the PATH";

/// Returns whether the machine has no `nats-server`, and says on its error output that tests are left
/// out for that. Whoever wants all of them, as the gate does, sets `FEDSIM_ALL_TESTS`: then it is a failure.
pub(crate) fn is_missing() -> bool {
    let has_it = PLACES.iter().any(|program| {
        let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    });
    assert!(has_it || std::env::var_os("FEDSIM_ALL_TESTS").is_none(), "{MISSING}");
    if !has_it {
        let name = thread::current().name().unwrap_or("a test").to_owned();
        // Not by a macro, of which the harness would keep what a test says that passes.
        drop(writeln!(io::stderr(), "left out: {name}: {MISSING}"));
    }
    !has_it
}

/// A server with JetStream, whose store outlives its process.
pub(crate) struct NatsServer {
    child: Child,
    port: u16,
    store: TempDir,
    arguments: Vec<String>,
}

impl NatsServer {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with further arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let store = tempfile::tempdir().expect("a temporary folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let child = spawn(port, store.path(), &arguments);
        Self { child, port, store, arguments }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts a server that a file tells how to be.
    pub(crate) fn configured(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("nats.conf");
        std::fs::write(&path, config).expect("written");
        Self::with(&["--config", &path.display().to_string()])
    }

    pub(crate) fn at(&self) -> Server {
        Server { url: self.url(), ..Server::default() }
    }

    /// Kills it without a warning, and starts it again with the same store.
    pub(crate) fn die_and_return(&mut self, after: Duration) {
        let arguments = self.arguments.clone();
        self.die_and_return_with(after, arguments);
    }

    /// The same, with other arguments.
    pub(crate) fn die_and_return_with(&mut self, after: Duration, arguments: Vec<String>) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
        thread::park_timeout(after);
        self.arguments = arguments;
        self.child = spawn(self.port, self.store.path(), &self.arguments);
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn spawn(port: u16, store: &Path, arguments: &[String]) -> Child {
    let started = PLACES.iter().find_map(|program| {
        Command::new(program)
            .args(["--jetstream", "--addr", "127.0.0.1", "--port", &port.to_string()])
            .arg("--store_dir")
            .arg(store)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()
    });
    let mut child = started.expect(MISSING);
    let stderr = child.stderr.take().expect("it is piped");
    let mut lines = BufReader::new(stderr).lines();
    let is_ready = lines.any(|line| line.is_ok_and(|line| line.contains("Server is ready")));
    assert!(
        is_ready && TcpStream::connect(("127.0.0.1", port)).is_ok(),
        "nats-server does not start"
    );
    // It must not wait for somebody to read what it says.
    thread::Builder::new().spawn(move || lines.for_each(drop)).expect("a thread");
    child
}
