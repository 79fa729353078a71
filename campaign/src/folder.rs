//! A queue in a folder: for the threads and processes of one machine, without any service.
//!
//! In its folder `.campaign`, `documents` has what was written down, `queue` an empty file for each item
//! that is not done, `leases` one for each item that is somebody's, whose time of change is the last
//! sign of life, and `texts` the scenarios. The other files are beside it, for people. Names appear
//! whole, by a link from a file that was synced. `news` tells what is new in `documents`.

mod news;

pub(crate) use self::news::Mark;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::{
    clock::Clock,
    key::{Item, Key},
    queue::{Cursor, Document, Kept, LARGEST_FILE, Lease, Queue, Trouble, Wanted, check_file},
};

/// How long somebody who finds nothing to do waits before he says so.
const PAUSE: Duration = Duration::from_millis(100);
/// How long nobody gets an item that was given back.
const MOMENT: Duration = Duration::from_millis(300);
/// What is not for people, in a campaign's folder.
const HIDDEN: &str = ".campaign";
/// The folders in it.
const FOLDERS: [&str; 4] = ["documents", "queue", "leases", "texts"];

/// A queue in a folder.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    lease: Duration,
    clock: Clock,
    /// The last sign of life of each item that is somebody's, and when it is nobody's any more, by the
    /// clock of this process: that of the machine may be set meanwhile.
    signs: Mutex<BTreeMap<Item, (SystemTime, u64)>>,
}

impl Folder {
    /// Makes the queue of a new campaign. The error says why, also if there is one already.
    pub fn create(root: &Path, lease: Duration) -> Result<Self, Trouble> {
        let hidden = root.join(HIDDEN);
        if hidden.exists() {
            let message = format!(
                "there is a campaign in {} already\nresume it, or give the new one another --id",
                root.display()
            );
            return Err(Trouble::new(message));
        }
        for folder in FOLDERS {
            let path = hidden.join(folder);
            fs::create_dir_all(&path).map_err(|error| trouble("make", &path, &error))?;
        }
        let news = hidden.join(news::FILE);
        news::begin(&news).map_err(|error| trouble("make", &news, &error))?;
        Ok(Self::at(root, lease))
    }

    fn at(root: &Path, lease: Duration) -> Self {
        Self { root: root.to_owned(), lease, clock: Clock::default(), signs: Mutex::default() }
    }

    /// Opens the queue of a campaign.
    pub fn open(root: &Path, lease: Duration) -> Result<Self, Trouble> {
        if !root.join(HIDDEN).join(FOLDERS[0]).is_dir() {
            return Err(Trouble::new(format!("there is no campaign in {}", root.display())));
        }
        Ok(Self::at(root, lease))
    }

    /// Opens the queue of a campaign, by another clock.
    #[cfg(test)]
    pub(crate) fn by(root: &Path, lease: Duration, clock: Clock) -> Result<Self, Trouble> {
        Self::open(root, lease).map(|queue| Self { clock, ..queue })
    }

    /// Returns where a file is, for whoever shows it.
    pub fn path_of(&self, name: &str) -> PathBuf {
        let root = if name.starts_with("texts/") { self.hidden() } else { self.root.clone() };
        root.join(name)
    }

    fn hidden(&self) -> PathBuf {
        self.root.join(HIDDEN)
    }

    fn document(&self, name: &impl ToString) -> PathBuf {
        self.hidden().join("documents").join(name.to_string())
    }

    fn news(&self) -> PathBuf {
        self.hidden().join(news::FILE)
    }

    /// Tells that a document is to come.
    fn announce(&self, key: &Key) -> Result<(), Trouble> {
        let news = self.news();
        news::add(&news, &key.to_string()).map_err(|error| trouble("write", &news, &error))
    }

    fn queued(&self, item: &Item) -> PathBuf {
        self.hidden().join("queue").join(item.to_string())
    }

    fn leased(&self, item: &Item) -> PathBuf {
        self.hidden().join("leases").join(item.to_string())
    }

    /// Returns the names of documents that may be new: those that were announced, and those that are
    /// replaced now and then. All of them the first time.
    fn may_be_new(&self, cursor: &mut Cursor) -> Result<BTreeSet<String>, Trouble> {
        let news = news::since(&self.news(), &mut cursor.mark);
        let news = news.map_err(|error| trouble("read", &self.news(), &error))?;
        let mut names = news.names;
        names.extend(cursor.replaced.iter().cloned());
        if news.all {
            names.extend(self::names(&self.hidden().join("documents"))?);
        }
        Ok(names)
    }

    /// Makes an item this worker's, if it is nobody's.
    fn take(&self, item: &Item) -> Result<Option<Lease>, Trouble> {
        let path = self.leased(item);
        let token = token();
        if self.is_held(item) {
            return Ok(None);
        }
        let new = File::options().write(true).create_new(true).open(&path);
        let mut file = match new {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(trouble("write", &path, &error)),
        };
        let written = write!(file, "{token}").and_then(|()| file.set_modified(self.clock.now()));
        written.map_err(|error| trouble("write", &path, &error))?;
        let lease = Lease { item: item.clone(), token };
        if !self.queued(item).exists() {
            // Somebody was done with it meanwhile.
            self.forget(&lease)?;
            return Ok(None);
        }
        Ok(Some(lease))
    }

    /// Returns whether an item is somebody's. The lease of whoever has fallen silent goes: two who
    /// see that at once may both get the item in the end, and what they write down counts once.
    fn is_held(&self, item: &Item) -> bool {
        let lease = self.leased(item);
        let Ok(changed) = fs::metadata(&lease).and_then(|it| it.modified()) else { return false };
        if self.clock.ms() < self.silent_ms(item, changed) {
            return true;
        }
        let aside = lease.with_file_name(format!(".{}", token()));
        let is_gone = fs::rename(&lease, &aside).is_ok();
        let _gone = fs::remove_file(aside);
        !is_gone
    }

    /// Returns when an item is nobody's any more whose last sign of life was then.
    fn silent_ms(&self, item: &Item, sign: SystemTime) -> u64 {
        let mut signs = self.signs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, until_ms)) = signs.get(item).filter(|(known, _)| *known == sign) {
            return *until_ms;
        }
        let silent = self.clock.now().duration_since(sign).unwrap_or_default();
        let left = self.lease.saturating_sub(silent).as_millis();
        let until_ms = self.clock.ms().saturating_add(u64::try_from(left).unwrap_or(u64::MAX));
        signs.insert(item.clone(), (sign, until_ms));
        until_ms
    }

    /// Opens the file of a lease that is still this worker's.
    fn own(&self, lease: &Lease) -> Option<File> {
        let path = self.leased(&lease.item);
        let is_own = fs::read_to_string(&path).is_ok_and(|it| it == lease.token.to_string());
        is_own.then(|| File::options().write(true).open(path).ok()).flatten()
    }

    fn forget(&self, lease: &Lease) -> Result<(), Trouble> {
        if self.own(lease).is_some() {
            removed(&self.leased(&lease.item))?;
        }
        Ok(())
    }
}

impl Queue for Folder {
    fn offer(&self, item: &Item) -> Result<(), Trouble> {
        let path = self.queued(item);
        File::create(&path).map_err(|error| trouble("write", &path, &error))?;
        durable(&path)
    }

    fn lease(&self, wanted: Wanted) -> Result<Option<Lease>, Trouble> {
        let mut items: Vec<Item> = names(&self.hidden().join("queue"))?
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        items.sort_unstable();
        let is_there = |item: &Item, _: &mut _| items.binary_search(item).is_ok();
        self.signs.lock().unwrap_or_else(PoisonError::into_inner).retain(is_there);
        let is_wanted = |item: &&Item| wanted == Wanted::Any || !item.is_urgent();
        for item in items.iter().filter(is_wanted) {
            if let Some(lease) = self.take(item)? {
                return Ok(Some(lease));
            }
        }
        self.clock.pause(PAUSE);
        Ok(None)
    }

    fn beat(&self, lease: &Lease) -> Result<(), Trouble> {
        let Some(file) = self.own(lease) else { return Ok(()) };
        file.set_modified(self.clock.now())
            .map_err(|error| trouble("write", &self.leased(&lease.item), &error))
    }

    fn done(&self, lease: Lease) -> Result<(), Trouble> {
        let path = self.queued(&lease.item);
        removed(&path)?;
        durable(&path)?;
        self.forget(&lease)
    }

    fn give_back(&self, lease: Lease) -> Result<(), Trouble> {
        let Some(file) = self.own(&lease) else { return Ok(()) };
        let soon = self.clock.now() - self.lease.saturating_sub(MOMENT);
        file.set_modified(soon).map_err(|error| trouble("write", &self.leased(&lease.item), &error))
    }

    fn keep(&self, key: &Key, body: &[u8]) -> Result<Kept, Trouble> {
        let path = self.document(key);
        if path.exists() {
            return Ok(Kept::Before);
        }
        let new = aside(&path, body)?;
        self.announce(key)?;
        let linked = fs::hard_link(&new, &path);
        let _gone = fs::remove_file(&new);
        match linked {
            Ok(()) => durable(&path).map(|()| Kept::Now),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Kept::Before),
            Err(error) => Err(trouble("write", &path, &error)),
        }
    }

    fn replace(&self, key: &Key, body: &[u8]) -> Result<(), Trouble> {
        let path = self.document(key);
        let new = aside(&path, body)?;
        // What is known already is looked at each time.
        if !matches!(key, Key::Begun(_)) && !path.exists() {
            self.announce(key)?;
        }
        fs::rename(&new, &path).map_err(|error| trouble("write", &path, &error))
    }

    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Trouble> {
        content(&self.document(key))
    }

    fn changes(&self, cursor: &mut Cursor) -> Result<Vec<Document>, Trouble> {
        let mut new = Vec::new();
        for name in self.may_be_new(cursor)? {
            let Ok(key) = name.parse::<Key>() else { continue };
            let version = match key {
                Key::Begun(_) => continue,
                _ if is_replaced(&key) => version(&self.document(&key)),
                _ => 0,
            };
            if cursor.told.get(&name) == Some(&version) {
                continue;
            }
            let Some(body) = self.read(&key)? else {
                cursor.mark.look_again(name);
                continue;
            };
            if is_replaced(&key) {
                cursor.replaced.insert(name.clone());
            }
            cursor.told.insert(name, version);
            new.push((key, body));
        }
        // In an order that does not depend on the file system.
        new.sort();
        Ok(new)
    }

    fn keep_file(&self, name: &str, body: &[u8]) -> Result<(), Trouble> {
        check_file(name, body.len())?;
        let path = self.path_of(name);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(|error| trouble("make", folder, &error))?;
        let new = aside(&path, body)?;
        fs::rename(&new, &path).map_err(|error| trouble("write", &path, &error))?;
        durable(&path)
    }

    fn file(&self, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
        check_file(name, 0)?;
        let path = self.path_of(name);
        let bytes = fs::metadata(&path).map_or(0, |it| it.len());
        check_file(name, usize::try_from(bytes).unwrap_or(LARGEST_FILE + 1))?;
        content(&path)
    }

    fn lease_time(&self) -> Duration {
        self.lease
    }
}

/// Writes a file aside, and has it durable. Returns where.
fn aside(path: &Path, body: &[u8]) -> Result<PathBuf, Trouble> {
    let aside = path.with_file_name(format!(".{}", token()));
    let written = File::create(&aside).and_then(|mut file| {
        file.write_all(body)?;
        file.sync_all()
    });
    written.map_err(|error| trouble("write", &aside, &error))?;
    Ok(aside)
}

/// Returns the names in a folder, without hidden ones.
fn names(folder: &Path) -> Result<Vec<String>, Trouble> {
    let entries = fs::read_dir(folder).map_err(|error| trouble("read", folder, &error))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| !name.starts_with('.')).collect())
}

fn content(path: &Path) -> Result<Option<Vec<u8>>, Trouble> {
    match fs::read(path) {
        Ok(body) => Ok(Some(body)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(trouble("read", path, &error)),
    }
}

fn removed(path: &Path) -> Result<(), Trouble> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(trouble("remove", path, &error))
        }
        _ => Ok(()),
    }
}

/// Has the name of a file durable.
fn durable(path: &Path) -> Result<(), Trouble> {
    let folder = path.parent().unwrap_or(path);
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| trouble("write", folder, &error))
}

/// Returns whether a document may be another one later.
fn is_replaced(key: &Key) -> bool {
    matches!(key, Key::State | Key::Worker(_))
}

fn version(path: &Path) -> u64 {
    let changed = fs::metadata(path).and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let since = changed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns a number that no other thread or process of this machine has.
fn token() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed) & 0xFFFF;
    let nanos = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros();
    let mixed = u64::try_from(nanos & 0xFFFF_FFFF).unwrap_or_default() << 32;
    mixed | u64::from(process::id() & 0xFFFF) << 16 | nth
}

fn trouble(act: &str, path: &Path, error: &io::Error) -> Trouble {
    Trouble::new(format!("cannot {act} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_costs_what_is_new_however_much_is_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let queue = Folder::create(folder.path(), Duration::from_secs(2)).expect("made");
        let mut cursor = Cursor::default();
        let looks = |cursor: &mut Cursor| {
            let looked_at = queue.may_be_new(&mut cursor.clone()).expect("read").len();
            (looked_at, queue.changes(cursor).expect("told").len())
        };
        for number in 0..500 {
            queue.keep(&Key::Result(number), b"{}").expect("kept");
            queue.replace(&Key::Begun(Item::Block(number)), b"{}").expect("written");
        }
        queue.replace(&Key::State, b"{}").expect("written");
        assert_eq!(looks(&mut cursor), (1_001, 501));
        assert_eq!(looks(&mut cursor), (1, 0), "what is replaced is looked at each time");
        queue.keep(&Key::Result(500), b"{}").expect("kept");
        queue.replace(&Key::Worker("w".to_owned()), b"{}").expect("written");
        assert_eq!(looks(&mut cursor), (3, 2));
        assert_eq!(looks(&mut cursor), (2, 0));
    }

    #[test]
    fn what_somebody_announced_is_told_when_it_comes_and_whoever_died_before_holds_nobody_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let queue = Folder::create(folder.path(), Duration::from_secs(2)).expect("made");
        let mut cursor = Cursor::default();
        queue.announce(&Key::Result(1)).expect("announced");
        assert_eq!(queue.changes(&mut cursor), Ok(Vec::new()));
        queue.keep(&Key::Result(2), b"two").expect("kept");
        assert_eq!(queue.changes(&mut cursor), Ok(vec![(Key::Result(2), b"two".to_vec())]));
        // Somebody who announced it before the first look, and whose document appears only now.
        fs::write(queue.document(&Key::Result(1)), b"one").expect("written");
        assert_eq!(queue.changes(&mut cursor), Ok(vec![(Key::Result(1), b"one".to_vec())]));
        assert_eq!(queue.changes(&mut cursor), Ok(Vec::new()));
    }

    #[test]
    fn whoever_fell_silent_loses_an_item_though_the_clock_was_set_back_since() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let lease = Duration::from_millis(300);
        let queue = Folder::create(folder.path(), lease).expect("made");
        queue.offer(&Item::Block(1)).expect("offered");
        let held = queue.lease(Wanted::Any).expect("it answers").expect("it is there");
        let file = queue.own(&held).expect("it is held");
        file.set_modified(queue.clock.now() + Duration::from_secs(3600)).expect("set");
        assert_eq!(queue.lease(Wanted::Any), Ok(None));
        queue.clock.pause(lease);
        let again = queue.lease(Wanted::Any).expect("it answers").expect("it is nobody's");
        assert_eq!(again.item, held.item);
    }
}
