//! A user's device: its machine in the world, its session, and how far it has read. A device whose
//! backend has lost its disk, and the session with it, registers or logs in anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use checks::history::{Note, note::Via, pdu::MESSAGE_FIELD};
use http::Method;
use scenarios::{
    endpoint::percent_encoded,
    scenario::{Reads, User},
};
use serde_json::{Value, json};
use sim::Node;
use tokio::sync::oneshot;
use transport::{BoxFuture, Host, host::TaskHandle, http::RequestError};

use super::{
    client::{Client, Reply},
    cluster::CLIENT_PORT,
    reading,
};
use crate::{federation::on_host, world::World};

/// The deadline of every request except sends and long polls.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// A user's device. It outlives its machine's crashes, just like what is on its disk.
pub(super) struct Device {
    /// Its name, and its machine's: `alice/1`.
    pub(super) name: String,
    /// Its user, such as `alice`.
    pub(super) user: String,
    /// Its user's id, such as `@alice:a`.
    pub(super) user_id: String,
    /// Its backend.
    pub(super) backend: String,
    /// How it learns of messages.
    pub(super) reads: Reads,
    world: Arc<dyn World>,
    token: Mutex<Option<String>>,
    /// Held while a session is started anew, so that this is done once.
    starting: tokio::sync::Mutex<()>,
    running: Mutex<Option<Running>>,
    progress: Mutex<Progress>,
}

/// A device's process, which ends with a crash and is there again after the boot.
#[derive(Clone)]
struct Running {
    host: Host,
    client: Client,
}

/// How far a device has read.
#[derive(Default)]
pub(super) struct Progress {
    /// Where the next request continues: `/sync`'s token, or the last notification's id.
    pub(super) since: Option<String>,
    /// Whether the device's last request to its backend was answered.
    pub(super) is_attached: bool,
    /// Whether the device reads in the background, now and after each boot.
    pub(super) is_reading: bool,
    /// The task that reads in the background.
    pub(super) reader: Option<TaskHandle>,
    /// The rooms that a sync has told it about.
    pub(super) rooms: BTreeSet<String>,
    /// The messages that it has shown, by event id.
    pub(super) shown: BTreeSet<String>,
    /// The event ids of the messages that it has sent or been shown, by their names.
    pub(super) known: BTreeMap<String, String>,
    /// Whether it has logged out, for good.
    pub(super) has_logged_out: bool,
}

impl Progress {
    /// Returns whether its backend reaches it, or need not: it has logged out.
    pub(super) fn is_reached(&self) -> bool {
        self.is_attached || self.has_logged_out
    }
}

/// Runs a device on its machine.
struct DeviceNode(Arc<Device>);

impl Node for DeviceNode {
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>> {
        let device = Arc::clone(&self.0);
        Box::pin(async move {
            device.start(host);
            Ok(())
        })
    }
}

impl Device {
    /// Adds a user's device to the world, and boots it; it goes on with the session of `token`, if
    /// there is one.
    pub(super) fn boot(
        world: &Arc<dyn World>,
        (user_name, user): (&str, &User),
        name: &str,
        token: Option<String>,
    ) -> Arc<Self> {
        let device = Arc::new(Self {
            name: name.to_owned(),
            user: user_name.to_owned(),
            user_id: format!("@{user_name}:{}", user.backend),
            backend: user.backend.clone(),
            reads: user.reads,
            world: Arc::clone(world),
            token: Mutex::new(token),
            starting: tokio::sync::Mutex::default(),
            running: Mutex::default(),
            progress: Mutex::default(),
        });
        world.add_machine(&device.name, Arc::new(DeviceNode(Arc::clone(&device))));
        device
    }

    fn start(self: &Arc<Self>, host: Host) {
        let mut client = Client::new(&host, &self.backend, CLIENT_PORT);
        if let Some(token) = self.token() {
            client = client.with_token(&token);
        }
        *self.running() = Some(Running { host, client });
        self.progress().is_attached = false;
        if self.progress().is_reading {
            reading::start(self);
        }
    }

    /// Returns the token of its session, if it has started one.
    pub(super) fn token(&self) -> Option<String> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the host of its present (or last) process; none before the first boot.
    pub(super) fn host(&self) -> Option<Host> {
        self.running().as_ref().map(|running| running.host.clone())
    }

    /// Runs `work` as a task of the device; the receiver fails if it is down, or goes down first.
    pub(super) fn on<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        match self.host() {
            Some(host) => on_host(&host, work),
            None => oneshot::channel().1,
        }
    }

    /// Registers the user (its first device) or logs in (any other).
    ///
    /// # Errors
    /// There was no answer, or another one than expected; the error is a sentence.
    pub(super) async fn start_session(&self) -> Result<(), String> {
        if self.token().is_some() {
            return Ok(());
        }
        let client = self.client();
        let reply = if self.number() == "1" {
            self.register_or_log_in(&client).await?
        } else {
            post(&client, self.login()).await?
        };
        self.take_token(&reply.ok()?)
    }

    /// Registers the user; logs in if that has been done: by another device of the user, or by an
    /// attempt whose answer did not come in time.
    async fn register_or_log_in(&self, client: &Client) -> Result<Reply, String> {
        let reply = post(client, self.register()).await?;
        if reply.errcode() == "M_USER_IN_USE" {
            return post(client, self.login()).await;
        }
        Ok(reply)
    }

    /// Registers the user anew, or logs in where another device of the user has done so; unless this
    /// has been done since the session `used` was. What the device had read counts no more.
    ///
    /// # Errors
    /// There was no answer, or another one than expected; the error is a sentence.
    pub(super) async fn start_session_anew(&self, used: Option<&str>) -> Result<(), String> {
        let _once = self.starting.lock().await;
        if self.token().as_deref() != used {
            return Ok(());
        }
        let reply = self.register_or_log_in(&self.client().without_token()).await?;
        self.take_token(&reply.ok()?)?;
        let mut progress = self.progress();
        progress.since = None;
        progress.rooms.clear();
        Ok(())
    }

    fn number(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    fn password(&self) -> String {
        format!("the password of {}", self.user)
    }

    /// Returns the target and the body that register the user with this device.
    fn register(&self) -> (&'static str, Value) {
        let auth = json!({"type": "m.login.dummy"});
        let body = json!({"username": self.user, "password": self.password(),
                          "device_id": self.number(), "auth": auth});
        ("/_matrix/client/v3/register", body)
    }

    /// Returns the target and the body that log in with this device.
    fn login(&self) -> (&'static str, Value) {
        let identifier = json!({"type": "m.id.user", "user": self.user});
        let body = json!({"type": "m.login.password", "identifier": identifier,
                          "password": self.password(), "device_id": self.number()});
        ("/_matrix/client/v3/login", body)
    }

    fn take_token(&self, answer: &Value) -> Result<(), String> {
        let token = answer.get("access_token").and_then(Value::as_str);
        let token = token.ok_or("an answer without an access token")?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.to_owned());
        if let Some(running) = self.running().as_mut() {
            running.client = running.client.clone().with_token(token);
        }
        Ok(())
    }

    /// Sends one request in its session. If the backend does not know that, the device starts another
    /// one, and asks once more unless the request says how far it `has_read`, which counts no more.
    ///
    /// # Errors
    /// There was no answer.
    pub(super) async fn call(
        &self,
        (method, target): (Method, &str),
        body: Option<&Value>,
        deadline: Duration,
        has_read: bool,
    ) -> Result<Reply, RequestError> {
        let client = self.client();
        let reply = client.call(method.clone(), target, body, deadline).await?;
        let is_over = self.progress().has_logged_out;
        if reply.is_of_unknown_session()
            && !is_over
            && self.start_session_anew(client.token()).await.is_ok()
            && !has_read
        {
            return self.client().call(method, target, body, deadline).await;
        }
        Ok(reply)
    }

    /// Asks for something in its session; without an answer the error is a sentence.
    pub(super) async fn ask(
        &self,
        (method, target): (Method, &str),
        body: &Value,
    ) -> Result<Reply, String> {
        let reply = self.call((method, target), Some(body), DEADLINE, false).await;
        reply.map_err(|error| error.to_string())
    }

    /// Gets something in its session, and returns the body of a 200.
    ///
    /// # Errors
    /// There was no answer, or another one; the error is a sentence.
    pub(super) async fn get(&self, target: &str, deadline: Duration) -> Result<Value, String> {
        let reply = self.call((Method::GET, target), None, deadline, false).await;
        reply.map_err(|error| error.to_string())?.ok()
    }

    /// Returns a client that calls from the device, in its session once it has one.
    pub(super) fn client(&self) -> Client {
        let running = self.running();
        running.as_ref().expect("only tasks of the device call, and it runs then").client.clone()
    }

    /// Locks how far the device has read. The guard is never held across an await.
    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a note on this device's machine.
    pub(super) fn note(&self, cause: Option<u64>, note: &Note) -> u64 {
        let (topic, body) = note.to_parts();
        self.world.note(&self.name, cause, &topic, body)
    }

    /// Shows an event to the user: notes the sighting if it is a message. Returns whether it is
    /// one.
    pub(super) fn show(&self, event: &Value, room: Option<&str>, via: Via) -> bool {
        let text = |field: &str| event.get(field).and_then(Value::as_str);
        if text("type") != Some("m.room.message") {
            return false;
        }
        let name = event.get("content").and_then(|content| content.get(MESSAGE_FIELD));
        let room = room.or_else(|| text("room_id")).unwrap_or_default();
        let event_id = text("event_id").unwrap_or_default().to_owned();
        let name = name.and_then(Value::as_str).map(str::to_owned);
        {
            let mut progress = self.progress();
            progress.shown.insert(event_id.clone());
            progress.known.extend(name.clone().map(|name| (name, event_id.clone())));
        }
        self.note(
            None,
            &Note::Seen {
                device: self.name.clone(),
                message: name,
                event: event_id,
                room: room.to_owned(),
                via,
            },
        );
        true
    }
}

/// Posts something without minding the status of the answer; the error is a sentence.
async fn post(client: &Client, (target, body): (&str, Value)) -> Result<Reply, String> {
    let reply = client.call(Method::POST, target, Some(&body), DEADLINE).await;
    reply.map_err(|error| error.to_string())
}

/// Returns the path of something in a room.
pub(super) fn room_path(room: &str, rest: &str) -> String {
    format!("/_matrix/client/v3/rooms/{}/{rest}", percent_encoded(room))
}
