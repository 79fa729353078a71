//! Who may call the M1 endpoints, and what they answer to calls that make no sense.

use ruma::ServerName;
use serde_json::{json, value::RawValue};
use transport::{
    endpoints::{
        Endpoint,
        m1::{Decide, Decision, DecisionBody, Devices, Empty, GetOutcome, Prepare, PrepareRequest},
    },
    federation::CallError,
};

use super::support::{Cluster, DEADLINE};

const NO_EVENT: &str = "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const COMMIT: DecisionBody = DecisionBody { decision: Decision::Commit };

/// The answer of `to` to a call that `from` signs; the status of a refusal.
async fn call<E: Endpoint>(
    cluster: &Cluster,
    room: &str,
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
    let (cluster, _people, room) = Cluster::three("m1").await;
    let event = RawValue::from_string(json!({}).to_string()).unwrap();
    let request = PrepareRequest { event, devices: Devices::new() };
    assert_eq!(call::<Prepare>(&cluster, &room, ("b", "c.test"), &request).await.unwrap_err(), 403);
    assert_eq!(call::<Decide>(&cluster, &room, ("b", "c.test"), &COMMIT).await.unwrap_err(), 403);
}

#[tokio::test]
async fn a_commit_of_what_was_never_prepared_is_not_acknowledged() {
    let (cluster, _people, room) = Cluster::three("m1").await;
    assert_eq!(call::<Decide>(&cluster, &room, ("a", "b.test"), &COMMIT).await.unwrap_err(), 404);
}

#[tokio::test]
async fn an_owner_without_a_record_answers_abort_and_others_answer_nothing() {
    let (cluster, _people, room) = Cluster::three("m1").await;
    let answer = call::<GetOutcome>(&cluster, &room, ("b", "a.test"), &Empty {}).await.unwrap();
    assert_eq!(answer.decision, Some(Decision::Abort));
    assert_eq!(
        call::<GetOutcome>(&cluster, &room, ("b", "c.test"), &Empty {}).await.unwrap_err(),
        403
    );
}
