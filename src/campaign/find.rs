//! Finds a campaign: in a folder of this machine, or at a NATS server.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ::campaign::{
    Desk, Folder, HAS_NATS, Plan, Queue, Trouble, queue::LEASE, server::Server, summary::Named,
};
use reports::shell;

use crate::{
    arguments::{Carrier, Which},
    exit::{Exit, Stop},
    invocation,
};

/// A campaign that was found.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) queue: Box<dyn Queue>,
    /// The folder that its reports, and the files of its findings, go into.
    pub(super) folder: PathBuf,
    pub(super) named: Named,
    /// What whoever joins should know.
    pub(super) note: Option<&'static str>,
}

/// What is said if a secret may go over a network in the clear.
const IN_THE_CLEAR: &str = "the password or token goes over the network as it is, unless the server \
                            asks for TLS: write tls:// in --nats";

impl Found {
    /// Returns its desk, on which everything lies that is known so far, and what it is.
    pub(super) fn desk(&self) -> Result<(Desk<'_>, Plan), Stop> {
        let desk = Desk::new(&*self.queue);
        desk.look().map_err(|trouble| stop(&trouble))?;
        let plan = desk.picture().plan.clone();
        let missing = || {
            let message =
                format!("the campaign {} has no plan that this program can read", self.id);
            Stop::because(Exit::Usage, message)
        };
        Ok((desk, plan.ok_or_else(missing)?))
    }
}

/// Finds the campaign that is meant.
pub(super) fn find(which: &Which) -> Result<Found, Stop> {
    let carrier = &which.carrier;
    if carrier.nats.is_some() {
        let server = server(carrier)?;
        return at_server(&server, which.id.as_deref(), carrier);
    }
    let id = match &which.id {
        Some(id) => id.clone(),
        None => latest(&carrier.folder)?,
    };
    let root = carrier.folder.join(&id);
    let folder = Folder::open(&root, LEASE).map_err(|_| none(&carrier.folder, Some(&id)))?;
    // How long a lease is, the plan says.
    let desk = Desk::new(&folder);
    desk.look().map_err(|trouble| stop(&trouble))?;
    let lease_ms = desk.picture().plan.as_ref().map(|plan| plan.lease_ms);
    let lease = lease_ms.map_or(LEASE, Duration::from_millis);
    let folder = Folder::open(&root, lease).map_err(|trouble| stop(&trouble))?;
    Ok(found(id, Box::new(folder), carrier))
}

/// Makes the queue of a new campaign.
pub(super) fn create(id: &str, carrier: &Carrier, lease: Duration) -> Result<Found, Stop> {
    if carrier.nats.is_some() {
        let server = server(carrier)?;
        return create_at_server(&server, id, carrier, lease);
    }
    let folder =
        Folder::create(&carrier.folder.join(id), lease).map_err(|trouble| stop(&trouble))?;
    Ok(found(id.to_owned(), Box::new(folder), carrier))
}

fn found(id: String, queue: Box<dyn Queue>, carrier: &Carrier) -> Found {
    let folder = carrier.folder.join(&id);
    let mut to = id.clone();
    if let Some(url) = &carrier.nats {
        let server = Server { url: url.clone(), ..Server::default() };
        to = format!("{id} --nats {}{}", server.shown(), flags(carrier));
    } else if carrier.folder != Path::new("target/fedsim/campaigns") {
        to = format!("{id} --folder {}", shell::word(&carrier.folder));
    }
    let named = Named { command: invocation::program(), to, folder: shell::word(&folder) };
    Found { id, queue, folder, named, note: None }
}

/// Returns the flags by which a server lets somebody in, for the commands that are shown: names, and
/// where the secrets are, never themselves.
fn flags(carrier: &Carrier) -> String {
    let file = |path: &Option<PathBuf>| path.as_deref().map(shell::word);
    let flags = [
        ("--nats-user", carrier.nats_user.clone()),
        ("--nats-password-file", file(&carrier.nats_password_file)),
        ("--nats-token-file", file(&carrier.nats_token_file)),
        ("--nats-nkey-file", file(&carrier.nats_nkey_file)),
        ("--nats-creds", file(&carrier.nats_creds)),
        ("--nats-ca", file(&carrier.nats_ca)),
        ("--nats-cert", file(&carrier.nats_cert)),
        ("--nats-key", file(&carrier.nats_key)),
    ];
    let given = flags.into_iter().filter_map(|(flag, value)| Some(format!(" {flag} {}", value?)));
    given.collect()
}

/// Returns the campaign of a folder that was started last.
fn latest(folder: &Path) -> Result<String, Stop> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let campaigns = entries.filter(|entry| entry.path().join(".campaign").is_dir());
    let began = |entry: &fs::DirEntry| {
        entry.path().join(".campaign/documents/plan").metadata().and_then(|it| it.modified()).ok()
    };
    let latest = campaigns.max_by_key(began);
    let name = latest.and_then(|entry| entry.file_name().into_string().ok());
    name.ok_or_else(|| none(folder, None))
}

fn none(folder: &Path, id: Option<&str>) -> Stop {
    let program = invocation::program();
    let what = id.map(|id| format!(" called {id}")).unwrap_or_default();
    let message = format!(
        "there is no campaign{what} in {}\n`{program} campaign start` begins one; --folder or --nats \
         says where to look",
        folder.display()
    );
    Stop::because(Exit::Usage, message)
}

/// Returns the server that is meant, with what it knows its clients by.
fn server(carrier: &Carrier) -> Result<Server, Stop> {
    if !HAS_NATS {
        let message = "this build cannot reach a NATS server\nbuild it with --features nats";
        return Err(Stop::because(Exit::Usage, message));
    }
    let secret = |file: &Option<PathBuf>, variable: &str| match file {
        Some(path) => {
            fs::read_to_string(path).map(|it| Some(it.trim().to_owned())).map_err(|error| {
                Stop::because(Exit::Usage, format!("cannot read {}: {error}", path.display()))
            })
        }
        None => Ok(env::var(variable).ok().filter(|it| !variable.is_empty() && !it.is_empty())),
    };
    let has_user = carrier.nats_user.is_some();
    Ok(Server {
        url: carrier.nats.clone().unwrap_or_default(),
        user: carrier.nats_user.clone(),
        password: if has_user {
            secret(&carrier.nats_password_file, "FEDSIM_NATS_PASSWORD")?
        } else {
            None
        },
        token: secret(&carrier.nats_token_file, "FEDSIM_NATS_TOKEN")?,
        nkey: secret(&carrier.nats_nkey_file, "")?,
        credentials: carrier.nats_creds.clone(),
        authority: carrier.nats_ca.clone(),
        certificate: carrier.nats_cert.clone().zip(carrier.nats_key.clone()),
    })
}

fn at_server(server: &Server, id: Option<&str>, carrier: &Carrier) -> Result<Found, Stop> {
    let (id, queue) = ::campaign::server::find(server, id).map_err(|trouble| stop(&trouble))?;
    Ok(Found { note: note(server), ..found(id, queue, carrier) })
}

fn note(server: &Server) -> Option<&'static str> {
    server.may_tell_a_secret().then_some(IN_THE_CLEAR)
}

fn create_at_server(
    server: &Server,
    id: &str,
    carrier: &Carrier,
    lease: Duration,
) -> Result<Found, Stop> {
    let queue = ::campaign::server::create(server, id, lease).map_err(|trouble| stop(&trouble))?;
    Ok(Found { note: note(server), ..found(id.to_owned(), queue, carrier) })
}

/// Ends the command because of the queue.
pub(super) fn stop(trouble: &Trouble) -> Stop {
    Stop::because(Exit::Usage, trouble.to_string())
}
