//! What a program can do with its end of a connection, and what it then sees, as text.

use std::{future::poll_fn, io, pin::Pin, task::Poll, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use transport::host::Stream;

/// Between two looks at whether something has happened that shows only in a further write.
const PAUSE: Duration = Duration::from_millis(1);

/// Writes `text`.
pub(crate) async fn say(stream: &mut Stream, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes()).await
}

/// Reads as many bytes as `text` has; says what they are.
pub(crate) async fn hear(stream: &mut Stream, length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads until there is no more; says what was read, and what ended it.
pub(crate) async fn hear_out(stream: &mut Stream) -> String {
    let mut bytes = Vec::new();
    let end = match stream.read_to_end(&mut bytes).await {
        Ok(_) => "the end".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    };
    format!("`{}`, then {end}", String::from_utf8_lossy(&bytes))
}

/// Writes once; says how that went.
pub(crate) async fn write_once(stream: &mut Stream) -> String {
    match stream.write(b"x").await {
        Ok(1) => "written".to_owned(),
        other => format!("{:?}", other.map_err(|error| error.kind())),
    }
}

/// Writes, byte by byte, until that fails; says with what.
pub(crate) async fn write_until_refused(stream: &mut Stream) -> String {
    loop {
        match stream.write(b"x").await {
            Ok(_) => tokio::time::sleep(PAUSE).await,
            Err(error) => return format!("{:?}", error.kind()),
        }
    }
}

/// Writes until the kernels take no more, or `most` bytes; returns how many those were.
pub(crate) async fn fill(stream: &mut Stream, most: usize) -> io::Result<usize> {
    let mut written = 0;
    while written < most {
        let chunk = pattern(written, (most - written).min(64 << 10));
        let one = poll_fn(|context| {
            Poll::Ready(match Pin::new(&mut *stream).poll_write(context, &chunk) {
                Poll::Ready(written) => Some(written),
                Poll::Pending => None,
            })
        });
        match one.await {
            Some(more) => written += more?,
            None => break,
        }
    }
    Ok(written)
}

/// `length` bytes of an endless stream in which every place looks different, from `start`.
pub(crate) fn pattern(start: usize, length: usize) -> Vec<u8> {
    (start..start + length)
        .map(|at| (at.wrapping_mul(0x9E37_79B9) >> 13).to_le_bytes()[0])
        .collect()
}
