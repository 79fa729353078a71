//! Plain programs for the tests of the simulated world: no homeserver, no relay.

use std::{sync::Arc, time::Duration};

use sim::{Latency, LinkConfig, Node, Outcome, World, WorldConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport::{BoxFuture, Host, host::Stream};

/// The port of every test server.
pub(crate) const PORT: u16 = 7;

/// A world whose links take 5 ms each way.
pub(crate) fn config() -> WorldConfig {
    let link = LinkConfig { latency: Latency::Fixed(ms(5)), ..LinkConfig::default() };
    WorldConfig { seed: 7, link, ..WorldConfig::default() }
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Sends back what it is sent.
pub(crate) struct Echo;

impl Node for Echo {
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            let mut listener = host.listen(PORT).await.map_err(|error| error.to_string())?;
            loop {
                let (stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
                host.spawn(echo(stream));
            }
        })
    }
}

async fn echo(mut stream: Stream) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// A program made of a function.
pub(crate) struct Run<F>(pub(crate) F);

impl<F, Fut> Node for Run<F>
where
    F: Fn(Host) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), String>> + Send + 'static,
{
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>> {
        Box::pin((self.0)(host))
    }
}

/// Runs `test` at seat `a` of a world in which `b` echoes.
pub(crate) fn with_echo<T, Fut>(
    test: impl FnOnce(World, Host) -> Fut + Send + 'static,
) -> Outcome<T>
where
    T: Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    sim::run(config(), |world| {
        let host = world.add_seat("a");
        world.add_machine("b", Arc::new(Echo));
        world.boot("b");
        on_seat(host.clone(), test(world, host))
    })
}

/// Runs `task` as a task of the seat, so that its sockets are that machine's.
pub(crate) async fn on_seat<T: Send + 'static>(
    host: Host,
    task: impl Future<Output = T> + Send + 'static,
) -> T {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    host.spawn(async move {
        drop(sender.send(task.await));
    });
    receiver.await.expect("the seat stays up")
}

/// Writes `text` and reads as many bytes back.
pub(crate) async fn exchange(stream: &mut Stream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    receive(stream, text.len()).await
}

/// Reads `length` bytes.
pub(crate) async fn receive(stream: &mut Stream, length: usize) -> std::io::Result<String> {
    let mut back = vec![0; length];
    stream.read_exact(&mut back).await?;
    Ok(String::from_utf8(back).expect("what was sent is text"))
}
