//! Resets: a socket is closed while it holds something unread, or written to when it is gone.

use tokio::io::AsyncWriteExt;
use transport::host::Stream;

use crate::{
    ends::{fill, hear, hear_out, say, write_once, write_until_refused},
    script::{Place, Seen},
};

/// More than any two kernels take from a writer whose peer does not read.
const TOO_MUCH: usize = 256 << 20;

/// Closes `far` while it holds a letter of `near` of which it has read nothing but the beginning.
async fn close_unread(near: &mut Stream, mut far: Stream) -> std::io::Result<()> {
    say(near, "unread").await?;
    hear(&mut far, 1).await?;
    drop(far);
    Ok(())
}

/// The reset is told once; after it, the connection is over as if it had ended.
pub(crate) async fn seen_by_reader(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, far) in place.pairs().await? {
        close_unread(&mut near, far).await?;
        seen.push(hear_out(&mut near).await);
        seen.push(hear_out(&mut near).await);
        seen.push(write_once(&mut near).await);
        near.shutdown().await?;
    }
    Ok(seen)
}

pub(crate) async fn seen_by_writer(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, far) in place.pairs().await? {
        close_unread(&mut near, far).await?;
        seen.push(write_until_refused(&mut near).await);
        seen.push(write_once(&mut near).await);
        seen.push(hear_out(&mut near).await);
    }
    Ok(seen)
}

pub(crate) async fn wakes_reader(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        say(&mut near, "unread").await?;
        hear(&mut far, 1).await?;
        let close = async { drop(far) };
        let (heard, ()) = tokio::join!(biased; hear_out(&mut near), close);
        seen.push(heard);
    }
    Ok(seen)
}

pub(crate) async fn wakes_writer(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        let waits = fill(&mut near, TOO_MUCH).await? < TOO_MUCH;
        // Once something has arrived there is more of it, unread.
        hear(&mut far, 1).await?;
        let close = async { drop(far) };
        let body = vec![0; TOO_MUCH];
        let (written, ()) = tokio::join!(biased; near.write_all(&body), close);
        seen.push(format!("{waits} {:?}", written.map_err(|error| error.kind())));
    }
    Ok(seen)
}

/// What was written before the socket was closed arrives before the reset.
pub(crate) async fn answer_comes_first(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        say(&mut near, "a long question").await?;
        hear(&mut far, 1).await?;
        say(&mut far, "no").await?;
        drop(far);
        seen.push(hear_out(&mut near).await);
    }
    Ok(seen)
}

/// What had arrived before the reset can be read after it.
pub(crate) async fn unread_survives(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        say(&mut far, "before").await?;
        hear(&mut near, 1).await?;
        close_unread(&mut near, far).await?;
        seen.push(write_until_refused(&mut near).await);
        seen.push(hear_out(&mut near).await);
    }
    Ok(seen)
}

/// A reset behind a good end is no reset to a reader, and a broken pipe to a writer.
pub(crate) async fn end_then_reset(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        far.shutdown().await?;
        seen.push(hear_out(&mut near).await);
        close_unread(&mut near, far).await?;
        seen.push(write_until_refused(&mut near).await);
        seen.push(hear_out(&mut near).await);
    }
    Ok(seen)
}

/// A closed socket whose program had read everything says goodbye, and resets when more comes.
pub(crate) async fn late_data_resets(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        say(&mut near, "first").await?;
        hear(&mut far, 5).await?;
        say(&mut far, "last").await?;
        drop(far);
        seen.push(write_until_refused(&mut near).await);
        seen.push(hear_out(&mut near).await);
    }
    Ok(seen)
}
