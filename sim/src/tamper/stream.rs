//! A socket that tampers with the messages that pass through it.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use journal::http::{Decoder, Direction, Message};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport::{Host, host::Stream};

use super::{Aside, Dealing, Fate, HttpMessage, Tamper, aside, outgoing::Outgoing};

/// Bytes read from the wire at once.
const CHUNK: usize = 16 << 10;

/// The status after which a connection speaks something else (RFC 9110, section 15.2.2).
const UPGRADED: u16 = 101;

/// Who is at the other end.
pub(super) enum Far {
    /// The node connected to it and makes requests.
    Server { name: String, port: u16 },
    /// It connected to the node, which answers.
    Client { name: String },
}

/// The node's end of a connection. What the node writes goes on once it is a whole message; what
/// comes reaches the node once it is one.
pub(super) struct TamperedStream {
    wire: Stream,
    far: Far,
    host: Host,
    tamper: Arc<dyn Tamper>,
    /// What the node writes.
    outwards: Decoder,
    /// What comes from the wire.
    inwards: Decoder,
    to_wire: Outgoing,
    to_node: BytesMut,
    /// Requests that the node has read and not answered, oldest first.
    unanswered: VecDeque<HttpMessage>,
    /// For each request of the node that has no answer yet: what follows the answer.
    followers: VecDeque<Vec<Aside>>,
}

impl TamperedStream {
    pub(super) fn new(wire: Stream, far: Far, host: Host, tamper: Arc<dyn Tamper>) -> Self {
        let (outwards, inwards) = match far {
            Far::Server { .. } => (Direction::Requests, Direction::Answers),
            Far::Client { .. } => (Direction::Answers, Direction::Requests),
        };
        Self {
            wire,
            far,
            host,
            tamper,
            outwards: Decoder::new(outwards),
            inwards: Decoder::new(inwards),
            to_wire: Outgoing::default(),
            to_node: BytesMut::new(),
            unanswered: VecDeque::new(),
            followers: VecDeque::new(),
        }
    }

    /// Takes what the node has written.
    fn take_written(&mut self, bytes: &[u8]) {
        if self.outwards.is_opaque() {
            return self.to_wire.push(Bytes::copy_from_slice(bytes));
        }
        for (message, raw) in self.outwards.cut(bytes) {
            let status = status_of(&message);
            match HttpMessage::read(&raw, body_of(message)) {
                Some(message) => self.send_on(&message, raw),
                None => self.to_wire.push(raw),
            }
            if status == Some(UPGRADED) {
                self.end_decoding();
            }
        }
        if self.outwards.is_opaque() {
            self.to_wire.push(self.outwards.take_rest());
        }
    }

    /// Deals with a message that the node has written.
    fn send_on(&mut self, message: &HttpMessage, raw: Bytes) {
        let Dealing { fate, asides } = match &self.far {
            Far::Server { name, .. } => self.tamper.request_out(name, message),
            Far::Client { name } => {
                // An interim answer does not count yet (RFC 9110, section 15.2).
                let is_interim = (100..UPGRADED).contains(&message.status());
                let asked = if is_interim { None } else { self.unanswered.pop_front() };
                match asked {
                    Some(request) => self.tamper.answer_out(name, &request, message),
                    None => Fate::Pass.into(),
                }
            }
        };
        match fate {
            Fate::Pass => self.to_wire.push(raw),
            Fate::Replace(other) => self.to_wire.push(other.to_bytes()),
            Fate::Withhold | Fate::Answer(_) => {}
            Fate::Cut(bytes) => {
                self.to_wire.push(raw.slice(..bytes.min(raw.len())));
                self.to_wire.close();
            }
        }
        let (later, now) = asides.into_iter().partition(|aside| aside.after_answer);
        self.send_aside(now);
        if matches!(self.far, Far::Server { .. }) {
            self.followers.push_back(later);
        }
    }

    fn send_aside(&self, asides: Vec<Aside>) {
        if let Far::Server { name, port } = &self.far {
            for aside in asides {
                aside::send(&self.host, (name, *port), aside);
            }
        }
    }

    /// Takes what has come from the wire.
    fn take_arrived(&mut self, bytes: &[u8]) {
        if self.inwards.is_opaque() {
            return self.to_node.extend_from_slice(bytes);
        }
        for (message, raw) in self.inwards.cut(bytes) {
            let status = status_of(&message);
            if let Some(status) = status {
                self.to_node.extend_from_slice(&raw);
                if status >= 200 {
                    let followers = self.followers.pop_front().unwrap_or_default();
                    self.send_aside(followers);
                }
            } else {
                self.hand_in(&raw, body_of(message));
            }
            if status == Some(UPGRADED) {
                self.end_decoding();
            }
        }
        if self.inwards.is_opaque() {
            let rest = self.inwards.take_rest();
            self.to_node.extend_from_slice(&rest);
        }
    }

    /// Deals with a request that the node is to read.
    fn hand_in(&mut self, raw: &Bytes, body: Bytes) {
        let Some(request) = HttpMessage::read(raw, body) else {
            return self.to_node.extend_from_slice(raw);
        };
        let Far::Client { name } = &self.far else { return };
        match self.tamper.request_in(name, &request).fate {
            Fate::Pass => {
                self.to_node.extend_from_slice(raw);
                self.unanswered.push_back(request);
            }
            Fate::Replace(other) => {
                self.to_node.extend_from_slice(&other.to_bytes());
                self.unanswered.push_back(other);
            }
            Fate::Withhold | Fate::Cut(_) => {}
            Fate::Answer(answer) => self.to_wire.push(answer.to_bytes()),
        }
    }

    /// From here on nothing is HTTP/1.1, in either direction.
    fn end_decoding(&mut self) {
        let rest = self.outwards.take_rest();
        self.outwards.give_up();
        self.to_wire.push(rest);
        let rest = self.inwards.take_rest();
        self.inwards.give_up();
        self.to_node.extend_from_slice(&rest);
    }

    /// Gives the node what is ready for it; returns whether there was anything.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let length = self.to_node.len().min(buffer.remaining());
        buffer.put_slice(&self.to_node[..length]);
        self.to_node.advance(length);
        length > 0
    }

    /// Writes what waits; that it has to wait is no obstacle here.
    fn drain(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.to_wire.poll_drain(&mut self.wire, context) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for TamperedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.give(buffer) {
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; CHUNK];
            let mut arrived = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.wire).poll_read(context, &mut arrived))?;
            if arrived.filled().is_empty() {
                // The end: what is not a whole message is the node's to judge.
                let rest = this.inwards.take_rest();
                this.to_node.extend_from_slice(&rest);
                this.give(buffer);
                return Poll::Ready(Ok(()));
            }
            this.take_arrived(arrived.filled());
            // A request may have been answered here.
            this.drain(context)?;
        }
    }
}

impl AsyncWrite for TamperedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.to_wire.poll_drain(&mut this.wire, context))?;
        if this.to_wire.is_closed() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        this.take_written(bytes);
        this.drain(context)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.to_wire.poll_drain(&mut this.wire, context))?;
        Pin::new(&mut this.wire).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let rest = this.outwards.take_rest();
        this.to_wire.push(rest);
        ready!(this.to_wire.poll_drain(&mut this.wire, context))?;
        Pin::new(&mut this.wire).poll_shutdown(context)
    }
}

/// Returns the status of an answer.
fn status_of(message: &Message) -> Option<u16> {
    match message {
        Message::Request { .. } => None,
        Message::Answer { status, .. } => Some(*status),
    }
}

fn body_of(message: Message) -> Bytes {
    match message {
        Message::Request { body, .. } | Message::Answer { body, .. } => body,
    }
}
