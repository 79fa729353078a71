//! Joining: here, if this server is in the room; or else through a server that is, which hands over
//! the room's state.

use std::collections::{BTreeSet, VecDeque};

use ruma::{
    EventId, OwnedEventId, OwnedServerName, RoomId, RoomVersionId, ServerName, UserId,
    api::federation::membership::{
        create_join_event::v2 as send_join, prepare_join_event::v1 as make_join,
    },
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use transport::federation::CallError;

use super::{
    Draft, RoomError, Rooms,
    create::VERSIONS,
    early_invites::EarlyInvite,
    handover::{Handover, parsed},
};
use crate::{
    event::{
        Membership, Pdu,
        rules::{self, Rules},
    },
    messaging::profiles::{self, with_profile},
    pdu::{Spot, template},
    store::{StoreError, accounts::Profile, memberships, pending_joins, rooms},
};

/// Servers tried for one join.
const MAX_CANDIDATES: usize = 5;

/// The field of a refused `make_join` or `send_join` that names the one server that lets users in.
pub(crate) const OWNER_FIELD: &str = "org.fedsim.owner";

/// What another server proposes that our event build on.
#[derive(Debug, Deserialize)]
pub(super) struct Template {
    prev_events: Vec<OwnedEventId>,
    pub(super) auth_events: Vec<OwnedEventId>,
    depth: u64,
    #[serde(default)]
    content: serde_json::Map<String, Value>,
}

impl Template {
    /// Returns the place right after an event of which nothing else is known.
    pub(super) fn beside(event: &EventId) -> Self {
        let named = vec![event.to_owned()];
        Self {
            prev_events: named.clone(),
            auth_events: named,
            depth: 1,
            content: serde_json::Map::new(),
        }
    }

    pub(super) fn parse(raw: &RawValue) -> Result<Self, RoomError> {
        serde_json::from_str(raw.get()).map_err(|error| {
            RoomError::Unavailable(format!("the template of the join is malformed: {error}"))
        })
    }
}

/// What came of asking a server to let a user in.
enum Admission {
    /// The user is in.
    Joined,
    /// In this room only its owner lets anybody in.
    Referred(OwnedServerName),
}

impl Rooms {
    /// Joins the local user `user`: here if this server is in the room, or else through one of
    /// `via`, the inviting server, or the server that the room is named after.
    ///
    /// # Errors
    /// The user may not join, no server that is in the room can be reached or hands over a valid
    /// state, or the store refuses.
    pub async fn join(
        &self,
        user: &UserId,
        room: &RoomId,
        via: &[OwnedServerName],
    ) -> Result<(), RoomError> {
        if self.join_here(user, room).await? {
            return Ok(());
        }
        // A handover replaces what this server knows of the room, and so there is one at a time;
        // whoever waited for another user's finds this server in the room.
        let _alone = self.joins.alone(room.to_owned()).await;
        if self.join_here(user, room).await? {
            return Ok(());
        }
        let _joining = self.graph.joining.hold(room.to_owned());
        let mut trouble = RoomError::UnknownRoom(room.to_owned());
        let (candidates, profile) = self.candidates(user, room, via).await?;
        let mut candidates = VecDeque::from(candidates);
        let join = Draft::membership(user, user, Membership::Join);
        let join = with_profile(profile.as_ref(), join);
        let mut asked = BTreeSet::new();
        while let Some(server) = candidates.pop_front() {
            if asked.len() >= MAX_CANDIDATES || !asked.insert(server.clone()) {
                continue;
            }
            let admission = match self.join_through(&server, room, &join).await {
                // The user may have been removed and invited once more in between.
                Err(RoomError::Outdated(_)) => self.join_through(&server, room, &join).await,
                admission => admission,
            };
            match admission {
                Ok(Admission::Joined) => return Ok(()),
                Ok(Admission::Referred(owner)) => {
                    trouble = RoomError::Forbidden(format!("only {owner} lets users into {room}"));
                    candidates.push_front(owner);
                }
                Err(error @ RoomError::Store(_)) => {
                    trouble = error;
                    break;
                }
                Err(error) => {
                    tracing::info!(%server, %room, %error, "failed to join through a server");
                    trouble = error;
                }
            }
        }
        // Those who may count the user in are told otherwise, once this join has ended: who
        // they are was written down before anybody was asked.
        self.withdraw_later(room.to_owned(), user.to_owned());
        Err(trouble)
    }

    /// Joins `user` if this server is in the room; false if it is not. Who is in already stays in,
    /// without a new event.
    async fn join_here(&self, user: &UserId, room: &RoomId) -> Result<bool, RoomError> {
        let is_in = self.put_in(user, room).await?;
        if is_in {
            self.owner_must_know(user, room).await?;
        }
        Ok(is_in)
    }

    /// Waits until the owner of an `m1` room knows who has joined here. Before that, the other users of this
    /// server may be removed: the owner would not ask it for its vote any more, and not know yet that it must.
    async fn owner_must_know(&self, user: &UserId, room: &RoomId) -> Result<(), RoomError> {
        let (delivery, owner) = self.delivery_and_owner(room).await?;
        if !delivery.owner_lets_in() || owner == self.core().server_name() {
            return Ok(());
        }
        let (id, name) = (room.to_owned(), user.to_owned());
        let row = self.database().call(move |db| memberships::row(db, &id, &name)).await?;
        let Some(join) = row.map(|row| row.event_id) else { return Ok(()) };
        if self.outgoing.is_told(&owner, &join).await? {
            return Ok(());
        }
        let what = format!("{owner}, which owns {room}, does not know of the join yet");
        Err(RoomError::Unavailable(what))
    }

    async fn put_in(&self, user: &UserId, room: &RoomId) -> Result<bool, RoomError> {
        if self.membership(user, room).await? == Some(Membership::Join) {
            match self.early_invite(user, room).await? {
                EarlyInvite::None | EarlyInvite::Void => return Ok(true),
                // Its sender counts the user as out: this server's database may have been set back.
                EarlyInvite::Withheld | EarlyInvite::NotInTime => return Ok(false),
                EarlyInvite::NotYet => return self.wait_for_the_invite(user, room).await,
                EarlyInvite::Here
                    if self.membership(user, room).await? == Some(Membership::Join) =>
                {
                    return Ok(true);
                }
                EarlyInvite::Here => {}
            }
        }
        match self.put_join(user, room).await {
            Err(RoomError::UnknownRoom(_)) => Ok(false),
            Err(error @ RoomError::Forbidden(_)) => match self.early_invite(user, room).await? {
                EarlyInvite::Here => self.put_join(user, room).await.map(|()| true),
                EarlyInvite::Withheld | EarlyInvite::NotInTime | EarlyInvite::Void => Ok(false),
                EarlyInvite::NotYet => self.wait_for_the_invite(user, room).await,
                EarlyInvite::None => Err(error),
            },
            done => done.map(|()| true),
        }
    }

    /// Refuses a join whose invite is still on its way, for a while, if others of this server are in the room. Were it
    /// handed over, its state would be ahead of what they have: who has left by then could not be shown to
    /// have said anything before. Returns false if nobody else is in.
    async fn wait_for_the_invite(&self, user: &UserId, room: &RoomId) -> Result<bool, RoomError> {
        let (id, name, own) = (room.to_owned(), user.to_owned(), self.core().owned_server_name());
        let joined = self.database().call(move |db| memberships::joined_members(db, &id)).await?;
        if joined.iter().any(|other| other.server_name() == own && *other != name) {
            let what = format!("the invite of {user} to {room} has not come here yet");
            return Err(RoomError::Unavailable(what));
        }
        Ok(false)
    }

    async fn put_join(&self, user: &UserId, room: &RoomId) -> Result<(), RoomError> {
        self.put(room, Draft::membership(user, user, Membership::Join)).await.map(drop)
    }

    /// Returns the servers to ask, in this order, and the user's profile. The owner of a room in which it is the only one
    /// that lets anybody in comes first, if it is known from an earlier stay.
    async fn candidates(
        &self,
        user: &UserId,
        room: &RoomId,
        via: &[OwnedServerName],
    ) -> Result<(Vec<OwnedServerName>, Option<Profile>), RoomError> {
        let (id, name) = (room.to_owned(), user.to_owned());
        let (invite, row, profile) = self
            .database()
            .call(move |db| {
                let profile = profiles::of_local(db, &name)?;
                Ok::<_, StoreError>((
                    rooms::invite(db, &id, &name)?,
                    rooms::find(db, &id)?,
                    profile,
                ))
            })
            .await?;
        let owner = row.filter(|row| row.delivery.owner_lets_in()).map(|row| row.owner);
        let inviting = invite.map(|invite| invite.sender.server_name().to_owned());
        let inviting = inviting.or_else(|| self.early_inviter(user, room));
        let named = room.server_name().map(ToOwned::to_owned);
        let mut candidates: Vec<OwnedServerName> = Vec::new();
        let others = via.iter().cloned().chain(inviting).chain(named);
        for server in owner.into_iter().chain(others) {
            if server != self.core().server_name() && !candidates.contains(&server) {
                candidates.push(server);
            }
        }
        candidates.truncate(MAX_CANDIDATES);
        Ok((candidates, profile))
    }

    async fn join_through(
        &self,
        server: &ServerName,
        room: &RoomId,
        join: &Draft,
    ) -> Result<Admission, RoomError> {
        let user = &*join.sender;
        let mut request = make_join::Request::new(room.to_owned(), user.to_owned());
        request.ver = VERSIONS.to_vec();
        let made = match self.ask_for_a_place(server, request).await? {
            Ok(made) => made,
            Err(error) => return referred(error),
        };
        let version = made.room_version.unwrap_or(RoomVersionId::V1);
        if !VERSIONS.contains(&version) {
            return Err(RoomError::UnsupportedVersion(version.to_string()));
        }
        let template = Template::parse(&made.event)?;
        let join = self.on_template(&version, room, template, join.clone())?;
        let request =
            send_join::Request::new(room.to_owned(), join.event_id.clone(), join.to_raw());
        let answer = self.ask_to_be_let_in(server, user, request).await?.room_state;
        let rules = rules_of(&version)?;
        let state = parsed(&answer.state, room, rules)?;
        let auth_chain = parsed(&answer.auth_chain, room, rules)?;
        let mut silent = self.silent_among(state.iter().chain(&auth_chain), rules).await;
        let handover = Handover {
            state: self.verified(state, rules, &mut silent).await?,
            auth_chain: self.verified(auth_chain, rules, &mut silent).await?,
            version,
            join,
        };
        self.accept(handover).await?;
        if self.membership(user, room).await? == Some(Membership::Join) {
            Ok(Admission::Joined)
        } else {
            let what = format!("what happened in {room} before keeps {user} out");
            Err(RoomError::Unavailable(what))
        }
    }

    /// Asks to be let in. That this begins is durable before the other server hears of it: what it has
    /// accepted must be finished, or withdrawn.
    async fn ask_to_be_let_in(
        &self,
        server: &ServerName,
        user: &UserId,
        request: send_join::Request,
    ) -> Result<send_join::Response, RoomError> {
        let (room, user, to) = (request.room_id.clone(), user.to_owned(), server.to_owned());
        let (id, name, asked) = (room.clone(), user.clone(), to.clone());
        self.database().transaction(move |tx| pending_joins::begin(tx, &id, &name, &asked)).await?;
        let core = self.core();
        let answer = core.federation.call(server, request, core.config.request_timeout).await;
        if answer.as_ref().is_err_and(CallError::surely_not_done) {
            self.database()
                .transaction(move |tx| pending_joins::end(tx, &room, &user, Some(&to)))
                .await?;
        }
        match answer {
            Err(error) if error.is_conflict() => Err(RoomError::Outdated(error.to_string())),
            answer => Ok(answer?),
        }
    }

    /// Returns a membership event of ours on the spot that another server proposes; nothing else of
    /// the template is taken over but who authorizes a restricted join.
    pub(super) fn on_template(
        &self,
        version: &RoomVersionId,
        room: &RoomId,
        mut proposed: Template,
        mut draft: Draft,
    ) -> Result<Pdu, RoomError> {
        if let Some(by) = proposed.content.remove("join_authorised_via_users_server") {
            draft.content["join_authorised_via_users_server"] = by;
        }
        let spot = Spot {
            prev_events: proposed.prev_events,
            auth_events: proposed.auth_events,
            depth: proposed.depth,
        };
        Ok(self.graph.sign(template(Some(room), &draft, &spot), rules_of(version)?)?)
    }
}

/// Returns whom a refusal refers to, if it does.
fn referred(error: CallError) -> Result<Admission, RoomError> {
    let CallError::Refused(refusal) = &error else { return Err(error.into()) };
    let owner = refusal.extra.get(OWNER_FIELD).and_then(Value::as_str);
    match owner.and_then(|owner| owner.try_into().ok()) {
        Some(owner) => Ok(Admission::Referred(owner)),
        None => Err(error.into()),
    }
}

fn rules_of(version: &RoomVersionId) -> Result<Rules, RoomError> {
    rules::of(version).ok_or_else(|| RoomError::UnsupportedVersion(version.to_string()))
}

impl From<CallError> for RoomError {
    fn from(error: CallError) -> Self {
        let forbidden = error.is_forbidden();
        match error {
            CallError::Refused(refusal) if forbidden => Self::Forbidden(refusal.message),
            other => Self::Unavailable(other.to_string()),
        }
    }
}
