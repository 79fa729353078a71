//! Earlier stays: whoever is to let a user in hears first how the user's last stay here ended. A join
//! beside that can lose to it; and where the join comes to nothing, its withdrawal overtakes what the
//! user said in that stay, which is then of somebody who is out.

use std::collections::BTreeSet;

use ruma::{
    OwnedEventId, RoomId, ServerName, UserId,
    api::federation::membership::prepare_join_event::v1 as make_join,
};
use transport::federation::CallError;

use super::{RoomError, Rooms, join::Template};
use crate::{
    event::{Membership, Pdu},
    store::{StoreError, events, memberships, queues, rooms},
};

/// What a server that proposes a place for a join has not heard yet.
#[derive(Debug, Default)]
struct Untold {
    /// Whether something of the room is queued for it.
    waits: bool,
    /// What became of the join by which it still counts the user in, if that is over here. A relay may
    /// still hold it, or the server was set back to before it.
    end: Option<OwnedEventId>,
}

impl Rooms {
    /// Asks `server` for a place for a join, once it knows what happened in the room before.
    ///
    /// # Errors
    /// It could not be told, or the store refuses.
    pub(super) async fn ask_for_a_place(
        &self,
        server: &ServerName,
        request: make_join::Request,
    ) -> Result<Result<make_join::Response, CallError>, RoomError> {
        let core = self.core();
        let (room, user) = (request.room_id.clone(), request.user_id.clone());
        let ask = async || {
            core.federation.call(server, request.clone(), core.config.request_timeout).await
        };
        let made = ask().await;
        let untold = self.untold(server, &room, &user, &made).await?;
        if !(untold.waits || untold.end.is_some()) {
            return Ok(made);
        }
        if let Some(end) = untold.end {
            let (outgoing, to) = (self.outgoing.clone(), BTreeSet::from([server.to_owned()]));
            self.database().transaction(move |tx| outgoing.enqueue(tx, &to, &end)).await?;
        }
        if self.outgoing.has_told(server, &room).await? {
            let made = ask().await;
            // A relay may have taken it, and not the server itself.
            if self.untold(server, &room, &user, &made).await?.end.is_none() {
                return Ok(made);
            }
        }
        let what = format!("{server} was not told yet what happened in {room} before");
        Err(RoomError::Unavailable(what))
    }

    /// Returns what `server`, which proposes a place, has not heard; nothing if it proposes none.
    async fn untold(
        &self,
        server: &ServerName,
        room: &RoomId,
        user: &UserId,
        made: &Result<make_join::Response, CallError>,
    ) -> Result<Untold, RoomError> {
        let Ok(place) = made else { return Ok(Untold::default()) };
        let named = Template::parse(&place.event)?.auth_events;
        let (server, room, user) = (server.to_owned(), room.to_owned(), user.to_owned());
        let read = self.database().call(move |db| {
            let waits = queues::waits(db, &server, &room)?;
            let mut untold = Untold { waits, end: None };
            let Some(row) = memberships::row(db, &room, &user)? else { return Ok(untold) };
            // Where the owner lets users in, whoever asks it knows no less than it does.
            let by_owner = rooms::find(db, &room)?.is_none_or(|it| it.delivery.owner_lets_in());
            if !by_owner && row.membership != Membership::Join {
                let named = events::find_all(db, &named)?;
                let is_over = named.iter().any(|pdu| is_join_of(pdu, &user));
                untold.end = is_over.then_some(row.event_id);
            }
            Ok::<_, StoreError>(untold)
        });
        Ok(read.await?)
    }
}

fn is_join_of(pdu: &Pdu, user: &UserId) -> bool {
    pdu.membership() == Some("join") && pdu.state_key.as_deref() == Some(user.as_str())
}
