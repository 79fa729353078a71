//! What is left of a run when this program is killed is cleared away by a small shell that waits for
//! that.

use std::{
    fs, io,
    path::Path,
    process::{Child, Command, Stdio},
};

use super::kernel;

/// The variable of every program's environment that says which run it belongs to, so that what it
/// starts is found even if it leaves its group.
pub(crate) const MARKER: &str = "FEDSIM_LIVE_RUN";

/// How often processes are looked for that appear while others are killed.
const MOST_ROUNDS: usize = 20;

/// Waits until its standard input ends; that is when this program does. Then kills every process with
/// the marker (the first argument), and removes the folder (the second).
const SCRIPT: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
for round in 1 2 3 4 5; do
  found=
  for file in $(grep -slF -- "$1" /proc/[0-9]*/environ 2>/dev/null); do
    process=${file#/proc/}; process=${process%/environ}
    kill -KILL "$process" 2>/dev/null && found=yes
  done
  [ -z "$found" ] && break
done
rm -rf -- "$2"
"#;

/// The shell that waits.
#[derive(Debug)]
pub(crate) struct Keeper(Child);

impl Keeper {
    /// Starts it for a run whose programs have this marker, and whose files are in `folder`.
    ///
    /// # Errors
    /// There is no `/bin/sh`, or no room for another process.
    pub(crate) fn start(marker: &str, folder: &Path) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "fedsim-keeper", &format!("{MARKER}={marker}")]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        kernel::detach(&mut command);
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It has nothing left to do, and ends at once.
        drop(self.0.wait());
    }
}

/// Kills every process that has this marker.
pub(crate) fn end_all(marker: &str) {
    let wanted = format!("{MARKER}={marker}");
    for _ in 0..MOST_ROUNDS {
        let found = marked(&wanted);
        if found.is_empty() {
            return;
        }
        found.into_iter().for_each(kernel::kill);
        super::nap();
    }
}

fn marked(wanted: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|it| it.file_name().to_str()?.parse().ok());
    let is_marked = |number: &u32| {
        let environment = fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    numbers.filter(is_marked).collect()
}
