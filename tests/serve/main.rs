//! `fedsim serve` as a program: what it answers, to whom, and what it says of files that are broken.

mod program;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::Serve;

/// A scenario of the library, of which the weak policy makes a failure.
const SCENARIO: &str =
    include_str!("../../scenarios/library/m1-cut-between-prepare-and-commit.toml");
const RUN: &str = "m1-cut-between-prepare-and-commit-1";

/// Plays a scenario, and the same under a policy that fails, into `strong` and `weak` of a folder.
fn two_runs() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let weak = SCENARIO.replace("delivery = \"m1\"", "delivery = \"m1-2021\"");
    for (name, text) in [("strong", SCENARIO), ("weak", &*weak)] {
        fs::write(folder.path().join("mine.toml"), text).expect("written");
        let ran = Command::new(env!("CARGO_BIN_EXE_fedsim"))
            .args(["run", "mine.toml", "--journal", "always", "--out", name])
            .current_dir(&folder)
            .output()
            .expect("it starts");
        assert_eq!(ran.status.code(), Some(i32::from(name == "weak")));
    }
    folder
}

/// Returns what is said of the weak run, about `what`.
fn asked(serve: &Serve, what: &str, more: &str) -> Value {
    serve.json(&format!("/api/{what}?run=weak%2F{RUN}{more}"))
}

fn sentence(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn every_run_below_the_folder_is_listed_with_what_was_found() {
    let folder = two_runs();
    let told = Serve::begin(folder.path()).json("/api/overview");
    let runs = told["runs"].as_array().expect("runs");
    let mut listed: Vec<_> =
        runs.iter().map(|it| (sentence(&it["run"]), sentence(&it["status"]))).collect();
    listed.sort_unstable();
    let of = |folder: &str| format!("{folder}/{RUN}");
    assert_eq!(listed, [(&*of("strong"), "PASS"), (&*of("weak"), "FAIL")]);
}

#[test]
fn a_link_is_cut_from_the_entry_at_which_that_began() {
    let folder = two_runs();
    let serve = Serve::begin(folder.path());
    let began = asked(&serve, "run", "")["spans"][0]["began"].as_u64().expect("a fault");
    let cut = |n: u64| asked(&serve, "state", &format!("&n={n}"))["links"].clone();
    assert_eq!(cut(began - 1), serde_json::json!([]));
    assert_eq!(cut(began)[0]["how"], "cut");
    assert_eq!((&cut(began)[0]["from"], &cut(began)[0]["to"]), (&"a".into(), &"b".into()));
}

#[test]
fn a_machine_is_down_until_it_boots_and_forgets_what_it_was_serving() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = SCENARIO.split("[[faults]]").next().unwrap_or_default();
    let crash = "[[faults]]\nat = \"2s\"\nfor = \"3s\"\ncrash = { node = \"b\" }\n";
    fs::write(folder.path().join("mine.toml"), format!("{scenario}{crash}")).expect("written");
    let ran = Command::new(env!("CARGO_BIN_EXE_fedsim"))
        .args(["run", "mine.toml", "--lenient", "--out", "weak"])
        .current_dir(&folder)
        .status();
    assert!(ran.is_ok_and(|status| status.success()));
    let serve = Serve::begin(folder.path());
    let span = asked(&serve, "run", "")["spans"][0].clone();
    let (began, ended) = (span["began"].as_u64().expect("n"), span["ended"].as_u64().expect("n"));
    let at = |n: u64| asked(&serve, "state", &format!("&n={n}"));
    let lives = [began - 1, began, ended - 1, ended + 1].map(|n| {
        let state = at(n);
        let b =
            state["machines"].as_array().and_then(|all| all.iter().find(|it| it["name"] == "b"));
        sentence(&b.expect("it is there")["life"]).to_owned()
    });
    assert_eq!(lives, ["up", "down", "down", "up"]);
    let legs = |n: u64| at(n)["under_way"].to_string();
    assert!(!legs(began - 1).contains("forgotten") && legs(began).contains("forgotten"));
}

#[test]
fn an_entry_tells_what_it_carried_and_what_led_to_it() {
    let folder = two_runs();
    let serve = Serve::begin(folder.path());
    let violation = asked(&serve, "run", "")["violation"].as_u64().expect("a violation");
    let told = asked(&serve, "entry", &format!("&n={violation}"));
    assert!(sentence(&told["body"]).contains("\"alice/1\""), "{told:#}");
    assert!(told["causes"].as_array().is_some_and(|causes| causes.len() > 3));
}

#[test]
fn a_page_of_entries_is_never_longer_than_its_bound_whatever_is_asked() {
    let folder = two_runs();
    let serve = Serve::begin(folder.path());
    let path = folder.path().join("weak").join(RUN).join("run.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    let events = record["events"].as_array_mut().expect("events");
    let last = events.last().expect("an event").clone();
    events.extend((events.len() + 1..=600).map(|n| {
        let mut event = last.clone();
        event["n"] = n.into();
        event
    }));
    fs::write(&path, record.to_string()).expect("written");
    let page = |more: &str| asked(&serve, "entries", more)["entries"].as_array().map(Vec::len);
    assert_eq!(page("&count=100000000"), Some(500));
    assert_eq!((page("&count=7&offset=3"), page("&count=5&offset=99999999")), (Some(7), Some(0)));
    let filtered = asked(&serve, "entries", "&kind=faults&text=PARTITION&count=9");
    assert_eq!(filtered["total"], 2, "it began and it ended");
}

#[test]
fn two_runs_are_told_apart_by_what_came_of_them_and_where_they_part() {
    let folder = two_runs();
    let serve = Serve::begin(folder.path());
    let told = serve.json(&format!("/api/difference?left=strong%2F{RUN}&right=weak%2F{RUN}"));
    let same = told["same_words"].as_u64().expect("a number");
    assert!(same > 20 && same < 300, "{same}");
    let outcomes = told["outcomes"].to_string();
    assert!(outcomes.contains("m1 seen by bob/1") && outcomes.contains("check all-or-nothing"));
}

#[test]
fn behind_the_first_difference_what_is_the_same_again_stands_beside_each_other() {
    let folder = two_runs();
    let serve = Serve::begin(folder.path());
    let told = serve.json(&format!("/api/difference?left=strong%2F{RUN}&right=weak%2F{RUN}"));
    let pieces = told["pieces"].as_array().expect("pieces");
    let number = |piece: &Value, key: &str| piece[key].as_u64().expect("a number");
    assert_eq!(number(&pieces[0], "left_count"), number(&told, "same_words"));
    let same_again = pieces[1..].iter().filter(|it| it["same"] == true);
    assert!(same_again.map(|it| number(it, "left_count")).sum::<u64>() > 20, "{pieces:#?}");
    for side in ["left", "right"] {
        let counted = pieces.iter().map(|it| number(it, &format!("{side}_count")));
        assert_eq!(counted.sum::<u64>(), number(&told[side], "entries"), "{side}");
    }
    let entry = |run: &str, place: u64| {
        let page = format!("/api/entries?run={run}%2F{RUN}&count=1&offset={place}");
        serve.json(&page)["entries"][0].clone()
    };
    let last = pieces.iter().rfind(|it| it["same"] == true).expect("one");
    let [one, other] =
        [entry("strong", number(last, "left")), entry("weak", number(last, "right"))];
    assert_eq!((&one["kind"], &one["what"]), (&other["kind"], &other["what"]));
}

/// What an entry says of its machine: the message that it shows or sends, how often it booted, and
/// how often it synced.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    messages: BTreeSet<String>,
    boots: u64,
    syncs: u64,
    last: u64,
}

#[test]
fn the_state_after_each_entry_is_what_the_journal_up_to_there_says() {
    let folder = two_runs();
    let serve = Serve::begin(folder.path());
    let path = folder.path().join("weak").join(RUN).join("run.json");
    let record: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    for event in record["events"].as_array().expect("events") {
        let n = event["n"].as_u64().expect("a number");
        let it = known.entry(sentence(&event["node"]).to_owned()).or_default();
        it.last = n;
        match (sentence(&event["kind"]), sentence(&event["what"])) {
            ("booted", _) => it.boots += 1,
            ("disk_synced", _) => it.syncs += 1,
            ("note", "send-began" | "seen") => {
                it.messages.insert(sentence(&event["message"]).to_owned());
            }
            _ => {}
        }
        let state = asked(&serve, "state", &format!("&n={n}"));
        for machine in state["machines"].as_array().expect("machines") {
            let by_user = |it: &&Value| it["how"] != "heard";
            let list = |key: &str| machine[key].as_array().expect("a list").clone();
            let told = Known {
                messages: list("messages")
                    .iter()
                    .filter(by_user)
                    .map(|it| sentence(&it["message"]).to_owned())
                    .collect(),
                boots: machine["boots"].as_u64().expect("a number"),
                syncs: list("files").iter().filter_map(|it| it["times"].as_u64()).sum(),
                last: machine["last"].as_u64().unwrap_or(0),
            };
            let folded = known.get(sentence(&machine["name"]));
            assert_eq!(
                Some(&told),
                folded.or(Some(&Known::default())),
                "after entry {n}: {machine}"
            );
        }
    }
}

#[test]
fn whoever_asks_in_a_foreign_name_or_for_a_file_outside_is_refused() {
    let folder = two_runs();
    let serve = Serve::begin(&folder.path().join("weak"));
    assert_eq!(serve.get_as("evil.example", "/api/overview").status, 421);
    assert_eq!(serve.get_as("localhost", "/api/overview").status, 200);
    for way in ["..%2Fstrong%2F", "%2Fetc%2F", ".%2F..%2Fstrong%2F"] {
        assert_eq!(serve.get(&format!("/api/run?run={way}{RUN}")).status, 404, "{way}");
        assert_eq!(serve.get(&format!("/api/scenario?file={way}mine.toml")).status, 404, "{way}");
    }
}

#[test]
fn the_page_may_ask_nobody_else_and_names_nobody_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let serve = Serve::begin(folder.path());
    let page = serve.get("/");
    assert!(page.head.contains("content-security-policy: default-src 'none'; script-src 'self'"));
    let icon = serve.get("/icon.svg").body.replace("http://www.w3.org/2000/svg", "");
    for text in [page.body, icon, serve.get("/serve.css").body] {
        assert!(!text.contains("http:") && !text.contains("https:"), "{text}");
    }
}

/// Returns what is said about a run whose file `name` was replaced by `bytes`.
fn broken(name: &str, bytes: &[u8]) -> (Value, Value) {
    let folder = two_runs();
    fs::write(folder.path().join("weak").join(RUN).join(name), bytes).expect("written");
    let serve = Serve::begin(folder.path());
    let n = asked(&serve, "entries", "&kind=clients&count=1")["entries"][0]["n"].clone();
    (
        serve.json("/api/overview"),
        asked(&serve, "entry", &format!("&n={}", n.as_u64().unwrap_or(1))),
    )
}

#[test]
fn a_broken_record_is_a_sentence_that_names_the_file_and_the_remedy() {
    for bytes in [&b"{\"schema\": 2, \"prog"[..], b"", b"\xff\xfe", b"[]", b"{\"schema\": 1}"] {
        let (overview, run) = broken("run.json", bytes);
        let said = sentence(&overview["problems"][0]);
        assert!(said.contains("run.json cannot be read: ") && said.contains("Run its"), "{said}");
        assert_eq!(said, sentence(&run["problem"]));
        assert_eq!(overview["runs"].as_array().map(Vec::len), Some(1), "the other one is there");
    }
}

#[test]
fn a_journal_without_a_record_is_said_with_the_command_that_judges_it() {
    let folder = two_runs();
    fs::remove_file(folder.path().join("weak").join(RUN).join("run.json")).expect("it was there");
    let told = Serve::begin(folder.path()).json("/api/overview");
    let said = sentence(&told["problems"][0]);
    assert!(said.contains(RUN) && said.contains("`fedsim judge "), "{said}");
}

#[test]
fn a_long_record_is_listed_without_its_journal_being_read() {
    let folder = two_runs();
    let path = folder.path().join("weak").join(RUN).join("run.json");
    let text = fs::read_to_string(&path).expect("a record");
    let (head, tail) = text.split_once("\"events\": [\n").expect("events");
    let unreadable = "no JSON\n".repeat(3 << 20);
    fs::write(&path, format!("{head}\"events\": [\n{unreadable}{tail}")).expect("written");
    let serve = Serve::begin(folder.path());
    let told = serve.json("/api/overview");
    let weak =
        told["runs"].as_array().and_then(|runs| runs.iter().find(|it| it["status"] == "FAIL"));
    assert_eq!(weak.map(|it| &it["entries"]), Some(&Value::Null));
    assert!(sentence(&asked(&serve, "run", "")["problem"]).contains("run.json cannot be read"));
}

#[test]
fn a_journal_that_is_cut_off_is_said_and_the_run_is_shown_without_what_it_carried() {
    let folder = two_runs();
    let path = folder.path().join("weak").join(RUN).join("journal.jsonl.zst");
    let journal = fs::read(&path).expect("it is kept");
    let (_, entry) = broken("journal.jsonl.zst", &journal[..journal.len() / 2]);
    let said = sentence(&entry["no_body"]);
    assert!(
        said.contains("journal.jsonl.zst cannot be read") && said.contains("--journal"),
        "{said}"
    );
    assert_eq!(entry["entry"]["kind"], "note");
}

#[test]
fn an_exploration_tells_how_far_it_is_and_what_it_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let weak = SCENARIO.replace("delivery = \"m1\"", "delivery = \"m1-2021\"");
    let calm = weak.split("[[faults]]").next().unwrap_or_default();
    fs::write(folder.path().join("mine.toml"), calm).expect("written");
    let explored = Command::new(env!("CARGO_BIN_EXE_fedsim"))
        .args([
            "explore",
            "mine.toml",
            "--runs",
            "60",
            "--seed",
            "1",
            "--fail-fast",
            "--out",
            "out/night",
        ])
        .current_dir(&folder)
        .output()
        .expect("it starts");
    assert_eq!(explored.status.code(), Some(1), "{}", String::from_utf8_lossy(&explored.stderr));
    let serve = Serve::begin(&folder.path().join("out"));
    let told = serve.json("/api/exploration?file=night%2Fexploration.json");
    assert_eq!((&told["state"], &told["campaign"]["runs"]), (&"finished".into(), &60.into()));
    let failure = &told["failures"][0];
    assert!(!sentence(&failure["story"][0]).is_empty(), "{told:#}");
    let file = format!("night%2F{}", sentence(&failure["file"]));
    let scenario = serve.json(&format!("/api/scenario?file={file}"));
    assert!(sentence(&scenario["text"]).contains("[backends]"));
    assert_eq!(serve.json("/api/overview")["explorations"][0]["file"], "night/exploration.json");
}
