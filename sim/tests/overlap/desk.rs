//! A tiny server with a database and a clock, and somebody who asks it.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Mutex,
    time::{sleep, timeout},
};
use transport::{Database, DatabaseError, Host, host::Stream};

/// The port of the server.
const PORT: u16 = 80;

/// How often it writes by itself.
const EVERY: Duration = Duration::from_millis(150);

/// How long somebody waits who asks.
const PATIENCE: Duration = Duration::from_millis(450);

const REQUEST: &[u8] = b"PUT /entry HTTP/1.1\r\nhost: b\r\ncontent-length: 8\r\n\r\nwhatever";

/// A database that is opened when it is first asked for, and again if that failed.
#[derive(Clone)]
struct Desk {
    host: Host,
    database: Arc<Mutex<Option<Database>>>,
}

impl Desk {
    async fn write(&self) -> Result<(), DatabaseError> {
        // A clock is read as often as a disk is written.
        let _ = self.host.now();
        let mut database = self.database.lock().await;
        if database.is_none() {
            *database = Some(self.host.open("desk").await?);
        }
        let open = database.clone().expect("it was opened");
        drop(database);
        let table = "CREATE TABLE IF NOT EXISTS entry (text TEXT)";
        let insert = "INSERT INTO entry VALUES ('something of some length')";
        open.call(move |sql| {
            sql.execute_batch(table)?;
            sql.execute(insert, [])?;
            Ok::<_, DatabaseError>(())
        })
        .await
    }

    async fn serve(self, mut stream: Stream) {
        let mut request = vec![0; REQUEST.len()];
        while stream.read_exact(&mut request).await.is_ok() {
            let status = if self.write().await.is_ok() { "200 OK" } else { "500 No" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// The server.
pub(crate) async fn server(host: Host) -> Result<(), String> {
    let mut listener = host.listen(PORT).await.map_err(|error| error.to_string())?;
    let desk = Desk { host: host.clone(), database: Arc::default() };
    let own = desk.clone();
    host.spawn(async move {
        loop {
            // It goes on whatever becomes of an entry.
            drop(own.write().await);
            sleep(EVERY).await;
        }
    });
    loop {
        let (stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
        host.spawn(desk.clone().serve(stream));
    }
}

/// How the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    Refused,
    Broken,
    None,
}

/// Asks once, on a connection of its own.
pub(crate) async fn ask(host: Host) -> Answer {
    match timeout(PATIENCE, exchange(&host)).await {
        Err(_) => Answer::None,
        Ok(Ok(true)) => Answer::Yes,
        Ok(Ok(false)) => Answer::No,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Answer::Refused,
        Ok(Err(_)) => Answer::Broken,
    }
}

async fn exchange(host: &Host) -> std::io::Result<bool> {
    let mut stream = host.net.connect("b", PORT).await?;
    stream.write_all(REQUEST).await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    Ok(status.ends_with(b"200"))
}
