//! A TCP connection that carries one request: its segments, with their numbers.

use etherparse::PacketBuilder;

/// The port of servers: what Wireshark reads as HTTP without being told.
const PORT: u16 = 80;
/// The first port of clients.
const FIRST_PORT: u16 = 1_024;
/// The most bytes of a segment: a whole Ethernet frame of 1,500 bytes.
const SEGMENT: usize = 1_448;
const WINDOW: u16 = 65_535;
const HOPS: u8 = 64;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// What a segment does besides carrying bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag {
    Open,
    None,
    Push,
    Close,
    Reset,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    addresses: [[u8; 4]; 2],
    port: u16,
    /// The next number of each side's bytes.
    next: [u32; 2],
}

impl Connection {
    /// Returns the connection of the request with this number.
    pub(super) fn new(request: u64, client: [u8; 4], server: [u8; 4]) -> Self {
        let ports = u64::from(u16::MAX - FIRST_PORT);
        let port = FIRST_PORT + u16::try_from(request % ports).unwrap_or(0);
        Self { addresses: [client, server], port, next: [0, 0] }
    }

    /// Returns the segments that open it.
    pub(super) fn open(&mut self) -> Vec<Vec<u8>> {
        vec![
            self.segment(Side::Client, Flag::Open, &[]),
            self.segment(Side::Server, Flag::Open, &[]),
            self.segment(Side::Client, Flag::None, &[]),
        ]
    }

    /// Returns the segments of a message.
    pub(super) fn say(&mut self, side: Side, head: &[u8], body: &[u8]) -> Vec<Vec<u8>> {
        let message = [head, body].concat();
        message.chunks(SEGMENT).map(|chunk| self.segment(side, Flag::Push, chunk)).collect()
    }

    /// Returns the segments that close it.
    pub(super) fn close(&mut self) -> Vec<Vec<u8>> {
        vec![
            self.segment(Side::Client, Flag::Close, &[]),
            self.segment(Side::Server, Flag::Close, &[]),
            self.segment(Side::Client, Flag::None, &[]),
        ]
    }

    /// Returns the segment by which its client gives it up.
    pub(super) fn reset(&mut self) -> Vec<u8> {
        self.segment(Side::Client, Flag::Reset, &[])
    }

    fn segment(&mut self, side: Side, flag: Flag, payload: &[u8]) -> Vec<u8> {
        let (own, other) = if side == Side::Client { (0, 1) } else { (1, 0) };
        let ports = if side == Side::Client { (self.port, PORT) } else { (PORT, self.port) };
        let [from, to] = [self.addresses[own], self.addresses[other]];
        let builder = PacketBuilder::ethernet2(hardware(from), hardware(to))
            .ipv4(from, to, HOPS)
            .tcp(ports.0, ports.1, self.next[own], WINDOW);
        let acknowledged = self.next[other];
        let builder = match (flag, side) {
            (Flag::Open, Side::Client) => builder.syn(),
            (Flag::Open, Side::Server) => builder.syn().ack(acknowledged),
            (Flag::None, _) => builder.ack(acknowledged),
            (Flag::Push, _) => builder.psh().ack(acknowledged),
            (Flag::Close, _) => builder.fin().ack(acknowledged),
            (Flag::Reset, _) => builder.rst().ack(acknowledged),
        };
        let counts = u32::from(matches!(flag, Flag::Open | Flag::Close));
        let length = u32::try_from(payload.len()).unwrap_or(0) + counts;
        self.next[own] = self.next[own].wrapping_add(length);
        let mut bytes = Vec::with_capacity(builder.size(payload.len()));
        builder.write(&mut bytes, payload).expect("a segment is shorter than a packet can be");
        bytes
    }
}

/// Returns the hardware address of a machine: one that nobody was given.
fn hardware([_, a, b, c]: [u8; 4]) -> [u8; 6] {
    [0x02, 0, 0, a, b, c]
}
