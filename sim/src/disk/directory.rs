//! The names of a disk: as processes see them, and as they were last synced.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use rand::{Rng, RngExt};

use super::{
    file::{File, SectorFates},
    pages::Pages,
    volume::lock,
};

/// A file that names and handles share: one that is deleted lives on until it is closed.
pub(super) type FileRef = Arc<Mutex<File>>;

/// The one directory of a disk.
///
/// Creating or deleting a name is durable only once the directory is synced; syncing a file does
/// nothing for its name. That is what POSIX promises; ext4 and others keep a synced file's name.
#[derive(Default)]
pub(super) struct Directory {
    names: BTreeMap<String, FileRef>,
    durable: BTreeMap<String, FileRef>,
}

impl Directory {
    pub(super) fn get(&self, name: &str) -> Option<&FileRef> {
        self.names.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &FileRef)> {
        self.names.iter()
    }

    /// Returns the file called `name`, a new one if there is none.
    pub(super) fn find_or_create(&mut self, name: &str) -> FileRef {
        self.get(name).cloned().unwrap_or_else(|| self.create(name))
    }

    /// Returns a new, empty file called `name`, which is not durable yet.
    pub(super) fn create(&mut self, name: &str) -> FileRef {
        let file = FileRef::default();
        self.names.insert(name.to_owned(), Arc::clone(&file));
        file
    }

    /// Takes `name` away; returns whether it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.names.remove(name).is_some()
    }

    /// Makes all names durable as they are.
    pub(super) fn sync(&mut self) {
        self.durable = self.names.clone();
    }

    /// Returns how many bytes all files take together.
    pub(super) fn bytes(&self) -> usize {
        self.names.values().map(|file| lock(file).len()).sum()
    }

    /// Keeps or reverts each change of a name since the last sync, then each file, as `keep` says;
    /// of a sector that is kept, as many bytes are new as `written` says.
    pub(super) fn lose_power(
        &mut self,
        keep: &mut impl FnMut() -> bool,
        written: &mut impl FnMut() -> usize,
    ) -> SectorFates {
        let all: BTreeSet<String> = self.names.keys().chain(self.durable.keys()).cloned().collect();
        for name in all {
            let (now, before) = (self.names.get(&name), self.durable.get(&name));
            if now.map(Arc::as_ptr) == before.map(Arc::as_ptr) || keep() {
                continue;
            }
            match before.cloned() {
                Some(file) => self.names.insert(name, file),
                None => self.names.remove(&name),
            };
        }
        self.sync();
        let mut fate = SectorFates::default();
        for file in self.names.values() {
            let one = lock(file).lose_power(keep, written);
            fate.kept += one.kept;
            fate.reverted += one.reverted;
        }
        fate
    }

    /// Draws a bit, each bit of all files being equally likely, and flips it if its sector is
    /// synced. Returns whether it did.
    pub(super) fn flip_bit(&mut self, stream: &mut impl Rng) -> bool {
        let bytes = self.bytes();
        if bytes == 0 {
            return false;
        }
        let (mut at, bit) = (stream.random_range(0..bytes), stream.random_range(0..8));
        for file in self.names.values() {
            let mut file = lock(file);
            if at < file.len() {
                return file.flip(at, 1 << bit);
            }
            at -= file.len();
        }
        false
    }
}

impl FromIterator<(String, Pages)> for Directory {
    /// Returns a directory in which everything is durable.
    fn from_iter<I: IntoIterator<Item = (String, Pages)>>(files: I) -> Self {
        let file = |(name, pages)| (name, Arc::new(Mutex::new(File::durable(pages))));
        let names: BTreeMap<String, FileRef> = files.into_iter().map(file).collect();
        Self { durable: names.clone(), names }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Directory;
    use crate::disk::{file::SECTOR, pages::Pages};

    #[test]
    fn names_come_back_or_vanish_unless_the_directory_was_synced() {
        let mut directory = Directory::from_iter([("old".to_owned(), Pages::from([1].as_slice()))]);
        directory.remove("old");
        directory.create("new");
        directory.lose_power(&mut || false, &mut || SECTOR);
        assert!(directory.get("old").is_some() && directory.get("new").is_none());

        directory.remove("old");
        directory.create("new");
        directory.sync();
        directory.lose_power(&mut || false, &mut || SECTOR);
        assert!(directory.get("old").is_none() && directory.get("new").is_some());
    }

    #[test]
    fn a_file_replaced_under_its_name_is_the_old_one_or_the_new_one() {
        let mut directory =
            Directory::from_iter([("a".to_owned(), Pages::from([1, 2, 3].as_slice()))]);
        directory.remove("a");
        let new = directory.create("a");
        directory.sync();
        directory.lose_power(&mut || false, &mut || SECTOR);
        assert!(directory.get("a").is_some_and(|file| Arc::ptr_eq(file, &new)));

        directory.remove("a");
        directory.create("a");
        directory.lose_power(&mut || false, &mut || SECTOR);
        assert!(directory.get("a").is_some_and(|file| Arc::ptr_eq(file, &new)));
    }
}
