//! Programs on machines of their own: configured, started, watched, and asked whether they are ready.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use runs::{homeservers::ADMIN_TOKEN, world::Backup};
use scenarios::duration;
use settings::{Choice, HOMESERVER, RELAY};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{LiveWorld, machine::Runs};
use crate::{
    ServerKind,
    kinds::{CLIENT_PORT, FEDERATION_PORT, filled},
    process::{Follower, Launch, MARKER, Names, Process, last_lines, limit},
};

/// The wait between two looks at a program.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a program may take to answer whether it is ready.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The most bytes of that answer that are read.
const MOST_ANSWER: u64 = 4 << 10;

/// A program on a machine.
pub(super) struct Program {
    pub(super) kind: ServerKind,
    pub(super) folder: PathBuf,
    pub(super) process: Option<Process>,
    /// Whether it has been ready once.
    pub(super) was_ready: bool,
    /// The last that it had printed when its output was last thrown away.
    said: Vec<String>,
    /// How far its output was read.
    pub(super) follower: Follower,
}

impl Program {
    /// Returns the folder in which it keeps what it is to keep.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    pub(super) fn pause(&self, is_paused: bool) {
        match &self.process {
            Some(process) if is_paused => process.pause(),
            Some(process) => process.resume(),
            None => {}
        }
    }
}

impl LiveWorld {
    pub(super) fn add_program(&self, name: &str) {
        let kind = self.kind(name).expect("its kind is known").clone();
        let folder = self.0.parts.folder.join(name);
        let (said, follower) = (Vec::new(), Follower::default());
        let program = Program { kind, folder, process: None, was_ready: false, said, follower };
        let made = self.configure(name, &program);
        self.place(name, Runs::Program(Box::new(program)));
        if let Err(why) = made {
            self.give_up(format!("{name} cannot be configured: {why}"));
        }
    }

    /// Writes the files of a program.
    fn configure(&self, name: &str, program: &Program) -> Result<(), String> {
        let text = |error: io::Error| error.to_string();
        let Program { kind, folder, .. } = program;
        fs::create_dir_all(program.data()).map_err(text)?;
        let authority = self.authority();
        let put = |file: &str, content: &str| fs::write(folder.join(file), content).map_err(text);
        put("certificate.pem", &authority.certificate)?;
        put("private-key.pem", &authority.private_key)?;
        put("authorities.pem", &authority.authorities)?;
        put("hosts", &self.hosts(name))?;
        put("resolv.conf", &format!("nameserver {}\n", self.addresses().own(name)))?;
        let values = self.values(name, program);
        for (file, content) in &kind.files {
            put(file, &filled(content, &values)?)?;
        }
        Ok(())
    }

    /// Returns what names mean to a machine: each other one has an address for it alone.
    fn hosts(&self, name: &str) -> String {
        let addresses = self.addresses();
        let mut text = format!("127.0.0.1 localhost\n{} {name}\n", addresses.own(name));
        for other in self.0.parts.servers.iter().filter(|other| ***other != *name) {
            writeln!(text, "{} {other}", addresses.pair(name, other)).expect("a string takes all");
        }
        text
    }

    /// Returns what the placeholders of a kind stand for.
    fn values(&self, name: &str, program: &Program) -> BTreeMap<&'static str, String> {
        let shown = |path: PathBuf| path.display().to_string();
        let file = |file: &str| shown(program.folder.join(file));
        let programs = std::env::current_exe().ok().and_then(|it| programs_beside(&it));
        let home = std::env::current_dir().unwrap_or_default();
        BTreeMap::from([
            ("name", name.to_owned()),
            ("address", self.addresses().own(name).to_string()),
            ("federation-port", FEDERATION_PORT.to_string()),
            ("client-port", CLIENT_PORT.to_string()),
            ("folder", shown(program.folder.clone())),
            ("data", shown(program.data())),
            ("certificate", file("certificate.pem")),
            ("private-key", file("private-key.pem")),
            ("authorities", file("authorities.pem")),
            ("admin-token", ADMIN_TOKEN.to_owned()),
            ("programs", shown(programs.unwrap_or_default())),
            ("home", shown(home)),
            ("relays", self.relays(name)),
            ("settings", self.settings(name)),
        ])
    }

    /// Returns the relays that a backend is told of, as lines of TOML.
    fn relays(&self, to: &str) -> String {
        let mut text = String::new();
        for (name, relays) in self.0.parts.scenario.relays_told(to) {
            writeln!(text, "\"{name}\" = {relays:?}").expect("a string takes all");
        }
        text
    }

    /// Returns what the scenario says of a server of fedsim's own, as lines of TOML.
    fn settings(&self, name: &str) -> String {
        let scenario = &self.0.parts.scenario;
        let backend = scenario.backends.get(name).map(|it| (&HOMESERVER, &it.settings));
        let relay = scenario.relays.get(name).map(|it| (&RELAY, &it.settings));
        let Some((known, chosen)) = backend.or(relay) else { return String::new() };
        let lines = known.settings.iter().filter_map(|setting| {
            let default = || setting.simulated.map(|_| Choice::Amount(setting.simulated_amount()));
            let choice = chosen.get(setting.key).cloned().or_else(default)?;
            Some(format!("{} = {}", setting.key, setting.text(&choice)))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    pub(super) fn start_program(&self, name: &Arc<str>, incarnation: u64) {
        let (world, name) = (self.clone(), Arc::clone(name));
        self.spawn(async move { world.oversee(name, incarnation).await });
    }

    /// Starts a program and watches it until it ends, or is taken away.
    async fn oversee(self, name: Arc<str>, incarnation: u64) {
        let ended = self.run(&name, incarnation).await;
        if !self.is_current(&name, incarnation) {
            return;
        }
        let why = match ended {
            Ok(status) => format!("it ended with {status}"),
            Err(why) => why,
        };
        if self.is_ready() {
            let said = self.last_lines(&name).pop().unwrap_or_default();
            return self.failed(&name, format!("{why}: {said}"));
        }
        self.fell_short(&name, &why);
    }

    /// Runs what prepares a program, and then the program itself; returns how that ended.
    async fn run(&self, name: &Arc<str>, incarnation: u64) -> Result<ExitStatus, String> {
        let (kind, data) = {
            let mut state = self.lock();
            let Runs::Program(program) = &state.place_mut(name).runs else { unreachable!() };
            (program.kind.clone(), program.data())
        };
        let is_new = fs::read_dir(&data).is_ok_and(|mut files| files.next().is_none());
        for command in kind.prepare.iter().filter(|_| is_new) {
            self.launch(name, incarnation, command)?;
            let status = self.ended(name, incarnation).await?;
            if !status.success() {
                return Err(format!("`{}` ended with {status}", command.join(" ")));
            }
        }
        self.launch(name, incarnation, &kind.command)?;
        if incarnation == 1 {
            let (world, name) = (self.clone(), Arc::clone(name));
            self.spawn(async move { world.await_ready(&name, &kind).await });
        }
        self.ended(name, incarnation).await
    }

    /// Starts a command of a program, if it is still wanted.
    fn launch(&self, name: &Arc<str>, incarnation: u64, command: &[String]) -> Result<(), String> {
        let launch = self.launch_of(name, command)?;
        if !self.is_current(name, incarnation) {
            return Err("it was taken away".to_owned());
        }
        let process = launch.start().map_err(|error| error.to_string())?;
        let mut state = self.lock();
        let place = state.place_mut(name);
        if !place.paused_by.is_empty() {
            process.pause();
        }
        if let Runs::Program(program) = &mut place.runs {
            program.process = Some(process);
        }
        Ok(())
    }

    fn launch_of(&self, name: &Arc<str>, command: &[String]) -> Result<Launch, String> {
        let mut state = self.lock();
        let Runs::Program(program) = &state.place_mut(name).runs else { unreachable!() };
        let values = self.values(name, program);
        let command = command.iter().map(|part| filled(part, &values)).collect::<Result<_, _>>()?;
        let own =
            program.kind.env.iter().map(|(key, value)| Ok((key.clone(), filled(value, &values)?)));
        let mut env = own.collect::<Result<Vec<_>, String>>()?;
        env.push(("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()));
        env.push((MARKER.to_owned(), self.0.parts.marker.clone()));
        let folder = program.folder.clone();
        let names = Names::of(&folder.join("hosts"), &folder.join("resolv.conf"));
        let names = names.map_err(|error| error.to_string())?;
        Ok(Launch { command, env, output: program.output(), folder, names })
    }

    /// Waits until what runs on a machine ends; follows its output meanwhile, and keeps it short.
    async fn ended(&self, name: &Arc<str>, incarnation: u64) -> Result<ExitStatus, String> {
        loop {
            self.follow(name, false);
            if !self.is_current(name, incarnation) {
                return Err("it was taken away".to_owned());
            }
            let ended = {
                let mut state = self.lock();
                let Runs::Program(program) = &mut state.place_mut(name).runs else {
                    unreachable!()
                };
                if let Some(said) = limit(&program.output()) {
                    program.said = said;
                }
                program.process.as_mut().and_then(Process::ended)
            };
            if let Some(status) = ended {
                self.follow(name, true);
                return Ok(status);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Asks a program again and again whether it is ready.
    async fn await_ready(&self, name: &Arc<str>, kind: &ServerKind) {
        let deadline = Instant::now() + kind.patience();
        let mut said = "nothing".to_owned();
        while Instant::now() < deadline {
            let asked = timeout(ANSWER_WITHIN, self.ask(name, kind)).await;
            match asked.map_err(|_| "nothing in time".to_owned()).and_then(|it| it) {
                Ok(()) => {
                    if let Runs::Program(program) = &mut self.lock().place_mut(name).runs {
                        program.was_ready = true;
                    }
                    return self.tell();
                }
                Err(answer) => said = answer,
            }
            sleep(LOOK_EVERY).await;
        }
        let why = format!(
            "it was not ready within {}: to `GET {}` on port {} it answered {said}",
            duration::text(kind.patience()),
            kind.ready,
            kind.ready_port
        );
        self.fell_short(name, &why);
    }

    /// Asks whether a program is ready; the error says what it answered instead.
    async fn ask(&self, name: &Arc<str>, kind: &ServerKind) -> Result<(), String> {
        let text = |error: io::Error| format!("nothing ({error})");
        let address = (self.addresses().own(name), kind.ready_port);
        let stream = TcpStream::connect(address).await.map_err(text)?;
        let mut stream: transport::host::Stream = if kind.tls && kind.ready_port == FEDERATION_PORT
        {
            self.authority().connect(name, stream).await.map_err(text)?
        } else {
            Box::new(stream)
        };
        let question =
            format!("GET {} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n", kind.ready);
        stream.write_all(question.as_bytes()).await.map_err(text)?;
        let mut answer = Vec::new();
        let read = stream.take(MOST_ANSWER).read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        let first = answer.lines().next().unwrap_or_default();
        if first.starts_with("HTTP/1.1 200") {
            return Ok(());
        }
        read.map_err(text)?;
        let shown: String = first.chars().filter(|it| !it.is_control()).take(100).collect();
        Err(format!("`{shown}`"))
    }

    /// Gives the run up because a program did not do what it must before anything can begin.
    fn fell_short(&self, name: &str, why: &str) {
        let lines = self.last_lines(name);
        let remedy = remedy(&lines, why);
        let said = if lines.is_empty() {
            "it has printed nothing".to_owned()
        } else {
            format!("the last it printed: {}", lines.join(" | "))
        };
        self.give_up(format!("{name} cannot be used: {why}; {said}; {remedy}"));
    }

    /// Gives the run up if a certificate is not trusted.
    pub(crate) fn refused_certificate(&self, machine: &str, error: &io::Error) {
        if error.kind() == io::ErrorKind::InvalidData && !self.is_ready() {
            let why = format!("it does not trust the certificates of the run ({error})");
            self.fell_short(machine, &why);
        }
    }

    fn last_lines(&self, name: &str) -> Vec<String> {
        match self.lock().place(name).map(|place| &place.runs) {
            Some(Runs::Program(program)) => {
                let lines = last_lines(&program.output());
                if lines.is_empty() { program.said.clone() } else { lines }
            }
            _ => Vec::new(),
        }
    }

    /// Returns a copy of what a machine keeps, as it is now: its program stands still meanwhile.
    pub(super) fn copy_data(&self, name: &str) -> Backup {
        let mut state = self.lock();
        state.backups += 1;
        let to = self.0.parts.folder.join(format!("backup-{}", state.backups));
        let place = state.place_mut(name);
        let Runs::Program(program) = &place.runs else { return Backup::Folder(to) };
        program.pause(true);
        let copied = copy(&program.data(), &to);
        if place.paused_by.is_empty() {
            program.pause(false);
        }
        drop(state);
        if let Err(error) = copied {
            self.give_up(format!("the data of {name} cannot be copied: {error}"));
        }
        Backup::Folder(to)
    }

    /// Empties what a machine keeps, or puts a copy in its place.
    pub(super) fn replace_data(&self, name: &str, with: Option<&Path>) {
        let data = match &self.lock().place_mut(name).runs {
            Runs::Program(program) => program.data(),
            // A client keeps nothing on a disk.
            Runs::Client(_) => return,
        };
        let replaced = fs::remove_dir_all(&data).and_then(|()| match with {
            Some(copied) => copy(copied, &data),
            None => fs::create_dir_all(&data),
        });
        if let Err(error) = replaced {
            self.give_up(format!("the data of {name} cannot be replaced: {error}"));
        }
    }
}

/// Returns the folder of the programs that are built beside this one: where it is itself, or above that
/// for a test.
fn programs_beside(this: &Path) -> Option<PathBuf> {
    let folders = this.ancestors().skip(1).take(2);
    let mut found = folders.filter(|folder| folder.join("homeserver").is_file());
    found.next().or_else(|| this.parent()).map(Path::to_owned)
}

fn remedy(lines: &[String], why: &str) -> &'static str {
    let mentions = |words: &str| lines.iter().any(|line| line.to_lowercase().contains(words));
    if mentions("address already in use") || mentions("in use") {
        return "end whatever listens there";
    }
    if why.contains("No such file") || why.contains("not found") {
        return "install it, or correct `command` of its kind";
    }
    if why.contains("certificate") {
        return "have its kind trust `${authorities}`, and serve `${certificate}`";
    }
    if why.contains("not ready within") {
        return "correct `ready` and `ready-port` of its kind, or raise `ready-within`";
    }
    "correct what it says in `command` or `files` of its kind"
}

/// Copies a folder and what is in it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
