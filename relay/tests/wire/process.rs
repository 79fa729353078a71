//! The commands: a relay process killed and started again, its configuration, and `relayctl`.

use std::{
    io::{BufRead, BufReader, Write},
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
        self.start_process_with(&[])
    }

    fn start_process_with(&mut self, arguments: &[&str]) -> Process {
        let file = self.directory.path().join("relay.toml");
        std::fs::write(&file, format!("server_name = 'relay.test'\nadmin_token = '{TOKEN}'\n"))
            .unwrap();
        let mut child = command(&file, self.directory.path())
            .args(["--plain", "--allow-private", "--bind", "127.0.0.1"])
            .args(["--port", "0", "--admin-port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let port = line.split("port ").nth(1).unwrap().split(',').next().unwrap().trim_end();
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
    assert_eq!(stdout(world.relayctl(&["quarantine", "list"])), "(nothing is set aside)\n");
    assert_eq!(stdout(world.relayctl(&["list", b])), "(nothing waits there)\n");
    assert_eq!(stdout(world.relayctl(&["blocks"])), "nobody is blocked\n");
}

#[tokio::test]
async fn relayctl_counts_before_it_purges_and_speaks_json() {
    let mut world = World::without_relay().await;
    let _process = world.start_process();
    world.left_for_b("t").await;
    let counted = stdout(world.relayctl(&["purge", "--origin", "127.0.0.1", "--dry-run"]));
    assert!(counted.starts_with("1 entries, ") && counted.ends_with("would be deleted\n"));
    let shown = stdout(world.relayctl(&["--json", "show", "1"]));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["transaction_id"], "t");
    assert_eq!(stdout(world.relayctl(&["purge", "--older-than", "1h"])), "0 entries deleted\n");
    assert_eq!(stdout(world.relayctl(&["requeue", "1"])), "queued again\n");
    assert_eq!(stdout(world.relayctl(&["drop", "1"])), "deleted\n");
    let again = world.relayctl(&["drop", "1"]);
    assert!(String::from_utf8(again.stderr).unwrap().contains("see `relayctl list"));
}

#[tokio::test]
async fn what_an_operator_set_at_run_time_survives_a_restart() {
    let mut world = World::without_relay().await;
    let process = world.start_process();
    stdout(world.relayctl(&["block", "spam.test:8448", "--reason", "spam"]));
    stdout(world.relayctl(&["quotas", "max_entries_per_destination=5"]));
    stdout(world.relayctl(&["destinations", "set", "b.test"]));
    drop(process);
    let _process = world.start_process();
    assert_eq!(stdout(world.relayctl(&["blocks"])), "spam.test\tspam\n");
    let quotas = stdout(world.relayctl(&["quotas"]));
    assert!(quotas.contains("max_entries_per_destination\t5\tset at run time"), "{quotas}");
    let served = stdout(world.relayctl(&["destinations", "list"]));
    assert_eq!(served, "served (set at run time):\nb.test\n");
    stdout(world.relayctl(&["destinations", "reset"]));
    world.left_for_b("t").await;
}

#[tokio::test]
async fn what_happens_is_told_in_lines_of_json_without_what_was_left() {
    let mut world = World::without_relay().await;
    let file = world.directory.path().join("events.jsonl");
    let _process = world.start_process_with(&["--event-log", file.to_str().unwrap()]);
    world.send_relay(&world.a, "t", world.b.name(), r#"{"pdus":[{"secret":1}]}"#).await;
    world.b_takes_all().await;
    world.relayctl(&["disable"]);
    let text = std::fs::read_to_string(&file).unwrap();
    let told: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&str> = told.iter().filter_map(|it| it["event"].as_str()).collect();
    assert_eq!(events, ["stored", "handed_out", "acknowledged", "operator"]);
    assert_eq!(told[0]["origin"], world.a.name().as_str());
    assert_eq!((&told[3]["operator"], &told[3]["did"]), (&"admin".into(), &"set relaying".into()));
    assert!(!text.contains("secret") && told.iter().all(|it| it["time_ms"].is_u64()));
}

#[tokio::test]
async fn a_second_relay_on_one_directory_refuses_to_start() {
    let mut world = World::without_relay().await;
    let _process = world.start_process();
    let file = world.directory.path().join("relay.toml");
    let output = command(&file, world.directory.path()).arg("--plain").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("end that one first"), "{said}");
}

#[tokio::test]
async fn a_database_is_checked_copied_written_out_and_read_in() {
    let mut world = World::without_relay().await;
    let process = world.start_process();
    world.left_for_b("one").await;
    world.left_for_b("two").await;
    let data = world.directory.path().to_str().unwrap().to_owned();
    let on_data = |command: &str| relayctl_on(&[command, "--data", &data], "");
    assert!(stdout(on_data("fsck")).contains("its sums are right"));
    let copy = format!("{data}/copy.sqlite");
    assert!(stdout(relayctl_on(&["backup", "--data", &data, "--to", &copy], "")).contains("copy"));
    let exported = stdout(on_data("export"));
    assert_eq!(exported.lines().count(), 2);
    assert!(!on_data("compact").status.success(), "the relay runs");
    stdout(world.relayctl(&["purge", world.b.name().as_str()]));
    drop(process);
    let import = || stdout(relayctl_on(&["import", "--data", &data], &exported));
    assert_eq!(import(), "2 entries are new, 0 were there\n");
    assert_eq!(import(), "0 entries are new, 2 were there\n");
    assert!(stdout(on_data("compact")).contains("bytes after"));
    assert!(stdout(on_data("fsck")).contains("its sums are right"));
    let _process = world.start_process();
    assert_eq!(world.b_takes_all().await, ["one", "two"]);
}

#[test]
fn a_configuration_is_checked_without_starting_anything() {
    let directory = tempfile::TempDir::new().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("relay.sample.toml");
    let check = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
        command.arg("check-config").arg("--config").arg(&sample).arg("--data");
        command.arg(directory.path()).args(arguments).output().unwrap()
    };
    let said = "the configuration of relay.example.org has no mistakes\n";
    assert_eq!(stdout(check(&["--plain"])), said);
    let said = String::from_utf8(check(&[]).stderr).unwrap();
    assert!(said.contains("or --plain for a test"), "{said}");
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
}

/// `relayctl` with the database of a relay, and something on its standard input.
fn relayctl_on(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_relayctl"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
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
        ("server_name = 'r'\nmax_body_bytes = 1000", "max_body_bytes"),
        ("server_name = 'r'\ntime_to_live = '28 days'", "time_to_live"),
        ("server_name = 'a b'", "server_name"),
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
        (config.port, config.admin_port) = (free.port(), free.port());
    })
    .await
}
