//! The command `homeserver` as its operator uses it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, TOKEN, program};

fn homeserver(arguments: &[&str], folder: &Path) -> Output {
    Command::new(program("homeserver")).args(arguments).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_mistake_in_the_configuration_is_pointed_at_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = "server_name = 'a.test'\nbackoff_first = '5 parsecs'\n[machine]\nplain = true\n";
    fs::write(folder.path().join("a.toml"), file).unwrap();
    let run = &["--config", "a.toml", "--data", "here"][..];
    for command in [&["check-config"][..], &[][..]] {
        let done = homeserver(&[command, run].concat(), folder.path());
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains("a.toml:2:17") && said.contains("such as \"500ms\""), "{said}");
    }
    assert!(!folder.path().join("here").exists());
}

#[test]
fn a_configuration_without_mistakes_is_said_to_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = "server_name = 'a.test'\nbackoff_first = '5s'\n[machine]\nplain = true\n";
    fs::write(folder.path().join("a.toml"), file).unwrap();
    let done = homeserver(&["check-config", "--config", "a.toml"], folder.path());
    assert_eq!(done.status.code(), Some(2), "the directory is missing");
    let arguments = ["check-config", "--config", "a.toml", "--data", "here"];
    let done = homeserver(&arguments, folder.path());
    assert_eq!(text(&done.stdout), "the configuration of a.test has no mistakes\n");
    let arguments = ["--certificate", "no.pem", "--private-key", "no", "--authorities", "no"];
    let tls = [&["check-config", "--data", "here"][..], &arguments[..]].concat();
    assert!(text(&homeserver(&tls, folder.path()).stderr).contains("no.pem"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_was_generated_is_the_one_that_the_server_publishes() {
    let mut cluster = Cluster::prepared(1);
    let folder = cluster.folder(0).to_owned();
    let arguments = ["generate-keys", "--data", "."];
    let made = homeserver(&arguments, &folder);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert_eq!(homeserver(&arguments, &folder).stdout, made.stdout);
    let made = text(&made.stdout);
    let (id, key) = made.trim().split_once(' ').unwrap();
    cluster.restart(0).await;
    let path = "/_matrix/key/v2/server";
    let (_, published) = cluster.get(cluster.federation_port(0), path).await;
    assert_eq!(published["verify_keys"][id]["key"], key, "{published}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_under_an_old_key_is_taken_after_its_rotation() {
    let mut cluster = Cluster::start(2).await;
    let alice = cluster.register(0, "alice").await;
    let bob = cluster.register(1, "bob").await;
    let room = alice.create_room(&[&bob], json!({})).await;
    bob.join(&room).await;
    alice.waits_for_members(&room, 2).await;
    cluster.kill(1);
    alice.send(&room, "under the old key").await;
    cluster.kill(0);
    let folder = cluster.folder(0).to_owned();
    let rotated = homeserver(&["generate-keys", "--rotate", "--data", "."], &folder);
    let said = text(&rotated.stdout);
    let (id, _) = said.trim().split_once(' ').unwrap();
    cluster.restart(0).await;
    let (_, published) = cluster.get(cluster.federation_port(0), "/_matrix/key/v2/server").await;
    assert!(published["verify_keys"][id].is_object(), "{published}");
    assert_eq!(published["old_verify_keys"].as_object().unwrap().len(), 1, "{published}");
    cluster.restart(1).await;
    alice.send(&room, "under the new key").await;
    bob.waits_to_read(&room, "under the old key").await;
    bob.waits_to_read(&room, "under the new key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_on_from_a_backup_that_was_made_while_it_ran() {
    let mut cluster = Cluster::start(2).await;
    let alice = cluster.register(0, "alice").await;
    let bob = cluster.register(1, "bob").await;
    let room = alice.create_room(&[&bob], json!({})).await;
    bob.join(&room).await;
    alice.waits_for_members(&room, 2).await;
    bob.send(&room, "before").await;
    alice.waits_to_read(&room, "before").await;
    let folder = cluster.folder(1).to_owned();
    let made = homeserver(&["backup", "--data", ".", "../kept"], &folder);
    assert!(made.status.success(), "{}", text(&made.stderr));
    bob.send(&room, "after").await;
    alice.waits_to_read(&room, "after").await;
    cluster.kill(1);
    for file in ["homeserver.sqlite", "homeserver.sqlite-wal", "homeserver.sqlite-shm"] {
        fs::remove_file(folder.join(file)).unwrap();
    }
    fs::copy(folder.join("../kept/homeserver.sqlite"), folder.join("homeserver.sqlite")).unwrap();
    cluster.restart(1).await;
    bob.waits_to_read(&room, "before").await;
    alice.send(&room, "welcome back").await;
    bob.waits_to_read(&room, "welcome back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_makes_an_account_from_the_command_line_and_its_user_logs_in() {
    let cluster = Cluster::start(1).await;
    let admin = |arguments: &[&str]| {
        let arguments = [&["admin", "--config", "homeserver.toml"], arguments].concat();
        let done = homeserver(&arguments, cluster.folder(0));
        assert!(done.status.success(), "{}", text(&done.stderr));
        text(&done.stdout)
    };
    let made = admin(&["users", "create", "dora"]);
    let (user, password) = made.trim().split_once('\t').unwrap();
    let login = json!({ "type": "m.login.password", "user": user, "password": password });
    let path = (Method::POST, "/_matrix/client/v3/login");
    assert_eq!(cluster.call(0, path, &login).await.0, 200);
    assert!(admin(&["users", "list"]).contains(&format!("{user}\t1 devices")));
    admin(&["users", "deactivate", "dora"]);
    let (status, error) = cluster.call(0, (Method::POST, "/_matrix/client/v3/login"), &login).await;
    assert_eq!((status, &error["errcode"]), (403, &json!("M_USER_DEACTIVATED")));
    let name = cluster.name(0);
    admin(&["relays", "set", &name, "relay.test"]);
    assert_eq!(admin(&["relays", "show", &name]), "relay.test\n");
    assert_eq!(admin(&["queues", "show"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_does_is_counted_on_a_port_of_its_own() {
    let cluster = Cluster::start(1).await;
    cluster.register(0, "alice").await;
    let (status, health) = cluster.get_text(cluster.metrics_port(0), "/health").await;
    assert_eq!((status, &*health), (200, "OK"));
    let (status, metrics) = cluster.get_text(cluster.metrics_port(0), "/metrics").await;
    assert_eq!(status, 200);
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    assert!((value("homeserver_users ") - 1.0).abs() < f64::EPSILON, "{metrics}");
    assert!(value("homeserver_answers_total{api=\"client\",status=\"2xx\"}") >= 2.0);
    assert!(value("homeserver_database_bytes ") > 0.0);
    let (status, _) = cluster.get(cluster.client_port(0), "/metrics").await;
    assert_eq!(status, 404, "nobody else is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_for_programs_has_an_object_a_line_and_no_secret() {
    let mut cluster = Cluster::prepared(2);
    let log = cluster.keep_log(0);
    cluster.restart(0).await;
    cluster.restart(1).await;
    let alice = cluster.register(0, "alice").await;
    let bob = cluster.register(1, "bob").await;
    let room = alice.create_room(&[&bob], json!({})).await;
    bob.join(&room).await;
    alice.send(&room, "between us").await;
    bob.waits_to_read(&room, "between us").await;
    let guess = json!({ "type": "m.login.password", "user": "alice", "password": "my guess" });
    assert_eq!(cluster.call(0, (Method::POST, "/_matrix/client/v3/login"), &guess).await.0, 403);
    let token = alice.bearer().replace("Bearer ", "");
    let path = format!("/_matrix/client/v3/account/whoami?access_token={token}");
    assert_eq!(cluster.get(cluster.client_port(0), &path).await.0, 200);
    let folder = cluster.folder(0).to_owned();
    let seed = fs::read_to_string(folder.join("signing.key")).unwrap();
    let logged = fs::read_to_string(log).unwrap();
    for line in logged.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        assert!(record["level"].is_string() && record["target"].is_string(), "{record}");
    }
    assert!(logged.contains("the homeserver is running") && !logged.contains('\x1b'));
    for secret in [&token, seed.trim(), "my guess", "between us", TOKEN] {
        assert!(!logged.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_the_disk_has_spoilt_is_found_before_anything_is_served() {
    let mut cluster = Cluster::prepared(1);
    cluster.restart(0).await;
    cluster.register(0, "alice").await;
    cluster.ask_to_end(0);
    assert!(cluster.has_ended_well(0));
    let file = cluster.folder(0).join("homeserver.sqlite");
    let into_the_file = "PRAGMA wal_checkpoint(TRUNCATE)";
    let moved = rusqlite::Connection::open(&file).unwrap();
    moved.query_row(into_the_file, [], |row| row.get::<_, i64>(0)).unwrap();
    drop(moved);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&file, bytes).unwrap();
    let done =
        homeserver(&["--config", "homeserver.toml", "--data", ".", "--plain"], cluster.folder(0));
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("homeserver.sqlite"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_through_is_the_servers_own_and_said_with_its_size_unless_it_is_too_large() {
    let mut cluster = Cluster::prepared(1);
    cluster.restart(0).await;
    cluster.kill(0);
    fs::write(cluster.folder(0).join("somebody-elses.sqlite"), "no database").unwrap();
    let bytes = fs::metadata(cluster.folder(0).join("homeserver.sqlite")).unwrap().len();
    let log = cluster.keep_log(0);
    cluster.restart(0).await;
    cluster.kill(0);
    let logged = fs::read_to_string(&log).unwrap();
    assert!(logged.contains("is read through") && logged.contains(&format!("\"bytes\":{bytes}")));
    let configuration = cluster.folder(0).join("homeserver.toml");
    let known = fs::read_to_string(&configuration).unwrap();
    fs::write(configuration, known + "[machine]\nread_through_up_to = \"1KiB\"\n").unwrap();
    fs::remove_file(&log).unwrap();
    cluster.restart(0).await;
    let logged = fs::read_to_string(log).unwrap();
    assert!(logged.contains("is not read through") && !logged.contains("is read through"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_server_answers_what_it_has_begun_and_ends_with_success() {
    let mut cluster = Cluster::prepared(1);
    cluster.restart(0).await;
    let alice = cluster.register(0, "alice").await;
    let began = alice.sync(None).await;
    let waiting = alice.sync(began["next_batch"].as_str());
    let terminating = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        cluster.ask_to_end(0);
    };
    let (answer, ()) = tokio::join!(waiting, terminating);
    assert!(answer["next_batch"].is_string(), "{answer}");
    assert!(cluster.has_ended_well(0));
}
