//! History from before this server was in a room.

use ruma::RoomId;

use super::{RoomError, Rooms};

impl Rooms {
    /// Fetches history from before the oldest events known here; how many of those were new.
    ///
    /// # Errors
    /// The room is not known, nobody who has its history can be reached, or the store refuses.
    pub async fn backfill(&self, room: &RoomId) -> Result<usize, RoomError> {
        let (_, rules) = self.version_of(room).await?;
        Ok(self.graph.backfill(room, rules).await??)
    }
}
