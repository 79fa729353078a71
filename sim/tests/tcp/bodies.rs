//! Many bytes, no bytes, many connections.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport::host::Stream;

use crate::{
    ends::{fill, hear, hear_out, pattern, say},
    script::{Place, Seen},
};

/// Several times what the kernels take at once.
const BODY: usize = 4 << 20;
/// More than any two kernels take from a writer whose peer does not read.
const TOO_MUCH: usize = 256 << 20;
/// Connections that are open at once.
const CONNECTIONS: usize = 100;

/// A write of nothing sends nothing, and ends nothing.
pub(crate) async fn nothing_written(place: Place) -> Seen {
    let (mut client, mut server) = place.pair().await?;
    let mut seen = vec![format!("{}", client.write(b"").await?)];
    say(&mut client, "something").await?;
    seen.push(hear(&mut server, 9).await?);
    client.shutdown().await?;
    seen.push(hear_out(&mut server).await);
    seen.push(format!("{:?}", client.write(b"").await.map_err(|error| error.kind())));
    Ok(seen)
}

pub(crate) async fn both_ways(place: Place) -> Seen {
    let (client, server) = place.pair().await?;
    let (there, back) = (pattern(0, BODY), pattern(7, BODY));
    let (client, server) = tokio::join!(
        biased;
        swap(client, &there),
        swap(server, &back),
    );
    let (client, server) = (client?, server?);
    Ok(vec![format!("{} {}", client == back, server == there)])
}

/// Writes `body` and its end, and reads all there is to read meanwhile.
async fn swap(stream: Stream, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut all = Vec::new();
    let send = async {
        write.write_all(body).await?;
        write.shutdown().await
    };
    let (sent, received) = tokio::join!(biased; send, read.read_to_end(&mut all));
    sent?;
    received?;
    Ok(all)
}

/// A writer waits for its reader, and loses nothing by it.
pub(crate) async fn flow_control(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        let written = fill(&mut near, TOO_MUCH).await?;
        near.shutdown().await?;
        let mut all = Vec::new();
        far.read_to_end(&mut all).await?;
        let waits = written < TOO_MUCH;
        seen.push(format!("{waits} {}", all == pattern(0, written)));
    }
    Ok(seen)
}

/// The kernel delivers what a program wrote before it closed, long after.
pub(crate) async fn written_and_closed(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        let body = pattern(0, BODY);
        let send = async {
            let sent = near.write_all(&body).await;
            drop(near);
            sent
        };
        let mut all = Vec::new();
        let (sent, received) = tokio::join!(biased; send, far.read_to_end(&mut all));
        sent?;
        received?;
        seen.push(format!("{}", all == body));
    }
    Ok(seen)
}

pub(crate) async fn many_connections(place: Place) -> Seen {
    let mut listener = place.listen().await?;
    let port = listener.port();
    let serve = async {
        let mut servers = Vec::new();
        for _ in 0..CONNECTIONS {
            let (mut server, _) = listener.accept().await?;
            let number = hear(&mut server, 3).await?;
            servers.push((number, server));
        }
        for (number, server) in &mut servers {
            say(server, &format!("{number} too")).await?;
        }
        Ok::<_, std::io::Error>(servers)
    };
    let ask = futures_util::future::try_join_all((0..CONNECTIONS).map(async |number| {
        let mut client = place.connect(port).await?;
        say(&mut client, &format!("{number:03}")).await?;
        hear(&mut client, 7).await
    }));
    let (answers, _servers) = futures_util::future::try_join(ask, serve).await?;
    Ok(answers)
}
