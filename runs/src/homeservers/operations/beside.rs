//! What clients do beside speaking: take back what a message says, type, log out.

use checks::history::Note;
use http::Method;
use scenarios::endpoint::percent_encoded;
use serde_json::json;

use super::{Ended, outcome};
use crate::homeservers::{
    device::{DEADLINE, Device, room_path},
    reading,
};

/// How long a user counts as typing, in milliseconds.
const TYPES_FOR: u64 = 30_000;

/// Takes away what a message says.
pub(super) async fn redact(device: &Device, room: &str, message: String, event: &str) -> Ended {
    let by = device.user.clone();
    let began = Note::RedactionBegan { message: message.clone(), by: by.clone() };
    let began = device.note(None, &began);
    let transaction = percent_encoded(&format!("redact-{message}"));
    let target = room_path(room, &format!("redact/{}/{transaction}", percent_encoded(event)));
    let ended = device.ask((Method::PUT, &target), &json!({})).await;
    let redaction = ended.as_ref().ok().and_then(|reply| reply.body["event_id"].as_str());
    let event = redaction.map(str::to_owned);
    let outcome = outcome(&ended);
    device.note(Some(began), &Note::RedactionEnded { message, by, outcome, event });
    ended
}

/// Says that the user types.
pub(super) async fn typing(device: &Device, room: &str, conversation: String) -> Ended {
    let user = device.user.clone();
    let began = Note::TypingBegan { user: user.clone(), conversation: conversation.clone() };
    let began = device.note(None, &began);
    let target = room_path(room, &format!("typing/{}", percent_encoded(&device.user_id)));
    let body = json!({"typing": true, "timeout": TYPES_FOR});
    let ended = device.ask((Method::PUT, &target), &body).await;
    let outcome = outcome(&ended);
    device.note(Some(began), &Note::TypingEnded { user, conversation, outcome });
    ended
}

/// Logs the device out. It never comes back, whatever it is told.
pub(super) async fn log_out(device: &Device) -> Ended {
    let name = device.name.clone();
    let began = device.note(None, &Note::LogoutBegan { device: name.clone() });
    device.progress().has_logged_out = true;
    reading::stop(device);
    let target = "/_matrix/client/v3/logout";
    let called = device.client().call(Method::POST, target, Some(&json!({})), DEADLINE).await;
    let ended = called.map_err(|error| error.to_string());
    let outcome = outcome(&ended);
    device.note(Some(began), &Note::LogoutEnded { device: name, outcome });
    ended
}
