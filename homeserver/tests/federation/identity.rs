//! Who a server is, when its disk is an older one, a new one, or another server's.

use homeserver::{
    Config, Homeserver,
    event::Delivery,
    messaging::rooms::{CreateRoom, JoinRule},
};
use tempfile::TempDir;
use transport::{federation::Identity, real::lock};

use crate::support::{Backend, Two, eventually, free_name, machine, shows};

#[tokio::test]
async fn a_server_whose_database_is_lost_keeps_its_key_and_joins_again() {
    let Two { a, mut b, alice, bob, room } = Two::start().await;
    a.say(&alice, &room, "before").await;
    shows(&b, &room, &["before"]).await;
    b.kill();
    b.lose_database();
    b.boot().await;
    let again = b.user("bob").await;
    assert_eq!(again.id, bob.id);
    let bob = again;
    b.join(&bob, &room, &a).await;
    a.say(&alice, &room, "after").await;
    b.say(&bob, &room, "back").await;
    eventually("both show what is new", || async {
        let (of_a, of_b) = (a.texts(&room).await, b.texts(&room).await);
        of_a.ends_with(&["back".to_owned()]) && of_b.contains(&"after".to_owned())
    })
    .await;
}

#[tokio::test]
async fn a_member_of_an_m1_room_whose_database_is_lost_holds_nobody_up_for_good() {
    let (a, mut b) = (Backend::start().await, Backend::start().await);
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let room =
        CreateRoom { join_rule: JoinRule::Public, delivery: Delivery::M1, ..CreateRoom::default() };
    let room = a.room(&alice, room).await;
    b.join(&bob, &room, &a).await;
    a.say(&alice, &room, "before").await;
    shows(&b, &room, &["before"]).await;
    b.kill();
    b.lose_database();
    b.boot().await;
    let bob = b.user("bob").await;
    b.join(&bob, &room, &a).await;
    a.say(&alice, &room, "after").await;
    eventually("bob's backend shows it", || async {
        b.texts(&room).await.contains(&"after".to_owned())
    })
    .await;
    b.say(&bob, &room, "back").await;
    assert!(a.texts(&room).await.contains(&"back".to_owned()));
}

#[tokio::test]
async fn the_database_of_another_server_is_refused() {
    let directory = TempDir::new().unwrap();
    for (name, starts) in [(free_name(), true), (free_name(), false)] {
        let mut config = Config::new(name.clone());
        (config.federation_port, config.client_port) = (0, 0);
        let started = Homeserver::start(machine(&directory), config).await;
        assert_eq!(started.is_ok(), starts, "{started:?}");
        if let Err(error) = started {
            assert!(error.to_string().contains("the database is that of"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_key_that_signed_before_is_published_as_an_old_one() {
    let (directory, name) = (TempDir::new().unwrap(), free_name());
    let host = machine(&directory);
    let database = host.open("keys").await.unwrap();
    let first = Identity::open(&host, &database, name.clone()).await.unwrap();
    std::fs::write(directory.path().join("signing.key"), "07".repeat(32)).unwrap();
    let second = Identity::open(&host, &database, name.clone()).await.unwrap();
    assert_ne!(first.key_id(), second.key_id());
    assert!(second.old_keys.contains_key(&first.key_id()));
    let third = Identity::open(&host, &database, name).await.unwrap();
    assert_eq!((third.key_id(), third.old_keys), (second.key_id(), second.old_keys));
}

#[test]
fn a_directory_that_is_in_use_is_refused() {
    let directory = TempDir::new().unwrap();
    let first = lock(directory.path()).unwrap();
    let refused = lock(directory.path()).unwrap_err();
    assert!(refused.to_string().contains("another process"), "{refused}");
    drop(first);
    assert!(lock(directory.path()).is_ok());
}
