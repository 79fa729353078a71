//! Which build of the program this is: two that differ may play the same scenario differently.

use std::{
    env,
    fs::File,
    io::{self, Seek},
    path::PathBuf,
    sync::OnceLock,
};

use object::{Object, ReadCache};

use crate::exit::{Exit, Stop};

/// How many characters of the hash name a build.
const LENGTH: usize = 12;

/// Returns the name of this build: the beginning of the hash that its linker gave it, or else of its
/// file's; empty if the file cannot be read.
pub(crate) fn id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| name().unwrap_or_default())
}

/// Returns the name of this build. The error says that nobody knows it.
pub(crate) fn known() -> Result<&'static str, Stop> {
    let message =
        "the file of this program cannot be read, and nothing else says which build it is";
    Some(id()).filter(|id| !id.is_empty()).ok_or_else(|| Stop::because(Exit::Usage, message))
}

fn name() -> io::Result<String> {
    let mut file = File::open(program()?)?;
    if let Some(id) = linked_id(&mut file) {
        return Ok(id);
    }
    file.rewind()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(hasher.finalize().to_hex()[..LENGTH].to_owned())
}

/// Returns the beginning of the hash that the linker left in the program (`NT_GNU_BUILD_ID`; the UUID of a
/// Mach-O file), if it did. With all that is in it to find faults with, the file itself has hundreds of
/// megabytes, and hashing those takes as long as several runs.
fn linked_id(file: &mut File) -> Option<String> {
    let cache = ReadCache::new(file);
    let program = object::File::parse(&cache).ok()?;
    let uuid = program.mach_uuid().ok().flatten();
    let id = program.build_id().ok().flatten().or(uuid.as_ref().map(|uuid| &uuid[..]))?;
    // One that somebody made up is no hash.
    let id = Some(id).filter(|id| id.len() >= 16)?;
    let first = id.iter().take(LENGTH / 2);
    let number = first.fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    Some(format!("{number:0LENGTH$x}"))
}

/// Returns where the program's file is. On Linux that is the file which was started, also if another
/// one has its name by now.
fn program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { env::current_exe() }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use super::{LENGTH, id, linked_id};

    #[test]
    fn a_build_has_a_short_name_with_or_without_the_linkers_help() {
        assert_eq!(id().len(), LENGTH);
        let mut file = tempfile::tempfile().expect("a directory for temporary files");
        file.write_all(b"#!/bin/sh\n").expect("it takes a line");
        assert_eq!(linked_id(&mut file), None);
        let mut own = File::open(super::program().expect("a name")).expect("it can be read");
        let linked = linked_id(&mut own);
        assert!(linked.is_none_or(|linked| linked == id()));
    }
}
