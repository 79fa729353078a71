//! A homeserver of ours and a Synapse, as processes on loopback.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::Instant;

/// The longest that a server takes to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Ours.
    Ours,
    /// A Synapse.
    Theirs,
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Theirs => "theirs",
        }
    }
}

/// Running servers.
pub(crate) struct Servers {
    directory: TempDir,
    python: PathBuf,
    /// Federation and client port of ours, then of theirs.
    ports: [u16; 4],
    running: Vec<(Which, Child)>,
}

impl Servers {
    /// Starts these servers, afresh.
    pub(crate) fn start(which: &[Which], python: &Path) -> Self {
        let directory = TempDir::new().unwrap();
        let ports = free_ports();
        let servers = Self { directory, python: python.to_owned(), ports, running: Vec::new() };
        servers.make_certificate();
        fs::create_dir_all(servers.control()).unwrap();
        fs::create_dir_all(servers.path("data")).unwrap();
        fs::write(servers.path("ours.toml"), servers.filled(OURS)).unwrap();
        fs::write(servers.path("synapse.yaml"), servers.filled(SYNAPSE)).unwrap();
        fs::write(servers.path("log.yaml"), servers.filled(LOG)).unwrap();
        let mut servers = servers;
        for one in which {
            servers.boot(*one);
        }
        servers
    }

    /// Where clients reach a server.
    pub(crate) fn client_url(&self, which: Which) -> String {
        format!("http://127.0.0.1:{}", self.client_port(which))
    }

    fn client_port(&self, which: Which) -> u16 {
        match which {
            Which::Ours => self.ports[1],
            Which::Theirs => self.ports[3],
        }
    }

    /// The folder in which a script asks for something.
    pub(crate) fn control(&self) -> PathBuf {
        self.path("control")
    }

    /// Kills and starts what a script asks for.
    pub(crate) fn do_what_is_asked(&mut self) {
        for which in [Which::Ours, Which::Theirs] {
            let asked = |what: &str| self.control().join(format!("{what}-{}", which.name()));
            let (kill, start) = (asked("kill"), asked("start"));
            if kill.exists() {
                self.kill(which);
                fs::remove_file(kill).unwrap();
            }
            if start.exists() {
                self.boot(which);
                fs::remove_file(start).unwrap();
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn filled(&self, template: &str) -> String {
        let [ours, ours_client, theirs, theirs_client] = self.ports;
        template
            .replace("DIRECTORY", &self.directory.path().display().to_string())
            .replace("OURS_CLIENT", &ours_client.to_string())
            .replace("THEIRS_CLIENT", &theirs_client.to_string())
            .replace("OURS", &ours.to_string())
            .replace("THEIRS", &theirs.to_string())
    }

    fn kill(&mut self, which: Which) {
        let place = self.running.iter().position(|(running, _)| *running == which).unwrap();
        let (_, mut process) = self.running.remove(place);
        process.kill().unwrap();
        process.wait().unwrap();
    }

    fn boot(&mut self, which: Which) {
        let log = self.path(&format!("{}.out", which.name()));
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = match which {
            Which::Ours => {
                let mut ours = Command::new(homeserver());
                ours.arg("--config").arg(self.path("ours.toml"));
                ours
            }
            Which::Theirs => {
                if !self.path("signing.key").exists() {
                    let made = self.synapse().arg("--generate-keys").status().unwrap();
                    assert!(made.success());
                }
                self.synapse()
            }
        };
        command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
        self.running.push((which, command.spawn().unwrap()));
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.client_port(which))).is_err() {
            assert!(began.elapsed() < PATIENCE, "{which:?} did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn synapse(&self) -> Command {
        let mut synapse = Command::new(&self.python);
        synapse.args(["-m", "synapse.app.homeserver", "-c"]).arg(self.path("synapse.yaml"));
        synapse.current_dir(self.directory.path());
        synapse
    }

    /// Makes an authority, and a certificate of it for `localhost`.
    fn make_certificate(&self) {
        let key = |name: &str| {
            let mut command = Command::new("openssl");
            command.args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
            command.args(["-nodes", "-keyout"]).arg(self.path(name));
            command
        };
        let extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
        fs::write(self.path("extensions"), extensions).unwrap();
        let mut authority = key("authority.key");
        authority.args(["-x509", "-days", "30", "-subj", "/CN=authority", "-out"]);
        done(authority.arg(self.path("authority.pem")));
        let mut request = key("key.pem");
        done(request.args(["-subj", "/CN=localhost", "-out"]).arg(self.path("request.pem")));
        let mut sign = Command::new("openssl");
        sign.args(["x509", "-req", "-days", "30", "-CAcreateserial", "-in"]);
        sign.arg(self.path("request.pem")).arg("-CA").arg(self.path("authority.pem"));
        sign.arg("-CAkey").arg(self.path("authority.key")).arg("-extfile");
        done(sign.arg(self.path("extensions")).arg("-out").arg(self.path("cert.pem")));
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for (_, process) in &mut self.running {
            drop(process.kill().and_then(|()| process.wait()));
        }
        if std::thread::panicking() {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop");
            drop(fs::create_dir_all(&kept));
            for log in ["ours.out", "theirs.out", "synapse.log"] {
                drop(fs::copy(self.path(log), kept.join(log)));
            }
        }
    }
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The program that is built beside this test.
fn homeserver() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("homeserver");
    assert!(program.exists(), "{} is not built", program.display());
    program
}

fn free_ports() -> [u16; 4] {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let held = [listen(), listen(), listen(), listen()];
    held.map(|listener| listener.local_addr().unwrap().port())
}

const OURS: &str = r#"
server_name = "localhost:OURS"
federation_port = OURS
client_port = OURS_CLIENT
open_registration = true
registrations_per_address = 100000
backoff_first = "200ms"
backoff_max = "5s"
password_memory_kib = 64
password_passes = 1
[machine]
data = "DIRECTORY/data"
bind = "127.0.0.1"
certificate = "DIRECTORY/cert.pem"
private_key = "DIRECTORY/key.pem"
authorities = "DIRECTORY/authority.pem"
allow_private = true
"#;

const SYNAPSE: &str = r#"
server_name: "localhost:THEIRS"
pid_file: DIRECTORY/pid
report_stats: false
listeners:
  - {port: THEIRS, type: http, tls: true, bind_addresses: ['127.0.0.1'], resources: [{names: [federation, keys]}]}
  - {port: THEIRS_CLIENT, type: http, tls: false, bind_addresses: ['127.0.0.1'], resources: [{names: [client]}]}
tls_certificate_path: DIRECTORY/cert.pem
tls_private_key_path: DIRECTORY/key.pem
federation_custom_ca_list: [DIRECTORY/authority.pem]
ip_range_blacklist: []
trusted_key_servers: []
suppress_key_server_warning: true
enable_registration: true
enable_registration_without_verification: true
registration_shared_secret: x
macaroon_secret_key: y
form_secret: z
signing_key_path: DIRECTORY/signing.key
media_store_path: DIRECTORY/media
database: {name: sqlite3, args: {database: DIRECTORY/synapse.db}}
log_config: DIRECTORY/log.yaml
default_room_version: "11"
allow_public_rooms_over_federation: true
room_list_publication_rules: [{user_id: "*", alias: "*", room_id: "*", action: allow}]
federation: {client_timeout: 10s, max_short_retries: 1, max_long_retries: 2, destination_min_retry_interval: 1s, destination_retry_multiplier: 1, destination_max_retry_interval: 5s}
rc_message: &often {per_second: 10000, burst_count: 10000}
rc_registration: *often
rc_login: {address: *often, account: *often, failed_attempts: *often}
rc_joins: {local: *often, remote: *often}
rc_joins_per_room: *often
rc_invites: {per_room: *often, per_user: *often, per_issuer: *often}
rc_room_creation: *often
rc_presence: {per_user: *often}
rc_federation: {window_size: 1000, sleep_limit: 10000, sleep_delay: 1, reject_limit: 10000, concurrent: 100}
"#;

const LOG: &str = r"
version: 1
formatters: {plain: {format: '%(asctime)s %(name)s %(levelname)s %(message)s'}}
handlers: {file: {class: logging.FileHandler, filename: DIRECTORY/synapse.log, formatter: plain}}
root: {level: WARNING, handlers: [file]}
disable_existing_loggers: false
";
