//! The server loop and the client, over pipes.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport::{
    Host,
    host::Stream,
    http::{Address, AnswerRoom, Client, ClientLimits, RequestError, ServerLimits, serve},
};

use crate::machines::World;

const DEADLINE: Duration = Duration::from_secs(5);

/// More than axum alone lets in, which is 2 MiB.
static LARGE: [u8; 3 << 20] = [0; 3 << 20];

/// A server with small limits, on port 80 of `machine`.
async fn start(machine: &Host) {
    let router = Router::new()
        .route("/echo", routing::post(|body: Bytes| async { body }))
        .route("/never", routing::get(std::future::pending::<()>))
        .route("/mine", routing::get(|| async { (StatusCode::NOT_FOUND, axum::Json(json!(1))) }));
    let limits = ServerLimits {
        max_body: 100,
        max_discarded: 64 << 20,
        request_timeout: Duration::from_mins(1),
        ..ServerLimits::default()
    };
    serve(machine, 80, router, limits).await.expect("the port is free");
}

async fn client() -> Client {
    let world = World::default();
    start(&world.machine("server")).await;
    Client::new(&world.machine("client"), ClientLimits { max_body: 200, ..Default::default() })
}

fn server() -> Address {
    Address { name: "server".to_owned(), port: 80 }
}

async fn send(
    client: &Client,
    method: &str,
    path: &str,
    body: &'static [u8],
) -> Result<Response<Bytes>, RequestError> {
    let request = Request::builder().method(method).uri(path).body(Bytes::from_static(body));
    client.send(&server(), request.expect("a test's request is one"), DEADLINE).await
}

fn errcode(response: &Response<Bytes>) -> String {
    let body: Value = serde_json::from_slice(response.body()).expect("a Matrix error is JSON");
    body["errcode"].as_str().expect("a Matrix error has a code").to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_body_comes_back() {
    let client = client().await;
    for _ in 0..3 {
        let answer = send(&client, "POST", "/echo", b"hello").await.unwrap();
        assert_eq!((answer.status(), &**answer.body()), (StatusCode::OK, &b"hello"[..]));
        assert!(!answer.headers().contains_key("date"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_refused_with_413() {
    let answer = send(&client().await, "POST", "/echo", &[b'x'; 101]).await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(errcode(&answer), "M_TOO_LARGE");
}

#[tokio::test(start_paused = true)]
async fn a_body_of_unknown_length_over_the_limit_is_refused_with_413() {
    let world = World::default();
    start(&world.machine("server")).await;
    let mut socket = world.machine("client").net.connect("server", 80).await.unwrap();
    let chunk = "40\r\n".to_owned() + &"x".repeat(64) + "\r\n";
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all((head.to_owned() + &chunk + &chunk + "0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = vec![0; 1000];
    let length = socket.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("M_TOO_LARGE"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn unknown_paths_and_methods_are_unrecognized() {
    let client = client().await;
    let no_path = send(&client, "GET", "/nowhere", b"").await.unwrap();
    assert_eq!((no_path.status(), &*errcode(&no_path)), (StatusCode::NOT_FOUND, "M_UNRECOGNIZED"));
    let no_method = send(&client, "GET", "/echo", b"").await.unwrap();
    assert_eq!(no_method.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(errcode(&no_method), "M_UNRECOGNIZED");
    assert_eq!(no_method.headers()["allow"], "POST");
}

#[tokio::test(start_paused = true)]
async fn a_handlers_own_404_stays() {
    let answer = send(&client().await, "GET", "/mine", b"").await.unwrap();
    assert_eq!((answer.status(), &**answer.body()), (StatusCode::NOT_FOUND, &b"1"[..]));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_passes() {
    let client = client().await;
    let start = tokio::time::Instant::now();
    let error = send(&client, "GET", "/never", b"").await.unwrap_err();
    assert!(matches!(error, RequestError::Deadline { .. }), "{error}");
    assert_eq!(start.elapsed(), DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_handler_without_end_is_answered_with_504() {
    let request = Request::get("/never").body(Bytes::new()).unwrap();
    let answer = client().await.send(&server(), request, Duration::from_mins(5)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_answered_with_408() {
    let world = World::default();
    start(&world.machine("server")).await;
    let mut socket = world.machine("client").net.connect("server", 80).await.unwrap();
    socket.write_all(b"POST /echo HTTP/1.1\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_read_by_whoever_is_still_sending() {
    let world = World::default();
    start(&world.machine("server")).await;
    let mut socket = world.machine("client").net.connect("server", 80).await.unwrap();
    let head = format!("POST /echo HTTP/1.1\r\ncontent-length: {}\r\n\r\n", LARGE.len());
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&LARGE).await.expect("all of it is taken");
    let mut answer = [0; 1000];
    let length = socket.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 413"));
}

#[tokio::test(start_paused = true)]
async fn a_first_request_comes_soon_or_not_at_all() {
    let world = World::default();
    let soon = Duration::from_secs(10);
    let limits = ServerLimits { first_header_timeout: soon, ..ServerLimits::default() };
    let router = Router::new().route("/", routing::get(|| async { "here" }));
    serve(&world.machine("server"), 80, router, limits).await.unwrap();
    let connect = || world.machine("client").net.connect("server", 80);
    let (mut slow, mut quick) = (connect().await.unwrap(), connect().await.unwrap());
    slow.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    let request = b"GET / HTTP/1.1\r\n\r\n";
    quick.write_all(request).await.unwrap();
    let began = tokio::time::Instant::now();
    let ended = slow.read(&mut [0; 100]).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    assert_eq!(began.elapsed(), soon);
    quick.write_all(request).await.unwrap();
    let length = quick.read(&mut [0; 1000]).await.unwrap();
    assert!(length > 0, "it has asked in time once");
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_has_time_by_its_size() {
    let world = World::default();
    let mut listener = world.machine("server").listen(80).await.unwrap();
    let machine = world.machine("server");
    machine.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_some(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n").await.ok();
            tokio::time::sleep(2 * DEADLINE).await;
            stream.write_all(&[b'x'; 100]).await.ok();
        }
    });
    let client = Client::new(&world.machine("client"), ClientLimits::default());
    let ask = async |slowest: usize| {
        let request = Request::get("/").body(Bytes::new()).unwrap();
        client.send_patiently(&server(), request, DEADLINE, slowest).await
    };
    assert_eq!(ask(10).await.unwrap().body().len(), 100);
    assert!(matches!(ask(1000).await, Err(RequestError::Deadline { .. })));
}

#[tokio::test(start_paused = true)]
async fn nobody_listening_is_a_connect_error() {
    let client = Client::new(&World::default().machine("client"), ClientLimits::default());
    let error = send(&client, "GET", "/", b"").await.unwrap_err();
    assert!(matches!(error, RequestError::Connect { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_over_the_limit_is_refused_whether_it_says_its_length_or_not() {
    let world = World::default();
    let pieces = || async {
        let pieces = [150, 51].map(|length| Ok::<_, Infallible>("x".repeat(length)));
        Body::from_stream(futures_util::stream::iter(pieces))
    };
    let router = Router::new()
        .route("/whole", routing::get(|| async { "x".repeat(201) }))
        .route("/pieces", routing::get(pieces));
    serve(&world.machine("server"), 80, router, ServerLimits::default()).await.unwrap();
    let limits = ClientLimits { max_body: 200, ..Default::default() };
    let client = Client::new(&world.machine("client"), limits);
    for path in ["/whole", "/pieces"] {
        let error = send(&client, "GET", path, b"").await.unwrap_err();
        assert!(matches!(error, RequestError::TooLarge { limit: 200, .. }), "{path}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_reads_all_that_the_limits_of_its_server_let_in() {
    let world = World::default();
    let length = |body: Bytes| async move { body.len().to_string() };
    let router = Router::new().route("/", routing::post(length));
    let limits = ServerLimits { max_body: LARGE.len(), ..ServerLimits::default() };
    serve(&world.machine("server"), 80, router, limits).await.unwrap();
    let client = Client::new(&world.machine("client"), ClientLimits::default());
    let answer = send(&client, "POST", "/", &LARGE).await.unwrap();
    assert_eq!((answer.status(), &**answer.body()), (StatusCode::OK, &b"3145728"[..]));
}

async fn read_some(stream: &mut Stream) {
    let length = stream.read(&mut [0; 1000]).await.expect("a request comes");
    assert!(length > 0, "the client has gone");
}

/// A server that treats each connection as `answers` says: so many requests are answered, the next
/// one is read and its connection closed. Counts connections.
async fn start_breaking(machine: &Host, answers: usize) -> Arc<AtomicUsize> {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let mut listener = machine.listen(80).await.expect("the port is free");
    machine.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            for _ in 0..answers {
                read_some(&mut stream).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok();
            }
            if answers == 0 {
                read_some(&mut stream).await;
            }
        }
    });
    connections
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_read_is_not_sent_again() {
    let world = World::default();
    let connections = start_breaking(&world.machine("server"), 0).await;
    let client = Client::new(&world.machine("client"), ClientLimits::default());
    let error = send(&client, "POST", "/", b"once").await.unwrap_err();
    assert!(matches!(error, RequestError::Broken { .. }), "{error}");
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_closed_while_idle_does_not_fail_the_next_request() {
    let world = World::default();
    let connections = start_breaking(&world.machine("server"), 1).await;
    let client = Client::new(&world.machine("client"), ClientLimits::default());
    for _ in 0..3 {
        send(&client, "POST", "/", b"each").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_the_limit_takes_the_place_of_a_silent_one_and_waits_for_a_busy_one() {
    let world = World::default();
    let limits = ServerLimits { max_connections: 1, ..ServerLimits::default() };
    let slow = routing::get(|| tokio::time::sleep(Duration::from_secs(60)));
    let router = Router::new().route("/", routing::get(|| async {})).route("/slow", slow);
    serve(&world.machine("server"), 80, router, limits).await.unwrap();
    let client = Client::new(&world.machine("client"), ClientLimits::default());
    let connect = || world.machine("client").net.connect("server", 80);
    let _silent = connect().await.unwrap();
    send(&client, "GET", "/", b"").await.unwrap();
    let mut busy = connect().await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: server\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let error = send(&client, "GET", "/", b"").await.unwrap_err();
    assert!(matches!(error, RequestError::Deadline { .. }), "{error}");
    drop(busy);
    send(&client, "GET", "/", b"").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answer_loses_its_place() {
    let world = World::default();
    let limits = ServerLimits {
        max_connections: 1,
        write_timeout: Duration::from_secs(2),
        ..ServerLimits::default()
    };
    let router = Router::new()
        .route("/", routing::get(|| async {}))
        .route("/long", routing::get(|| async { "x".repeat(1 << 20) }));
    serve(&world.machine("server"), 80, router, limits).await.unwrap();
    let mut deaf = world.machine("client").net.connect("server", 80).await.unwrap();
    deaf.write_all(b"GET /long HTTP/1.1\r\nhost: server\r\n\r\n").await.unwrap();
    let client = Client::new(&world.machine("client"), ClientLimits::default());
    send(&client, "GET", "/", b"").await.unwrap();
    drop(deaf);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_its_answer() {
    let world = World::default();
    let limits = ServerLimits { write_timeout: Duration::from_secs(2), ..ServerLimits::default() };
    let router = Router::new().route("/", routing::get(|| async { "x".repeat(1 << 20) }));
    serve(&world.machine("server"), 80, router, limits).await.unwrap();
    let mut slow = world.machine("client").net.connect("server", 80).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: server\r\nconnection: close\r\n\r\n").await.unwrap();
    let (mut buffer, mut total) = (vec![0; 64 << 10], 0);
    loop {
        tokio::time::sleep(Duration::from_millis(1900)).await;
        let length = slow.read(&mut buffer).await.unwrap();
        if length == 0 {
            break;
        }
        total += length;
    }
    assert!(total > 1 << 20, "{total}");
}

/// A large answer, counted as long as it takes up memory.
struct Large(Vec<u8>, Arc<AtomicUsize>);

impl Large {
    fn new(alive: &Arc<AtomicUsize>, most: &AtomicUsize) -> Self {
        most.fetch_max(alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Self(vec![b'x'; 1 << 20], Arc::clone(alive))
    }
}

impl AsRef<[u8]> for Large {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_reads_take_up_no_more_than_their_room_and_give_way_to_others() {
    let world = World::default();
    let limits = ServerLimits { max_body: 100, max_buffered: 2 << 20, ..ServerLimits::default() };
    let (alive, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (Arc::clone(&alive), Arc::clone(&most));
    let large = move |bytes: usize| {
        let (counted, highest) = (Arc::clone(&counted), Arc::clone(&highest));
        move |room: AnswerRoom| async move {
            let taken = room.take(bytes).await;
            let body = Bytes::from_owner(Large::new(&counted, &highest));
            taken.keep(Response::new(Body::from(body)))
        }
    };
    let router = Router::new()
        .route("/", routing::get(large(1 << 20)))
        .route("/all", routing::get(large(2 << 20)));
    serve(&world.machine("server"), 80, router, limits).await.unwrap();
    let mut deaf = Vec::new();
    for _ in 0..10 {
        let mut stream = world.machine("client").net.connect("server", 80).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: server\r\n\r\n").await.unwrap();
        deaf.push(stream);
    }
    // One of them reads nearly all of it, and then no more.
    let mut nearly = vec![0; (1 << 20) - 1000];
    deaf[0].read_exact(&mut nearly).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let client = Client::new(&world.machine("client"), ClientLimits::default());
    let answer = send(&client, "GET", "/", b"").await.unwrap();
    assert_eq!(answer.body().len(), 1 << 20);
    let answer = send(&client, "GET", "/all", b"").await.unwrap();
    assert_eq!(answer.body().len(), 1 << 20, "several gave way for it");
    assert_eq!(most.load(Ordering::SeqCst), 2);
    drop(deaf);
}
