//! An operator of NATS whose accounts and users are known by JWTs, as `nsc` makes them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with an account, and one for the server itself.
pub(crate) struct Operator {
    account: KeyPair,
    config: String,
}

impl Operator {
    pub(crate) fn new() -> Self {
        let operator = KeyPair::new_operator();
        let (account, system) = (KeyPair::new_account(), KeyPair::new_account());
        let of_operator = json!({ "type": "operator", "version": 2 });
        let may = |streams: i64| {
            let limits = json!({
                "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "conn": -1,
                "leaf": -1, "wildcards": true, "mem_storage": streams, "disk_storage": streams,
                "streams": streams, "consumer": streams,
            });
            json!({ "type": "account", "version": 2, "limits": limits })
        };
        let config = format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n {}: {}\n {}: {}\n}}\n",
            signed(&operator, &operator, &of_operator),
            system.public_key(),
            account.public_key(),
            signed(&operator, &account, &may(-1)),
            system.public_key(),
            signed(&operator, &system, &may(0)),
        );
        Self { account, config }
    }

    /// Returns how a server is configured that trusts it.
    pub(crate) fn config(&self) -> &str {
        &self.config
    }

    /// Returns a file of credentials for a new user of the account.
    pub(crate) fn user(&self) -> String {
        let user = KeyPair::new_user();
        let may = json!({
            "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {},
        });
        let jwt = signed(&self.account, &user, &may);
        let seed = user.seed().expect("it was made here");
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

/// Returns what somebody says of somebody.
fn signed(by: &KeyPair, of: &KeyPair, what: &Value) -> String {
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let claims = json!({
        "jti": of.public_key(), "iat": 1_700_000_000, "iss": by.public_key(),
        "sub": of.public_key(), "name": "test", "nats": what,
    });
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encoded(&header), encoded(&claims));
    let signature = by.sign(text.as_bytes()).expect("it has a private key");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
