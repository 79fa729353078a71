//! Migrations.

use transport::{Database, DatabaseError, database::migrate};

use crate::machines::World;

const ONE: &[&str] = &["CREATE TABLE first (n INTEGER) STRICT"];
const TWO: &[&str] = &[ONE[0], "INSERT INTO first VALUES (7)"];
const BROKEN: &[&str] = &[ONE[0], TWO[1], "INSERT INTO first VALUES (8)", "INSERT INTO nowhere"];

async fn database() -> Database {
    World::default().machine("a").open("test").await.expect("memory is there")
}

async fn numbers(database: &Database) -> Vec<i64> {
    let read = |connection: &mut rusqlite::Connection| {
        let mut statement = connection.prepare("SELECT n FROM first ORDER BY n")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok::<_, DatabaseError>(rows.collect::<Result<_, _>>()?)
    };
    database.call(read).await.expect("the table is there")
}

#[tokio::test]
async fn each_step_runs_once() {
    let database = database().await;
    migrate(&database, "c", ONE).await.unwrap();
    migrate(&database, "c", TWO).await.unwrap();
    migrate(&database, "c", TWO).await.unwrap();
    assert_eq!(numbers(&database).await, [7]);
}

#[tokio::test]
async fn components_are_counted_apart() {
    let database = database().await;
    migrate(&database, "c", ONE).await.unwrap();
    migrate(&database, "d", &["CREATE TABLE second (n INTEGER) STRICT"]).await.unwrap();
    migrate(&database, "c", TWO).await.unwrap();
    assert_eq!(numbers(&database).await, [7]);
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let database = database().await;
    migrate(&database, "c", TWO).await.unwrap();
    let refusal = migrate(&database, "c", ONE).await.unwrap_err().to_string();
    assert!(refusal.contains("c were made by a newer program"), "{refusal}");
}

#[tokio::test]
async fn a_failing_step_undoes_those_before_it() {
    let database = database().await;
    migrate(&database, "c", TWO).await.unwrap();
    migrate(&database, "c", BROKEN).await.unwrap_err();
    assert_eq!(numbers(&database).await, [7]);
    migrate(&database, "c", TWO).await.unwrap();
}
