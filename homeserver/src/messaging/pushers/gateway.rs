//! A push gateway: who it is, and what it is told (push gateway API, "Push Notify").

use std::time::Duration;

use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use transport::{
    Host,
    http::{Address, Client},
};

use crate::{messaging::notifications::Judged, store::pushers::PusherKey};

/// The one path on which gateways are called.
const PATH: &str = "/_matrix/push/v1/notify";

/// Time for a gateway to answer.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a device says about its pusher.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) app_display_name: String,
    pub(crate) device_display_name: String,
    pub(crate) lang: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) profile_tag: Option<String>,
    /// `url`, the gateway's; `format`; and what else the gateway is to be told.
    pub(crate) data: serde_json::Map<String, Value>,
}

/// What came of a call.
pub(super) enum Told {
    /// The gateway took it.
    Taken,
    /// It does not know the device any more.
    Gone,
    /// It did not answer, or not as it should.
    Failed(String),
}

impl Settings {
    /// Returns where the gateway listens, which `host` must be able to call.
    ///
    /// # Errors
    /// What is wrong with its URL.
    pub(crate) fn address(&self, host: &Host) -> Result<Address, String> {
        let url = self.data.get("url").and_then(Value::as_str).ok_or("`data.url` is missing")?;
        let uri: Uri = url.parse().map_err(|error| format!("`data.url`: {error}"))?;
        let name = uri.host().ok_or("`data.url` names no server")?.to_owned();
        // A machine speaks TLS to everybody or to nobody.
        let (scheme, usual) = if host.net.encrypts() { ("https", 443) } else { ("http", 80) };
        if uri.scheme_str() != Some(scheme) {
            return Err(format!("this server calls gateways by {scheme} only"));
        }
        if uri.path() != PATH || uri.query().is_some() {
            return Err(format!("the path of `data.url` must be {PATH}"));
        }
        Ok(Address { name, port: uri.port_u16().unwrap_or(usual) })
    }

    /// Tells the gateway, which listens at `address`, of a notification.
    pub(super) async fn tell(
        &self,
        http: &Client,
        address: &Address,
        key: &PusherKey,
        judged: &Judged,
    ) -> Told {
        let body = self.body(key, judged);
        match http.tell(address, PATH, &body, DEADLINE).await {
            Ok(answer) => {
                let rejected = answer["rejected"].as_array();
                let is_gone = rejected.is_some_and(|keys| keys.iter().any(|it| *it == key.pushkey));
                if is_gone { Told::Gone } else { Told::Taken }
            }
            Err(reason) => Told::Failed(reason),
        }
    }

    fn body(&self, key: &PusherKey, judged: &Judged) -> Value {
        let Judged { event, verdict, .. } = judged;
        let mut data = self.data.clone();
        data.remove("url");
        let is_bare = data.get("format").is_some_and(|format| format == "event_id_only");
        let tweaks = &verdict.tweaks;
        let device = json!({
            "app_id": key.app_id, "pushkey": key.pushkey, "data": data, "tweaks": tweaks,
        });
        let mut told = json!({
            "event_id": event["event_id"],
            "room_id": event["room_id"],
            "prio": "high",
            "devices": [device],
        });
        if !is_bare {
            for field in ["type", "sender", "content"] {
                told[field] = event[field].clone();
            }
        }
        json!({ "notification": told })
    }
}
