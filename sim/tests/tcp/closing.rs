//! Ends that come in good order.

use tokio::io::AsyncWriteExt;

use crate::{
    ends::{hear, hear_out, say, write_once, write_until_refused},
    script::{Place, Seen},
};

/// One side has said all it has to say, and hears the other out.
pub(crate) async fn half_closed(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        say(&mut near, "question").await?;
        near.shutdown().await?;
        seen.push(hear_out(&mut far).await);
        say(&mut far, "answer").await?;
        say(&mut far, ", at length").await?;
        seen.push(hear(&mut near, 17).await?);
        drop(far);
        seen.push(hear_out(&mut near).await);
    }
    Ok(seen)
}

pub(crate) async fn both_halves_closed(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        say(&mut near, "near").await?;
        say(&mut far, "far").await?;
        near.shutdown().await?;
        far.shutdown().await?;
        seen.push(hear_out(&mut near).await);
        seen.push(hear_out(&mut far).await);
        seen.push(write_once(&mut near).await);
        seen.push(write_once(&mut far).await);
    }
    Ok(seen)
}

/// Whoever has shut down can still read, and cannot write; a second shutdown changes nothing.
pub(crate) async fn after_own_shutdown(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        near.shutdown().await?;
        seen.push(write_once(&mut near).await);
        near.shutdown().await?;
        seen.push(write_once(&mut near).await);
        say(&mut far, "still here").await?;
        seen.push(hear(&mut near, 10).await?);
        seen.push(hear_out(&mut far).await);
    }
    Ok(seen)
}

pub(crate) async fn end_is_final(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        far.shutdown().await?;
        for _ in 0..3 {
            seen.push(hear_out(&mut near).await);
        }
    }
    Ok(seen)
}

pub(crate) async fn closed_with_a_word(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, mut far) in place.pairs().await? {
        say(&mut far, "bye").await?;
        drop(far);
        seen.push(hear_out(&mut near).await);
    }
    Ok(seen)
}

/// The first write after the peer has closed is taken, because its kernel has yet to say that
/// nobody reads any more; then writes fail. Reads still see the good end.
pub(crate) async fn written_after_close(place: Place) -> Seen {
    let mut seen = Vec::new();
    for (mut near, far) in place.pairs().await? {
        drop(far);
        seen.push(hear_out(&mut near).await);
        seen.push(write_once(&mut near).await);
        seen.push(write_until_refused(&mut near).await);
        seen.push(write_once(&mut near).await);
        seen.push(hear_out(&mut near).await);
    }
    Ok(seen)
}
