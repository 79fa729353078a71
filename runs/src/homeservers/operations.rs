//! What clients do: every operation is a task of its device that begins at its time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use checks::{
    history::{Note, pdu::MESSAGE_FIELD},
    record::OpOutcome,
};
use futures_util::future::join_all;
use http::Method;
use rand::Rng;
use scenarios::{
    endpoint::percent_encoded,
    scenario::{Op, OpKind, Reads},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    client::Reply,
    cluster::Cluster,
    device::{DEADLINE, Device, room_path},
    reading,
    setup::join_path,
};
use crate::federation::on_host;

/// The deadline of one attempt to send.
const SEND_DEADLINE: Duration = Duration::from_secs(30);

/// The pause before an attempt is repeated.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Starts the clock of every operation. The future resolves when all of them have ended.
pub(super) fn start(cluster: &Arc<Cluster>) -> impl Future<Output = ()> + Send + use<> {
    let ready = Instant::now();
    let mut random = journal::random::stream(cluster.scenario.seed, "operations");
    let operations = cluster.scenario.ops.iter().flat_map(Op::occurrences).map(|op| {
        let cluster = Arc::clone(cluster);
        let at = ready + op.at + drawn(op.jitter, &mut random);
        on_host(&cluster.observer().clone(), async move {
            tokio::time::sleep_until(at).await;
            perform(&cluster, op.kind).await;
        })
    });
    let operations: Vec<_> = operations.collect();
    async move {
        join_all(operations).await;
    }
}

/// Draws a time up to `most`.
fn drawn(most: Duration, random: &mut impl Rng) -> Duration {
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    // Which of two times a nanosecond apart is likelier does not matter.
    Duration::from_nanos(random.next_u64() % most.saturating_add(1).max(1))
}

/// Has an operation done by its devices. A device that is down does nothing, and that is noted.
async fn perform(cluster: &Arc<Cluster>, kind: OpKind) {
    let room = |conversation: &String| cluster.room(conversation);
    match kind {
        OpKind::Send { from, to, id, text, retries } => {
            let (room, attempts) = (room(&to), retries.saturating_add(1));
            let what = format!("send {id}");
            let send = Sending { message: id, conversation: to, room, text, attempts };
            let device = cluster.first_device(&from);
            by(cluster, device, what, |device| async move { send.run(&device).await }).await;
        }
        OpKind::Fetch { user } => {
            // A device that syncs does so all the time.
            let devices = cluster.devices_of(&user).filter(|it| it.reads != Reads::Sync);
            join_all(devices.map(|device| by(cluster, device, "fetch".to_owned(), fetch))).await;
        }
        OpKind::Join { user, conversation } => let_join(cluster, &user, conversation).await,
        OpKind::Leave { user, conversation } => {
            let room = room(&conversation);
            let (device, what) = (cluster.first_device(&user), format!("leave {conversation}"));
            by(cluster, device, what, |device| async move {
                leave(&device, &room, conversation).await;
            })
            .await;
        }
        OpKind::Kick { user, by: remover, conversation } => {
            let removal = Removal { verb: "kick", user, by: remover, conversation };
            remove(cluster, removal).await;
        }
        OpKind::Ban { user, by: remover, conversation } => {
            let removal = Removal { verb: "ban", user, by: remover, conversation };
            remove(cluster, removal).await;
        }
        OpKind::Power { user, level, by: setter, conversation } => {
            let (room, user_id) = (room(&conversation), user_id(cluster, &user));
            let what = format!("power of {user} in {conversation}");
            by(cluster, cluster.first_device(&setter), what, |device| async move {
                set_power(&device, &room, &user_id, level).await;
            })
            .await;
        }
        OpKind::State { kind, key, content, by: setter, conversation } => {
            let room = room(&conversation);
            let what = format!("{kind} of {conversation}");
            let state = [kind, key].map(|part| percent_encoded(&part)).join("/");
            let content = serde_json::to_value(content).expect("what an event can hold");
            let target = room_path(&room, &format!("state/{state}"));
            by(cluster, cluster.first_device(&setter), what, |device| async move {
                drop(device.call((Method::PUT, &target), Some(&content), DEADLINE, false).await);
            })
            .await;
        }
        OpKind::Invite { user, by: inviter, conversation } => {
            let (room, user_id) = (room(&conversation), user_id(cluster, &user));
            let what = format!("invite of {user} to {conversation}");
            by(cluster, cluster.first_device(&inviter), what, |device| async move {
                // What becomes of it shows in the state, and in what the user can do.
                drop(invite(&device, &room, &user_id).await);
            })
            .await;
        }
        OpKind::Trespass { relay, victim } => trespass(cluster, relay, victim).await,
    }
}

async fn let_join(cluster: &Arc<Cluster>, user: &str, conversation: String) {
    let creator = &cluster.scenario.conversations[&conversation].creator;
    let creator = Arc::clone(cluster.first_device(creator));
    let (room, what) = (cluster.room(&conversation), format!("join {conversation}"));
    by(cluster, cluster.first_device(user), what, |device| async move {
        join(&creator, &device, &room, conversation).await;
    })
    .await;
}

async fn trespass(cluster: &Arc<Cluster>, relay: String, victim: String) {
    let stranger = cluster.stranger.clone().expect("made where there is a trespass");
    let (host, cluster) = (stranger.host.clone(), Arc::clone(cluster));
    let tried = on_host(&host, async move {
        stranger.trespass(&cluster, &relay, &victim).await;
    });
    // No scenario can break the stranger's machine.
    drop(tried.await);
}

/// Runs `work` on a device until it ends or the device goes down; notes it if `what` never began.
async fn by<F>(
    cluster: &Cluster,
    device: &Arc<Device>,
    what: String,
    work: impl FnOnce(Arc<Device>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let began = Arc::new(AtomicBool::new(false));
    let (begins, work) = (Arc::clone(&began), work(Arc::clone(device)));
    let worked = device.on(async move {
        begins.store(true, Ordering::Relaxed);
        work.await;
    });
    // If the device goes down in the middle, the journal shows that.
    let is_broken_off = worked.await.is_err();
    if is_broken_off && !began.load(Ordering::Relaxed) {
        cluster.note(&Note::Skipped { operation: what, device: device.name.clone() });
    }
}

async fn fetch(device: Arc<Device>) {
    // Without an answer nothing was fetched; the next fetch goes on from the same place.
    drop(reading::catch_up_and_note(&device).await);
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
            if outcome(&ended) != OpOutcome::Indefinite {
                break;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
            ended = self.attempt(device).await;
        }
        device.note(Some(began), &self.ended(&ended));
    }

    /// Attempts to send once; every attempt has the same transaction id.
    async fn attempt(&self, device: &Device) -> Result<Reply, String> {
        let transaction = percent_encoded(&self.message);
        let target = room_path(&self.room, &format!("send/m.room.message/{transaction}"));
        let mut body = json!({"msgtype": "m.text", "body": self.text});
        body[MESSAGE_FIELD] = self.message.as_str().into();
        let reply = device.call((Method::PUT, &target), Some(&body), SEND_DEADLINE, false).await;
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
            error: (outcome != OpOutcome::Ok).then_some(error),
        }
    }
}

/// Returns how an operation ended. Without an answer, or after a server error that is not a
/// refusal, nobody knows; a client that may retry does.
fn outcome(ended: &Result<Reply, String>) -> OpOutcome {
    match ended {
        Ok(reply) if reply.status == 200 => OpOutcome::Ok,
        Ok(reply) if reply.is_refusal() => OpOutcome::Refused,
        Ok(_) | Err(_) => OpOutcome::Indefinite,
    }
}

/// Lets the creator invite, and then the user join.
async fn join(creator: &Arc<Device>, device: &Device, room: &str, conversation: String) {
    let user = device.user.clone();
    let began = Note::JoinBegan { user: user.clone(), conversation: conversation.clone() };
    let began = device.note(None, &began);
    let outcome = invite_and_join(creator, device, room).await;
    device.note(Some(began), &Note::JoinEnded { user, conversation, outcome });
}

async fn invite_and_join(creator: &Arc<Device>, device: &Device, room: &str) -> OpOutcome {
    let (inviter, target, invited) = (Arc::clone(creator), room.to_owned(), device.user_id.clone());
    let inviting = creator.on(async move { invite(&inviter, &target, &invited).await });
    // If the invitation failed, so will the join; that is what counts.
    drop(inviting.await);
    let target = join_path(room, &creator.backend);
    let reply = device.call((Method::POST, &target), Some(&json!({})), DEADLINE, false).await;
    outcome(&reply.map_err(|error| error.to_string()))
}

async fn invite(inviter: &Device, room: &str, user_id: &str) -> Result<Reply, String> {
    let (target, body) = (room_path(room, "invite"), json!({"user_id": user_id}));
    let reply = inviter.call((Method::POST, &target), Some(&body), DEADLINE, false).await;
    reply.map_err(|error| error.to_string())
}

async fn leave(device: &Device, room: &str, conversation: String) {
    let user = device.user.clone();
    let began = Note::LeaveBegan { user: user.clone(), conversation: conversation.clone() };
    let began = device.note(None, &began);
    let target = room_path(room, "leave");
    let reply = device.call((Method::POST, &target), Some(&json!({})), DEADLINE, false).await;
    let outcome = outcome(&reply.map_err(|error| error.to_string()));
    device.note(Some(began), &Note::LeaveEnded { user, conversation, outcome });
}

/// What one user does to another, by the endpoint's name.
struct Removal {
    verb: &'static str,
    user: String,
    by: String,
    conversation: String,
}

async fn remove(cluster: &Arc<Cluster>, removal: Removal) {
    let Removal { verb, user, by: remover, conversation } = removal;
    let (room, user_id) = (cluster.room(&conversation), user_id(cluster, &user));
    let what = format!("{verb} {user} from {conversation}");
    by(cluster, cluster.first_device(&remover), what, |device| async move {
        let by = device.user.clone();
        let (named, by_whom) = (user.clone(), by.clone());
        let began =
            Note::RemovalBegan { user: named, by: by_whom, conversation: conversation.clone() };
        let began = device.note(None, &began);
        let body = json!({"user_id": user_id});
        let target = room_path(&room, verb);
        let reply = device.call((Method::POST, &target), Some(&body), DEADLINE, false).await;
        let outcome = outcome(&reply.map_err(|error| error.to_string()));
        device.note(Some(began), &Note::RemovalEnded { user, by, conversation, outcome });
    })
    .await;
}

/// Sets a power level as clients do: reads what is set, and writes it with the change. Nothing
/// depends on how that ends but what everybody agrees on afterwards.
async fn set_power(device: &Device, room: &str, user_id: &str, level: u32) {
    let target = room_path(room, "state/m.room.power_levels/");
    let Ok(mut levels) = device.get(&target, DEADLINE).await else { return };
    levels["users"][user_id] = level.into();
    drop(device.call((Method::PUT, &target), Some(&levels), DEADLINE, false).await);
}

fn user_id(cluster: &Cluster, user: &str) -> String {
    cluster.first_device(user).user_id.clone()
}
