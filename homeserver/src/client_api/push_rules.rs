//! `/pushrules`: what of all that happens notifies a user (client-server API, "Push Rules: API").

use axum::Json;
use http::StatusCode;
use ruma::{
    OwnedUserId,
    push::{
        Action, AnyPushRuleRef, InsertPushRuleError, NewConditionalPushRule, NewPatternedPushRule,
        NewPushRule, NewSimplePushRule, PushCondition, RemovePushRuleError, RuleKind, Ruleset,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, QueryOf, id},
};
use crate::{
    messaging::{
        notifications::Topic,
        push_rules::{self, KIND},
    },
    store::{StoreError, account_data},
};

/// Rules of one user, with those that everybody has: each event is compared with all of them.
const MAX_RULES: usize = 300;

/// Bytes of a rule's id, of a pattern and of a key.
const MAX_TEXT: usize = 255;

/// Conditions, and actions, of one rule.
const MAX_PARTS: usize = 20;

/// Bytes of all rules of one user.
const MAX_BYTES: usize = 64 << 10;

/// Which rule.
#[derive(Deserialize)]
pub(super) struct Which {
    kind: String,
    rule_id: String,
}

impl Which {
    /// Returns the kind and the id.
    fn parts(&self) -> Result<(RuleKind, &str), MatrixError> {
        let kind = match &*self.kind {
            "override" => RuleKind::Override,
            "content" => RuleKind::Content,
            "room" => RuleKind::Room,
            "sender" => RuleKind::Sender,
            "underride" => RuleKind::Underride,
            other => {
                let message = format!("there are no push rules of the kind `{other}`");
                return Err(MatrixError::invalid_param(message));
            }
        };
        Ok((kind, &self.rule_id))
    }
}

/// Where a new rule stands among those of its kind.
#[derive(Deserialize)]
pub(super) struct Place {
    before: Option<String>,
    after: Option<String>,
}

/// A rule, as a client makes or changes it.
#[derive(Deserialize)]
pub(super) struct RuleRequest {
    actions: Vec<Action>,
    #[serde(default)]
    conditions: Vec<PushCondition>,
    pattern: Option<String>,
}

/// Whether a rule counts.
#[derive(Deserialize)]
pub(super) struct EnabledRequest {
    enabled: bool,
}

/// What a rule does.
#[derive(Deserialize)]
pub(super) struct ActionsRequest {
    actions: Vec<Action>,
}

/// `GET /_matrix/client/v3/pushrules/`.
pub(super) async fn all(
    api: ClientApi,
    Caller(device): Caller,
) -> Result<Json<Value>, MatrixError> {
    Ok(Json(push_rules::content(&rules(&api, device.user_id).await?)))
}

/// `GET /_matrix/client/v3/pushrules/global/`.
pub(super) async fn global(
    api: ClientApi,
    Caller(device): Caller,
) -> Result<Json<Value>, MatrixError> {
    Ok(Json(push_rules::global(&rules(&api, device.user_id).await?)))
}

/// `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}`.
pub(super) async fn get(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
) -> Result<Json<Value>, MatrixError> {
    let rules = rules(&api, device.user_id).await?;
    let rule = find(&rules, &which)?;
    Ok(Json(match rule {
        AnyPushRuleRef::Override(rule) | AnyPushRuleRef::Underride(rule) => json!(rule),
        AnyPushRuleRef::Content(rule) => json!(rule),
        AnyPushRuleRef::Room(rule) => json!(rule),
        AnyPushRuleRef::Sender(rule) => json!(rule),
        _ => return Err(unknown()),
    }))
}

/// `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled`.
pub(super) async fn enabled(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
) -> Result<Json<Value>, MatrixError> {
    let rules = rules(&api, device.user_id).await?;
    Ok(Json(json!({ "enabled": find(&rules, &which)?.enabled() })))
}

/// `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions`.
pub(super) async fn actions(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
) -> Result<Json<Value>, MatrixError> {
    let rules = rules(&api, device.user_id).await?;
    Ok(Json(json!({ "actions": find(&rules, &which)?.actions() })))
}

/// `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}?before=&after=`.
pub(super) async fn put(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
    QueryOf(place): QueryOf<Place>,
    BodyOf(rule): BodyOf<RuleRequest>,
) -> Result<Json<Value>, MatrixError> {
    ensure_short("the id", &which.rule_id)?;
    ensure_few("conditions", rule.conditions.len())?;
    ensure_few("actions", rule.actions.len())?;
    for condition in &rule.conditions {
        if let PushCondition::EventMatch(condition) = condition {
            ensure_short("the `pattern` of a condition", &condition.pattern)?;
            ensure_short("the `key` of a condition", &condition.key)?;
        }
    }
    let new = new_rule(&which, rule)?;
    change(&api, device.user_id, move |rules| {
        let inserted = rules.insert(new, place.after.as_deref(), place.before.as_deref());
        inserted.map_err(|error| match error {
            InsertPushRuleError::UnknownRuleId => MatrixError::not_found(error.to_string()),
            _ => MatrixError::invalid_param(error.to_string()),
        })
    })
    .await
}

fn new_rule(which: &Which, rule: RuleRequest) -> Result<NewPushRule, MatrixError> {
    let (kind, rule_id) = which.parts()?;
    let RuleRequest { actions, conditions, pattern } = rule;
    let conditional =
        |conditions| NewConditionalPushRule::new(rule_id.to_owned(), conditions, actions.clone());
    Ok(match kind {
        RuleKind::Override => NewPushRule::Override(conditional(conditions)),
        RuleKind::Underride => NewPushRule::Underride(conditional(conditions)),
        RuleKind::Room => NewPushRule::Room(NewSimplePushRule::new(id(rule_id)?, actions)),
        RuleKind::Sender => NewPushRule::Sender(NewSimplePushRule::new(id(rule_id)?, actions)),
        _ => {
            let missing = || MatrixError::bad_json("a rule of the kind `content` has a `pattern`");
            let pattern = pattern.ok_or_else(missing)?;
            ensure_short("the `pattern`", &pattern)?;
            NewPushRule::Content(NewPatternedPushRule::new(rule_id.to_owned(), pattern, actions))
        }
    })
}

/// `DELETE /_matrix/client/v3/pushrules/global/{kind}/{ruleId}`.
pub(super) async fn remove(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
) -> Result<Json<Value>, MatrixError> {
    change(&api, device.user_id, move |rules| {
        let (kind, rule_id) = which.parts()?;
        rules.remove(kind, rule_id).map_err(|error| match error {
            RemovePushRuleError::ServerDefault => {
                MatrixError::invalid_param("everybody has this rule; it can be disabled")
            }
            _ => unknown(),
        })
    })
    .await
}

/// `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled`.
pub(super) async fn set_enabled(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
    BodyOf(body): BodyOf<EnabledRequest>,
) -> Result<Json<Value>, MatrixError> {
    change(&api, device.user_id, move |rules| {
        let (kind, rule_id) = which.parts()?;
        rules.set_enabled(kind, rule_id, body.enabled).map_err(|_| unknown())
    })
    .await
}

/// `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions`.
pub(super) async fn set_actions(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
    BodyOf(body): BodyOf<ActionsRequest>,
) -> Result<Json<Value>, MatrixError> {
    ensure_few("actions", body.actions.len())?;
    change(&api, device.user_id, move |rules| {
        let (kind, rule_id) = which.parts()?;
        rules.set_actions(kind, rule_id, body.actions).map_err(|_| unknown())
    })
    .await
}

async fn rules(api: &ClientApi, user: OwnedUserId) -> Result<Ruleset, MatrixError> {
    Ok(api.core.database.call(move |db| push_rules::of_user(db, &user)).await?)
}

/// Changes the rules of a user, and lets the user's devices know.
async fn change(
    api: &ClientApi,
    user: OwnedUserId,
    change: impl FnOnce(&mut Ruleset) -> Result<(), MatrixError> + Send + 'static,
) -> Result<Json<Value>, MatrixError> {
    let news = api.messaging.notifications.news.clone();
    let changed = api.core.database.transaction(move |tx| {
        let mut rules = push_rules::of_user(tx, &user)?;
        if let Err(refusal) = change(&mut rules) {
            return Ok(Err(refusal));
        }
        let content = push_rules::content(&rules);
        let is_few = rules.iter().count() <= MAX_RULES && content.to_string().len() <= MAX_BYTES;
        if !(is_few && account_data::put(tx, &user, None, KIND, &content)?) {
            let message = "the user has as many push rules as one may have";
            let status = StatusCode::BAD_REQUEST;
            return Ok(Err(MatrixError::new(status, "M_RESOURCE_LIMIT_EXCEEDED", message)));
        }
        news.ring([Topic::User(user)]);
        Ok::<_, StoreError>(Ok(()))
    });
    changed.await??;
    Ok(Json(json!({})))
}

fn find<'r>(rules: &'r Ruleset, which: &Which) -> Result<AnyPushRuleRef<'r>, MatrixError> {
    let (kind, rule_id) = which.parts()?;
    rules.get(kind, rule_id).ok_or_else(unknown)
}

fn unknown() -> MatrixError {
    MatrixError::not_found("there is no such push rule")
}

fn ensure_short(what: &str, text: &str) -> Result<(), MatrixError> {
    if text.len() <= MAX_TEXT {
        return Ok(());
    }
    Err(MatrixError::invalid_param(format!("{what} is longer than {MAX_TEXT} bytes")))
}

fn ensure_few(what: &str, count: usize) -> Result<(), MatrixError> {
    if count <= MAX_PARTS {
        return Ok(());
    }
    Err(MatrixError::invalid_param(format!("the rule has more than {MAX_PARTS} {what}")))
}
