//! Hostile connections to a real homeserver: what they take up is bounded, and nobody honest is kept
//! out while they last.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{cluster::Cluster, user::User};

/// The most memory that the process may ever have had, in KiB.
const MOST_RESIDENT: u64 = 128 << 10;

/// The most files that the process may have open at any time: the connections that each of its two APIs
/// may have, and its own.
const MOST_OPEN: usize = 2 * 1024 + 64;

/// Sends of which all but one must be quick. That one may have to connect anew, and find the kernel's queue
/// of connections full, which costs it a second.
const SENDS: u32 = 100;

/// How much longer than twice as long as before a send may take beside a flood: this machine does other
/// things besides.
const SLACK: Duration = Duration::from_millis(250);

/// What one connection of a body that stalls sends of it.
const SENT: usize = 1 << 20;

/// How long a hostile peer tries to send its bytes; then it stalls.
const TRYING: Duration = Duration::from_secs(2);

/// Opens `count` connections to `port`, sends `bytes` on each as far as they are taken, and keeps them
/// open.
async fn flood(count: usize, port: u16, bytes: Vec<u8>) -> Vec<TcpStream> {
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let bytes = bytes.clone();
        opening.spawn(async move {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            // Whether it is taken or refused is the server's affair.
            drop(timeout(TRYING, stream.write_all(&bytes)).await);
            stream
        });
    }
    opening.join_all().await
}

/// Returns a request with a large body of which only a part is sent.
fn stalled(path: &str, authorization: &str) -> Vec<u8> {
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        SENT * 7
    );
    let mut request = head.into_bytes();
    request.resize(request.len() + SENT, b' ');
    request
}

/// Returns how long the slowest of some sends takes but one.
async fn slowest_but_one(user: &User, room: &str, when: &str) -> Duration {
    let mut times = Vec::new();
    for number in 0..SENDS {
        let began = Instant::now();
        user.send(room, &format!("{when} {number}")).await;
        times.push(began.elapsed());
    }
    times.sort();
    times.pop();
    times.pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_take_little_memory_and_keep_no_honest_user_out() {
    let cluster = Cluster::start(1).await;
    let alice = cluster.register(0, "alice").await;
    let room = alice.create_room(&[], json!({})).await;
    let (client, federation) = (cluster.client_port(0), cluster.federation_port(0));
    let claim = format!(
        r#"X-Matrix origin="127.0.0.1:1",destination="{}",key="ed25519:1",sig="AAAA""#,
        cluster.name(0)
    );
    let send = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/stalled");
    let floods = [
        ("silence", client, 1_100, Vec::new()),
        ("half a head", federation, 300, b"GET / HTTP/1.1\r\nHost: a\r\nX-A: ".to_vec()),
        ("an unknown server", federation, 300, stalled("/_matrix/federation/v1/send/1", &claim)),
        ("a member", client, 300, stalled(&send, &alice.bearer())),
    ];
    let before = slowest_but_one(&alice, &room, "before").await;
    for (who, port, count, bytes) in floods {
        let open = flood(count, port, bytes).await;
        let beside = slowest_but_one(&alice, &room, &format!("beside {who}")).await;
        assert!(beside <= 2 * before + SLACK, "{who}: {beside:?} after {before:?}");
        cluster.answers(federation, "/_matrix/federation/v1/version").await;
        let resident = cluster.most_resident(0);
        assert!(resident < MOST_RESIDENT, "{who}: {resident} KiB");
        let files = cluster.open_files(0);
        assert!(files <= MOST_OPEN, "{who}: {files} open files");
        drop(open);
    }
}

/// Devices whose websockets nobody reads, and how many each of them has.
const DEVICES: usize = 13;
const SOCKETS_OF_DEVICE: usize = 8;

/// Messages that they are sent, and bytes of each: more than the buffers of a connection take.
const MESSAGES: usize = 150;
const MESSAGE: usize = 60_000;

/// Opens a websocket of a device, on a connection that takes little at once.
async fn open_socket(port: u16, authorization: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    let handshake = format!(
        "GET /await HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_that_nobody_reads_take_little_memory_and_hold_nobody_up() {
    let cluster = Cluster::start(1).await;
    let alice = cluster.register(0, "alice").await;
    let room = alice.create_room(&[], json!({})).await;
    let before = slowest_but_one(&alice, &room, "before").await;
    let mut sockets = Vec::new();
    for _ in 0..DEVICES {
        let device = alice.another_device().await;
        for _ in 0..SOCKETS_OF_DEVICE {
            sockets.push(open_socket(cluster.client_port(0), &device.bearer()).await);
        }
    }
    for number in 0..MESSAGES {
        alice.send(&room, &format!("{number}{}", "x".repeat(MESSAGE))).await;
    }
    // Each of them reads on, until the kernel has it written to again and the server looks up what it is to
    // have next.
    for socket in &mut sockets {
        socket.read_exact(&mut vec![0; MESSAGES / 3 * MESSAGE]).await.unwrap();
    }
    let beside = slowest_but_one(&alice, &room, "beside").await;
    assert!(beside <= 2 * before + SLACK, "{beside:?} after {before:?}");
    let resident = cluster.most_resident(0);
    assert!(resident < MOST_RESIDENT, "{resident} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_take_the_memory_of_those_that_are_computed_at_once() {
    let cluster = Cluster::start(1).await;
    let alice = cluster.register(0, "alice").await;
    for _ in 0..10 {
        let login = |_| {
            let alice = alice.clone();
            async move { drop(alice.another_device().await) }
        };
        let at_once: JoinSet<()> = (0..4).map(login).collect();
        at_once.join_all().await;
    }
    let resident = cluster.most_resident(0);
    assert!(resident < MOST_RESIDENT, "{resident} KiB");
}

/// Bytes of a key document that is none.
const DOCUMENT: usize = 31 << 20;

/// Servers that answer with such documents, whether they say how large they are or not.
const HOARDERS: usize = 60;

/// Answers every connection with a key document without end. Returns the port, and counts the bytes that
/// are taken.
#[expect(clippy::disallowed_methods, reason = "the server's tasks end with the test's runtime")]
async fn hoarder(says_length: bool, taken: &Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (port, taken) = (listener.local_addr().unwrap().port(), Arc::clone(taken));
    let length =
        if says_length { format!("Content-Length: {DOCUMENT}\r\n") } else { String::new() };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{length}\r\n");
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (head, taken) = (head.clone(), Arc::clone(&taken));
            tokio::spawn(async move {
                drop(stream.read(&mut [0; 4096]).await);
                drop(stream.write_all(head.as_bytes()).await);
                let mut left = DOCUMENT;
                while left > 0 && stream.write_all(&[b' '; 4096]).await.is_ok() {
                    left -= 4096;
                    taken.fetch_add(4096, Ordering::SeqCst);
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn large_key_documents_are_not_read() {
    let cluster = Cluster::start(1).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let mut asking = JoinSet::new();
    for number in 0..HOARDERS {
        let port = hoarder(number % 2 == 0, &taken).await;
        let request = format!(
            "PUT /_matrix/federation/v1/send/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Authorization: X-Matrix origin=\"127.0.0.1:{port}\",destination=\"{}\",\
             key=\"ed25519:1\",sig=\"AAAA\"\r\nContent-Length: 2\r\n\r\n{{}}",
            cluster.name(0)
        );
        let to = ("127.0.0.1", cluster.federation_port(0));
        asking.spawn(async move {
            let mut stream = TcpStream::connect(to).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        });
    }
    asking.join_all().await;
    assert!(taken.load(Ordering::SeqCst) > 0, "they were asked");
    let resident = cluster.most_resident(0);
    assert!(resident < MOST_RESIDENT, "{resident} KiB");
}
