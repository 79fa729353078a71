//! Reads HTTP/1.1 requests and answers off the bytes of a connection, as the network sees them.
//!
//! Only whole messages count. What is not HTTP/1.1, and everything after an upgrade, is opaque.

use bytes::{Bytes, BytesMut};

/// A message larger than this makes its connection opaque, so that a stream without an end cannot
/// fill the memory.
const MAX_MESSAGE: usize = 64 << 20;
/// Header fields in one message.
const MAX_HEADERS: usize = 64;

/// A whole message.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request {
        /// `GET`, `PUT` ..
        method: String,
        /// Path and query, raw.
        target: String,
        /// Its body, unchunked.
        body: Bytes,
        /// All of it, as it was written.
        bytes: Bytes,
    },
    /// An answer, interim ones (100, 103) included.
    Answer {
        /// Its status.
        status: u16,
        /// Its body, unchunked.
        body: Bytes,
    },
}

/// Which of the two directions a decoder reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Requests,
    /// From the server.
    Answers,
}

/// Reads one direction of a connection.
#[derive(Debug)]
pub struct Decoder {
    direction: Direction,
    buffer: BytesMut,
    opaque: bool,
}

/// How a message's body ends.
enum Framing {
    Length(usize),
    Chunked,
    None,
}

struct Head {
    length: usize,
    first: First,
    framing: Framing,
}

enum First {
    Request { method: String, target: String },
    Answer { status: u16 },
}

impl Decoder {
    /// Reads from the first byte on.
    pub fn new(direction: Direction) -> Self {
        Self { direction, buffer: BytesMut::new(), opaque: false }
    }

    /// Takes note that from here on the bytes mean nothing (after an upgrade).
    pub fn give_up(&mut self) {
        self.opaque = true;
        self.buffer = BytesMut::new();
    }

    /// Takes the next bytes; returns the messages that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Message> {
        let messages = self.cut(bytes).into_iter().map(|(message, _)| message).collect();
        if self.opaque {
            self.give_up();
        }
        messages
    }

    /// Takes the next bytes; returns the messages that they complete, each with its own bytes.
    pub fn cut(&mut self, bytes: &[u8]) -> Vec<(Message, Bytes)> {
        let mut messages = Vec::new();
        if self.opaque {
            return messages;
        }
        self.buffer.extend_from_slice(bytes);
        while !self.buffer.is_empty() {
            match self.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) if self.buffer.len() <= MAX_MESSAGE => break,
                Ok(None) | Err(NotHttp) => {
                    self.opaque = true;
                    break;
                }
            }
        }
        messages
    }

    /// Takes the bytes that are part of no whole message: of one that is not whole yet, or of none,
    /// once the stream is opaque.
    pub fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.buffer).freeze()
    }

    /// Returns whether the bytes mean nothing from here on.
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    fn next(&mut self) -> Result<Option<(Message, Bytes)>, NotHttp> {
        let Some(head) = parse_head(self.direction, &self.buffer)? else { return Ok(None) };
        let rest = &self.buffer[head.length..];
        let (body, consumed) = match head.framing {
            Framing::None => (Bytes::new(), 0),
            Framing::Length(length) if rest.len() < length => return Ok(None),
            Framing::Length(length) => (Bytes::copy_from_slice(&rest[..length]), length),
            Framing::Chunked => match unchunk(rest)? {
                Some(whole) => whole,
                None => return Ok(None),
            },
        };
        let raw = self.buffer.split_to(head.length + consumed).freeze();
        let message = match head.first {
            First::Request { method, target } => {
                Message::Request { method, target, body, bytes: raw.clone() }
            }
            First::Answer { status } => Message::Answer { status, body },
        };
        Ok(Some((message, raw)))
    }
}

/// The bytes are not HTTP/1.1.
#[derive(Debug)]
struct NotHttp;

fn parse_head(direction: Direction, bytes: &[u8]) -> Result<Option<Head>, NotHttp> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    match direction {
        Direction::Requests => {
            let mut request = httparse::Request::new(&mut headers);
            let httparse::Status::Complete(length) = request.parse(bytes).map_err(|_| NotHttp)?
            else {
                return Ok(None);
            };
            let first = First::Request {
                method: request.method.unwrap_or_default().to_owned(),
                target: request.path.unwrap_or_default().to_owned(),
            };
            Ok(Some(Head { length, first, framing: framing(request.headers)? }))
        }
        Direction::Answers => {
            let mut answer = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(length) = answer.parse(bytes).map_err(|_| NotHttp)?
            else {
                return Ok(None);
            };
            let status = answer.code.unwrap_or_default();
            let bodiless = status < 200 || status == 204 || status == 304;
            let framing = if bodiless { Framing::None } else { framing(answer.headers)? };
            Ok(Some(Head { length, first: First::Answer { status }, framing }))
        }
    }
}

fn framing(headers: &[httparse::Header<'_>]) -> Result<Framing, NotHttp> {
    let value = |name: &str| {
        headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .and_then(|header| std::str::from_utf8(header.value).ok())
    };
    if value("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Ok(Framing::Chunked);
    }
    match value("content-length") {
        Some(length) => length.trim().parse().map(Framing::Length).map_err(|_| NotHttp),
        None => Ok(Framing::None),
    }
}

/// The body of a chunked message and how many bytes it took; none while it is not whole.
fn unchunk(bytes: &[u8]) -> Result<Option<(Bytes, usize)>, NotHttp> {
    let mut body = BytesMut::new();
    let mut at = 0;
    loop {
        let (head, size) = match httparse::parse_chunk_size(&bytes[at..]).map_err(|_| NotHttp)? {
            httparse::Status::Complete(found) => found,
            httparse::Status::Partial => return Ok(None),
        };
        let size = usize::try_from(size).map_err(|_| NotHttp)?;
        let start = at + head;
        // Each chunk, the last and empty one too, is followed by CRLF; trailers are not modeled.
        let Some(chunk) = bytes.get(start..start.saturating_add(size).saturating_add(2)) else {
            return Ok(None);
        };
        body.extend_from_slice(&chunk[..size]);
        at = start + size + 2;
        if size == 0 {
            return Ok(Some((body.freeze(), at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Direction, Message};

    #[test]
    fn a_request_counts_once_its_last_byte_is_there() {
        let mut decoder = Decoder::new(Direction::Requests);
        assert!(decoder.feed(b"PUT /a?b=c HTTP/1.1\r\ncontent-length: 3\r\n\r\nx").is_empty());
        let whole = decoder.feed(b"yz");
        assert_eq!(
            whole,
            [Message::Request {
                method: "PUT".into(),
                target: "/a?b=c".into(),
                body: "xyz".into(),
                bytes: "PUT /a?b=c HTTP/1.1\r\ncontent-length: 3\r\n\r\nxyz".into()
            }]
        );
    }

    #[test]
    fn a_chunked_answer_and_a_bodiless_one_are_two_messages() {
        let mut decoder = Decoder::new(Direction::Answers);
        let messages = decoder.feed(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\
              HTTP/1.1 204 No Content\r\n\r\n",
        );
        assert_eq!(
            messages,
            [
                Message::Answer { status: 200, body: "ok".into() },
                Message::Answer { status: 204, body: "".into() }
            ]
        );
    }

    #[test]
    fn bytes_that_are_not_http_are_opaque() {
        let mut decoder = Decoder::new(Direction::Requests);
        assert!(decoder.feed(b"\x00\x01\x02 hello\r\n\r\n").is_empty());
        assert!(decoder.feed(b"GET / HTTP/1.1\r\n\r\n").is_empty());
    }
}
