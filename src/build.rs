//! Which build of the program this is: two that differ may play the same scenario differently.

use std::{env, fs::File, io, sync::OnceLock};

/// How many characters of the hash name a build.
const LENGTH: usize = 12;

/// Returns the name of this build: the beginning of its file's hash; empty if the file cannot be read.
pub(crate) fn id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| hash().unwrap_or_default())
}

fn hash() -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(env::current_exe()?)?)?;
    Ok(hasher.finalize().to_hex()[..LENGTH].to_owned())
}
