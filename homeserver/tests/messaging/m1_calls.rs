//! Who may call the M1 endpoints, and what they answer to calls that make no sense.

use ruma::ServerName;
use serde_json::{json, value::RawValue};
use transport::{
    endpoints::{
        Endpoint,
        m1::{Decide, Decision, DecisionBody, Devices, Empty, Outcome, Prepare, PrepareRequest},
    },
    federation::CallError,
};

use super::support::{Cluster, DEADLINE};

const NO_EVENT: &str = "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const COMMIT: DecisionBody = DecisionBody { decision: Decision::Commit };

/// Three backends, and a room that the first owns.
async fn three() -> (Cluster, String) {
    let cluster = Cluster::of(&["a", "b", "c"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("b", "bob").await);
    let carol = cluster.user("c", "carol").await;
    let room = alice.room("m1", &[&bob, &carol]).await;
    (cluster, room)
}

/// The answer of `to` to a call that `from` signs; the status of a refusal.
async fn call<E: Endpoint>(
    (cluster, room): &(Cluster, String),
    (from, to): (&str, &str),
    request: &E::Request,
) -> Result<E::Response, u16> {
    let to = <&ServerName>::try_from(to).unwrap();
    let federation = cluster.federation(from).await;
    match federation.call_endpoint::<E>(to, &[room, NO_EVENT], request, DEADLINE).await {
        Ok(answer) => Ok(answer),
        Err(CallError::Refused(error)) => Err(error.status.as_u16()),
        Err(other) => panic!("no answer: {other}"),
    }
}

#[tokio::test]
async fn only_the_owner_may_ask_for_votes_and_tell_decisions() {
    let world = three().await;
    let event = RawValue::from_string(json!({}).to_string()).unwrap();
    let request = PrepareRequest { event, devices: Devices::new() };
    assert_eq!(call::<Prepare>(&world, ("b", "c.test"), &request).await.unwrap_err(), 403);
    assert_eq!(call::<Decide>(&world, ("b", "c.test"), &COMMIT).await.unwrap_err(), 403);
}

#[tokio::test]
async fn a_commit_of_what_was_never_prepared_is_not_acknowledged() {
    let world = three().await;
    assert_eq!(call::<Decide>(&world, ("a", "b.test"), &COMMIT).await.unwrap_err(), 404);
}

#[tokio::test]
async fn an_owner_without_a_record_answers_abort_and_others_answer_nothing() {
    let world = three().await;
    let answer = call::<Outcome>(&world, ("b", "a.test"), &Empty {}).await.unwrap();
    assert_eq!(answer.decision, Some(Decision::Abort));
    assert_eq!(call::<Outcome>(&world, ("b", "c.test"), &Empty {}).await.unwrap_err(), 403);
}
