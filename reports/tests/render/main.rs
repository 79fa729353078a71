//! Every renderer on records made by hand.

mod formats;
mod page;
mod sample;
mod show;

use std::path::Path;

use checks::record::{CheckVerdict, Presence, Record, Skipped, Verdict, Why};
use reports::{
    COLUMNS, LINES, RENDERERS, Source, folder, html, json,
    line::{self, Status, Totals, Widths},
    text,
};

use crate::sample::MS;

fn leads(folder: &Path) -> line::Leads<'_> {
    line::Leads { folder, page: true, program: "fedsim", columns: COLUMNS }
}

fn shown(record: &Record) -> String {
    let text = text::render(record);
    assert!(text.lines().count() <= LINES, "{} lines", text.lines().count());
    for line in text.lines() {
        assert!(line.chars().count() <= COLUMNS, "{line}");
        assert_eq!(line, line.trim_end());
    }
    text
}

#[test]
fn a_passing_run_fits_on_half_a_page() {
    insta::assert_snapshot!(shown(&sample::pass()));
}

#[test]
fn a_failing_run_shows_sentence_fault_and_evidence() {
    insta::assert_snapshot!(shown(&sample::fail()));
}

#[test]
fn a_violation_that_must_be_is_marked_so() {
    insta::assert_snapshot!(shown(&sample::expected_violation()));
}

#[test]
fn an_inert_fault_and_a_vacuous_check_are_marked() {
    insta::assert_snapshot!(shown(&sample::weak()));
}

#[test]
fn who_left_is_not_missing_and_what_never_happened_is_told() {
    let mut record = sample::weak();
    for (copy, presence) in [(1, Presence::Left), (2, Presence::Later)] {
        let copy = &mut record.messages[0].copies[copy];
        (copy.seen_ns, copy.times, copy.presence) = (None, 0, presence);
    }
    let (operation, device) = ("send m2".to_owned(), "bob/1".to_owned());
    record.skipped = vec![Skipped { operation, device, at_ns: 5_000 * MS, why: None }];
    let text = shown(&record);
    assert!(text.contains("1.096s        left   joined later\n"), "{text}");
    assert!(text.contains("1 operation never happened: send m2 (bob/1 was down)"), "{text}");
    assert!(text.contains("1 skipped operation; settled"), "{text}");
    let message = &mut record.messages[0];
    message.copies.extend(message.copies.clone());
    let long = "a-user-with-a-name-that-is-long/".to_owned();
    (1..).zip(&mut message.copies).for_each(|(n, copy)| copy.device = format!("{long}{n}"));
    let text = shown(&record);
    assert!(text.contains("seen by 2 of 2 devices, last at 1.096s\n"), "{text}");
}

#[test]
fn a_large_run_is_bounded_and_its_violations_come_first() {
    insta::assert_snapshot!(shown(&sample::large()));
}

#[test]
fn devices_that_do_not_fit_side_by_side_become_a_sentence() {
    let mut record = sample::large();
    record.messages.truncate(9);
    insta::assert_snapshot!(shown(&record));
}

#[test]
fn a_check_that_had_to_break_and_holds_is_the_sentence() {
    let mut record = sample::expected_violation();
    record.verdict = Verdict::Fail;
    record.checks[0].verdict = CheckVerdict::Holds;
    record.checks[0].sentence = None;
    let sentence = line::sentence(&record).expect("it failed");
    assert_eq!(sentence, "always all-or-nothing holds, but this design must break it");
}

#[test]
fn after_a_panic_the_sentence_is_about_the_panic() {
    let mut record = sample::fail();
    record.ended.why = Why::Panic;
    record.sentence = Some("a panicked: no such row".to_owned());
    assert_eq!(line::sentence(&record).as_deref(), Some("a panicked: no such row"));
}

#[test]
fn no_report_obeys_an_escape_sequence_of_a_record() {
    let mut record = sample::fail();
    record.scenario.about = "\u{1b}[2Jgone".to_owned();
    record.checks[0].sentence = Some("\u{1b}[31mred\r\n".to_owned());
    record.faults[0].what = "\u{7}bell".to_owned();
    let text = shown(&record) + &line::failure(&record, &leads(Path::new("out"))).join("\n");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

#[test]
fn the_head_shows_a_schedule_that_is_not_fixed() {
    let mut record = sample::pass();
    assert!(!shown(&record).contains("schedule"));
    record.scenario.schedule = Some("priorities 3".to_owned());
    assert!(shown(&record).contains("\nschedule  priorities 3\n"));
}

#[test]
fn wall_time_is_no_part_of_the_report() {
    let mut record = sample::fail();
    let before = text::render(&record);
    record.meta.wall_ms = 999;
    assert_eq!(text::render(&record), before);
}

#[test]
fn a_record_survives_its_own_json() {
    let record = sample::large();
    let text = json::render(&record);
    let again = json::parse(&text).expect("its own JSON");
    assert_eq!(again.events, record.events);
    assert_eq!(json::render(&again), text);
}

#[test]
fn every_event_is_one_line_of_json() {
    insta::assert_snapshot!(json::render(&sample::fail()));
}

#[test]
fn a_record_of_another_format_is_refused_by_its_number() {
    let text = json::render(&sample::pass()).replace("\"schema\": 2", "\"schema\": 9");
    let refusal = json::parse(&text).expect_err("format 9").to_string();
    assert_eq!(refusal, "this record is of format 9; this program reads format 2");
}

#[test]
fn the_schema_describes_every_part_of_a_record() {
    let schema: serde_json::Value = serde_json::from_str(&json::schema()).expect("JSON");
    let record: serde_json::Value =
        serde_json::from_str(&json::render(&sample::pass())).expect("JSON");
    for key in record.as_object().expect("an object").keys() {
        assert!(schema["properties"][key].is_object(), "{key} has no schema");
    }
}

#[test]
fn a_failure_begins_with_message_time_and_device() {
    let folder = folder::of(Path::new("target/fedsim"), "m1", 7);
    insta::assert_snapshot!(line::failure(&sample::fail(), &leads(&folder)).join("\n"));
}

#[test]
fn a_failure_keeps_to_the_width_of_the_terminal_and_breaks_between_words() {
    let mut record = sample::fail();
    record.checks[0].sentence = Some("alice/1 saw m1, and b never stored it ".repeat(4));
    let narrow = line::Leads { columns: 70, ..leads(Path::new("out")) };
    let lines = line::failure(&record, &narrow);
    assert!(lines.iter().all(|line| line.chars().count() <= 70 - line::INDENT), "{lines:#?}");
    let words = lines.join(" ");
    assert_eq!(words.matches("never stored it").count(), 4, "{words}");
}

#[test]
fn results_line_up() {
    let quota = ["sometimes relay-full: never reached".to_owned()];
    let widths = Widths { line: COLUMNS, name: 41, seed: 1 };
    let lines = [
        line::result(&sample::pass(), &[], widths),
        line::result(&sample::fail(), &[], widths),
        line::result(&sample::expected_violation(), &[], widths),
        line::result(&sample::weak(), &quota, widths),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_pass_with_a_weakness_is_a_warning() {
    assert_eq!(Status::of(&sample::pass(), &[]), Status::Pass);
    assert_eq!(Status::of(&sample::pass(), &["inert".to_owned()]), Status::Warn);
    assert_eq!(Status::of(&sample::fail(), &["inert".to_owned()]), Status::Fail);
}

#[test]
fn the_summary_counts_runs_faults_and_simulated_time() {
    let mut totals = Totals::of(&sample::pass(), Status::Pass);
    totals += Totals::of(&sample::fail(), Status::Fail);
    totals.simulated_ns += 6_300_000 * MS;
    assert_eq!(totals.summary(), "2 runs: 1 pass, 1 fail · 1 fault · 1h 50m simulated");
}

#[test]
fn no_name_of_a_scenario_leads_out_of_the_folder() {
    let folder = folder::of(Path::new("out"), "../../etc/passwd", 1);
    assert_eq!(folder, Path::new("out/-..-etc-passwd-1"));
}

#[test]
fn every_renderer_writes_its_files_and_no_two_share_one() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let record = sample::fail();
    let source = Source::of(&record);
    let all: Vec<_> = RENDERERS.iter().filter(|it| it.files(&source).is_ok()).collect();
    let folder = folder::write(out.path(), &source, &all).expect("it can be written");
    let mut files = std::collections::BTreeSet::new();
    for renderer in RENDERERS {
        assert!(files.insert(renderer.file), "two renderers write {}", renderer.file);
    }
    for file in all.iter().flat_map(|it| it.files(&source).expect("nothing is lacking")) {
        let bytes = std::fs::read(folder.join(&file.name)).expect(&file.name);
        assert_eq!(bytes, file.bytes, "{}", file.name);
    }
}

#[test]
fn what_an_earlier_run_left_does_not_pass_for_this_ones() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let record = sample::fail();
    let source = Source::of(&record);
    let folder = folder::write(out.path(), &source, &[&html::RENDERER]).expect("written");
    assert!(folder.join(folder::PAGE).exists());
    folder::write(out.path(), &source, &[]).expect("written again");
    assert!(!folder.join(folder::PAGE).exists());
}
