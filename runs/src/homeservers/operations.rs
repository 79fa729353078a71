//! What clients do: every operation is a task of its device that begins at its time.
//!
//! `sending` sends messages; `membership` has joins, leaves, removals and power; `beside` the rest.

mod beside;
mod membership;
mod sending;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use checks::{history::Note, record::OpOutcome};
use futures_util::future::join_all;
use http::Method;
use rand::Rng;
use scenarios::{
    endpoint::percent_encoded,
    scenario::{Op, OpKind, Reads},
};
use tokio::time::Instant;

use self::{membership::Removal, sending::Sending};
use super::{
    client::Reply,
    cluster::Cluster,
    device::{Device, room_path},
    reading,
};
use crate::federation::on_host;

/// An answer, or why there is none.
type Ended = Result<Reply, String>;

/// Starts the clock of every operation. The future resolves when all of them have ended.
pub(super) fn start(cluster: &Arc<Cluster>) -> impl Future<Output = ()> + Send + use<> {
    let ready = Instant::now();
    let mut random = journal::random::stream(cluster.scenario.seed, "operations");
    let operations = cluster.scenario.ops.iter().flat_map(Op::occurrences).map(|op| {
        let cluster = Arc::clone(cluster);
        let at = ready + op.at + drawn(op.jitter, &mut random);
        on_host(&cluster.observer().clone(), async move {
            tokio::time::sleep_until(at).await;
            perform(&cluster, op).await;
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

/// An operation that one device does.
struct Doing<'c> {
    cluster: &'c Cluster,
    /// What the report of a run calls it if it never happens.
    what: String,
    /// What it is called in the journal, if the scenario says how it must end.
    told: Option<String>,
}

/// Has an operation done by its devices. A device that is down does nothing, and that is noted.
async fn perform(cluster: &Arc<Cluster>, op: Op) {
    let room = |conversation: &String| cluster.room(conversation);
    let first = |user: &String| cluster.first_device(user);
    let told = op.outcome.is_some().then(|| op.kind.to_string());
    let doing = |what: String| Doing { cluster, what, told: told.clone() };
    match op.kind {
        OpKind::Send { from, to, id, text, content, retries } => {
            let (room, attempts) = (room(&to), retries.saturating_add(1));
            let doing = doing(format!("send {id}"));
            let content = serde_json::to_value(content).expect("what an event can hold");
            let content = sending::content(&id, &text, content);
            let send = Sending { message: id, conversation: to, room, content, attempts };
            doing.by(first(&from), |device| async move { send.run(&device).await }).await;
        }
        OpKind::Redact { message, by } => {
            redact(doing(format!("redact {message}")), message, &by).await;
        }
        OpKind::Typing { user, conversation } => {
            let room = room(&conversation);
            let doing = doing(format!("typing in {conversation}"));
            doing
                .by(first(&user), |device| async move {
                    beside::typing(&device, &room, conversation).await
                })
                .await;
        }
        OpKind::Logout { device } => {
            let device = cluster.devices.get(&device).expect("the language knows all devices");
            let doing = doing("logout".to_owned());
            doing.by(device, |device| async move { beside::log_out(&device).await }).await;
        }
        OpKind::Fetch { user } => {
            // A device that syncs does so all the time.
            let devices = cluster.devices_of(&user).filter(|it| it.reads != Reads::Sync);
            let fetches = devices.map(|device| doing("fetch".to_owned()).fetch(device));
            join_all(fetches).await;
        }
        OpKind::State { kind, key, content, by, conversation } => {
            let room = room(&conversation);
            let doing = doing(format!("{kind} of {conversation}"));
            let state = [kind, key].map(|part| percent_encoded(&part)).join("/");
            let content = serde_json::to_value(content).expect("what an event can hold");
            let target = room_path(&room, &format!("state/{state}"));
            doing
                .by(first(&by), |device| async move {
                    device.ask((Method::PUT, &target), &content).await
                })
                .await;
        }
        OpKind::Trespass { relay, victim } => trespass(cluster, relay, victim).await,
        kind => come_and_go(cluster, kind, doing).await,
    }
}

/// Has an operation done that changes who is in a conversation, or what they may do there.
async fn come_and_go<'c>(
    cluster: &'c Arc<Cluster>,
    kind: OpKind,
    doing: impl Fn(String) -> Doing<'c>,
) {
    let room = |conversation: &String| cluster.room(conversation);
    let first = |user: &String| cluster.first_device(user);
    match kind {
        OpKind::Join { user, conversation } => {
            let creator = first(&cluster.scenario.conversations[&conversation].creator);
            let (creator, room) = (Arc::clone(creator), room(&conversation));
            let doing = doing(format!("join {conversation}"));
            doing
                .by(first(&user), |device| async move {
                    membership::join(&creator, &device, &room, conversation).await
                })
                .await;
        }
        OpKind::Leave { user, conversation } => {
            let room = room(&conversation);
            let doing = doing(format!("leave {conversation}"));
            doing
                .by(first(&user), |device| async move {
                    membership::leave(&device, &room, conversation).await
                })
                .await;
        }
        OpKind::Kick { user, by, conversation } => {
            let doing = doing(format!("kick {user} from {conversation}"));
            remove(doing, "kick", (user, &by), conversation).await;
        }
        OpKind::Ban { user, by, conversation } => {
            let doing = doing(format!("ban {user} from {conversation}"));
            remove(doing, "ban", (user, &by), conversation).await;
        }
        OpKind::Power { user, level, by, conversation } => {
            let (room, user_id) = (room(&conversation), first(&user).user_id.clone());
            let doing = doing(format!("power of {user} in {conversation}"));
            doing
                .by(first(&by), |device| async move {
                    membership::set_power(&device, &room, &user_id, level).await
                })
                .await;
        }
        OpKind::Invite { user, by, conversation } => {
            let (room, user_id) = (room(&conversation), first(&user).user_id.clone());
            let doing = doing(format!("invite of {user} to {conversation}"));
            doing
                .by(first(&by), |device| async move {
                    // What becomes of it shows in the state, and in what the user can do.
                    membership::invite(&device, &room, &user_id).await
                })
                .await;
        }
        _ => {}
    }
}

/// Has a device take away what a message says, if it has seen that.
async fn redact(doing: Doing<'_>, message: String, by: &str) {
    let cluster = doing.cluster;
    let device = cluster.first_device(by);
    let conversation = cluster.scenario.conversation_of(&message);
    let event = device.progress().known.get(&message).cloned();
    let (Some(conversation), Some(event)) = (conversation, event) else {
        return doing.skip(device, Some(format!("had not seen {message}")));
    };
    let room = cluster.room(&conversation);
    doing
        .by(device, |device| async move { beside::redact(&device, &room, message, &event).await })
        .await;
}

async fn remove(
    doing: Doing<'_>,
    verb: &'static str,
    (user, by): (String, &str),
    conversation: String,
) {
    let cluster = doing.cluster;
    let (room, user_id) =
        (cluster.room(&conversation), cluster.first_device(&user).user_id.clone());
    let removal = Removal { verb, user, user_id, conversation, room };
    let by = cluster.first_device(by);
    doing.by(by, |device| async move { membership::remove(&device, removal).await }).await;
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

impl Doing<'_> {
    /// Runs `work` on a device until it ends or the device goes down, and notes how it ended if the
    /// scenario says how it must; notes it if it never began.
    async fn by<F>(self, device: &Arc<Device>, work: impl FnOnce(Arc<Device>) -> F)
    where
        F: Future<Output = Ended> + Send + 'static,
    {
        if device.progress().has_logged_out {
            return self.skip(device, Some("had logged out".to_owned()));
        }
        let began = Arc::new(AtomicBool::new(false));
        let (begins, work) = (Arc::clone(&began), work(Arc::clone(device)));
        let (told, actor) = (self.told.clone(), Arc::clone(device));
        let worked = device.on(async move {
            begins.store(true, Ordering::Relaxed);
            match told {
                Some(operation) => tell(&actor, operation, work).await,
                None => drop(work.await),
            }
        });
        // If the device goes down in the middle, the journal shows that.
        let is_broken_off = worked.await.is_err();
        if is_broken_off && !began.load(Ordering::Relaxed) {
            self.skip(device, None);
        }
    }

    /// Has a device fetch its notifications.
    async fn fetch(self, device: &Arc<Device>) {
        self.by(device, |device| async move {
            // Without an answer nothing was fetched; the next fetch goes on from the same place.
            reading::catch_up_and_note(&device).await?;
            Err("a fetch has no outcome".to_owned())
        })
        .await;
    }

    /// Notes that it never happened, because the device was down, or because of `why`.
    fn skip(self, device: &Device, why: Option<String>) {
        let (operation, device) = (self.what, device.name.clone());
        self.cluster.note(&Note::Skipped { operation, device, why });
    }
}

/// Notes when an operation begins and how it ends.
async fn tell(device: &Device, operation: String, work: impl Future<Output = Ended>) {
    let name = device.name.clone();
    let began = Note::OperationBegan { operation: operation.clone(), device: name.clone() };
    let began = device.note(None, &began);
    let ended = work.await;
    let reply = ended.as_ref().ok();
    let code = reply.map(Reply::errcode).filter(|code| !code.is_empty());
    let ended = Note::OperationEnded {
        operation,
        device: name,
        outcome: outcome(&ended),
        status: reply.map(|reply| reply.status),
        code: code.map(str::to_owned),
    };
    device.note(Some(began), &ended);
}

/// Returns how an operation ended. Without an answer, or after a server error that is not a
/// refusal, nobody knows; a client that may retry does.
fn outcome(ended: &Ended) -> OpOutcome {
    match ended {
        Ok(reply) if reply.status == 200 => OpOutcome::Ok,
        Ok(reply) if reply.is_refusal() => OpOutcome::Refused,
        Ok(_) | Err(_) => OpOutcome::Indefinite,
    }
}
