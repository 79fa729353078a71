//! What each machine sent and received, as packets: a capture for each machine, which opens in
//! Wireshark.
//!
//! The journal has whole HTTP messages, not segments: each request gets a connection of its own, in
//! plain HTTP/1.1 and without the headers that the journal does not keep. What was lost is not in
//! the capture of whoever it never reached. Machines have addresses of a private network, and the
//! capture says whose they are.
//!
//! - `block`: the file format, pcapng (IETF draft-ietf-opsawg-pcapng).
//! - `connection`: segments with their numbers.

mod block;
mod connection;

use std::collections::{BTreeMap, BTreeSet};

use ::journal::{Answer, Event, Recording, Request, nanoseconds};
use checks::Record;

use self::connection::{Connection, Side};
use crate::{File, Kind, Renderer, words::clean};

/// The captures.
pub const RENDERER: Renderer = Renderer {
    name: "pcap",
    file: "pcap",
    about: "a capture for each machine, for Wireshark; needs the journal",
    kind: Kind::OfJournal(render),
};

/// The most bytes of one capture; what comes after is left out.
const LARGEST: usize = 256 << 20;

/// The addresses of machines, by their names.
type Addresses<'r> = BTreeMap<&'r str, [u8; 4]>;

/// A capture that is being written.
struct Capture<'r> {
    machine: &'r str,
    addresses: &'r Addresses<'r>,
    connections: BTreeMap<u64, Connection>,
    bytes: Vec<u8>,
}

fn render(record: &Record, recording: &Recording) -> Vec<File> {
    let entries = recording.journal.entries();
    let mut names: BTreeSet<&str> = record.nodes.iter().map(|node| &*node.name).collect();
    names.extend(entries.iter().map(|entry| &*entry.machine));
    let address = |n: usize| {
        let n = u32::try_from(n + 1).unwrap_or(u32::MAX).to_be_bytes();
        [10, n[1], n[2], n[3]]
    };
    let addresses: Addresses<'_> =
        names.iter().enumerate().map(|(n, name)| (*name, address(n))).collect();
    let captures = names.iter().map(|name| capture(name, &addresses, recording));
    captures.flatten().collect()
}

/// Returns the capture of a machine; none if it never said or heard anything.
fn capture(machine: &str, addresses: &Addresses<'_>, recording: &Recording) -> Option<File> {
    let bytes = block::head(machine, addresses);
    let empty = bytes.len();
    let mut capture = Capture { machine, addresses, connections: BTreeMap::new(), bytes };
    let journal = &recording.journal;
    for entry in journal.entries() {
        if capture.bytes.len() > LARGEST {
            break;
        }
        let (here, at) = (&*entry.machine == machine, crate::otlp::EPOCH + nanoseconds(entry.at));
        let sent = |n: u64| match &journal.get(n)?.event {
            Event::RequestSent(request) => Some((&*journal.get(n)?.machine, request)),
            _ => None,
        };
        match &entry.event {
            Event::RequestSent(request) if here => capture.request(entry.n, at, (machine, request)),
            Event::RequestArrived { request } if here => {
                if let Some(known) = sent(*request) {
                    capture.request(*request, at, known);
                }
            }
            Event::AnswerSent(answer) if here => capture.answer((entry.n, at), answer),
            Event::AnswerArrived { answer, .. } if here => {
                if let Some(Event::AnswerSent(known)) = journal.get(*answer).map(|it| &it.event) {
                    capture.answer((*answer, at), known);
                }
            }
            Event::RequestLost { request, .. } if here => capture.reset(*request, at),
            _ => {}
        }
    }
    let name: String =
        machine.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let number = addresses.keys().position(|it| *it == machine).unwrap_or(0);
    let name = format!("{}/{number:02}-{name}.pcapng", RENDERER.file);
    (capture.bytes.len() > empty).then_some(File { name, bytes: capture.bytes })
}

impl Capture<'_> {
    fn request(&mut self, n: u64, at: u64, (from, request): (&str, &Request)) {
        let [client, server] =
            [from, &request.to].map(|name| self.addresses.get(name).copied().unwrap_or_default());
        let mut connection = Connection::new(n, client, server);
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\nfedsim-entry: {n}\r\ncontent-length: {}\r\n\r\n",
            clean(&request.method),
            clean(&request.target),
            clean(&request.to),
            request.body.len()
        );
        let mut packets = connection.open();
        packets.extend(connection.say(Side::Client, head.as_bytes(), &request.body));
        self.put(at, &format!("journal entry {n}"), &packets);
        self.connections.insert(n, connection);
    }

    fn answer(&mut self, (n, at): (u64, u64), answer: &Answer) {
        let Some(mut connection) = self.connections.remove(&answer.request) else { return };
        let head = format!(
            "HTTP/1.1 {} \r\nfedsim-entry: {n}\r\ncontent-length: {}\r\n\r\n",
            answer.status,
            answer.body.len()
        );
        let mut packets = connection.say(Side::Server, head.as_bytes(), &answer.body);
        packets.extend(connection.close());
        self.put(at, &format!("journal entry {n}, answers {}", answer.request), &packets);
    }

    fn reset(&mut self, request: u64, at: u64) {
        let Some(mut connection) = self.connections.remove(&request) else { return };
        let packets = [connection.reset()];
        self.put(at, &format!("{} gives up entry {request}", self.machine), &packets);
    }

    fn put(&mut self, at: u64, comment: &str, packets: &[Vec<u8>]) {
        for packet in packets {
            block::packet(&mut self.bytes, at, packet, comment);
        }
    }
}
