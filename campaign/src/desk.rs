//! A queue and the picture of it, which all threads of a process share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use scenarios::{Scenario, Vocabulary, language};
use serde::Serialize;

use crate::{
    block::LARGEST_TEXT,
    key::{Item, Key},
    picture::Picture,
    queue::{Cursor, Kept, Queue, Trouble},
};

/// A queue, and what is known of it.
pub struct Desk<'q> {
    /// The queue.
    pub queue: &'q dyn Queue,
    picture: Mutex<Picture>,
    cursor: Mutex<Cursor>,
}

impl<'q> Desk<'q> {
    /// Returns a desk on which nothing lies yet.
    pub fn new(queue: &'q dyn Queue) -> Self {
        Self { queue, picture: Mutex::default(), cursor: Mutex::default() }
    }

    /// Returns what is known.
    pub fn picture(&self) -> MutexGuard<'_, Picture> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was written down meanwhile. Returns the names of what is new.
    pub fn look(&self) -> Result<Vec<Key>, Trouble> {
        let mut cursor = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let new = self.queue.changes(&mut cursor)?;
        let mut picture = self.picture();
        for document in &new {
            picture.take(document);
        }
        Ok(new.into_iter().map(|(key, _)| key).collect())
    }

    /// Writes something down for good, unless there is something of that name.
    pub fn keep(&self, key: &Key, what: &impl Serialize) -> Result<Kept, Trouble> {
        let body = json(what)?;
        let kept = self.queue.keep(key, &body)?;
        if kept == Kept::Now {
            self.picture().take(&(key.clone(), body));
        }
        Ok(kept)
    }

    /// Writes something down in the place of what is there.
    pub fn replace(&self, key: &Key, what: &impl Serialize) -> Result<(), Trouble> {
        let body = json(what)?;
        self.queue.replace(key, &body)?;
        self.picture().take(&(key.clone(), body));
        Ok(())
    }

    /// Returns whether an item is over. What the picture does not know, the queue is asked for.
    pub fn is_over(&self, item: &Item) -> Result<bool, Trouble> {
        Ok(self.picture().is_over(item) || self.queue.read(&item.done())?.is_some())
    }

    /// Keeps the text of a scenario. Returns its hash.
    pub fn keep_text(&self, text: &str) -> Result<String, Trouble> {
        check_text(text)?;
        let hash = hash_of(text);
        let name = text_file(&hash);
        if self.queue.file(&name)?.is_none() {
            self.queue.keep_file(&name, text.as_bytes())?;
        }
        Ok(hash)
    }

    /// Returns the scenario whose text has a hash. It is read as any file is.
    pub fn scenario(
        &self,
        vocabulary: &'static Vocabulary,
        hash: &str,
    ) -> Result<Scenario, Trouble> {
        let text = self.text(hash)?;
        language::parse_in(vocabulary, &format!("scenario {hash}"), &text)
            .map_err(|mistakes| Trouble::of_item(mistakes.render(false)))
    }

    /// Returns the text that has a hash.
    pub fn text(&self, hash: &str) -> Result<String, Trouble> {
        let wrong = |why: &str| Trouble::of_item(format!("the scenario {hash} is not used: {why}"));
        if !crate::key::is_name(hash) {
            return Err(wrong("this is no hash"));
        }
        let body = self.queue.file(&text_file(hash))?.ok_or_else(|| wrong("it is not there"))?;
        if body.len() > LARGEST_TEXT {
            return Err(wrong("it is too large"));
        }
        let text = String::from_utf8(body).map_err(|_| wrong("it is no text"))?;
        if hash_of(&text) == hash { Ok(text) } else { Err(wrong("it has another hash")) }
    }
}

impl std::fmt::Debug for Desk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// Refuses the text of a scenario that is too large for a campaign.
pub fn check_text(text: &str) -> Result<(), Trouble> {
    if text.len() <= LARGEST_TEXT {
        return Ok(());
    }
    let message = format!(
        "a scenario of a campaign has at most {LARGEST_TEXT} bytes, and this one {}\n\
         let [generate] stand for what repeats, or split the scenario",
        text.len()
    );
    Err(Trouble::of_item(message))
}

/// How many characters of a hash name something.
const SHORT: usize = 24;

/// Returns the hash that names a text.
pub fn hash_of(text: &str) -> String {
    let mut hash = journal::hash([text]);
    hash.truncate(SHORT);
    hash
}

fn text_file(hash: &str) -> String {
    format!("texts/{hash}.toml")
}

fn json(what: &impl Serialize) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(what)
        .map_err(|error| Trouble::new(format!("cannot be written down: {error}")))
}
