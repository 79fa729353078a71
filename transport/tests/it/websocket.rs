//! Websocket upgrades.

use std::time::Duration;

use axum::{Router, extract::Request, response::IntoResponse, routing};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use tokio_tungstenite::tungstenite::Message;
use transport::{
    Host,
    http::{Address, Client, ClientLimits, RequestError, ServerLimits, WebSocket, serve, upgrade},
};

use crate::machines::World;

async fn start(machine: &Host) {
    start_with(machine, ServerLimits::default()).await;
}

async fn start_with(machine: &Host, limits: ServerLimits) {
    let host = machine.clone();
    let echo = async move |request: Request| {
        upgrade(&host, &mut request.into_parts().0, echo).into_response()
    };
    let router = Router::new().route("/echo", routing::get(echo));
    serve(machine, 80, router, limits).await.expect("the port is free");
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() {
            socket.send(message).await.expect("the client is there");
        }
    }
}

#[tokio::test]
async fn what_is_said_comes_back() {
    let world = World::default();
    start(&world.machine("server")).await;
    let stream = world.machine("client").net.connect("server", 80).await.unwrap();
    let (mut socket, _) =
        tokio_tungstenite::client_async("ws://server/echo", stream).await.unwrap();
    for text in ["one", "two"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_session() {
    let world = World::default();
    start(&world.machine("server")).await;
    let stream = world.machine("client").net.connect("server", 80).await.unwrap();
    let (mut socket, _) =
        tokio_tungstenite::client_async("ws://server/echo", stream).await.unwrap();
    // The server stops reading in the middle, so that the rest may not be taken any more.
    drop(socket.send(Message::text("x".repeat(2 << 20))).await);
    assert!(!matches!(socket.next().await, Some(Ok(message)) if message.is_text()));
}

#[tokio::test]
async fn a_plain_request_is_told_to_upgrade() {
    let world = World::default();
    start(&world.machine("server")).await;
    assert_eq!(ask(&world).await.unwrap(), StatusCode::UPGRADE_REQUIRED);
}

async fn ask(world: &World) -> Result<StatusCode, RequestError> {
    let client = Client::new(&world.machine("client"), ClientLimits::default());
    let address = Address { name: "server".to_owned(), port: 80 };
    let request = http::Request::get("/echo").body(Bytes::new()).expect("this is a request");
    Ok(client.send(&address, request, Duration::from_secs(5)).await?.status())
}

#[tokio::test(start_paused = true)]
async fn an_open_websocket_keeps_its_place_among_the_connections() {
    let world = World::default();
    let limits = ServerLimits { max_connections: 1, ..ServerLimits::default() };
    start_with(&world.machine("server"), limits).await;
    let stream = world.machine("client").net.connect("server", 80).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async("ws://server/echo", stream).await.unwrap();
    let error = ask(&world).await.unwrap_err();
    assert!(matches!(error, RequestError::Deadline { .. }), "{error}");
    drop(socket);
    assert_eq!(ask(&world).await.unwrap(), StatusCode::UPGRADE_REQUIRED);
}
