//! The built command: its exit codes, what it prints and where, and the files that it writes.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// Returns a scenario with two backends, one message and nothing broken; `more` is added to it.
fn scenario(name: &str, more: &str) -> String {
    format!(
        r#"
        name = "{name}"
        about = "One message from one backend to another."
        tags = ["small"]
        seed = 7
        limit = "10s"
        settle = "30s"

        [backends]
        a = {{}}
        b = {{}}

        [users]
        alice = {{ backend = "a" }}
        bob = {{ backend = "b" }}

        [conversations]
        pair = {{ creator = "alice", members = ["bob"] }}

        [[ops]]
        at = "1s"
        send = {{ id = "m1", from = "alice", to = "pair", text = "hello" }}

        {more}
        "#
    )
}

/// A promise that nobody keeps: the message is delivered, not refused.
const BROKEN_PROMISE: &str = r#"
    [expect.messages]
    m1 = { outcome = "refused" }
"#;

/// Devices have no link to each other, so cutting it touches nothing.
const INERT: &str = r#"
    [[faults]]
    at = "2s"
    for = "1s"
    partition = { between = ["alice/1"], and = ["bob/1"] }
"#;

/// Returns a folder with these scenario files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, more) in files {
        fs::write(folder.path().join(format!("{name}.toml")), scenario(name, more))
            .expect("written");
    }
    folder
}

fn fedsim(folder: &TempDir, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fedsim"))
        .current_dir(folder)
        .args(arguments)
        .env_remove("CLICOLOR_FORCE")
        .output()
        .expect("the command starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[track_caller]
fn exits(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}\n{}", stdout(output), stderr(output));
}

/// Returns standard output without wall-clock times.
fn timeless(output: &Output) -> Vec<String> {
    let without = |line: &str| match (line.find('['), line.find(']')) {
        (Some(begin), Some(end)) => format!("{}{}", &line[..begin], &line[end + 1..]),
        _ => line.to_owned(),
    };
    stdout(output).lines().map(without).collect()
}

fn objects(output: &Output) -> Vec<Value> {
    let text = stdout(output);
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn every_mistake_of_every_file_is_named_and_nothing_is_run() {
    let folder = folder(&[("good", ""), ("empty-side", ""), ("nobody", "")]);
    let bad = [
        ("empty-side", "[[faults]]\nat = \"2s\"\npartition = { between = [], and = [\"bb\"] }"),
        ("nobody", "[[ops]]\nat = \"3s\"\nfetch = { user = \"bobb\" }"),
    ];
    for (name, more) in bad {
        let text = scenario(name, more).replace("        ", "");
        fs::write(folder.path().join(format!("{name}.toml")), text).expect("written");
    }
    let output = fedsim(&folder, &["run", "good.toml", "empty-side.toml", "nobody.toml"]);
    exits(&output, 2);
    assert_eq!(stdout(&output), "");
    assert!(!folder.path().join("target").exists());
    insta::assert_snapshot!(stderr(&output));
}

#[test]
fn a_good_file_is_checked_without_being_run() {
    let folder = folder(&[("good", "")]);
    let output = fedsim(&folder, &["check", "good.toml"]);
    exits(&output, 0);
    assert_eq!(stdout(&output), "         ok good.toml\n");
    assert!(!folder.path().join("target").exists());
}

#[test]
fn nothing_selected_is_no_pass() {
    let folder = folder(&[("good", "")]);
    exits(&fedsim(&folder, &["run"]), 4);
    exits(&fedsim(&folder, &["run", "good.toml", "-f", "m1-*"]), 4);
    exits(&fedsim(&folder, &["check", ".", "-f", "tag:large"]), 4);
    exits(&fedsim(&folder, &["check", ".", "-f", "tag:small"]), 0);
}

#[test]
fn a_file_that_is_not_there_is_a_mistake() {
    let output = fedsim(&folder(&[]), &["run", "gone.toml"]);
    exits(&output, 2);
    assert!(stderr(&output).contains("gone.toml"), "{}", stderr(&output));
}

#[test]
fn two_scenarios_of_one_name_are_refused() {
    let folder = folder(&[("good", "")]);
    fs::write(folder.path().join("other.toml"), scenario("good", "")).expect("written");
    exits(&fedsim(&folder, &["run", "."]), 2);
    // The same file named twice is one scenario.
    exits(&fedsim(&folder, &["check", "good.toml", "./good.toml"]), 0);
}

#[test]
fn a_passing_run_writes_record_report_and_latest() {
    let folder = folder(&[("good", "")]);
    let output = fedsim(&folder, &["run", "good.toml"]);
    exits(&output, 0);
    assert_eq!(stderr(&output), "");
    let lines = timeless(&output);
    assert_eq!(lines[1], "       PASS  good  seed 7  1 message");
    assert!(lines[2].starts_with("    Summary  1 run: 1 pass · 0 faults · "), "{}", lines[2]);
    let latest = folder.path().join("target/fedsim/latest");
    let report = fs::read_to_string(latest.join("report.txt")).expect("a report");
    assert!(report.starts_with("scenario  good "), "{report}");
    assert!(latest.join("run.json").is_file());
}

#[test]
fn a_failing_run_says_why_and_how_to_repeat_it() {
    let folder = folder(&[("broken", BROKEN_PROMISE)]);
    let output = fedsim(&folder, &["run", "broken.toml"]);
    exits(&output, 1);
    let text = stdout(&output);
    let again = "fedsim replay target/fedsim/broken-7/run.json";
    assert!(text.contains("m1") && text.contains(again), "{text}");
    let replayed = fedsim(&folder, &["replay", "target/fedsim/broken-7/run.json"]);
    exits(&replayed, 1);
    assert!(stdout(&replayed).contains("Reproduced broken"), "{}", stdout(&replayed));
}

#[test]
fn a_record_replays_to_the_same_journal() {
    let folder = folder(&[("good", "")]);
    exits(&fedsim(&folder, &["run", "good.toml"]), 0);
    // Replay needs only the record.
    fs::remove_file(folder.path().join("good.toml")).expect("removed");
    let output = fedsim(&folder, &["replay", "target/fedsim/latest"]);
    exits(&output, 0);
    assert!(stdout(&output).contains("journal entries are the same"), "{}", stdout(&output));
}

#[test]
fn an_altered_journal_is_found_at_its_first_difference() {
    let folder = folder(&[("good", "")]);
    exits(&fedsim(&folder, &["run", "good.toml"]), 0);
    let path = folder.path().join("target/fedsim/good-7/run.json");
    let mut record: Value = read(&path);
    for index in [9, 11] {
        let line = record["events"][index]["line"].as_str().expect("a line").to_owned();
        record["events"][index]["line"] = line.replacen('"', "!", 1).into();
    }
    fs::write(&path, record.to_string()).expect("written");
    let output = fedsim(&folder, &["replay", "target/fedsim/good-7/run.json"]);
    exits(&output, 5);
    let text = stdout(&output);
    assert!(text.contains("the first difference is journal entry #10 of"), "{text}");
    assert!(text.contains("recorded  {!"), "{text}");
}

#[test]
fn an_altered_verdict_is_a_difference_although_the_journals_agree() {
    let folder = folder(&[("good", "")]);
    exits(&fedsim(&folder, &["run", "good.toml"]), 0);
    let path = folder.path().join("target/fedsim/good-7/run.json");
    let text = fs::read_to_string(&path).expect("a record");
    let altered = text.replacen("\"verdict\": \"pass\"", "\"verdict\": \"unknown\"", 1);
    fs::write(&path, altered).expect("written");
    let output = fedsim(&folder, &["replay", "target/fedsim/good-7"]);
    exits(&output, 5);
    assert!(stdout(&output).contains("the journals are the same"), "{}", stdout(&output));
}

#[test]
fn a_record_of_another_version_is_compared_and_the_versions_are_told() {
    let folder = folder(&[("good", "")]);
    exits(&fedsim(&folder, &["run", "good.toml"]), 0);
    let path = folder.path().join("target/fedsim/good-7/run.json");
    let mut record: Value = read(&path);
    record["program"]["version"] = "0.0.1".into();
    fs::write(&path, record.to_string()).expect("written");
    let output = fedsim(&folder, &["replay", "target/fedsim/good-7"]);
    exits(&output, 0);
    let noted = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(noted.contains("note: recorded by version 0.0.1, and replayed by"), "{noted}");
}

#[test]
fn what_is_no_record_is_refused() {
    let folder = folder(&[("good", "")]);
    exits(&fedsim(&folder, &["replay", "gone.json"]), 2);
    exits(&fedsim(&folder, &["replay", "good.toml"]), 2);
}

#[test]
fn a_repeated_run_is_the_same_run() {
    let folder = folder(&[("good", ""), ("broken", BROKEN_PROMISE)]);
    exits(&fedsim(&folder, &["run", "good.toml", "--twice", "--seed", "1..=2"]), 0);
    exits(&fedsim(&folder, &["run", "broken.toml", "--twice"]), 1);
    assert!(folder.path().join("target/fedsim/good-2/run.json").is_file());
}

#[test]
fn a_long_campaign_repeats_one_run_in_twenty_and_keeps_the_first_hundred_passes() {
    let folder = folder(&[("good", "")]);
    let output = fedsim(&folder, &["run", "good.toml", "--seed", "1..=101"]);
    exits(&output, 0);
    assert!(stdout(&output).contains("1 in 20 twice"), "{}", stdout(&output));
    assert!(stdout(&output).contains("of runs that pass, the first 100 are kept"));
    let folded = timeless(&output).into_iter().find(|line| line.contains("PASS"));
    assert_eq!(folded.as_deref(), Some("       PASS  good  101 runs, of seeds 1 to 101"));
    let kept = |seed: u64| folder.path().join(format!("target/fedsim/good-{seed}")).exists();
    assert!(kept(100) && !kept(101));
}

#[test]
fn an_inert_fault_is_no_pass_and_lenience_accepts_it() {
    let folder = folder(&[("inert", INERT)]);
    let output = fedsim(&folder, &["run", "inert.toml"]);
    exits(&output, 3);
    assert!(stdout(&output).contains("WARN"), "{}", stdout(&output));
    exits(&fedsim(&folder, &["run", "inert.toml", "--strict"]), 3);
    exits(&fedsim(&folder, &["run", "inert.toml", "--lenient"]), 0);
}

#[test]
fn threads_do_not_change_what_is_printed() {
    let folder = folder(&[("one", ""), ("two", BROKEN_PROMISE), ("zinert", INERT)]);
    let one = fedsim(&folder, &["run", ".", "-j", "1", "--seed", "1..4"]);
    let four = fedsim(&folder, &["run", ".", "-j", "4", "--seed", "1..4"]);
    exits(&one, 1);
    assert_eq!(timeless(&one)[1..], timeless(&four)[1..]);
}

#[test]
fn programs_get_an_object_a_line() {
    let folder = folder(&[("good", ""), ("zbroken", BROKEN_PROMISE)]);
    let output = fedsim(&folder, &["run", ".", "--message-format", "json"]);
    exits(&output, 1);
    let objects = objects(&output);
    let kinds: Vec<&str> = objects.iter().filter_map(|object| object["type"].as_str()).collect();
    assert_eq!(kinds, ["run", "run", "summary"]);
    assert_eq!(objects[0]["verdict"], "pass");
    assert_eq!(objects[1]["verdict"], "fail");
    assert_eq!(objects[2]["exit"], 1);
}

#[test]
fn programs_get_mistakes_with_their_places() {
    let folder = folder(&[("nobody", "[[ops]]\nat = \"3s\"\nfetch = { user = \"bobb\" }")]);
    let output = fedsim(&folder, &["check", ".", "--message-format", "json"]);
    exits(&output, 2);
    let mistake = &objects(&output)[0];
    assert_eq!(mistake["type"], "mistake");
    assert_eq!(mistake["code"], "scenario::unknown-user");
    assert_eq!(mistake["path"], "./nobody.toml");
    assert!(mistake["line"].as_u64() > Some(20), "{mistake}");
}

#[test]
fn a_measured_row_falls_short_exactly_when_its_figure_misses_its_goal() {
    let folder = folder(&[]);
    let bench = ["bench", "--quick", "request"];
    let measured = fedsim(&folder, &[&bench[..], &["--message-format", "json"]].concat());
    exits(&measured, 0);
    let row = &objects(&measured)[0];
    let (goal, figure) = (row["goal"].as_f64().unwrap(), row["measured"].as_f64().unwrap());
    assert!(figure > 0.0);
    assert_eq!(row["falls_short"], figure > goal);
    let table = stdout(&fedsim(&folder, &bench));
    assert!(table.contains("request ") && table.contains("≤ 0.6 x"), "{table}");
}

#[test]
fn a_pipe_that_is_closed_ends_the_command_quietly() {
    let folder = folder(&[]);
    let script = format!("{} list endpoints | true", env!("CARGO_BIN_EXE_fedsim"));
    let output =
        Command::new("sh").args(["-c", &script]).current_dir(&folder).output().expect("a shell");
    assert_eq!(stderr(&output), "");
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}

#[test]
fn a_journal_is_kept_of_what_failed_and_judged_again_without_a_run() {
    let folder = folder(&[("good", ""), ("bad", BROKEN_PROMISE)]);
    fedsim(&folder, &["run", "good.toml", "bad.toml", "--out", "out"]);
    assert!(!folder.path().join("out/good-7/journal.jsonl.zst").exists());
    let judged = fedsim(&folder, &["judge", "out/bad-7"]);
    assert_eq!(judged.status.code(), Some(1), "{}", stderr(&judged));
    assert!(stdout(&judged).contains("FAIL bad  (seed 7)"), "{}", stdout(&judged));

    fedsim(&folder, &["run", "good.toml", "--out", "out", "--journal", "always"]);
    let judged = fedsim(&folder, &["judge", "out/good-7/run.json", "out/bad-7/journal.jsonl.zst"]);
    assert_eq!(judged.status.code(), Some(1), "the worst counts");
    assert!(!stdout(&judged).contains("otherwise"), "{}", stdout(&judged));
}

#[test]
fn a_journal_that_was_cut_off_or_is_not_there_is_refused_with_a_remedy() {
    let folder = folder(&[("good", "")]);
    fedsim(&folder, &["run", "good.toml", "--out", "out", "--journal", "always"]);
    let path = folder.path().join("out/good-7/journal.jsonl.zst");
    let whole = fs::read(&path).expect("it was kept");
    fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    let judged = fedsim(&folder, &["judge", "out/good-7"]);
    assert_eq!(judged.status.code(), Some(2), "{}", stdout(&judged));
    assert!(stderr(&judged).contains("cannot judge out/good-7/journal.jsonl.zst: line "));

    fedsim(&folder, &["run", "good.toml", "--out", "out"]);
    let judged = fedsim(&folder, &["judge", "out/good-7"]);
    assert_eq!(judged.status.code(), Some(2), "an old journal must not stay beside a new record");
    assert!(stderr(&judged).contains("--journal always"), "{}", stderr(&judged));
}

#[test]
fn a_failing_run_has_a_page_and_a_passing_one_if_that_is_asked_for() {
    let folder = folder(&[("good", ""), ("broken", BROKEN_PROMISE)]);
    let page = |name: &str| folder.path().join(format!("target/fedsim/{name}-7/report.html"));
    exits(&fedsim(&folder, &["run", "."]), 1);
    assert!(page("broken").is_file() && !page("good").exists());
    let index = fs::read_to_string(folder.path().join("target/fedsim/index.html"));
    assert!(index.expect("a page about both").contains("broken-7/report.html"));
    exits(&fedsim(&folder, &["run", "good.toml", "--report", "html,junit"]), 0);
    assert!(page("good").is_file() && page("good").with_file_name("junit.xml").is_file());
    exits(&fedsim(&folder, &["run", "good.toml", "--report", "tapestry"]), 2);
}

#[test]
fn a_kept_run_is_shown_in_every_format() {
    let folder = folder(&[("good", "")]);
    exits(&fedsim(&folder, &["run", "good.toml", "--journal", "always"]), 0);
    for renderer in reports::RENDERERS {
        exits(&fedsim(&folder, &["report", "good-7", "--format", renderer.name]), 0);
        assert!(folder.path().join("target/fedsim/good-7").join(renderer.file).exists());
    }
    let piped = fedsim(&folder, &["report", "latest", "-f", "text", "-o", "-"]);
    assert!(stdout(&piped).starts_with("scenario  good "), "{}", stdout(&piped));
    let index = fedsim(&folder, &["report", "target/fedsim", "--index", "all.html"]);
    exits(&index, 0);
    let page = fs::read_to_string(folder.path().join("all.html")).expect("written");
    assert!(page.contains("target/fedsim/good-7/report."), "{page}");
}

#[test]
fn a_page_is_the_same_from_the_run_itself_and_from_its_kept_journal() {
    let folder = folder(&[("broken", BROKEN_PROMISE)]);
    exits(&fedsim(&folder, &["run", "broken.toml", "--report", "html,pcap"]), 1);
    let run = folder.path().join("target/fedsim/broken-7");
    let files = || {
        let captures = fs::read_dir(run.join("pcap")).expect("captures").flatten();
        let mut paths: Vec<_> = captures.map(|entry| entry.path()).collect();
        paths.sort();
        paths.push(run.join("report.html"));
        paths.into_iter().map(|path| fs::read(path).expect("a file")).collect::<Vec<_>>()
    };
    let before = files();
    exits(&fedsim(&folder, &["report", "broken-7", "--format", "html,pcap"]), 0);
    assert!(before == files() && before.len() > 4);
}

#[test]
fn what_needs_the_journal_says_how_to_keep_it() {
    let folder = folder(&[("good", "")]);
    exits(&fedsim(&folder, &["run", "good.toml"]), 0);
    let refused = fedsim(&folder, &["report", "good-7", "--format", "pcap"]);
    exits(&refused, 2);
    assert!(stderr(&refused).contains("--journal always"), "{}", stderr(&refused));
    exits(&fedsim(&folder, &["report", "nowhere"]), 2);
}

#[test]
fn entries_of_a_journal_are_shown_with_what_led_to_them() {
    let folder = folder(&[("broken", BROKEN_PROMISE)]);
    exits(&fedsim(&folder, &["run", "broken.toml"]), 1);
    let show = |flags: &[&str]| {
        let shown = fedsim(&folder, &[&["show", "broken-7"], flags].concat());
        exits(&shown, 0);
        stdout(&shown)
    };
    let sent = show(&["--node", "b", "--endpoint", "send", "--message", "m1", "--bodies"]);
    let first = sent.lines().next().expect("a line");
    assert!(first.contains("a → b  request_sent send m1  200"), "{first}");
    assert!(sent.contains("\"body\":\"hello\""), "{sent}");
    let (number, _) = first.trim_start_matches([' ', '#']).split_once(' ').expect("a number");
    let why = show(&["--why", number]);
    assert!(why.lines().count() == 3 && why.contains("client_send m1"), "{why}");
    assert_eq!(show(&["--around", number]).lines().count(), 21);
    assert!(show(&["--evidence"]).contains("send-began m1"));
    exits(&fedsim(&folder, &["show", "broken-7", "--why", "999999"]), 2);
    exits(&fedsim(&folder, &["show", "broken-7", "--from", "2h"]), 4);
}

#[test]
fn equal_failures_are_told_once_and_the_first_can_end_all() {
    let folder = folder(&[("broken", BROKEN_PROMISE)]);
    let all = fedsim(&folder, &["run", "broken.toml", "--seed", "1..=3"]);
    exits(&all, 1);
    assert!(stdout(&all).contains("2 more runs failed the same way"), "{}", stdout(&all));
    assert_eq!(stdout(&all).matches("  FAIL broken  (seed").count(), 1);
    let first = fedsim(&folder, &["run", "broken.toml", "--seed", "1..=3", "--fail-fast"]);
    assert!(stdout(&first).contains("1 run: 0 pass, 1 fail"), "{}", stdout(&first));
}

#[test]
fn what_shrinking_leaves_is_kept_with_the_run_and_on_its_page() {
    let folder = folder(&[("broken", BROKEN_PROMISE)]);
    exits(&fedsim(&folder, &["run", "broken.toml"]), 1);
    exits(&fedsim(&folder, &["shrink", "broken-7"]), 1);
    let run = folder.path().join("target/fedsim/broken-7");
    let page = fs::read_to_string(run.join("report.html")).expect("a page");
    assert!(run.join("shrunk.toml").is_file() && page.contains("Made smaller"));
}

#[test]
fn of_many_equal_failures_one_is_explained_at_once_and_twenty_keep_their_folder() {
    let folder = folder(&[("broken", BROKEN_PROMISE)]);
    let output = fedsim(&folder, &["run", "broken.toml", "--seed", "1..=24"]);
    exits(&output, 1);
    let told = stdout(&output);
    let (before, after) = told.split_once("Summary").expect("a summary");
    assert_eq!(before.matches("the report").count(), 1, "{told}");
    assert!(after.contains("and 23 more runs failed the same way"), "{told}");
    assert!(after.contains("of runs that failed the same way, the first 20 are kept"), "{told}");
    let kept = |seed: u64| folder.path().join(format!("target/fedsim/broken-{seed}")).exists();
    assert!(kept(20) && !kept(21));
}

#[test]
fn a_scenario_can_come_from_standard_input() {
    let folder = folder(&[("good", "")]);
    let file = fs::File::open(folder.path().join("good.toml")).expect("it is there");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fedsim"));
    let output = command.current_dir(&folder).args(["run", "-"]).stdin(file).output();
    exits(&output.expect("the command starts"), 0);
    assert!(folder.path().join("target/fedsim/good-7/run.json").is_file());
}

#[test]
fn a_replay_that_differs_blames_the_program_only_for_its_own_records() {
    let folder = folder(&[("good", "")]);
    exits(&fedsim(&folder, &["run", "good.toml"]), 0);
    let path = folder.path().join("target/fedsim/good-7/run.json");
    let text = fs::read_to_string(&path).expect("a record");
    let record: Value = serde_json::from_str(&text).expect("JSON");
    let build = record["meta"]["build"].as_str().expect("it says which build").to_owned();
    let other = text.replace("hello", "hullo");
    fs::write(&path, &other).expect("written");
    let own = fedsim(&folder, &["replay", "good-7"]);
    exits(&own, 5);
    assert!(stderr(&own).contains("this is a defect of fedsim"), "{}", stderr(&own));
    fs::write(&path, other.replace(&build, "0123456789ab")).expect("written");
    let others = fedsim(&folder, &["replay", "good-7"]);
    let told = stderr(&others);
    assert!(told.contains("recorded by build 0123456789ab"), "{told}");
    assert!(!told.contains("defect"), "{told}");
}

#[test]
fn a_new_scenario_passes_and_is_never_written_over_another() {
    let folder = folder(&[]);
    exits(&fedsim(&folder, &["new", "b-is-away"]), 0);
    exits(&fedsim(&folder, &["run", "b-is-away.toml"]), 0);
    let again = fedsim(&folder, &["new", "b-is-away"]);
    exits(&again, 2);
    assert!(stderr(&again).contains("name another with --output"), "{}", stderr(&again));
    exits(&fedsim(&folder, &["new", "B is away"]), 2);
}

#[test]
fn everything_that_a_file_can_name_is_explained() {
    let folder = folder(&[]);
    for (topic, says) in [
        ("crash", "power loss"),
        ("send", "retries"),
        ("users", "alice = {"),
        ("exactly-once", "no device is shown a message twice"),
        ("relay_txn", "GET"),
        ("unknown-user", "a user that is not defined"),
        ("exit-codes", "130"),
    ] {
        let output = fedsim(&folder, &["explain", topic]);
        exits(&output, 0);
        let told = stdout(&output);
        assert!(told.to_lowercase().contains(&says.to_lowercase()), "{topic}: {told}");
    }
    let output = fedsim(&folder, &["explain", "crahs"]);
    exits(&output, 2);
    assert!(stderr(&output).contains("explain crash`?"), "{}", stderr(&output));
}

#[test]
fn shells_and_manuals_know_the_command() {
    let folder = folder(&[]);
    for shell in ["bash", "zsh", "fish"] {
        let output = fedsim(&folder, &["completions", shell]);
        exits(&output, 0);
        assert!(stdout(&output).contains("every-leg"), "{shell}");
    }
    exits(&fedsim(&folder, &["man", "pages"]), 0);
    let page = fs::read_to_string(folder.path().join("pages/fedsim-run.1")).expect("a page");
    assert!(page.contains("fail\\-fast"), "{page}");
}

#[test]
fn a_name_that_no_defect_has_is_told_and_none_is_looked_for() {
    let folder = folder(&[]);
    let output = fedsim(&folder, &["defects", "m1-owner", "m2-owner"]);
    exits(&output, 4);
    assert!(stderr(&output).contains("no defect's name contains \"m2-owner\""));
    let output = fedsim(&folder, &["defects", "m1-owner", "--page", "page.md"]);
    exits(&output, 2);
    assert!(stderr(&output).contains("leave out the names"), "{}", stderr(&output));
}
