//! Draws what clients do.

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*, sample::select};
use scenarios::scenario::*;

use super::{BACKENDS, LIMIT, RELAYS, ROOMS, USERS, one, text, time};

pub(super) fn op() -> impl Strategy<Value = Op> {
    let send = (one(USERS), one(ROOMS), text(), content(), any::<u32>()).prop_map(
        |(from, to, text, content, retries)| OpKind::Send {
            id: String::new(),
            from,
            to,
            text,
            content,
            retries,
        },
    );
    let kind = prop_oneof![
        send,
        one(USERS).prop_map(|user| OpKind::Fetch { user }),
        one(USERS).prop_map(|by| OpKind::Redact { message: String::new(), by }),
        one(USERS).prop_map(|user| OpKind::Logout { device: format!("{user}/1") }),
        (one(USERS), one(ROOMS))
            .prop_map(|(user, conversation)| OpKind::Typing { user, conversation }),
        (one(USERS), one(ROOMS))
            .prop_map(|(user, conversation)| OpKind::Join { user, conversation }),
        (one(USERS), one(ROOMS))
            .prop_map(|(user, conversation)| OpKind::Leave { user, conversation }),
        (two_users(), one(ROOMS)).prop_map(|((user, by), conversation)| OpKind::Kick {
            user,
            by,
            conversation
        }),
        (two_users(), one(ROOMS)).prop_map(|((user, by), conversation)| OpKind::Ban {
            user,
            by,
            conversation
        }),
        (two_users(), any::<u32>(), one(ROOMS)).prop_map(|((user, by), level, conversation)| {
            OpKind::Power { user, level, by, conversation }
        }),
        (two_users(), one(ROOMS)).prop_map(|((user, by), conversation)| OpKind::Invite {
            user,
            by,
            conversation
        }),
        (one(USERS), one(ROOMS), text(), content()).prop_map(|(by, conversation, key, content)| {
            OpKind::State { kind: "m.room.topic".to_owned(), key, content, by, conversation }
        }),
        (one(RELAYS), one(BACKENDS)).prop_map(|(relay, victim)| OpKind::Trespass { relay, victim }),
    ];
    let jitter = prop_oneof![Just(Duration::ZERO), Just(Duration::from_millis(700))];
    let outcome = option::of(outcome());
    (time(), kind, repeat(), jitter, outcome).prop_map(|(at, kind, repeat, jitter, outcome)| {
        let may = matches!(kind, OpKind::Send { .. } | OpKind::Fetch { .. });
        let at = at.min(LIMIT - LASTS);
        let is_told = !matches!(kind, OpKind::Fetch { .. } | OpKind::Trespass { .. });
        let outcome = outcome.filter(|_| is_told);
        Op { at, kind, repeat: if may { repeat } else { Repeat::default() }, jitter, outcome }
    })
}

pub(super) fn outcome() -> impl Strategy<Value = Outcome> {
    let code = Outcome::Error("M_FORBIDDEN".to_owned());
    select(vec![Outcome::Ok, Outcome::Refused, Outcome::Indefinite, code])
}

/// What an event can hold, also within lists and tables.
fn content() -> impl Strategy<Value = toml::Table> {
    use toml::Value;
    let number = -(1_i64 << 53) + 1..1_i64 << 53;
    let leaf = prop_oneof![
        text().prop_map(Value::String),
        number.prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
    ];
    let inner = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            vec((text(), inner), 0..3)
                .prop_map(|entries| Value::Table(entries.into_iter().collect())),
        ]
    });
    vec((text(), inner), 0..3).prop_map(|entries| entries.into_iter().collect())
}

/// Longer than any repetition lasts.
const LASTS: Duration = Duration::from_secs(60);

fn repeat() -> impl Strategy<Value = Repeat> {
    let several = (2..50u32, 0..1_000u64);
    let several =
        several.prop_map(|(times, ms)| Repeat { times, every: Duration::from_millis(ms) });
    prop_oneof![Just(Repeat::default()), several]
}

fn two_users() -> impl Strategy<Value = (String, String)> {
    (one(USERS), one(USERS)).prop_filter("two users", |(one, other)| one != other)
}
