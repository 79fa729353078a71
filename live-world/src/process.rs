//! Programs of one run: started in namespaces of their own, stopped with SIGKILL, and gone whatever
//! becomes of this program.
//!
//! `kernel`: the system calls. `keeper`: what ends everything if this program is killed. `output`:
//! what programs print.

mod keeper;
mod kernel;
mod output;

use std::{
    io,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

pub(crate) use self::{
    keeper::{Keeper, MARKER, end_all},
    kernel::{Names, is_isolation_possible},
    output::{Follower, last_lines, limit, opened},
};

/// How long a process that was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// The wait between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How a program is started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// Variables of its environment.
    pub(crate) env: Vec<(String, String)>,
    /// Its working directory.
    pub(crate) folder: PathBuf,
    /// The file that its output goes to.
    pub(crate) output: PathBuf,
    /// What names mean to it.
    pub(crate) names: Names,
}

impl Launch {
    /// Starts the program. It dies with the thread that calls this.
    ///
    /// # Errors
    /// There is no such program, or the kernel refuses; the error says which.
    pub(crate) fn start(&self) -> io::Result<Process> {
        let (program, arguments) = self.command.split_first().expect("a command has a program");
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.env.iter().cloned());
        command.current_dir(&self.folder).stdin(Stdio::null());
        command.stdout(opened(&self.output)?).stderr(opened(&self.output)?);
        kernel::isolate(&mut command, &self.names);
        let child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start `{program}`: {error}"))
        })?;
        Ok(Process { child, is_gone: false })
    }
}

/// A program that runs, and whatever it starts. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Whether it has ended, so that its number may be another's.
    is_gone: bool,
}

impl Process {
    /// Kills it, and everything that it has started, and waits until it is gone.
    fn kill(&mut self) {
        if self.is_gone {
            return;
        }
        kernel::signal_group(self.child.id(), kernel::Signal::Kill);
        let mut waited = Duration::ZERO;
        while matches!(self.child.try_wait(), Ok(None)) && waited < GONE_WITHIN {
            nap();
            waited += LOOK_EVERY;
        }
        self.is_gone = true;
    }

    /// Stops it where it is; the kernel goes on for it.
    pub(crate) fn pause(&self) {
        if self.is_gone {
            return;
        }
        kernel::signal_group(self.child.id(), kernel::Signal::Stop);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        if self.is_gone {
            return;
        }
        kernel::signal_group(self.child.id(), kernel::Signal::Continue);
    }

    /// Returns how it ended, if it has; what it started is killed then.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        if !std::mem::replace(&mut self.is_gone, true) {
            kernel::signal_group(self.child.id(), kernel::Signal::Kill);
        }
        Some(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a process dies in real time, and nothing may happen before"
)]
fn nap() {
    std::thread::sleep(LOOK_EVERY);
}
