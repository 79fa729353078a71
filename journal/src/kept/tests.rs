//! What is written is what is read, and what was cut off or altered is told.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;

use super::{Header, Kept, Malformed, read, write, write::write_lines};
use crate::{
    Answer, ConnectFailed, Ended, Event, Journal, Loss, Misbehavior, Recording, Request,
    fault::FaultReport,
};

fn header() -> Header {
    Header {
        program: "fedsim".to_owned(),
        version: "1.2.3".to_owned(),
        scenario: "name = \"x\"\n".to_owned(),
        file: Some("x.toml".to_owned()),
        seed: u64::MAX,
    }
}

/// A recording with an entry of every kind.
fn recording() -> Recording {
    let mut journal = Journal::default();
    let mut push = |machine: &str, cause, event| {
        let at = Duration::from_nanos(10);
        journal.push(at, Arc::from(machine), cause, event)
    };
    let request = |body: Bytes, replays| {
        let (to, method, target) = (Arc::from("b"), "PUT".to_owned(), "/x?y=é".to_owned());
        Event::RequestSent(Request { to, method, target, body, replays })
    };
    push("a", None, Event::Booted { incarnation: 1 });
    let sent = push("a", None, request(Bytes::from_static(b"{\"a\":\"\\n\"}"), None));
    let arrived = push("b", Some(sent), Event::RequestArrived { request: sent });
    let body = Bytes::from_static(&[0xFF, 0, b'\n']);
    let answer = Answer { request: sent, to: Arc::from("a"), status: 200, body };
    let answer = push("b", Some(arrived), Event::AnswerSent(answer));
    push("a", Some(answer), Event::AnswerArrived { request: sent, answer });
    let replay = push("a", None, request(Bytes::new(), Some(sent)));
    push("a", Some(replay), Event::RequestLost { request: replay, why: Loss::TimedOut });
    push("b", Some(replay), Event::RequestDropped { request: replay, why: Loss::Closed });
    push("b", None, Event::DiskSynced { file: "db".to_owned(), bytes: 512 });
    push("b", None, Event::DiskWritten { file: "db".to_owned(), bytes: 1 });
    push("network", None, Event::FaultBegan { fault: 1, what: "partition a | b".to_owned() });
    let (to, why, waited) = (Arc::from("b"), Loss::GivenUp, Duration::from_secs(10));
    let failed = ConnectFailed { to, port: 8448, why, waited, fault: Some(1) };
    push("a", Some(arrived), Event::ConnectFailed(failed));
    push("network", None, Event::FaultEnded { fault: 1, what: "partition a | b".to_owned() });
    push("a", None, Event::Exited { error: "disk".to_owned() });
    push("a", None, Event::Note { topic: "seen".to_owned(), body: json!({"of": [1.1, null]}) });
    let report = FaultReport {
        what: "partition a | b".to_owned(),
        from: Duration::from_nanos(10),
        until: Some(Duration::from_nanos(10)),
        requests: BTreeSet::from([sent]),
        hits: 3,
    };
    let how = Misbehavior::NeverSettles;
    let ended = Ended::Misbehaved { machine: "a".to_owned(), how };
    Recording { journal, faults: vec![report], ended, at: Duration::from_secs(1) }
}

fn text() -> Vec<u8> {
    let mut text = Vec::new();
    write_lines(&mut text, &header(), &recording()).expect("a vector takes it");
    text
}

fn malformed(text: &[u8]) -> Malformed {
    read(text).expect_err("it is malformed")
}

/// The text with `from` replaced by `to`, and without the hash, as another tool may write it.
fn changed(from: &str, to: &str) -> Malformed {
    let text = String::from_utf8(text()).expect("it is text");
    assert!(text.contains(from), "{from} is not in {text}");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("{\"hash\"")).collect();
    malformed(lines.join("\n").replace(from, to).as_bytes())
}

#[test]
fn every_ending_is_read_back() {
    for ended in [Ended::Finished, Ended::Limit, Ended::EntryLimit(7), Ended::ByteLimit(9)] {
        let (mut file, recording) = (Vec::new(), Recording { ended: ended.clone(), ..recording() });
        write(&mut file, &header(), &recording).expect("a vector takes it");
        assert_eq!(read(&file[..]).expect("it is whole").recording.ended, ended);
    }
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let mut file = Vec::new();
    write(&mut file, &header(), &recording()).expect("a vector takes it");
    for kept in [read(&file[..]), read(&text()[..])] {
        let Kept { header: of, recording: back } = kept.expect("it is whole");
        assert_eq!(of, header());
        let now = recording();
        assert_eq!(back.journal.hash(), now.journal.hash());
        assert_eq!((back.ended, back.at), (now.ended, now.at));
        assert_eq!(format!("{:?}", back.faults), format!("{:?}", now.faults));
    }
}

#[test]
fn a_journal_that_is_cut_off_anywhere_is_malformed() {
    let text = text();
    let whole = text.len() - text.iter().rev().skip(1).position(|c| *c == b'\n').unwrap_or(0) - 1;
    for length in 0..whole - 1 {
        assert!(read(&text[..length]).is_err(), "cut off after {length} bytes it is read");
    }
}

#[test]
fn a_journal_with_one_byte_altered_is_malformed() {
    let text = text();
    for at in 0..text.len() - 1 {
        let mut altered = text.clone();
        altered[at] ^= 1;
        assert!(read(&altered[..]).is_err(), "byte {at} altered, it is read");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_field() {
    let told = |from, to| changed(from, to).to_string();
    assert_eq!(
        told("\"status\":200", "\"status\":\"ok\""),
        "line 5, `event.answer_sent.status`: invalid type: string \"ok\", expected u16 (column 100)"
    );
    assert_eq!(told("\"n\":3,", "\"n\":4,"), "line 4, `n`: entry 3 is due here, not 4");
    assert!(told("\"version\":1", "\"version\":2").starts_with("line 1, `version`: version 2 is"));
    assert!(
        told("\"incarnation\":1", "\"incarnations\":1").contains("`event.booted.incarnations`")
    );
    let lost = "\"request_lost\":{\"request\":6";
    let of_none = "\"request_lost\":{\"request\":3";
    let sentence = "line 8, `event.request_lost.request`: entry 3 sent no request";
    assert_eq!(told(lost, of_none), sentence);
    let sentence = "line 13, `event.connect_failed.fault`: fault 2 never began";
    assert_eq!(told("10000000000,\"fault\":1", "10000000000,\"fault\":2"), sentence);
    assert_eq!(
        told("\"base64\":\"/", "\"base64\":\"!"),
        "line 5, `event`: the body is no base64: Invalid symbol 33, offset 0."
    );
}

#[test]
fn an_end_that_belongs_to_other_entries_is_malformed() {
    let field = |from, to| changed(from, to).field;
    assert_eq!(field("\"entries\":15", "\"entries\":12"), "entries");
    assert_eq!(field("\"requests\":[2]", "\"requests\":[1]"), "faults");
    assert_eq!(field("\"at_ns\":1000000000", "\"at_ns\":9"), "at_ns");
    assert_eq!(malformed(b"").what, "the journal is empty");
}

#[test]
fn what_happens_once_must_not_happen_twice() {
    let twice = |line: &str| {
        let text = String::from_utf8(text()).expect("it is text");
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("{\"hash\"")).collect();
        let at = lines.iter().position(|known| known.contains(line)).expect("it is there");
        let again = lines[at].replace(&format!("\"n\":{at},"), "\"n\":16,");
        let end = lines.len() - 1;
        let end_line = lines[end].replace("\"entries\":15", "\"entries\":16");
        let text = [&lines[..end], &[&*again, &*end_line]].concat().join("\n");
        malformed(text.as_bytes()).what
    };
    assert_eq!(twice("\"request_arrived\""), "request 2 arrived twice");
    assert_eq!(twice("\"answer_sent\""), "request 2 was answered twice");
    assert_eq!(twice("\"request_lost\""), "request 6 was lost twice");
    assert_eq!(twice("\"request_dropped\""), "request 6 was dropped twice");
    assert_eq!(twice("\"fault_ended\""), "fault 1 ended twice");
}

#[test]
fn a_fault_has_the_times_that_its_entries_have() {
    let field = |from, to| changed(from, to).what;
    let sentence = "`partition a | b` has another time than its entries";
    assert_eq!(field("\"from_ns\":10", "\"from_ns\":9"), sentence);
    assert_eq!(field("\"until_ns\":10,", ""), sentence);
}
