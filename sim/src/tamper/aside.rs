//! Sends a request alongside those of the node, on a connection of its own.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport::{Host, host::Stream};

use super::Aside;

/// How long to wait for the answer to such a request before its connection is closed.
const PATIENCE: Duration = Duration::from_mins(5);

/// Sends `aside` to `port` of machine `to`, in the background.
pub(super) fn send(host: &Host, to: (&str, u16), aside: Aside) {
    let connecting = host.net.connect(to.0, to.1);
    host.spawn(async move {
        let Ok(mut stream) = connecting.await else { return };
        let bytes = aside.request.to_bytes();
        // Whoever it is for may break it off at any time; nobody asks how it ended.
        if write(&mut stream, bytes, aside.pause).await.is_ok() {
            drop(tokio::time::timeout(PATIENCE, read_to_end(&mut stream)).await);
        }
    });
}

async fn write(stream: &mut Stream, bytes: Bytes, pause: Option<Duration>) -> std::io::Result<()> {
    let Some(pause) = pause else { return stream.write_all(&bytes).await };
    for byte in bytes {
        stream.write_all(&[byte]).await?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

async fn read_to_end(stream: &mut Stream) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}
