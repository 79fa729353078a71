//! Hostile connections to a real homeserver: what they take up is bounded, and nobody honest is kept
//! out while they last.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
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
