//! What other tools make of a run's files. These tests need tools that `.ci/run` installs: `cargo
//! test --test formats -- --ignored`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// Plays a scenario with relays and shows it in a format; returns the files below its folder.
fn shown(format: &str) -> (TempDir, PathBuf) {
    let out = tempfile::tempdir().expect("a temporary folder");
    let scenario = "scenarios/library/relay-two-relays-one-down.toml";
    let ran = Command::new(env!("CARGO_BIN_EXE_fedsim"))
        .args(["run", scenario, "--journal", "always", "--report", format, "--out"])
        .arg(out.path())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("it starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let run = out.path().join("relay-two-relays-one-down-1");
    (out, run)
}

/// Runs another tool; fails with what to install if it is not there.
#[track_caller]
fn tool(name: &str, package: &str, arguments: &[&str], file: &Path) -> Output {
    let run = Command::new(name).args(arguments).arg(file).output();
    run.unwrap_or_else(|_| panic!("`{name}` is missing: install {package}"))
}

#[test]
#[ignore = "needs tshark"]
fn tshark_reads_every_capture_and_names_machines_and_requests() {
    let (_kept, run) = shown("pcap");
    let mut captures: Vec<PathBuf> =
        fs::read_dir(run.join("pcap")).expect("captures").flatten().map(|it| it.path()).collect();
    captures.sort();
    assert!(captures.len() >= 6, "{captures:?}");
    for capture in &captures {
        let wrong = "_ws.malformed || tcp.analysis.lost_segment || tcp.checksum.status == 0";
        let checks = ["-o", "tcp.check_checksum:TRUE", "-Y", wrong, "-r"];
        let found = tool("tshark", "Debian's package tshark", &checks, capture);
        assert!(found.status.success() && found.stdout.is_empty(), "{found:?}");
    }
    let fields = ["-N", "n", "-Y", "http.request", "-T", "fields", "-e", "ip.src_host"];
    let fields = [&fields[..], &["-e", "http.request.uri", "-e", "frame.comment", "-r"]].concat();
    let listed = tool("tshark", "Debian's package tshark", &fields, &captures[0]);
    let text = String::from_utf8_lossy(&listed.stdout);
    assert!(text.contains("/_matrix/federation/v1/send_relay/"), "{text}");
    assert!(text.contains("alice/1\t") && text.contains("journal entry "), "{text}");
}

#[test]
#[ignore = "needs dot"]
fn graphviz_draws_the_rooms() {
    let (_kept, run) = shown("dot");
    let drawn = tool("dot", "Debian's package graphviz", &["-Tsvg"], &run.join("rooms.dot"));
    let text = String::from_utf8_lossy(&drawn.stdout);
    assert!(drawn.status.success() && drawn.stderr.is_empty(), "{drawn:?}");
    assert!(text.contains(">m1<") && text.contains("the invite of bob"), "{text}");
}

#[test]
#[ignore = "needs target/tools/python"]
fn opentelemetry_reads_the_traces() {
    let (_kept, run) = shown("otlp");
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin/python");
    let program = "import sys\n\
        from google.protobuf.json_format import Parse\n\
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest\n\
        request = Parse(open(sys.argv[1]).read(), ExportTraceServiceRequest())\n\
        print(sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans))\n";
    let python = python.to_str().expect("UTF-8");
    let package = "what `.ci/run` installs into target/tools/python";
    let read = tool(python, package, &["-c", program], &run.join("otlp.json"));
    let spans = String::from_utf8_lossy(&read.stdout).trim().parse::<u64>();
    assert!(spans.is_ok_and(|spans| spans > 100), "{read:?}");
}

#[test]
#[ignore = "needs xmllint"]
fn junit_is_well_formed() {
    let (_kept, run) = shown("junit");
    let package = "Debian's package libxml2-utils";
    let read = tool("xmllint", package, &["--noout"], &run.join("junit.xml"));
    assert!(read.status.success(), "{read:?}");
}

#[test]
#[ignore = "needs target/tools/node_modules"]
fn taplo_checks_scenarios_by_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let schema = folder.path().join("scenario.schema.json");
    let printed = Command::new(env!("CARGO_BIN_EXE_fedsim")).args(["schema", "scenario"]).output();
    fs::write(&schema, printed.expect("it starts").stdout).expect("it can be written");
    let taplo = root.join("target/tools/node_modules/.bin/taplo").display().to_string();
    let schema = format!("file://{}", schema.display());
    let lint = |file: &Path| {
        tool(&taplo, "npm's package @taplo/cli", &["lint", "--schema", &schema], file)
    };
    for file in ["library/m1-all-up.toml", "library/eventual-rolling-restart-of-all-servers.toml"] {
        let found = lint(&root.join("scenarios").join(file));
        assert!(found.status.success(), "{found:?}");
    }
    let wrong = folder.path().join("wrong.toml");
    let text =
        "name = \"x\"\n[backends]\na = {}\n[[faults]]\nat = \"1s\"\ncrash = { nod = \"a\" }\n";
    fs::write(&wrong, text).expect("it can be written");
    let found = lint(&wrong);
    let told = String::from_utf8_lossy(&found.stderr);
    assert!(!found.status.success() && told.contains("\"node\" is a required property"), "{told}");
}
