//! Listening, connecting, accepting.

use tokio::io::AsyncWriteExt;

use crate::{
    ends::{hear, hear_out, say},
    script::{Place, Seen},
};

/// Connections that wait at once: fewer than any kernel's backlog.
const PENDING: usize = 100;

pub(crate) async fn exchange(place: Place) -> Seen {
    let (mut client, mut server) = place.pair().await?;
    say(&mut client, "question").await?;
    let question = hear(&mut server, 8).await?;
    say(&mut server, "answer").await?;
    Ok(vec![question, hear(&mut client, 6).await?])
}

/// Nothing listens: said at once, and as often as one asks.
pub(crate) async fn refused(place: Place) -> Seen {
    let port = place.listen().await?.port();
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(format!("{:?}", place.connect(port).await.err().map(|error| error.kind())));
    }
    Ok(seen)
}

pub(crate) async fn ports_of_their_own(place: Place) -> Seen {
    let (one, other) = (place.listen().await?, place.listen().await?);
    let (one, other) = (one.port(), other.port());
    Ok(vec![format!("{} {} {}", one != 0, other != 0, one != other)])
}

pub(crate) async fn address_in_use(place: Place) -> Seen {
    let first = place.listen().await?;
    let second = place.server.listen(first.port()).await;
    let connected = place.connect(first.port()).await.is_ok();
    Ok(vec![format!("{:?}", second.err().map(|error| error.kind())), format!("{connected}")])
}

/// The port of a dropped listener can be bound at once; what the old one accepted lives on.
pub(crate) async fn bound_again(place: Place) -> Seen {
    let mut old = place.listen().await?;
    let mut client = place.connect(old.port()).await?;
    let (mut server, _) = old.accept().await?;
    let port = old.port();
    drop(old);
    let mut new = place.server.listen(port).await?;
    let mut second_client = place.connect(port).await?;
    let (mut second_server, _) = new.accept().await?;
    say(&mut client, "old").await?;
    say(&mut second_client, "new").await?;
    Ok(vec![hear(&mut server, 3).await?, hear(&mut second_server, 3).await?])
}

/// Many connect and write before anybody accepts: each of them is accepted. In which order is for
/// the links to say.
pub(crate) async fn backlog(place: Place) -> Seen {
    let mut listener = place.listen().await?;
    let mut clients = Vec::new();
    for number in 0..PENDING {
        let mut client = place.connect(listener.port()).await?;
        say(&mut client, &format!("{number:03}")).await?;
        clients.push(client);
    }
    let mut seen = Vec::new();
    for _ in 0..PENDING {
        let (mut server, _) = listener.accept().await?;
        seen.push(hear(&mut server, 3).await?);
    }
    seen.sort();
    Ok(seen)
}

/// The client has written and closed before its connection was accepted: nothing is lost.
pub(crate) async fn gone_before_accepted(place: Place) -> Seen {
    let mut listener = place.listen().await?;
    let mut client = place.connect(listener.port()).await?;
    say(&mut client, "a letter").await?;
    drop(client);
    drop(place.connect(listener.port()).await?);
    let mut later = place.connect(listener.port()).await?;
    say(&mut later, "another").await?;
    later.shutdown().await?;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (mut server, _) = listener.accept().await?;
        seen.push(hear_out(&mut server).await);
    }
    seen.sort();
    Ok(seen)
}

/// What a dropped listener had not accepted is reset, whether anything was written or not.
pub(crate) async fn listener_dropped(place: Place) -> Seen {
    let listener = place.listen().await?;
    let mut clients = Vec::new();
    for number in 0..3 {
        let mut client = place.connect(listener.port()).await?;
        say(&mut client, &"x".repeat(number)).await?;
        clients.push(client);
    }
    let port = listener.port();
    drop(listener);
    let mut seen = Vec::new();
    for mut client in clients {
        seen.push(hear_out(&mut client).await);
    }
    seen.push(format!("{:?}", place.connect(port).await.err().map(|error| error.kind())));
    Ok(seen)
}

/// A new listener on the same port does not inherit what the old one had not accepted.
pub(crate) async fn listener_replaced(place: Place) -> Seen {
    let listener = place.listen().await?;
    let port = listener.port();
    let mut orphan = place.connect(port).await?;
    drop(listener);
    let mut listener = place.server.listen(port).await?;
    let mut client = place.connect(port).await?;
    say(&mut client, "new").await?;
    let (mut server, _) = listener.accept().await?;
    Ok(vec![hear(&mut server, 3).await?, hear_out(&mut orphan).await])
}
