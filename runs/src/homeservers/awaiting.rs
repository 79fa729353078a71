//! How a device learns of messages through a websocket on `/await`, as Wire's clients do: it opens
//! the socket and buffers, fetches all of its notifications, drains the buffer without repeating
//! anything, and from then on lives on the socket.

use std::time::Duration;

use checks::history::note::Via;
use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode, header};
use serde_json::Value;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};
use transport::host::Stream;

use super::{
    device::{DEADLINE, Device},
    reading::{catch_up_and_note, process},
};

/// The silence after which a device pings; a second such silence means that the socket is dead.
const PING_AFTER: Duration = Duration::from_secs(20);

/// The most frames that a device buffers while it fetches.
const MAX_BUFFERED: usize = 10_000;

/// Bytes that are read at once; they are cleared before each read.
const READ_BUFFER: usize = 4096;

/// Any key will do: it only shows that the server speaks the protocol (RFC 6455, section 1.3).
const KEY: &str = "ZmVkc2ltIGF3YWl0cyB5b3U=";

type Socket = WebSocketStream<Stream>;

/// Lives on a websocket until it breaks. Returns whether it had ever caught up.
pub(super) async fn attend(device: &Device) -> bool {
    let Ok(Ok(mut socket)) = tokio::time::timeout(DEADLINE, open(device)).await else {
        return false;
    };
    let Ok(buffered) = buffer_while_fetching(device, &mut socket).await else { return false };
    for frame in buffered {
        take(device, &frame);
    }
    device.progress().is_attached = true;
    listen(device, &mut socket).await;
    true
}

async fn open(device: &Device) -> Result<Socket, String> {
    let client = device.client();
    let address = client.address();
    let host = device.host().ok_or("the device is down")?;
    let stream = host.net.connect(&address.name, address.port).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let token = client.token().unwrap_or_default();
    let request = Request::builder()
        .uri(format!("ws://{address}/await"))
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, KEY)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(())
        .map_err(|error| error.to_string())?;
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) if answer.status() == StatusCode::UNAUTHORIZED => {
            device.start_session_anew(client.token()).await?;
            Err("the session is not known, and another one has begun".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Fetches the notifications while the socket fills a buffer.
async fn buffer_while_fetching(
    device: &Device,
    socket: &mut Socket,
) -> Result<Vec<Message>, String> {
    let mut buffered = Vec::new();
    let mut fetching = std::pin::pin!(catch_up_and_note(device));
    loop {
        tokio::select! {
            biased;
            fetched = &mut fetching => return fetched.map(|()| buffered),
            frame = socket.next() => buffered.push(whole(frame)?),
        }
        if buffered.len() > MAX_BUFFERED {
            return Err(format!("more than {MAX_BUFFERED} frames while fetching"));
        }
    }
}

async fn listen(device: &Device, socket: &mut Socket) {
    let mut is_silent = false;
    loop {
        match tokio::time::timeout(PING_AFTER, socket.next()).await {
            Ok(frame) => {
                let Ok(frame) = whole(frame) else { return };
                is_silent = false;
                take(device, &frame);
            }
            Err(_) if is_silent => return,
            Err(_) => {
                is_silent = true;
                let ping = socket.send(Message::Ping(bytes::Bytes::new()));
                if !matches!(tokio::time::timeout(PING_AFTER, ping).await, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}

fn whole(frame: Option<tungstenite::Result<Message>>) -> Result<Message, String> {
    let frame = frame.ok_or("the socket was closed")?;
    frame.map_err(|error| error.to_string())
}

fn take(device: &Device, frame: &Message) {
    let text = frame.to_text().unwrap_or_default();
    if let Ok(notification) = serde_json::from_str::<Value>(text) {
        process(device, &notification, Via::Await);
    }
}
