//! Which build of the program this is: two that differ may play the same scenario differently.

use std::{env, fs::File, io, path::PathBuf, sync::OnceLock};

use crate::exit::{Exit, Stop};

/// How many characters of the hash name a build.
const LENGTH: usize = 12;

/// Returns the name of this build: the beginning of its file's hash; empty if the file cannot be read.
pub(crate) fn id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| hash().unwrap_or_default())
}

/// Returns the name of this build. The error says that nobody knows it.
pub(crate) fn known() -> Result<&'static str, Stop> {
    let message =
        "the file of this program cannot be read, and nothing else says which build it is";
    Some(id()).filter(|id| !id.is_empty()).ok_or_else(|| Stop::because(Exit::Usage, message))
}

fn hash() -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(program()?)?)?;
    Ok(hasher.finalize().to_hex()[..LENGTH].to_owned())
}

/// Returns where the program's file is. On Linux that is the file which was started, also if another
/// one has its name by now.
fn program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { env::current_exe() }
}
