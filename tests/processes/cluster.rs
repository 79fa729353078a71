//! Homeserver processes and their relay, on ports and in folders of their own.

use std::{
    fmt::Write as _,
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use http::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::user::{Api, User};

/// The admin token of every process.
pub(crate) const TOKEN: &str = "processes";

/// A process that is killed with SIGKILL when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().unwrap();
    }
}

/// A homeserver, whose ports and folder outlive its processes.
struct Homeserver {
    federation_port: u16,
    client_port: u16,
    metrics_port: u16,
    folder: PathBuf,
    process: Option<Process>,
    /// The file in which everything is kept that it logs; unset is none.
    log: Option<PathBuf>,
}

/// Homeservers with one relay, which keeps the mail of all of them.
pub(crate) struct Cluster {
    folder: TempDir,
    api: Api,
    homeservers: Vec<Homeserver>,
    relay_port: u16,
    relay: Option<Process>,
}

impl Cluster {
    /// Starts `count` homeservers and a relay, and waits until they answer.
    pub(crate) async fn start(count: usize) -> Self {
        let mut cluster = Self::prepared(count);
        cluster.relay = Some(start_relay(cluster.folder.path(), cluster.relay_port));
        cluster.api.answers(cluster.relay_port, "/_matrix/federation/v1/version").await;
        for index in 0..count {
            cluster.restart(index).await;
        }
        cluster
    }

    /// Writes the configuration of `count` homeservers; nothing runs.
    pub(crate) fn prepared(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let api = Api::new(&folder.path().join("client"));
        let mut ports = free_ports(3 * count + 1).into_iter();
        let relay_port = ports.next().unwrap();
        let mut homeservers = Vec::new();
        for index in 0..count {
            let folder = folder.path().join(format!("homeserver-{index}"));
            std::fs::create_dir(&folder).unwrap();
            let mut port = || ports.next().unwrap();
            let (federation_port, client_port, metrics_port) = (port(), port(), port());
            let (process, log) = (None, None);
            homeservers.push(Homeserver {
                federation_port,
                client_port,
                metrics_port,
                folder,
                process,
                log,
            });
        }
        let cluster = Self { folder, api, homeservers, relay_port, relay: None };
        cluster.write_configuration();
        cluster
    }

    /// Returns the server name of homeserver number `index`.
    pub(crate) fn name(&self, index: usize) -> String {
        format!("127.0.0.1:{}", self.homeservers[index].federation_port)
    }

    pub(crate) fn client_port(&self, index: usize) -> u16 {
        self.homeservers[index].client_port
    }

    pub(crate) fn federation_port(&self, index: usize) -> u16 {
        self.homeservers[index].federation_port
    }

    pub(crate) fn metrics_port(&self, index: usize) -> u16 {
        self.homeservers[index].metrics_port
    }

    /// Returns the folder of homeserver number `index`.
    pub(crate) fn folder(&self, index: usize) -> &Path {
        &self.homeservers[index].folder
    }

    /// Returns what the client API of homeserver number `index` answers.
    pub(crate) async fn call(
        &self,
        index: usize,
        path: (Method, &str),
        body: &Value,
    ) -> (u16, Value) {
        self.api.call(self.client_port(index), None, path, body).await.unwrap()
    }

    /// Returns what is answered on `port`.
    pub(crate) async fn get(&self, port: u16, path: &str) -> (u16, Value) {
        self.api.call(port, None, (Method::GET, path), &Value::Null).await.unwrap()
    }

    /// Returns the text that is answered on `port`.
    pub(crate) async fn get_text(&self, port: u16, path: &str) -> (u16, String) {
        self.api.text(port, path).await.unwrap()
    }

    /// Waits until a process answers `path` on `port` with 200.
    pub(crate) async fn answers(&self, port: u16, path: &str) {
        self.api.answers(port, path).await;
    }

    /// Returns the most memory that homeserver number `index` ever had resident, in KiB.
    pub(crate) fn most_resident(&self, index: usize) -> u64 {
        let process = self.homeservers[index].process.as_ref().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Returns how many files, and sockets with them, homeserver number `index` has open.
    pub(crate) fn open_files(&self, index: usize) -> usize {
        let process = self.homeservers[index].process.as_ref().unwrap();
        std::fs::read_dir(format!("/proc/{}/fd", process.0.id())).unwrap().count()
    }

    fn write_configuration(&self) {
        for (index, homeserver) in self.homeservers.iter().enumerate() {
            let mut text = format!(
                "server_name = '{}'\nfederation_port = {}\nclient_port = {}\nmetrics_port = {}\n\
                 admin_token = '{TOKEN}'\n\
                 open_registration = true\nattempts_before_relay = 1\nbackoff_first = '100ms'\n\
                 relay_poll_interval = '500ms'\nvote_timeout = '2s'\n[relays]\n",
                self.name(index),
                homeserver.federation_port,
                homeserver.client_port,
                homeserver.metrics_port,
            );
            for other in 0..self.homeservers.len() {
                let (name, port) = (self.name(other), self.relay_port);
                writeln!(text, "'{name}' = ['127.0.0.1:{port}']").unwrap();
            }
            std::fs::write(homeserver.folder.join("homeserver.toml"), text).unwrap();
        }
    }

    /// Starts a homeserver again on the disk that it left behind, and waits until it answers.
    pub(crate) async fn restart(&mut self, index: usize) {
        let homeserver = &mut self.homeservers[index];
        let mut command = Command::new(program("homeserver"));
        command.stderr(Stdio::null());
        if let Some(log) = &homeserver.log {
            let file = File::options().create(true).append(true).open(log).unwrap();
            command.args(["--log", "trace", "--log-format", "json"]).stderr(file);
        }
        let child = command
            .args(["--plain", "--allow-private", "--bind", "127.0.0.1", "--config"])
            .arg(homeserver.folder.join("homeserver.toml"))
            .arg("--data")
            .arg(&homeserver.folder)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        homeserver.process = Some(Process(child));
        self.api.answers(homeserver.client_port, "/_matrix/client/versions").await;
    }

    /// Has homeserver number `index` log everything as JSON from its next start on. Returns the file.
    pub(crate) fn keep_log(&mut self, index: usize) -> PathBuf {
        let path = self.homeservers[index].folder.join("log");
        self.homeservers[index].log = Some(path.clone());
        path
    }

    /// Sends SIGTERM to a homeserver.
    pub(crate) fn ask_to_end(&self, index: usize) {
        let id = self.homeservers[index].process.as_ref().unwrap().0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits until a homeserver has ended, and returns whether it did so with success.
    pub(crate) fn has_ended_well(&mut self, index: usize) -> bool {
        let process = self.homeservers[index].process.as_mut().unwrap();
        process.0.wait().unwrap().success()
    }

    /// Kills a homeserver with SIGKILL.
    pub(crate) fn kill(&mut self, index: usize) {
        self.homeservers[index].process = None;
    }

    pub(crate) async fn register(&self, index: usize, name: &str) -> User {
        self.api.register(self.homeservers[index].client_port, name).await
    }

    /// Waits until the relay keeps mail for homeserver number `index`.
    pub(crate) async fn waits_for_mail(&self, index: usize) {
        self.waits_for(index, |entries| entries > 0).await;
    }

    /// Waits until the relay keeps no mail for homeserver number `index`.
    pub(crate) async fn waits_for_no_mail(&self, index: usize) {
        self.waits_for(index, |entries| entries == 0).await;
    }

    async fn waits_for(&self, index: usize, wanted: impl Fn(u64) -> bool) {
        let name = self.name(index);
        self.api
            .until("the relay's mail", async || {
                let path = "/_relay/admin/v1/status";
                let call =
                    self.api.call(self.relay_port, Some(TOKEN), (Method::GET, path), &Value::Null);
                let status = call.await.map(|(_, status)| status).unwrap_or_default();
                let destinations = status["destinations"].as_array().cloned().unwrap_or_default();
                let own = destinations.iter().find(|entry| entry["destination"] == *name);
                wanted(own.and_then(|entry| entry["entries"].as_u64()).unwrap_or(0)).then_some(())
            })
            .await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The processes end first, because they write into the folder.
        self.homeservers.clear();
        self.relay = None;
        debug_assert!(self.folder.path().exists(), "the folder outlives its processes");
    }
}

fn start_relay(folder: &Path, port: u16) -> Process {
    let file = folder.join("relay.toml");
    std::fs::write(&file, format!("server_name = '127.0.0.1:{port}'\nadmin_token = '{TOKEN}'\n"))
        .unwrap();
    let child = Command::new(program("relay"))
        .args(["--plain", "--allow-private", "--bind", "127.0.0.1"])
        .args(["--port", &port.to_string(), "--admin-port", &port.to_string(), "--config"])
        .arg(&file)
        .arg("--data")
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Process(child)
}

/// Returns the path of this workspace's binary called `name`. `cargo test --workspace` has built
/// it; a test run of this package alone has not, so it is built here.
pub(crate) fn program(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let folder = here.ancestors().nth(2).unwrap();
    let path = folder.join(name);
    if !path.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", name, "--bin", name])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success(), "failed to build {name}");
    }
    path
}

/// Returns ports that nothing is bound to.
fn free_ports(count: usize) -> Vec<u16> {
    let bound: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    bound.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// How long anything in this test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
