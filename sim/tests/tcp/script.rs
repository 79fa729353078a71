//! The situations in their order, and how they are performed.

use std::{io, sync::Arc, time::Duration};

use transport::{
    BoxFuture,
    host::{Listener, Net, Stream},
};

use crate::{bodies, closing, opening, resets};

/// Time after which a situation is given up, real or simulated; none takes a hundredth of it.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where the script is performed.
#[derive(Clone)]
pub(crate) struct Place {
    /// The network as the machine sees it that listens.
    pub(crate) server: Arc<dyn Net>,
    /// The network as the machine sees it that connects.
    pub(crate) client: Arc<dyn Net>,
    /// The name of the machine that listens.
    pub(crate) name: String,
}

impl Place {
    pub(crate) async fn listen(&self) -> io::Result<Box<dyn Listener>> {
        self.server.listen(0).await
    }

    pub(crate) async fn connect(&self, port: u16) -> io::Result<Stream> {
        self.client.connect(&self.name, port).await
    }

    /// Both ends of a connection: the client's, the server's.
    pub(crate) async fn pair(&self) -> io::Result<(Stream, Stream)> {
        let mut listener = self.listen().await?;
        let client = self.connect(listener.port()).await?;
        let (server, _) = listener.accept().await?;
        Ok((client, server))
    }

    /// Two connections, to look at a situation from both sides: client first, server first.
    pub(crate) async fn pairs(&self) -> io::Result<[(Stream, Stream); 2]> {
        let (one, other) = (self.pair().await?, self.pair().await?);
        Ok([one, (other.1, other.0)])
    }
}

/// What a program saw in one situation.
pub(crate) type Seen = io::Result<Vec<String>>;

/// What it saw in each, by the situation's name.
pub(crate) type Account = Vec<(&'static str, Vec<String>)>;

type Situation = (&'static str, fn(Place) -> BoxFuture<'static, Seen>);

const SCRIPT: &[Situation] = &[
    ("exchange", |place| Box::pin(opening::exchange(place))),
    ("refused", |place| Box::pin(opening::refused(place))),
    ("ports of their own", |place| Box::pin(opening::ports_of_their_own(place))),
    ("address in use", |place| Box::pin(opening::address_in_use(place))),
    ("bound again", |place| Box::pin(opening::bound_again(place))),
    ("backlog", |place| Box::pin(opening::backlog(place))),
    ("gone before it is accepted", |place| Box::pin(opening::gone_before_accepted(place))),
    ("listener dropped", |place| Box::pin(opening::listener_dropped(place))),
    ("listener dropped and bound again", |place| Box::pin(opening::listener_replaced(place))),
    ("half-closed", |place| Box::pin(closing::half_closed(place))),
    ("both halves closed", |place| Box::pin(closing::both_halves_closed(place))),
    ("after one's own shutdown", |place| Box::pin(closing::after_own_shutdown(place))),
    ("the end is final", |place| Box::pin(closing::end_is_final(place))),
    ("closed with a word", |place| Box::pin(closing::closed_with_a_word(place))),
    ("written after the peer closed", |place| Box::pin(closing::written_after_close(place))),
    ("closed unread after a half-close", |place| Box::pin(resets::end_then_reset(place))),
    ("reset, seen by a reader", |place| Box::pin(resets::seen_by_reader(place))),
    ("reset, seen by a writer", |place| Box::pin(resets::seen_by_writer(place))),
    ("reset wakes a reader", |place| Box::pin(resets::wakes_reader(place))),
    ("reset wakes a writer", |place| Box::pin(resets::wakes_writer(place))),
    ("reset comes after the answer", |place| Box::pin(resets::answer_comes_first(place))),
    ("reset is no reason to forget", |place| Box::pin(resets::unread_survives(place))),
    ("reset of a closed socket", |place| Box::pin(resets::late_data_resets(place))),
    ("nothing written", |place| Box::pin(bodies::nothing_written(place))),
    ("large bodies both ways", |place| Box::pin(bodies::both_ways(place))),
    ("flow control", |place| Box::pin(bodies::flow_control(place))),
    ("written and closed at once", |place| Box::pin(bodies::written_and_closed(place))),
    ("many connections", |place| Box::pin(bodies::many_connections(place))),
];

/// Performs the script at `place`.
pub(crate) async fn perform(place: Place) -> Account {
    let mut account = Account::new();
    for (name, situation) in SCRIPT {
        let seen = tokio::time::timeout(PATIENCE, situation(place.clone())).await;
        let seen = match seen {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => vec![format!("broke off: {:?}", error.kind())],
            Err(_) => vec!["never ended".to_owned()],
        };
        account.push((name, seen));
    }
    account
}
