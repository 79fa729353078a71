//! An HTTP/1.1 message, taken apart and put together again.

use bytes::{BufMut, Bytes, BytesMut};

/// Fields that say how a body is framed: a message that is put together has its own.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// A whole message: a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpMessage {
    /// The first line, such as `PUT /a?b=c HTTP/1.1` or `HTTP/1.1 200 OK`.
    pub first_line: String,
    /// Header fields in their order, but for those that frame the body.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body; empty without one.
    pub body: Bytes,
}

impl HttpMessage {
    /// Returns an answer without header fields, such as `200 OK`.
    pub fn answer(status: &str, body: impl Into<Bytes>) -> Self {
        Self { first_line: format!("HTTP/1.1 {status}"), headers: Vec::new(), body: body.into() }
    }

    /// Returns the method of a request, or the version of an answer.
    pub fn method(&self) -> &str {
        self.word(0)
    }

    /// Returns the target of a request, raw.
    pub fn target(&self) -> &str {
        self.word(1)
    }

    /// Returns the status of an answer; 0 for a request.
    pub fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or_default()
    }

    fn word(&self, n: usize) -> &str {
        self.first_line.split(' ').nth(n).unwrap_or_default()
    }

    /// Returns the first field of that name; none if it is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        let (_, value) = fields.find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// Returns the same message with this field, in place of any other of its name.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Returns the same message with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Returns the message as it goes on the wire, with the length of its body.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_slice(self.first_line.as_bytes());
        for (name, value) in &self.headers {
            bytes.put_slice(format!("\r\n{name}: ").as_bytes());
            bytes.put_slice(value);
        }
        if !self.body.is_empty() || self.must_say_its_length() {
            bytes.put_slice(format!("\r\ncontent-length: {}", self.body.len()).as_bytes());
        }
        bytes.put_slice(b"\r\n\r\n");
        bytes.put_slice(&self.body);
        bytes.freeze()
    }

    /// Returns whether nobody could tell where it ends if the length of its empty body went unsaid
    /// (RFC 9112, section 6.3).
    fn must_say_its_length(&self) -> bool {
        let status = self.status();
        self.method().starts_with("HTTP/") && status >= 200 && status != 204 && status != 304
    }

    /// Takes apart the bytes of one whole message, whose body is known. Returns none if they are
    /// not a message.
    pub(super) fn read(raw: &[u8], body: Bytes) -> Option<Self> {
        let end = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
        let mut lines = raw[..end].split(|byte| *byte == b'\n');
        let line = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        let first_line = String::from_utf8(line(lines.next()?)).ok()?;
        let mut headers = Vec::new();
        for field in lines.map(line) {
            let colon = field.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&field[..colon]).ok()?;
            if !FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name)) {
                headers.push((name.to_owned(), field[colon + 1..].trim_ascii().to_vec()));
            }
        }
        Some(Self { first_line, headers, body })
    }
}

#[cfg(test)]
mod tests {
    use super::HttpMessage;

    #[test]
    fn a_message_is_the_same_after_it_was_taken_apart() {
        let raw = b"PUT /a?b=c HTTP/1.1\r\nHost: b\r\ncontent-length: 2\r\n\r\nok";
        let message = HttpMessage::read(raw, "ok".into()).expect("a message");
        assert_eq!((message.method(), message.target()), ("PUT", "/a?b=c"));
        assert_eq!(message.header("host"), Some("b"));
        assert_eq!(&*message.to_bytes(), raw);
    }

    #[test]
    fn an_empty_answer_says_that_it_is_empty_and_an_empty_request_need_not() {
        let answer = HttpMessage::answer("200 OK", "").to_bytes();
        assert_eq!(&*answer, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let request = HttpMessage::read(b"GET / HTTP/1.1\r\nhost: b\r\n\r\n", "".into());
        let request = request.expect("a message").with_header("Host", "c");
        assert_eq!(&*request.to_bytes(), b"GET / HTTP/1.1\r\nHost: c\r\n\r\n");
    }
}
