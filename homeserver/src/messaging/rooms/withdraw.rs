//! Withdrawing: a join that another server may have accepted and that came to nothing here is taken
//! back there, or else that server would count a member who is none. In a room in which every member
//! has a vote, nobody could send any more.

use std::time::Duration;

use ruma::{OwnedRoomId, OwnedUserId};

use super::{RoomError, Rooms};
use crate::{
    event::Membership,
    store::{StoreError, pending_joins},
};

/// How often a withdrawal is tried before the next start of the server.
const MAX_TRIES: usize = 100;

/// The tries after which a server that does not know the room is believed: for the first minutes it may
/// have lost its disk, and be led back.
const TRIES_WHERE_UNKNOWN: usize = 8;

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

impl Rooms {
    /// Withdraws the joins that were under way when the process ended.
    ///
    /// # Errors
    /// The store refuses.
    pub(crate) async fn resume(&self) -> Result<(), StoreError> {
        for join in self.database().call(|db| pending_joins::all(db)).await? {
            self.withdraw_later(join.room_id, join.user_id);
        }
        Ok(())
    }

    /// Withdraws the join of `user` to `room`, as soon as that can be done.
    pub(super) fn withdraw_later(&self, room: OwnedRoomId, user: OwnedUserId) {
        let rooms = self.clone();
        self.core().host.spawn(async move {
            let mut wait = rooms.core().config.backoff_first;
            for tried in 0..MAX_TRIES {
                match rooms.withdraw(&room, &user, tried >= TRIES_WHERE_UNKNOWN).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::info!(%room, %user, %error, "failed to withdraw a join");
                    }
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        });
    }

    /// Leaves the room at every server that may have let the user in, unless the user is in by now; or, if
    /// `believes` says so, the server does not know the room.
    async fn withdraw(
        &self,
        room: &OwnedRoomId,
        user: &OwnedUserId,
        believes: bool,
    ) -> Result<(), RoomError> {
        let _alone = self.joins.alone(room.clone()).await;
        let pending = self.database().call(|db| pending_joins::all(db)).await?;
        let of_this = pending.into_iter().filter(|join| join.room_id == *room);
        for join in of_this.filter(|join| join.user_id == *user) {
            if self.membership(user, room).await? != Some(Membership::Join) {
                match self.leave_at(&join.server, room, user).await {
                    Err(RoomError::UnknownRoom(_)) if believes => {}
                    left => left?,
                }
            }
            let end = join.clone();
            self.database()
                .transaction(move |tx| {
                    pending_joins::end(tx, &end.room_id, &end.user_id, Some(&end.server))
                })
                .await?;
        }
        Ok(())
    }
}
