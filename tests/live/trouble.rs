//! Servers that do not do their part: the run ends with a verdict that names the machine, the last it
//! printed, and a remedy.

use serde_json::Value;

use crate::command::{Runs, SHORT};

/// Returns what a run on servers of this kind says.
fn told(kind: &str) -> String {
    let servers = format!("default = 'odd'\n[kinds.odd]\n{kind}");
    let said = Runs::said(&mut Runs::new().on(SHORT, &servers));
    assert_eq!(said["verdict"], "unknown");
    said["sentence"].as_str().unwrap().to_owned()
}

#[track_caller]
fn says(kind: &str, parts: &[&str]) {
    let told = told(kind);
    assert!(told.starts_with("a cannot be used: ") || told.starts_with("b cannot"), "{told}");
    for part in parts {
        assert!(told.contains(part), "`{part}` is missing: {told}");
    }
}

#[test]
fn a_program_that_is_not_there_is_to_be_installed() {
    needs_namespaces!();
    let kind = "ready = '/'\ncommand = ['/nowhere/server']";
    says(kind, &["cannot start `/nowhere/server`", "install it"]);
}

#[test]
fn a_server_that_ends_at_once_is_named_with_what_it_said_last() {
    needs_namespaces!();
    let kind = "ready = '/'\ncommand = ['/bin/sh', '-c', 'echo the moon is missing >&2; exit 3']";
    says(kind, &["exit status: 3", "the moon is missing", "correct what it says"]);
}

#[test]
fn what_a_server_printed_stands_in_the_record() {
    needs_namespaces!();
    let print = "printf \"WARN the moon wanes\\nERROR it is missing\\n\"; exit 3";
    let servers = format!(
        "default = 'odd'\n[kinds.odd]\nready = '/'\ncommand = ['/bin/sh', '-c', '{print}']"
    );
    let runs = Runs::new();
    let said = Runs::said(&mut runs.on(SHORT, &servers));
    let record = format!("{}/run.json", said["folder"].as_str().unwrap());
    let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    let lines = record["meta"]["logs"].as_array().unwrap();
    let of_a: Vec<_> = lines.iter().filter(|line| line["node"] == "a").collect();
    let told: Vec<_> = of_a.iter().map(|line| (&line["level"], &line["text"])).collect();
    assert_eq!(
        serde_json::json!(told),
        serde_json::json!([["WARN", "WARN the moon wanes"], ["ERROR", "ERROR it is missing"]])
    );
}

#[test]
fn a_server_that_never_is_ready_is_waited_for_as_long_as_its_kind_says() {
    needs_namespaces!();
    let kind = "ready = '/'\nready-within = 1\ncommand = ['/bin/sh', '-c', 'exec sleep 100']";
    says(kind, &["not ready within 1s", "it has printed nothing", "ready-within"]);
}

#[test]
fn a_server_that_floods_its_log_and_ignores_sigterm_does_neither_for_ever() {
    needs_namespaces!();
    let kind = "ready = '/'\nready-within = 2\n\
                command = ['/bin/sh', '-c', 'trap \"\" TERM; yes the tide is coming']";
    says(kind, &["not ready within 2s", "the tide is coming"]);
}

const RELAY: &str =
    "${programs}/relay --server-name ${name} --port 8448 --bind ${address} --data ${data}";

#[test]
fn a_server_whose_port_is_taken_is_told_to_have_it_freed() {
    needs_namespaces!();
    let kind = format!(
        "ready = '/'\ncommand = ['/bin/sh', '-c', '{RELAY}/one --plain & sleep 1; exec {RELAY}/two --plain']"
    );
    says(&kind, &["in use", "end whatever listens there"]);
}

#[test]
fn a_server_that_answers_something_else_is_quoted() {
    needs_namespaces!();
    let kind = format!(
        "ready = '/no/such/path'\nready-port = 8448\nready-within = 2\n\
         command = ['/bin/sh', '-c', 'exec {RELAY} --plain']"
    );
    says(&kind, &["it answered `HTTP/1.1 404 Not Found`"]);
}

#[test]
fn a_server_that_does_not_speak_http_is_quoted_too() {
    needs_namespaces!();
    // It speaks TLS, and is asked without.
    let tls =
        "--certificate ${certificate} --private-key ${private-key} --authorities ${authorities}";
    let kind = format!(
        "ready = '/'\nready-port = 8448\nready-within = 2\n\
         command = ['/bin/sh', '-c', 'exec {RELAY} {tls}']"
    );
    says(&kind, &["not ready within 2s", "it answered"]);
}
