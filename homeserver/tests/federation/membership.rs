//! Invites, joins and leaves across backends.

use homeserver::messaging::rooms::{CreateRoom, RoomError};
use ruma::OwnedRoomId;

use crate::support::{Backend, Two, User, agree, eventually, shows};

/// A room of `alice` at `a` that bob of `b` is invited to.
async fn invited(a: &Backend, b: &Backend) -> (User, User, OwnedRoomId) {
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let options = CreateRoom { invite: vec![bob.id.clone()], ..CreateRoom::default() };
    let room = a.room(&alice, options).await;
    (alice, bob, room)
}

async fn leave(backend: &Backend, user: &User, room: &OwnedRoomId) {
    let (rooms, user, room) = (backend.rooms(), user.id.clone(), room.clone());
    backend.run(async move { rooms.leave(&user, &room).await }).await.unwrap();
}

#[tokio::test]
async fn invited_user_joins_without_saying_through_whom() {
    let (a, b) = (Backend::start().await, Backend::start().await);
    let (alice, bob, room) = invited(&a, &b).await;
    assert_eq!(b.membership(&bob.id, &room).await, Some("invite"));
    let (rooms, user, id) = (b.rooms(), bob.id.clone(), room.clone());
    b.run(async move { rooms.join(&user, &id, &[]).await }).await.unwrap();
    a.say(&alice, &room, "welcome").await;
    shows(&b, &room, &["welcome"]).await;
    agree(&a, &b, &room).await;
}

#[tokio::test]
async fn uninvited_user_may_not_join() {
    let (a, b) = (Backend::start().await, Backend::start().await);
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let room = a.room(&alice, CreateRoom::default()).await;
    let (rooms, user, id, via) = (b.rooms(), bob.id.clone(), room.clone(), [a.name.clone()]);
    let refused = b.run(async move { rooms.join(&user, &id, &via).await }).await;
    assert!(matches!(refused, Err(RoomError::Forbidden(_))), "{refused:?}");
    assert_eq!(a.membership(&bob.id, &room).await, None);
}

#[tokio::test]
async fn who_leaves_is_gone_everywhere_and_gets_no_more_messages() {
    let Two { a, b, alice, bob, room } = Two::start().await;
    leave(&b, &bob, &room).await;
    eventually("alice's backend knows", || async {
        a.membership(&bob.id, &room).await == Some("leave")
    })
    .await;
    a.say(&alice, &room, "alone").await;
    let (_, queues) =
        a.ask(("GET", "/_fedsim/admin/v1/queues"), Some("admin"), serde_json::Value::Null).await;
    assert_eq!(queues["queues"].as_array().unwrap().len(), 0, "{queues}");
}

#[tokio::test]
async fn rejected_invite_is_known_to_the_inviting_backend() {
    let (a, b) = (Backend::start().await, Backend::start().await);
    let (_, bob, room) = invited(&a, &b).await;
    leave(&b, &bob, &room).await;
    assert_eq!(b.membership(&bob.id, &room).await, Some("leave"));
    assert_eq!(a.membership(&bob.id, &room).await, Some("leave"));
}

#[tokio::test]
async fn user_of_a_third_backend_joins_and_everybody_learns_of_it() {
    let (a, b, c) = (Backend::start().await, Backend::start().await, Backend::start().await);
    let (alice, bob, carol) = (a.user("alice").await, b.user("bob").await, c.user("carol").await);
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    c.join(&carol, &room, &b).await;
    eventually("the first backend knows", || async {
        a.membership(&carol.id, &room).await == Some("join")
    })
    .await;
    a.say(&alice, &room, "all").await;
    shows(&c, &room, &["all"]).await;
    agree(&a, &c, &room).await;
}
