//! A turmoil test of a server with a database: what was acknowledged survives a power loss.
//!
//! `cargo run -p turmoil-world --example bank`. `docs/turmoil.md` explains it.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{Router, routing::post};
use bytes::Bytes;
use http::{Request, StatusCode};
use transport::{
    Database, DatabaseError, Host,
    http::{Address, Client, ClientLimits, ServerLimits, serve},
};
use turmoil_world::Machine;

const PORT: u16 = 80;
const DEADLINE: Duration = Duration::from_secs(5);

/// The server: `POST /deposit` stores one coin, and answers how many there are.
async fn bank(host: Host) -> Result<(), String> {
    let database = host.open("bank").await.map_err(|error| error.to_string())?;
    let table = "CREATE TABLE IF NOT EXISTS coins (n INTEGER PRIMARY KEY)";
    let made = database.transaction(|sql| Ok::<_, DatabaseError>(sql.execute_batch(table)?));
    made.await.map_err(|error| error.to_string())?;
    let router = Router::new().route("/deposit", post(move || deposit(database.clone())));
    let served = serve(&host, PORT, router, ServerLimits::default()).await;
    served.map(drop).map_err(|error| error.to_string())
}

async fn deposit(database: Database) -> Result<String, StatusCode> {
    let coins: Result<i64, DatabaseError> = database
        .transaction(|sql| {
            sql.execute("INSERT INTO coins DEFAULT VALUES", [])?;
            Ok(sql.query_row("SELECT count(*) FROM coins", [], |row| row.get(0))?)
        })
        .await;
    coins.map(|coins| coins.to_string()).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// Deposits until the bank has said `coins`, trying again because the bank may be down.
async fn deposit_until(host: Host, coins: i64) -> Result<(), Box<dyn Error>> {
    let client = Client::new(&host, ClientLimits::default());
    let address = Address { name: "bank".to_owned(), port: PORT };
    let mut last = 0;
    while last < coins {
        let request = Request::post("/deposit").body(Bytes::new())?;
        if let Ok(answer) = client.send(&address, request, DEADLINE).await {
            let said: i64 = std::str::from_utf8(answer.body())?.parse()?;
            assert!(said > last, "the bank had acknowledged {last} coins, and now has {said}");
            last = said;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The test.
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let machine = Machine::new("bank", 1);
    let mut sim = turmoil::Builder::new()
        // The default is the real time, and then no two runs are alike.
        .epoch(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800))
        .simulation_duration(Duration::from_secs(60))
        .tcp_capacity(1024)
        .rng_seed(1)
        .build();
    let booted = Arc::clone(&machine);
    sim.host("bank", move || Arc::clone(&booted).run(Arc::new(bank)));
    sim.client("customer", async { deposit_until(turmoil_world::host("customer", 1), 20).await });
    while sim.elapsed() < Duration::from_secs(1) {
        sim.step()?;
    }
    // A power loss: nobody hears anything, what was not synced is lost, and then it is gone.
    sim.partition("bank", "customer");
    machine.disk().power_loss();
    sim.crash("bank");
    sim.repair("bank", "customer");
    for _ in 0..1000 {
        sim.step()?;
    }
    sim.bounce("bank");
    sim.run()
}

#[cfg_attr(test, expect(dead_code, reason = "a test calls `run`"))]
fn main() -> Result<(), Box<dyn Error>> {
    run()
}
