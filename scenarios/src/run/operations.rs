//! What clients do: every operation is a task of its device, at its time.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    client::Reply,
    cluster::{Cluster, on},
    device::{DEADLINE, Device, room_path},
    reading,
    setup::join_path,
};
use crate::{
    history::{Note, endpoint::percent_encoded, pdu::MESSAGE_FIELD},
    record::Outcome,
    scenario::{OpKind, Reads},
};

/// Deadline of one attempt to send.
const SEND_DEADLINE: Duration = Duration::from_secs(30);

/// The pause before an attempt is repeated.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Starts every operation's clock; resolves when all have ended.
pub(super) fn start(cluster: &Arc<Cluster>) -> impl Future<Output = ()> + Send + use<> {
    let ready = Instant::now();
    let mut ends = Vec::new();
    for op in &cluster.scenario.ops {
        let at = ready + op.at;
        match &op.kind {
            OpKind::Send { from, to, id, text, retries } => {
                let send = Sending {
                    message: id.clone(),
                    conversation: to.clone(),
                    room: cluster.rooms[to].clone(),
                    text: text.clone(),
                    attempts: retries.saturating_add(1),
                };
                let device = Arc::clone(cluster.first_device(from));
                ends.push(on(
                    &device.host.clone(),
                    later(at, async move {
                        send.run(&device).await;
                    }),
                ));
            }
            OpKind::Fetch { user } => {
                // A device that syncs, syncs all the time.
                for device in cluster.devices_of(user).filter(|it| it.reads != Reads::Sync) {
                    let device = Arc::clone(device);
                    ends.push(on(
                        &device.host.clone(),
                        later(at, async move {
                            // Nothing came; the next fetch will tell.
                            drop(reading::catch_up_and_note(&device).await);
                        }),
                    ));
                }
            }
            OpKind::Join { user, conversation } => {
                ends.extend([join(cluster, at, user, conversation)]);
            }
            OpKind::Leave { user, conversation } => {
                let device = Arc::clone(cluster.first_device(user));
                let (room, name) = (cluster.rooms[conversation].clone(), conversation.clone());
                ends.push(on(
                    &device.host.clone(),
                    later(at, async move {
                        leave(&device, &room, name).await;
                    }),
                ));
            }
            OpKind::Trespass { relay, victim } => {
                let stranger = cluster.stranger.clone().expect("made where there is a trespass");
                let (cluster, relay, victim) = (Arc::clone(cluster), relay.clone(), victim.clone());
                ends.push(on(
                    &stranger.host.clone(),
                    later(at, async move {
                        stranger.trespass(&cluster, &relay, &victim).await;
                    }),
                ));
            }
        }
    }
    async move {
        join_all(ends).await;
    }
}

async fn later(at: Instant, work: impl Future<Output = ()>) {
    tokio::time::sleep_until(at).await;
    work.await;
}

struct Sending {
    message: String,
    conversation: String,
    room: String,
    text: String,
    attempts: u32,
}

impl Sending {
    async fn run(&self, device: &Device) {
        let began = device.note(
            None,
            &Note::SendBegan {
                message: self.message.clone(),
                device: device.name.clone(),
                conversation: self.conversation.clone(),
            },
        );
        let mut ended = self.attempt(device).await;
        for _ in 1..self.attempts {
            if outcome(&ended) != Outcome::Indefinite {
                break;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
            ended = self.attempt(device).await;
        }
        device.note(Some(began), &self.ended(&ended));
    }

    /// One attempt; every one has the same transaction id.
    async fn attempt(&self, device: &Device) -> Result<Reply, String> {
        let transaction = percent_encoded(&self.message);
        let target = room_path(&self.room, &format!("send/m.room.message/{transaction}"));
        let mut body = json!({"msgtype": "m.text", "body": self.text});
        body[MESSAGE_FIELD] = self.message.as_str().into();
        let reply = device.client().call(Method::PUT, &target, Some(&body), SEND_DEADLINE).await;
        reply.map_err(|error| error.to_string())
    }

    fn ended(&self, ended: &Result<Reply, String>) -> Note {
        let outcome = outcome(ended);
        let reply = ended.as_ref().ok();
        let event = reply.and_then(|reply| reply.body.get("event_id")).and_then(Value::as_str);
        let strings = |field| reply.map(|reply| reply.strings(field)).unwrap_or_default();
        let error = ended.as_ref().map_or_else(String::clone, Reply::to_string);
        Note::SendEnded {
            message: self.message.clone(),
            outcome,
            status: reply.map(|reply| reply.status),
            event: event.map(str::to_owned),
            unreachable: strings("unreachable_backends"),
            failed_to_send: strings("failed_to_send"),
            error: (outcome != Outcome::Ok).then_some(error),
        }
    }
}

/// How an operation ended. Without an answer, or with a server error that is no refusal, nobody
/// knows; a client that may tries again.
fn outcome(ended: &Result<Reply, String>) -> Outcome {
    match ended {
        Ok(reply) if reply.status == 200 => Outcome::Ok,
        Ok(reply) if reply.is_refusal() => Outcome::Refused,
        Ok(_) | Err(_) => Outcome::Indefinite,
    }
}

/// The creator invites, then the user joins.
fn join(
    cluster: &Arc<Cluster>,
    at: Instant,
    user: &str,
    conversation: &str,
) -> tokio::sync::oneshot::Receiver<()> {
    let device = Arc::clone(cluster.first_device(user));
    let creator = &cluster.scenario.conversations[conversation].creator;
    let creator = Arc::clone(cluster.first_device(creator));
    let room = cluster.rooms[conversation].clone();
    let (user, conversation) = (user.to_owned(), conversation.to_owned());
    on(
        &device.host.clone(),
        later(at, async move {
            let began = Note::JoinBegan { user: user.clone(), conversation: conversation.clone() };
            let began = device.note(None, &began);
            let outcome = invite_and_join(&creator, &device, &room).await;
            device.note(Some(began), &Note::JoinEnded { user, conversation, outcome });
        }),
    )
}

async fn invite_and_join(creator: &Arc<Device>, device: &Device, room: &str) -> Outcome {
    let (inviter, target, invited) = (Arc::clone(creator), room.to_owned(), device.user_id.clone());
    let inviting = on(&creator.host, async move {
        let body = json!({"user_id": invited});
        inviter.client().post(&room_path(&target, "invite"), &body, DEADLINE).await
    });
    // If the invitation failed, so will the join; that is what counts.
    drop(inviting.await);
    let target = join_path(room, &creator.backend);
    let reply = device.client().call(Method::POST, &target, Some(&json!({})), DEADLINE).await;
    outcome(&reply.map_err(|error| error.to_string()))
}

async fn leave(device: &Device, room: &str, conversation: String) {
    let user = device.user.clone();
    let began = Note::LeaveBegan { user: user.clone(), conversation: conversation.clone() };
    let began = device.note(None, &began);
    let target = room_path(room, "leave");
    let reply = device.client().call(Method::POST, &target, Some(&json!({})), DEADLINE).await;
    let outcome = outcome(&reply.map_err(|error| error.to_string()));
    device.note(Some(began), &Note::LeaveEnded { user, conversation, outcome });
}
