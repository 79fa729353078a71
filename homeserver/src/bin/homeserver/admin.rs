//! `homeserver admin`: users, relays, queues and back-off of a running server, a line for each.

use std::io::{self, Read};

use homeserver::admin::{
    AsideRow, Changed, Deactivated, NewPassword, NewUser, Queue, Queues, Reach, Relays, User, Users,
};
use http::Method;
use ruma::ServerName;
use serde_json::Value;

use crate::{
    Trouble,
    commands::{
        AdminArguments, BackOffCommand, Command, QueuesCommand, RelaysCommand, UsersCommand,
    },
    remote::{Remote, segment},
    say,
};

/// Pages of users asked for by one command; more is cut off, and said so.
const MAX_PAGES: usize = 1000;

/// Does what an operator asks.
pub(crate) fn act(arguments: AdminArguments) -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::Other(error.to_string()))?;
    runtime.block_on(async {
        let remote = Remote::new(arguments.access)?;
        match arguments.command {
            Command::Users(command) => users(&remote, command).await,
            Command::Relays(command) => relays(&remote, command).await,
            Command::Queues(command) => queues(&remote, command).await,
            Command::BackOff(command) => back_off(&remote, command).await,
            Command::Reach { destination } => reach(&remote, &destination).await,
        }
    })
}

async fn users(remote: &Remote, command: UsersCommand) -> Result<(), Trouble> {
    match command {
        UsersCommand::List => list_users(remote).await,
        UsersCommand::Create { name, password_stdin } => {
            let asked = NewUser { name, password: password(password_stdin)? };
            let made: NewPassword = remote.tell(Method::POST, "users", &asked).await?;
            say_password(&made)
        }
        UsersCommand::ResetPassword { user, password_stdin } => {
            let path = format!("users/{}/password", segment(&user));
            let asked = serde_json::json!({ "password": password(password_stdin)? });
            let set: NewPassword = remote.tell(Method::PUT, &path, &asked).await?;
            say_password(&set)
        }
        UsersCommand::Deactivate { user } => {
            let path = format!("users/{}/deactivate", segment(&user));
            let done: Deactivated = remote.ask(Method::POST, &path).await?;
            for room in &done.still_in {
                say(&format!("{user} is still in {room}; the server's log says why"))?;
            }
            say(&format!("{user} is deactivated, and left {} rooms", done.left))
        }
    }
}

async fn list_users(remote: &Remote) -> Result<(), Trouble> {
    let mut path = "users".to_owned();
    for _ in 0..MAX_PAGES {
        let page: Users = remote.ask(Method::GET, &path).await?;
        for User { user_id, devices, deactivated, .. } in &page.users {
            let state = if *deactivated { "\tdeactivated" } else { "" };
            say(&format!("{user_id}\t{devices} devices{state}"))?;
        }
        let Some(next) = page.next else { return Ok(()) };
        path = format!("users?after={}", segment(next.as_str()));
    }
    say("(there are more, which are left out)")
}

/// Returns the first line of standard input, if that is where the password is.
fn password(from_stdin: bool) -> Result<Option<String>, Trouble> {
    if !from_stdin {
        return Ok(None);
    }
    let mut text = String::new();
    let read = io::stdin().read_to_string(&mut text);
    read.map_err(|error| Trouble::Other(format!("failed to read the password: {error}")))?;
    Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
}

fn say_password(answer: &NewPassword) -> Result<(), Trouble> {
    match &answer.password {
        Some(password) => say(&format!("{}\t{password}", answer.user_id)),
        None => say(answer.user_id.as_str()),
    }
}

async fn relays(remote: &Remote, command: RelaysCommand) -> Result<(), Trouble> {
    match command {
        RelaysCommand::Show { destination } => {
            let path = format!("relays/{}", segment(destination.as_str()));
            let found: Relays = remote.ask(Method::GET, &path).await?;
            found.relays.iter().try_for_each(|relay| say(relay.as_str()))
        }
        RelaysCommand::Set { destination, relays } => {
            let path = format!("relays/{}", segment(destination.as_str()));
            let _: Value = remote.tell(Method::PUT, &path, &Relays { relays }).await?;
            say("set")
        }
    }
}

async fn queues(remote: &Remote, command: QueuesCommand) -> Result<(), Trouble> {
    match command {
        QueuesCommand::Show { destination: None } => {
            let found: Queues = remote.ask(Method::GET, "queues").await?;
            for row in &found.queues {
                let (name, waiting, failures) = (&row.destination, row.pending, row.failures);
                let aside = found.set_aside.get(name.as_str()).copied().unwrap_or(0);
                say(&format!("{name}\t{waiting} waiting\t{aside} set aside\t{failures} failures"))?;
            }
            let has_queue = |name: &str| found.queues.iter().any(|row| row.destination == *name);
            let mut others = found.set_aside.iter().filter(|(name, _)| !has_queue(name));
            others.try_for_each(|(name, aside)| {
                say(&format!("{name}\t0 waiting\t{aside} set aside\t0 failures"))
            })?;
            found
                .joins
                .iter()
                .try_for_each(|(name, joins)| say(&format!("{name}\t{joins} unfinished joins")))
        }
        QueuesCommand::Show { destination: Some(destination) } => {
            let path = format!("queues/{}", segment(destination.as_str()));
            let queue: Queue = remote.ask(Method::GET, &path).await?;
            let (waiting, failures) = (queue.pending, queue.failures);
            say(&format!("{destination}\t{waiting} waiting\t{failures} failures"))?;
            queue.set_aside.iter().try_for_each(|row| say(&set_aside(row)))
        }
        QueuesCommand::Retry { destination } => {
            let path = format!("queues/{}/retry", segment(destination.as_str()));
            let done: Changed = remote.ask(Method::POST, &path).await?;
            say(&format!("{} events and EDUs are queued again", done.events))
        }
        QueuesCommand::Drop { destination, all } => {
            let of = if all { "" } else { "/set-aside" };
            let path = format!("queues/{}{of}", segment(destination.as_str()));
            let done: Changed = remote.ask(Method::DELETE, &path).await?;
            say(&format!("{} events and EDUs are forgotten", done.events))
        }
    }
}

fn set_aside(row: &AsideRow) -> String {
    let AsideRow { event_id, room_id, edu_type, reason } = row;
    let room = room_id.as_ref().map_or("an unknown room", |room| room.as_str());
    match (event_id, edu_type) {
        (Some(event_id), _) => format!("set aside\t{event_id}\t{room}\t{reason}"),
        (None, Some(edu_type)) => format!("set aside\tan EDU\t{edu_type}\t{reason}"),
        (None, None) => format!("set aside\t{reason}"),
    }
}

async fn reach(remote: &Remote, destination: &ServerName) -> Result<(), Trouble> {
    let path = format!("reach/{}", segment(destination.as_str()));
    let found: Reach = remote.ask(Method::GET, &path).await?;
    match (found.program, found.error) {
        (Some(program), _) => say(&format!("{destination} answers: {program}")),
        (None, error) => {
            let why = error.unwrap_or_else(|| "nobody says why".to_owned());
            Err(Trouble::Other(format!("{destination} cannot be reached: {why}")))
        }
    }
}

async fn back_off(remote: &Remote, command: BackOffCommand) -> Result<(), Trouble> {
    match command {
        BackOffCommand::Show => {
            let found: Queues = remote.ask(Method::GET, "queues").await?;
            for row in found.queues.iter().filter(|row| row.failures > 0) {
                let (name, failures, retry_at) = (&row.destination, row.failures, row.retry_at);
                say(&format!("{name}\t{failures} failures\tnext attempt at {retry_at} ms"))?;
            }
            Ok(())
        }
        BackOffCommand::Reset { destination } => {
            let path = format!("back-off/{}", segment(destination.as_str()));
            let _: Value = remote.ask(Method::DELETE, &path).await?;
            say("reset")
        }
    }
}
