//! `GET /await`: a websocket that pushes each notification of a device after it is committed.
//!
//! Nothing from before the connection is pushed: the device opens the socket, then fetches
//! `/notifications?since=`, then reads on here; what it sees twice has the same id twice. The socket
//! is closed as soon as the token that it was opened with ends. There is no queue in memory: the socket
//! reads the device's rows, and a device that does not take them in time is cut off, with its rows still
//! there. Whoever is cut off is told why, by a code and a reason.

use std::time::Duration;

use axum::{extract::Request, response::Response};
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use transport::{
    MatrixError,
    http::{WebSocket, upgrade},
};
use uuid::Uuid;

use super::{
    ClientApi, PLACE_PAUSE, SOCKETS,
    extract::{Holder, QueryOf},
    notifications::ensure_own,
};
use crate::{
    core::guards::Guard,
    messaging::{
        notifications::{Notifications, Waiting},
        pushers::Pushers,
    },
    store::{
        StoreError,
        accounts::{Authority, Device},
        notifications::Notification,
    },
};

/// Notifications read from the database at once.
const BATCH: usize = 100;

/// How long the device may take to make room for one more message. Shorter than
/// [`transport::http::ServerLimits::write_timeout`], after which its connection breaks without a word.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);

/// How often the server pings.
const PING_INTERVAL: Duration = Duration::from_secs(60);

/// Silence of the device after which the connection counts as broken.
const MAX_SILENCE: Duration = Duration::from_secs(150);

#[derive(Deserialize)]
pub(super) struct AwaitQuery {
    client: Option<String>,
}

/// `GET /await?client=`, a websocket handshake.
pub(super) async fn open(
    api: ClientApi,
    Holder(authority): Holder,
    QueryOf(query): QueryOf<AwaitQuery>,
    request: Request,
) -> Result<Response, MatrixError> {
    let device = &authority.device;
    ensure_own(device, query.client.as_deref())?;
    let pushers = api.messaging.pushers.clone();
    let place = pushers.sockets().try_hold(device.clone(), SOCKETS).ok_or_else(|| {
        MatrixError::limit_exceeded("the device has too many websockets open", PLACE_PAUSE)
    })?;
    let notifications = api.messaging.notifications.clone();
    // Both before the answer: what is committed after the device knows of the socket is pushed.
    let waiting = notifications.listen(&device.user_id);
    let after = notifications.newest_id(&device.user_id, &waiting).await?;
    let session = Session { notifications, pushers, authority, after, waiting, _place: place };
    let (mut parts, _) = request.into_parts();
    upgrade(&api.core.host, &mut parts, |socket| session.run(socket))
}

struct Session {
    notifications: Notifications,
    pushers: Pushers,
    authority: Authority,
    /// The newest id that this socket has pushed, or that was there before it.
    after: Uuid,
    waiting: Waiting,
    /// Counts this socket until it is dropped.
    _place: Guard<Device>,
}

/// Why a socket is closed.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("the device closed it, or the connection broke")]
    ByDevice,
    #[error("the device was silent for too long")]
    Silent,
    #[error("the device did not acknowledge its notifications in time")]
    Slow,
    #[error("the device has lost its token")]
    Unauthorized,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Closed {
    /// Returns what the device is told, if it still listens.
    fn frame(&self) -> CloseFrame {
        let code = match self {
            Self::ByDevice => CloseCode::Normal,
            Self::Silent | Self::Slow => CloseCode::Again,
            Self::Unauthorized => CloseCode::Policy,
            Self::Store(_) => CloseCode::Error,
        };
        let reason = match self {
            // What the database said is not for others.
            Self::Store(_) => "the server failed".to_owned(),
            why => why.to_string(),
        };
        CloseFrame { code, reason: reason.into() }
    }
}

impl Session {
    async fn run(mut self, mut socket: WebSocket) {
        let why = match self.push_for_ever(&mut socket).await {
            Ok(never) => match never {},
            Err(why) => why,
        };
        tracing::debug!(%why, user_id = %self.authority.device.user_id, "a websocket was closed");
        // The device may be gone; there is nobody else to tell.
        drop(tokio::time::timeout(SEND_TIMEOUT, socket.close(Some(why.frame()))).await);
    }

    async fn push_for_ever(
        &mut self,
        socket: &mut WebSocket,
    ) -> Result<std::convert::Infallible, Closed> {
        let mut heard = Instant::now();
        let mut next_ping = heard + PING_INTERVAL;
        loop {
            self.push_new(socket).await?;
            tokio::select! {
                biased;
                () = self.waiting.rung() => {}
                message = socket.next() => {
                    heard = Instant::now();
                    if let Some(Ok(Message::Pong(payload))) = &message {
                        self.confirm(payload).await?;
                    }
                    answer(socket, message).await?;
                }
                () = tokio::time::sleep_until(next_ping) => {
                    if heard.elapsed() > MAX_SILENCE {
                        return Err(Closed::Silent);
                    }
                    next_ping = Instant::now() + PING_INTERVAL;
                    send(socket, Message::Ping(Vec::new().into())).await?;
                }
            }
        }
    }

    /// Has a device with a pusher tell that it has what was pushed: it answers a ping with the same
    /// bytes.
    async fn ask_for_proof(&self, socket: &mut WebSocket) -> Result<(), Closed> {
        if !self.pushers.has(&self.authority.device) {
            return Ok(());
        }
        let id = self.after.as_bytes().to_vec();
        send(socket, Message::Ping(id.into())).await
    }

    /// Takes the answer to such a ping.
    async fn confirm(&self, payload: &[u8]) -> Result<(), Closed> {
        match Uuid::from_slice(payload) {
            Ok(id) if id <= self.after => {
                Ok(self.pushers.confirm(&self.authority.device, id).await?)
            }
            _ => Ok(()),
        }
    }

    /// Pushes what was committed since the last push.
    async fn push_new(&mut self, socket: &mut WebSocket) -> Result<(), Closed> {
        let before = self.after;
        loop {
            let Self { notifications, authority, waiting, after, .. } = self;
            let page = notifications.page_for(authority, waiting, *after, BATCH).await?;
            let page = page.ok_or(Closed::Unauthorized)?;
            for notification in page.notifications {
                self.after = notification.id;
                let push = pushed(notification)?;
                send(socket, push).await?;
            }
            if !page.has_more {
                break;
            }
        }
        if self.after == before { Ok(()) } else { self.ask_for_proof(socket).await }
    }
}

/// A notification as it is pushed.
#[derive(Serialize)]
struct Push {
    id: Uuid,
    payload: [Box<RawValue>; 1],
    transient: bool,
}

/// Returns the message that pushes a notification, and nothing else of it: it may be held for a while.
fn pushed(notification: Notification) -> Result<Message, StoreError> {
    let Notification { id, event } = notification;
    let push = Push { id, payload: [event], transient: false };
    serde_json::to_string(&push).map(Message::text).map_err(StoreError::corrupt)
}

/// Answers what a device says: `ping` in a text (as Wire's clients do) with `pong`; protocol pings
/// are answered by the socket itself.
async fn answer(
    socket: &mut WebSocket,
    message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
) -> Result<(), Closed> {
    match message {
        Some(Ok(Message::Text(text))) if text.as_str() == "ping" => {
            send(socket, Message::text("pong")).await
        }
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Closed::ByDevice),
        Some(Ok(_)) => Ok(()),
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Closed> {
    match tokio::time::timeout(SEND_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Closed::ByDevice),
        Err(_) => Err(Closed::Slow),
    }
}
