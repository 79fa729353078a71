//! What a run's files hold, and what other tools make of them. The latter need tools that `.ci/run`
//! installs: `cargo test --test formats -- --ignored`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use tempfile::TempDir;

/// Plays a scenario with relays and shows it in a format; returns the files below its folder.
fn shown(format: &str) -> (TempDir, PathBuf) {
    let scenario = library("relay-two-relays-one-down");
    shown_of(&fs::read_to_string(scenario).expect("a scenario"), format)
}

/// Plays the scenario in `text` and shows it in a format, as [`shown`].
fn shown_of(text: &str, format: &str) -> (TempDir, PathBuf) {
    let out = tempfile::tempdir().expect("a temporary folder");
    fs::write(out.path().join("shown.toml"), text).expect("it can be written");
    let ran = Command::new(env!("CARGO_BIN_EXE_fedsim"))
        .args(["run", "shown.toml", "--journal", "always", "--report", format, "--out", "."])
        .current_dir(out.path())
        .output()
        .expect("it starts");
    let run = out.path().join("latest");
    assert!(run.is_dir(), "{}", String::from_utf8_lossy(&ran.stderr));
    (out, run)
}

fn library(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("scenarios/library").join(name).with_extension("toml")
}

/// Writes the schema of scenarios into a folder of its own.
fn schema() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let schema = folder.path().join("scenario.schema.json");
    let printed = Command::new(env!("CARGO_BIN_EXE_fedsim")).args(["schema", "scenario"]).output();
    fs::write(&schema, printed.expect("it starts").stdout).expect("it can be written");
    (folder, schema)
}

/// Runs another tool; fails with what to install if it is not there.
#[track_caller]
fn tool(name: &str, package: &str, arguments: &[&str], file: &Path) -> Output {
    let run = Command::new(name).args(arguments).arg(file).output();
    run.unwrap_or_else(|_| panic!("`{name}` is missing: install {package}"))
}

/// Gives the event ids of a text short names, in the order in which they come.
fn with_short_ids(text: &str) -> String {
    const LENGTH: usize = 44;
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut parts = text.split('$');
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (id, rest) = part.split_at(LENGTH - 1);
        let next = names.len() + 1;
        let number = names.entry(id.to_owned()).or_insert(next);
        write!(short, "${number}{rest}").expect("a String takes all text");
    }
    short
}

#[test]
fn a_room_is_drawn_with_each_event_and_what_it_follows() {
    let (_kept, run) = shown_of(&fs::read_to_string(library("m1-all-up")).expect("it is"), "dot");
    let text = fs::read_to_string(run.join("rooms.dot")).expect("the graph");
    insta::assert_snapshot!(with_short_ids(&text));
}

/// Returns the packets of a capture, a line each: who to whom, what the segment does, how many bytes it
/// carries, and what they begin with (PCAP Next Generation Capture File Format, "Enhanced Packet Block").
fn packets(capture: &[u8]) -> String {
    const PACKET: u32 = 6;
    let number = |at: usize| -> u32 {
        u32::from_le_bytes(capture[at..at + 4].try_into().expect("four bytes"))
    };
    let (mut at, mut lines) = (0, String::new());
    while at < capture.len() {
        let (kind, length) = (number(at), number(at + 4) as usize);
        assert_eq!(number(at + length - 4) as usize, length, "a block ends as it begins");
        if kind == PACKET {
            let captured = number(at + 20) as usize;
            lines.push_str(&packet(&capture[at + 28..at + 28 + captured]));
        }
        at += length;
    }
    lines
}

fn packet(bytes: &[u8]) -> String {
    let sliced = SlicedPacket::from_ethernet(bytes).expect("a frame");
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) = (sliced.net, sliced.transport)
    else {
        panic!("not TCP over IPv4: {bytes:?}")
    };
    let (from, to) = (ip.header().source_addr(), ip.header().destination_addr());
    let flags = [(tcp.syn(), "syn"), (tcp.fin(), "fin"), (tcp.rst(), "rst"), (tcp.psh(), "psh")];
    let flags: Vec<&str> =
        flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, it)| it).collect();
    let payload = tcp.payload();
    let first = String::from_utf8_lossy(payload.split(|byte| *byte == b'\r').next().unwrap_or(b""));
    let first: String = first.chars().take(60).collect();
    let (flags, length) = (flags.join("+"), payload.len());
    let line = format!("{from} > {to} {flags:<3} {length:>5} {first}");
    format!("{}\n", line.trim_end())
}

#[test]
fn a_capture_holds_the_segments_of_each_request_in_order() {
    let text = fs::read_to_string(library("m1-all-up")).expect("a scenario");
    let (_kept, run) = shown_of(&text, "pcap");
    let mut captures: Vec<PathBuf> =
        fs::read_dir(run.join("pcap")).expect("captures").flatten().map(|it| it.path()).collect();
    captures.sort();
    let names: Vec<String> = captures
        .iter()
        .map(|it| it.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    let of_b = captures.iter().find(|it| it.ends_with("03-b.pcapng")).expect("a capture of b");
    let told = packets(&fs::read(of_b).expect("it can be read"));
    let served: Vec<&str> = told.lines().filter(|line| !line.contains("_fedsim")).collect();
    insta::assert_snapshot!(format!("{}\n{}", names.join(" "), served.join("\n")));
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
#[ignore = "needs xmllint and target/tools/junit-10.xsd"]
fn junit_is_what_jenkins_reads_by_its_schema() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/junit-10.xsd");
    let schema = schema.to_str().expect("UTF-8");
    let text = fs::read_to_string(library("m1-all-up")).expect("a scenario");
    let failing = text.replace(r#"delivery = "m1""#, r#"delivery = "m1-2021""#);
    let inert = r#"partition = { between = ["alice/1"], and = ["bob/1"] }"#;
    let weak = format!("{text}\n[[faults]]\nat = \"15s\"\nfor = \"1s\"\n{inert}\n");
    let all = [
        (shown("junit"), "</testcase>"),
        (shown_of(&failing, "junit"), "<failure "),
        (shown_of(&weak, "junit"), "<skipped "),
    ];
    for ((_kept, run), holds) in all {
        let file = run.join("junit.xml");
        let options = ["--noout", "--schema", schema];
        let read = tool("xmllint", "Debian's package libxml2-utils", &options, &file);
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        assert!(fs::read_to_string(&file).is_ok_and(|text| text.contains(holds)), "{holds}");
    }
}

#[test]
#[ignore = "needs node and target/tools/perfetto"]
fn perfetto_reads_every_slice_and_flow() {
    let (_kept, run) = shown("perfetto");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let query = "SELECT 'process ' || name FROM process \
        UNION ALL SELECT 'faults ' || count(*) FROM slice WHERE name LIKE 'crash %' \
        UNION ALL SELECT 'flows ' || (count(*) > 50) FROM flow \
        UNION ALL SELECT 'error ' || name || ' ' || value FROM stats \
            WHERE value > 0 AND severity IN ('error', 'data_loss')";
    let read = Command::new("node")
        .arg(root.join("tests/interop/perfetto.mjs"))
        .args([&root.join("target/tools/perfetto"), &run.join("trace.json")])
        .arg(query)
        .output()
        .expect("`node` is missing: install Debian's package nodejs");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let machines =
        ["backend a", "backend b", "relay r1", "relay r2", "device alice/1", "device bob/1"];
    let mut told = vec!["process faults".to_owned()];
    told.extend(machines.map(|machine| format!("process {machine}")));
    told.extend(["process observer", "faults 2", "flows 1"].map(str::to_owned));
    let read = String::from_utf8_lossy(&read.stdout);
    assert_eq!(read.lines().collect::<Vec<_>>(), told, "{read}");
}

#[test]
#[ignore = "needs target/tools/node_modules"]
fn taplo_checks_scenarios_by_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (folder, schema) = schema();
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

#[test]
#[ignore = "needs node and target/tools/node_modules"]
fn an_editor_offers_every_key_operation_and_fault_of_a_scenario() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (_folder, schema) = schema();
    let offered = Command::new("node")
        .arg(root.join("tests/interop/completion.mjs"))
        .args([&root.join("target/tools"), &schema])
        .output()
        .expect("`node` is missing: install Debian's package nodejs");
    let offered = String::from_utf8_lossy(&offered.stdout);
    let places: Vec<&str> = offered.lines().collect();
    let expected: [&[&str]; 5] = [
        &["about", "backends", "conversations", "faults", "limit", "seed", "users"],
        &["at", "when", "for", "crash", "partition", "rolling-restart", "forge-signature"],
        &["at", "times", "every", "send", "join", "kick", "state"],
        &["creator", "members", "delivery"],
        &["latency", "loss"],
    ];
    assert_eq!(places.len(), expected.len(), "{offered}");
    for (place, keys) in places.iter().zip(expected) {
        let words: Vec<&str> = place.split_whitespace().collect();
        for key in keys {
            assert!(words.contains(key), "{key} is not among {place}");
        }
    }
}
