//! Sending a message: attempts with one transaction id, until one has an answer.

use std::time::Duration;

use checks::{
    history::{Note, pdu::MESSAGE_FIELD},
    record::OpOutcome,
};
use http::Method;
use scenarios::endpoint::percent_encoded;
use serde_json::{Value, json};

use super::{Ended, outcome};
use crate::homeservers::{
    client::Reply,
    device::{Device, room_path},
};

/// The deadline of one attempt to send.
const SEND_DEADLINE: Duration = Duration::from_secs(30);

/// The pause before an attempt is repeated.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A message to be sent.
pub(super) struct Sending {
    pub(super) message: String,
    pub(super) conversation: String,
    pub(super) room: String,
    pub(super) content: Value,
    pub(super) attempts: u32,
}

/// Returns the content of a message: its text, what else it holds, and its name, by which devices and
/// checks know it whatever it holds.
pub(super) fn content(name: &str, text: &str, more: Value) -> Value {
    let mut content = json!({"msgtype": "m.text", "body": text});
    if let (Value::Object(content), Value::Object(more)) = (&mut content, more) {
        content.extend(more);
    }
    content[MESSAGE_FIELD] = name.into();
    content
}

impl Sending {
    /// Sends it, and notes when that began and how it ended.
    pub(super) async fn run(&self, device: &Device) -> Ended {
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
            ended = self.attempt(device).await.and_then(after_another);
        }
        let event = ended.as_ref().ok().and_then(|reply| reply.body["event_id"].as_str());
        if let Some(event) = event {
            device.progress().known.insert(self.message.clone(), event.to_owned());
        }
        device.note(Some(began), &self.ended(&ended));
        ended
    }

    /// Attempts to send once; every attempt has the same transaction id.
    async fn attempt(&self, device: &Device) -> Ended {
        let transaction = percent_encoded(&self.message);
        let target = room_path(&self.room, &format!("send/m.room.message/{transaction}"));
        let (request, body) = ((Method::PUT, target.as_str()), Some(&self.content));
        let reply = device.call(request, body, SEND_DEADLINE, false).await;
        reply.map_err(|error| error.to_string())
    }

    fn ended(&self, ended: &Ended) -> Note {
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

/// Returns what an answer tells of a message whose first attempt may have been heard.
fn after_another(reply: Reply) -> Ended {
    if reply.is_of_this_attempt() {
        return Err(format!("{reply}, which says nothing of the attempt before"));
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::content;

    #[test]
    fn what_a_message_holds_goes_beside_its_text_and_never_in_the_place_of_its_name() {
        let image = json!({"msgtype": "m.image", "info": {"w": 640}, "org.fedsim.message": "m2"});
        let held = content("m1", "a cat", image);
        let expected = json!({
            "msgtype": "m.image", "body": "a cat", "info": {"w": 640}, "org.fedsim.message": "m1",
        });
        assert_eq!(held, expected);
    }
}
