//! A yardstick for machines: a fixed amount of the work that runs spend their time on, in the
//! proportion in which they spend it, done by other people's code alone.
//!
//! What a figure in seconds says of a build, it says of the machine too. "So many runs in the time
//! of one yardstick" says it of the build: a machine that is half as fast needs twice as long for
//! both. Nothing of fedsim is in it, so that a slower fedsim does not make the yardstick longer.
//!
//! What it stands for is one run of three backends and ten `m1` messages, as counted in its journal
//! and in `docs/speed.md`: [`SIGNATURES`], [`COMMITS`] and [`HEADS`], which are three fifths of the
//! run's instructions. The rest (JSON, hashes, tasks, copies) is everywhere in a run and nowhere by
//! itself; it is left out, and assumed to go by the processor alike. A yardstick is [`RUNS`] times
//! that, so that it lasts about a second.

use std::hint::black_box;

use ruma::{
    SigningKeyAlgorithm,
    signatures::{Ed25519KeyPair, KeyPair, verify_canonical_json_bytes},
};
use rusqlite::{Connection, Transaction};

/// Runs whose work one yardstick stands for.
pub const RUNS: u32 = 100;

/// Signatures that a run makes, of events and of requests.
pub const SIGNATURES: u32 = 88;

/// Signatures that a run verifies: those few that were not made on the same thread.
pub const VERIFICATIONS: u32 = 2;

/// Databases of a run, one for each homeserver.
pub const DATABASES: u32 = 3;

/// Commits of a run to each of its databases.
pub const COMMITS: u32 = 41;

/// Heads of HTTP messages that a run parses: of some 150 requests and as many answers, each by the
/// one that receives it, and by the network for the journal.
pub const HEADS: u32 = 600;

/// An event as it is signed and stored.
const EVENT: &str = concat!(
    r#"{"auth_events":["$Pl3dPzJmHUnTg9b6nYwO8lYDRgmCq5bB3bkjRS0s4nA","#,
    r#""$tT2DkTn5FQ0xkUqFNe3lXWm0Y7LZJ3eJm4d3P9oV1sE","$ZcJ1t6yq9rXKq0pV5mS8wB2uH7nD4fG3aL6kM1oN9iQ"],"#,
    r#""content":{"body":"see you at ten","msgtype":"m.text","org.fedsim.message":"m7"},"depth":14,"#,
    r#""hashes":{"sha256":"4Ff0mS4yTqDkq1CwB8z5v7R2nL9xH3gJ6pU0aE1oK8c"},"origin_server_ts":1767225607000,"#,
    r#""prev_events":["$rJ8zX2cV5bN0mK7lH4gF1dS9aQ6wE3tY8uI5oP2lZ0M"],"room_id":"!JZMgtkz7d2sSba85ChGgwvU0:a","#,
    r#""sender":"@alice:a","type":"m.room.message"}"#
);

/// The head of a signed request.
const REQUEST: &str = concat!(
    "PUT /_matrix/federation/v1/send/1767225607000-7 HTTP/1.1\r\nhost: b\r\n",
    "authorization: X-Matrix origin=a,destination=b,key=\"ed25519:3fa9c1d0\",",
    "sig=\"K8J8bq0v5ZJbqH0xHk3n1rTzS0l2mC9dYf7gWp6uEoXcVtR4aQiLhNsMyBjDkFwUe1O2P3G5z7A9T8I6vLqRCw\"\r\n",
    "content-type: application/json\r\naccept: */*\r\ncontent-length: 704\r\n\r\n"
);

/// The head of its answer.
const ANSWER: &str = concat!(
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 61\r\n",
    "date: Thu, 01 Jan 2026 00:00:07 GMT\r\n\r\n"
);

/// Headers that a head may have.
const MAX_HEADERS: usize = 64;

/// The tables of a room's events, as far as they shape a commit: rows of some hundred bytes, found
/// by random ids, with an index beside most of them.
const TABLES: &str = "
    PRAGMA page_size = 2048;
    CREATE TABLE event (id INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, json TEXT NOT NULL);
    CREATE TABLE edge (event_id TEXT, prev_id TEXT, PRIMARY KEY (event_id, prev_id)) WITHOUT ROWID;
    CREATE INDEX edge_by_prev ON edge (prev_id);
    CREATE TABLE timeline (position INTEGER PRIMARY KEY, room TEXT, event_id TEXT UNIQUE);
    CREATE INDEX timeline_by_room ON timeline (room, position);
    CREATE TABLE queue (destination TEXT, event_id TEXT, PRIMARY KEY (destination, event_id)) WITHOUT ROWID;
";

/// Rows that are looked up for each commit: parents, what authorizes them, the state that they
/// stand on, who is to be told.
const LOOKUPS: usize = 50;

/// Does the work of as many runs: a part of a yardstick, to be measured beside something else.
///
/// # Errors
/// A part of it does not do what it should.
pub fn runs(count: u32) -> Result<(), String> {
    for _ in 0..count {
        sign(SIGNATURES)?;
        verify(VERIFICATIONS)?;
        for _ in 0..DATABASES {
            commit(COMMITS)?;
        }
        parse(HEADS)?;
    }
    Ok(())
}

/// Signs an event so many times, with ed25519 as Matrix servers do.
///
/// # Errors
/// There is no key.
pub fn sign(times: u32) -> Result<(), String> {
    let key = key()?;
    for _ in 0..times {
        black_box(key.sign(black_box(EVENT.as_bytes())));
    }
    Ok(())
}

/// Verifies the signature of an event so many times.
///
/// # Errors
/// It is not valid.
pub fn verify(times: u32) -> Result<(), String> {
    let key = key()?;
    let signature = key.sign(EVENT.as_bytes());
    for _ in 0..times {
        verify_canonical_json_bytes(
            &SigningKeyAlgorithm::Ed25519,
            &key.public_key(),
            black_box(signature.as_bytes()),
            EVENT.as_bytes(),
        )
        .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn key() -> Result<Ed25519KeyPair, String> {
    let document = Ed25519KeyPair::generate();
    Ed25519KeyPair::from_der(&document, "1".to_owned()).map_err(|error| error.to_string())
}

/// Commits so many transactions, each of which stores an event, to a database in memory: what
/// SQLite itself does, without a disk that would be waited for.
///
/// # Errors
/// SQLite refuses, or has not stored them all.
pub fn commit(times: u32) -> Result<(), String> {
    store(times).map_err(|error| error.to_string()).and_then(|stored| match stored {
        all if all == times => Ok(()),
        few => Err(format!("{few} of {times} events are stored")),
    })
}

fn store(times: u32) -> rusqlite::Result<u32> {
    let mut connection = Connection::open_in_memory()?;
    connection.execute_batch(TABLES)?;
    let ids: Vec<String> = (0..times).map(event_id).collect();
    for number in 0..ids.len() {
        let transaction = connection.transaction()?;
        store_event(&transaction, &ids[..=number])?;
        transaction.commit()?;
    }
    connection.query_row("SELECT count(*) FROM timeline", [], |row| row.get(0))
}

/// Stores the last of these events; the others are there.
fn store_event(transaction: &Transaction<'_>, ids: &[String]) -> rusqlite::Result<()> {
    let Some((event, known)) = ids.split_last() else { return Ok(()) };
    let mut find = transaction.prepare_cached("SELECT id, json FROM event WHERE event_id = ?1")?;
    for id in known.iter().rev().cycle().take(LOOKUPS) {
        let found = find.query_row([id], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
        black_box::<(i64, String)>(found?);
    }
    let run = |sql: &str, values: [&str; 2]| transaction.prepare_cached(sql)?.execute(values);
    let parent = known.last().unwrap_or(event);
    run("INSERT INTO event (event_id, json) VALUES (?1, ?2)", [event, EVENT])?;
    run("INSERT INTO edge (event_id, prev_id) VALUES (?1, ?2)", [event, parent])?;
    run("INSERT INTO timeline (room, event_id) VALUES (?1, ?2)", ["!room:a", event])?;
    for destination in ["b", "c"] {
        run("INSERT INTO queue (destination, event_id) VALUES (?1, ?2)", [destination, event])?;
        let sent = "DELETE FROM queue WHERE destination = ?1 AND event_id = ?2";
        run(sent, [destination, parent])?;
    }
    Ok(())
}

/// The id of an event: as random as a hash, and as long.
fn event_id(number: u32) -> String {
    // Fibonacci hashing: neighbors lie far apart.
    let spread = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("${spread:016x}{number:027}")
}

/// Parses the heads of so many HTTP messages, requests and answers in turn.
///
/// # Errors
/// One is not HTTP.
pub fn parse(times: u32) -> Result<(), String> {
    for number in 0..times {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let parsed = if number.is_multiple_of(2) {
            httparse::Request::new(&mut headers).parse(black_box(REQUEST.as_bytes()))
        } else {
            httparse::Response::new(&mut headers).parse(black_box(ANSWER.as_bytes()))
        };
        match parsed {
            Ok(httparse::Status::Complete(length)) => black_box(length),
            other => return Err(format!("a head of HTTP is {other:?}")),
        };
    }
    Ok(())
}
