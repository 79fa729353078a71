//! Who a server is, when its disk is an older one, a new one, or another server's.

use homeserver::{
    Config, Homeserver,
    event::Delivery,
    messaging::rooms::{CreateRoom, JoinRule},
};
use ruma::OwnedServerName;
use tempfile::TempDir;
use transport::{
    federation::{Identity, KeyRing, MAX_KEYS, OldKeys},
    http::{Client, ClientLimits, ServerLimits, serve},
    real::lock,
};

use crate::{
    stranger::Stranger,
    support::{Backend, Two, eventually, free_name, machine, shows},
};

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

/// The keys that a server on `directory` publishes when it has started: the current one, and the old
/// ones.
async fn published(directory: &TempDir, name: &OwnedServerName) -> (String, OldKeys) {
    let host = machine(directory);
    let database = host.open("keys").await.unwrap();
    let identity = Identity::open(&host, &database, name.clone()).await.unwrap();
    (identity.key_id(), (*identity.old_keys).clone())
}

#[tokio::test]
async fn old_keys_survive_the_loss_of_the_database_and_its_restoration() {
    let (directory, name) = (TempDir::new().unwrap(), free_name());
    published(&directory, &name).await;
    let backup = std::fs::read(directory.path().join("keys.sqlite")).unwrap();
    let mut rotated = Vec::new();
    for _ in 0..3 {
        rotated.push(published(&directory, &name).await.0);
        Identity::rotate(&machine(&directory), name.clone(), false).await.unwrap();
    }
    let (current, old) = published(&directory, &name).await;
    assert!(old.len() == 3 && rotated.iter().all(|id| old.contains_key(id)), "{old:?}");
    for restored in [Some(&backup), None] {
        for file in ["keys.sqlite", "keys.sqlite-wal", "keys.sqlite-shm"] {
            drop(std::fs::remove_file(directory.path().join(file)));
        }
        if let Some(backup) = restored {
            std::fs::write(directory.path().join("keys.sqlite"), backup).unwrap();
        }
        assert_eq!(published(&directory, &name).await, (current.clone(), old.clone()));
    }
    // A key that is put back signs again, and is no old one.
    std::fs::remove_file(directory.path().join("signing.key")).unwrap();
    drop(std::fs::remove_file(directory.path().join("keys.sqlite")));
    std::fs::write(directory.path().join("signing.key"), "07".repeat(32)).unwrap();
    let (seventh, _) = published(&directory, &name).await;
    Identity::rotate(&machine(&directory), name.clone(), false).await.unwrap();
    assert!(published(&directory, &name).await.1.contains_key(&seventh));
    std::fs::write(directory.path().join("signing.key"), "07".repeat(32)).unwrap();
    let (again, old) = published(&directory, &name).await;
    assert!(again == seventh && !old.contains_key(&seventh), "{old:?}");
}

#[tokio::test]
async fn a_server_has_no_more_keys_than_others_read_and_says_so_when_they_are_rotated() {
    let (directory, name) = (TempDir::new().unwrap(), free_name());
    let host = machine(&directory);
    Identity::beside_the_database(&host, name.clone()).await.unwrap();
    for _ in 1..MAX_KEYS {
        Identity::rotate(&host, name.clone(), false).await.unwrap();
    }
    let key = std::fs::read(directory.path().join("signing.key")).unwrap();
    let refused = Identity::rotate(&host, name.clone(), false).await.unwrap_err();
    assert!(refused.to_string().contains("--forget-oldest"), "{refused}");
    assert_eq!(std::fs::read(directory.path().join("signing.key")).unwrap(), key);
    let newest = Identity::rotate(&host, name.clone(), true).await.unwrap();
    // Another server reads all of them.
    let database = host.open("keys").await.unwrap();
    let identity = Identity::open(&host, &database, name.clone()).await.unwrap();
    assert_eq!((identity.key_id(), identity.old_keys.len() + 1), (newest.key_id(), MAX_KEYS));
    let oldest = identity.old_keys.keys().next().unwrap().clone();
    let http = Client::new(&host, ClientLimits::default());
    let own = KeyRing::open(&host, &database, http.clone(), identity).await.unwrap();
    let routes = KeyRing::routes().with_state(own);
    serve(&host, name.port().unwrap(), routes, ServerLimits::default()).await.unwrap();
    let reader = Stranger::start().await;
    let read = reader.keys.keys_of(&name, Some(&oldest), 0).await.unwrap();
    assert_eq!(read[name.as_str()].len(), MAX_KEYS);
}
