//! The commands: a relay process killed and started again, its configuration, and `relayctl`.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use relay::Config;
use transport::endpoints::relay::{RelayTxn, RelayTxnRequest, RelayedTransaction, SendRelay};

use crate::world::{TOKEN, World};

/// A relay process; killed, as by SIGKILL, when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl World {
    /// Starts a relay process on this world's disk.
    fn start_process(&mut self) -> Process {
        let file = self.directory.path().join("relay.toml");
        std::fs::write(&file, format!("server_name = 'relay.test'\nadmin_token = '{TOKEN}'\n"))
            .unwrap();
        let mut child = command(&file, self.directory.path())
            .args(["--allow-private", "--listen", "127.0.0.1", "--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim_end().rsplit(' ').next().unwrap();
        self.address.port = port.parse().unwrap();
        Process(child)
    }

    fn relayctl(&self, arguments: &[&str]) -> Output {
        self.relayctl_with(TOKEN, arguments)
    }

    fn relayctl_with(&self, token: &str, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_relayctl"))
            .args(["--server", &self.address.to_string(), "--token", token])
            .args(arguments)
            .output()
            .unwrap()
    }
}

fn command(config: &Path, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
    command.arg("--config").arg(config).arg("--data").arg(data);
    command
}

fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_killed_relay_forgets_nothing() {
    let mut world = World::without_relay().await;
    let process = world.start_process();
    world.left_for_b("one").await;
    world.left_for_b("two").await;
    let one = world.b_takes(0).await;
    drop(process);
    let _process = world.start_process();
    world.left_for_b("two").await;
    assert_eq!(world.b_takes(one.entry_id()).await.transaction_id(), "two");
    assert_eq!(world.b_takes_all().await, ["two"]);
}

#[tokio::test]
async fn a_relay_stays_switched_off_over_a_restart() {
    let mut world = World::without_relay().await;
    let process = world.start_process();
    assert_eq!(stdout(world.relayctl(&["disable"])), "relaying off\n");
    drop(process);
    let _process = world.start_process();
    assert_eq!(world.b_takes(0).await.body, "null");
    assert_eq!(stdout(world.relayctl(&["enable"])), "relaying on\n");
    world.left_for_b("t").await;
}

#[tokio::test]
async fn relayctl_shows_lists_and_purges() {
    let mut world = World::without_relay().await;
    let _process = world.start_process();
    world.left_for_b("t").await;
    let b = world.b.name().as_str();
    assert!(stdout(world.relayctl(&["status"])).contains(&format!("{b}\t1 entries\t")));
    assert!(stdout(world.relayctl(&["list", b])).starts_with("1\t"));
    assert_eq!(stdout(world.relayctl(&["purge", b])), "1 entries deleted\n");
    assert!(stdout(world.relayctl(&["status"])).starts_with("relaying on, 0 entries, 0 bytes"));
    assert_eq!(stdout(world.relayctl(&["quarantine"])), "");
}

#[tokio::test]
async fn relayctl_names_the_remedy_for_a_wrong_token() {
    let mut world = World::without_relay().await;
    let _process = world.start_process();
    let output = world.relayctl_with("wrong", &["status"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success()
            && said.contains("M_UNKNOWN_TOKEN")
            && said.contains("give --token"),
        "{said}"
    );
}

#[tokio::test]
async fn a_terminated_relay_ends_with_success() {
    let mut world = World::without_relay().await;
    let mut process = world.start_process();
    let id = process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(process.0.wait().unwrap().success());
}

#[test]
fn a_mistake_in_the_configuration_is_named_with_file_and_key() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("relay.toml");
    let mistakes = [
        ("server_name = 'r'\nprot = 1", "prot"),
        ("server_name = 'r'\nport = 'x'", "port"),
        ("server_name = 'r'\nmax_body_bytes = 0", "max_body_bytes"),
        ("server_name = 'a b'", "server_name"),
        ("port = 1", "server_name"),
    ];
    for (text, key) in mistakes {
        std::fs::write(&file, text).unwrap();
        let output = command(&file, directory.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("relay.toml") && said.contains(key), "{said}");
    }
}

#[tokio::test]
async fn the_typed_calls_of_a_homeserver_are_understood() {
    let world = named_by_its_port().await;
    let deadline = Duration::from_secs(10);
    let transaction = RelayedTransaction::default();
    let arguments = ["t", &world.b.user_id()];
    world
        .a
        .federation()
        .call_endpoint::<SendRelay>(&world.relay_name, &arguments, &transaction, deadline)
        .await
        .unwrap();
    let (b, user_id) = (world.b.federation(), world.b.user_id());
    let take = async |entry_id| {
        let request = RelayTxnRequest { entry_id };
        b.call_endpoint::<RelayTxn>(&world.relay_name, &[&user_id], &request, deadline).await
    };
    let entry = take(0).await.unwrap();
    assert_eq!(entry.transaction.transaction_id.as_deref(), Some("t"));
    assert!(!take(entry.entry_id).await.unwrap().entries_queued);
}

/// A relay that can be reached by its server name.
async fn named_by_its_port() -> World {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    World::with(|config| {
        *config = Config::new(free.to_string().try_into().unwrap());
        config.port = free.port();
    })
    .await
}
