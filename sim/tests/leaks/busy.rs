//! A world with something of everything in it: nodes that serve and ask, databases, background tasks,
//! open sockets, links and machines that break, tasks of the harness, triggers that wait.

use std::{future::pending, sync::Arc, time::Duration};

use axum::{Router, routing::put};
use bytes::Bytes;
use http::Request;
use sim::{
    Node, World,
    fault::{Cut, DiskFate, Moment, Watch},
};
use tokio::time::sleep;
use transport::{
    DatabaseError, Host,
    http::{Address, Client, ClientLimits, ServerLimits, serve},
};

const PORT: u16 = 80;

/// Everything in a world holds a clone of it: the count says what lives.
pub(crate) type Token = Arc<()>;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Stores what it is sent, and sends to `peer` all the time.
fn node(token: Token, peer: &'static str) -> impl Node {
    move |host: Host| {
        let token = Arc::clone(&token);
        async move {
            let text = |error: DatabaseError| error.to_string();
            let database = host.open("main").await.map_err(text)?;
            let table = "CREATE TABLE IF NOT EXISTS seen(n INTEGER PRIMARY KEY)";
            database
                .call(move |db| Ok::<_, DatabaseError>(db.execute_batch(table)?))
                .await
                .map_err(text)?;
            let held = Arc::clone(&token);
            let handler = put(async move || {
                let _held = Arc::clone(&held);
                let sql = "INSERT INTO seen DEFAULT VALUES";
                database
                    .transaction(move |db| Ok::<_, DatabaseError>(db.execute_batch(sql)?))
                    .await
                    .map_or("failed", |()| "stored")
            });
            let router = Router::new().route("/{*path}", handler);
            serve(&host, PORT, router, ServerLimits::default()).await.map_err(|e| e.to_string())?;
            host.spawn(ask(host.clone(), peer, token));
            Ok(())
        }
    }
}

async fn ask(host: Host, peer: &'static str, token: Token) {
    let client = Client::new(&host, ClientLimits::default());
    let address = Address { name: peer.into(), port: PORT };
    loop {
        let request = Request::put("/x").body(Bytes::from_static(b"x")).unwrap();
        drop(client.send(&address, request, SECOND * 5).await);
        sleep(SECOND / 4).await;
        assert!(Arc::strong_count(&token) > 1);
    }
}

/// Boots the nodes of a world, and lets everything else wait.
pub(crate) fn build(world: &World, token: &Token) {
    for (name, peer) in [("a", "b"), ("b", "c"), ("c", "a")] {
        world.add_machine(name, Arc::new(node(Arc::clone(token), peer)));
        world.boot(name);
    }
    let held = Arc::clone(token);
    world.spawn(async move {
        pending::<()>().await;
        drop(held);
    });
    let held = Arc::clone(token);
    let action = Box::new(move |_| drop(held));
    let matches = Arc::new(|_: &str, target: &str| target == "/never");
    let (from, to) = (None, None);
    world.on_exchange(Watch { moment: Moment::Sent, from, to, matches, nth: 1, action });
}

/// Uses the world, and leaves it broken: a machine down, one just back, a partition, a socket that
/// waits, a paused machine.
pub(crate) async fn break_down(world: &World, token: &Token) {
    let seat = world.add_seat("seat");
    sleep(SECOND).await;
    let connected = seat.net.connect("a", PORT).await.unwrap();
    let held = (Arc::clone(token), connected, seat.listen(9).await.unwrap());
    seat.spawn(async move {
        pending::<()>().await;
        drop(held);
    });
    world.crash("a", DiskFate::LoseUnsynced, None);
    sleep(SECOND).await;
    let kill = world.kill("b", None);
    world.partition(&Cut::Between(vec!["b".into()], vec!["c".into()]), None);
    world.restart(kill);
    sleep(SECOND).await;
    world.pause("c", None);
    sleep(SECOND).await;
}
