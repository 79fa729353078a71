//! `relayctl` with the database of a relay, in its directory.

use std::{io::BufRead, path::Path};

use relay::maintenance;
use transport::real::{DirectoryLock, copy_database, lock};

use crate::{
    Trouble,
    commands::{Data, DataCommand},
};

/// Does what an operator asks; returns what is printed.
pub(crate) fn act(command: DataCommand) -> Result<String, Trouble> {
    match command {
        DataCommand::Fsck(Data { data }) => {
            let found = maintenance::check(&known(&data)?).map_err(|error| named(&data, &error))?;
            if found.is_empty() {
                return Ok("the database is whole, and its sums are right\n".to_owned());
            }
            Err(Trouble::Other(format!(
                "{}\nrestore a backup, or export what can be read",
                found.join("\n")
            )))
        }
        DataCommand::Compact(Data { data }) => {
            let _lock = alone(&data)?;
            let (before, after) =
                maintenance::compact(&known(&data)?).map_err(|error| named(&data, &error))?;
            Ok(format!("{before} bytes before, {after} bytes after\n"))
        }
        DataCommand::Backup { data: Data { data }, to } => {
            if to.exists() {
                let there = format!("{} exists; name a file that does not", to.display());
                return Err(Trouble::Mistake(there));
            }
            copy_database(&known(&data)?, &to).map_err(|error| named(&data, &error))?;
            Ok(format!("{} is a copy; keep {}/signing.key with it\n", to.display(), data.display()))
        }
        DataCommand::Export(Data { data }) => {
            let mut out = std::io::stdout().lock();
            let count = maintenance::export(&known(&data)?, &mut out)
                .map_err(|error| named(&data, &error))?;
            if count == 0 {
                return Err(Trouble::Other("nothing waits there".to_owned()));
            }
            Ok(String::new())
        }
        DataCommand::Import(Data { data }) => {
            let _lock = alone(&data)?;
            let lines = std::io::stdin().lock().lines();
            let (new, known_ones) =
                maintenance::import(&known(&data)?, lines).map_err(|error| named(&data, &error))?;
            Ok(format!("{new} entries are new, {known_ones} were there\n"))
        }
    }
}

/// Returns the file of the database, which must be there.
fn known(data: &Path) -> Result<std::path::PathBuf, Trouble> {
    let file = data.join("relay.sqlite");
    if file.exists() {
        return Ok(file);
    }
    let missing = "there is no relay.sqlite; give --data the `data` of the relay's configuration";
    Err(Trouble::Mistake(format!("{}: {missing}", data.display())))
}

/// Keeps the relay from running meanwhile.
fn alone(data: &Path) -> Result<DirectoryLock, Trouble> {
    lock(data).map_err(|error| {
        Trouble::Other(format!(
            "{}: {error}; this is done while the relay is stopped",
            data.display()
        ))
    })
}

fn named(data: &Path, error: &dyn std::fmt::Display) -> Trouble {
    Trouble::Other(format!("{}: {error}", data.display()))
}
