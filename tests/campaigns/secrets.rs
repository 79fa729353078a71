//! Who a real NATS server lets in, and what is said to whom it does not.

use std::{fs, time::Duration};

use campaign::{
    queue::Wanted,
    server::{self, Server},
};
use nkeys::KeyPair;

use crate::{
    certificates::{Authority, with_tls},
    contract::LEASE,
    jwt::Operator,
    local::{SOUND, fedsim, folder_with},
    server::NatsServer,
};

/// What no message may have.
const SECRET: &str = "wr0ng";

/// Begins a campaign, which must be possible.
fn is_let_in(at: &Server) {
    server::create(at, "secret", LEASE).expect("it is let in");
}

/// Returns why a client is refused: soon, and without a secret.
fn refusal(at: &Server) -> String {
    let refused = server::create(at, "secret", LEASE).err().expect("it is not let in");
    let refused = refused.to_string();
    assert!(!refused.contains(SECRET), "{refused}");
    refused
}

#[track_caller]
fn is_refused(at: &Server, because: &str, remedy: &str) {
    let refused = refusal(at);
    assert!(refused.contains(because) && refused.contains(remedy), "{refused}");
}

#[test]
fn a_user_is_let_in_by_a_password() {
    needs_nats!();
    let nats = NatsServer::with(&["--user", "me", "--pass", "s3cret"]);
    let user = Server { user: Some("me".to_owned()), ..nats.at() };
    is_let_in(&Server { password: Some("s3cret".to_owned()), ..user.clone() });
    let wrong = Server { password: Some(SECRET.to_owned()), ..user };
    is_refused(&wrong, "does not let the user me in", "FEDSIM_NATS_PASSWORD");
    is_refused(&nats.at(), "only whom it knows", "--nats-user");
}

#[test]
fn a_token_lets_in() {
    needs_nats!();
    let nats = NatsServer::with(&["--auth", "t0ken"]);
    is_let_in(&Server { token: Some("t0ken".to_owned()), ..nats.at() });
    let wrong = Server { token: Some(SECRET.to_owned()), ..nats.at() };
    is_refused(&wrong, "does not know the token", "FEDSIM_NATS_TOKEN");
}

#[test]
fn an_nkey_lets_in() {
    needs_nats!();
    let (known, unknown) = (KeyPair::new_user(), KeyPair::new_user());
    let config = format!("authorization {{ users: [ {{ nkey: {} }} ] }}\n", known.public_key());
    let nats = NatsServer::configured(&config);
    let with = |seed: &str| Server { nkey: Some(seed.to_owned()), ..nats.at() };
    is_let_in(&with(&known.seed().expect("a seed")));
    let seed = unknown.seed().expect("a seed");
    is_refused(&with(&seed), "does not know the nkey", "--nats-nkey-file");
    assert!(!refusal(&with(&seed)).contains(&seed));
    is_refused(&with(SECRET), "failed signing", "seed of a user's nkey");
}

#[test]
fn a_file_of_credentials_lets_in_whom_the_operator_of_the_server_knows() {
    needs_nats!();
    let (operator, stranger) = (Operator::new(), Operator::new());
    let nats = NatsServer::configured(operator.config());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let with = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        Server { credentials: Some(path), ..nats.at() }
    };
    is_let_in(&with("own.creds", &operator.user()));
    is_refused(&with("strange.creds", &stranger.user()), "not trust the JWT", "--nats-creds");
    is_refused(&with("torn.creds", SECRET), "cannot use the credentials in", "--nats-creds");
    let missing = Server { credentials: Some(folder.path().join("none")), ..nats.at() };
    is_refused(&missing, "cannot use the credentials in", "--nats-creds");
}

#[test]
fn a_server_is_reached_if_somebody_vouches_for_it_who_is_known() {
    needs_nats!();
    let (known, unknown) = (Authority::new(), Authority::new());
    let arguments = with_tls(&known.vouch("127.0.0.1"));
    let nats = NatsServer::with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let url = nats.url().replace("nats://", "tls://");
    let trusting = |authority| Server { url: url.clone(), authority, ..Server::default() };
    is_let_in(&trusting(Some(known.file())));
    is_refused(&trusting(Some(unknown.file())), "invalid peer certificate", "--nats-ca");
    is_refused(&trusting(None), "UnknownIssuer", "--nats-ca");
    let key = known.vouch("127.0.0.1").1;
    is_refused(&trusting(Some(key)), "cannot reach NATS", "--nats-ca");
}

#[test]
fn a_server_that_vouchers_know_by_another_name_is_refused() {
    needs_nats!();
    let authority = Authority::new();
    let arguments = with_tls(&authority.vouch("elsewhere.example"));
    let nats = NatsServer::with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let at = Server { authority: Some(authority.file()), ..nats.at() };
    is_refused(&at, "not valid for name", "the name or the address in --nats");
}

#[test]
fn a_certificate_lets_in_and_none_does_not() {
    needs_nats!();
    let authority = Authority::new();
    let mut arguments = with_tls(&authority.vouch("127.0.0.1"));
    let ca = authority.file().display().to_string();
    arguments.extend(["--tlsverify".to_owned(), "--tlscacert".to_owned(), ca]);
    let nats = NatsServer::with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let at = Server { authority: Some(authority.file()), ..nats.at() };
    is_let_in(&Server { certificate: Some(authority.vouch("client")), ..at.clone() });
    is_refused(&at, "ertificate", "--nats-cert");
}

#[test]
fn a_client_that_wants_an_encrypted_line_takes_no_other() {
    needs_nats!();
    let nats = NatsServer::with(&["--user", "me", "--pass", "s3cret"]);
    let at = Server { url: nats.url().replace("nats://", "tls://"), ..nats.at() };
    is_refused(&at, "cannot reach NATS", "tls://");
    let authority = Some(Authority::new().file());
    is_refused(&Server { authority, ..nats.at() }, "cannot reach NATS", "--nats-ca");
}

#[test]
fn a_secret_in_an_address_is_not_taken() {
    let url = format!("nats://me:{SECRET}@127.0.0.1:1");
    is_refused(&Server { url, ..Server::default() }, "a secret in it", "--nats-user");
}

/// Returns what a command says that is not let in, which must end.
fn said(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = folder_with(SOUND);
    let mut command = fedsim(folder.path(), arguments);
    let output = command.envs(variables.iter().copied()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_command_that_is_not_let_in_ends_and_says_what_to_set() {
    needs_nats!();
    let nats = NatsServer::with(&["--user", "me", "--pass", "s3cret"]);
    let url = nats.url();
    let start = ["start", "mine.toml", "--runs", "5", "--nats", &url, "--nats-user", "me"];
    let text = said(&start, &[("FEDSIM_NATS_PASSWORD", SECRET)]);
    assert!(text.contains("FEDSIM_NATS_PASSWORD") && !text.contains(SECRET), "{text}");
    for act in ["worker", "status", "tail", "stop", "resume", "report"] {
        let text = said(&[act, "--nats", &url], &[]);
        assert!(text.contains("--nats-user"), "{act}: {text}");
    }
}

#[test]
fn the_commands_that_are_shown_are_let_in_and_have_no_secret() {
    needs_nats!();
    let nats = NatsServer::with(&["--user", "me", "--pass", SECRET]);
    let url = nats.url();
    let folder = folder_with(SOUND);
    let canary = ["--runs", "5", "--canary", "none"];
    let at = ["--nats", &url, "--nats-user", "me"];
    let start = [&["start", "mine.toml"], &canary[..], &at].concat();
    let mut command = fedsim(folder.path(), &start);
    let output = command.env("FEDSIM_NATS_PASSWORD", SECRET).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("campaign status ") && !text.contains(SECRET), "{text}");
    let shown = text.lines().find_map(|line| line.split_once(" campaign status "));
    let shown: Vec<&str> = shown.expect("a command").1.split_whitespace().collect();
    let mut command = fedsim(folder.path(), &[&["status"], &shown[..]].concat());
    let output = command.env("FEDSIM_NATS_PASSWORD", SECRET).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "waits until patience ends, a minute and a half"]
fn a_server_that_comes_back_with_another_password_ends_the_work_and_says_so() {
    needs_nats!();
    let mut nats = NatsServer::with(&["--user", "me", "--pass", "s3cret"]);
    let (user, password) = (Some("me".to_owned()), Some("s3cret".to_owned()));
    let at = Server { user, password, ..nats.at() };
    let queue = server::create(&at, "changed", LEASE).expect("it is let in");
    let others = ["--user", "me", "--pass", "other"].map(str::to_owned).to_vec();
    nats.die_and_return_with(Duration::ZERO, others);
    let refused = queue.lease(Wanted::Any).expect_err("it is not let in any more").to_string();
    assert!(refused.contains("authorization violation"), "{refused}");
}
