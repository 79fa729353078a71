//! The bytes of a file in pages, which copies of the file share until one of them writes.

use std::sync::Arc;

/// Bytes of a page: as many as SQLite's pages have, so that a checkpoint writes whole ones.
pub(super) const PAGE: usize = 2048;

/// One page. In a box of its own, because next to the counters it would take a quarter more memory:
/// allocators have a size class for a power of two, and none for a little more.
pub(super) type Page = Arc<Box<[u8; PAGE]>>;

thread_local! {
    /// What nobody has written yet. One for each thread, so that worlds on several threads do not
    /// count its users in one place.
    static ZEROS: Page = Arc::new(Box::new([0; PAGE]));
}

/// The bytes of a file. Beyond its length its last page is zero.
#[derive(Clone, Default)]
pub(super) struct Pages {
    pages: Vec<Page>,
    len: usize,
}

impl Pages {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns page number `index`, if the file reaches there.
    pub(super) fn get(&self, index: usize) -> Option<&Page> {
        self.pages.get(index)
    }

    /// Copies what there is at `offset` into `out`; returns how many bytes there were.
    pub(super) fn read(&self, offset: usize, out: &mut [u8]) -> usize {
        let count = self.len.saturating_sub(offset).min(out.len());
        let mut done = 0;
        while done < count {
            let (index, within) = place(offset + done);
            let piece = (PAGE - within).min(count - done);
            out[done..done + piece].copy_from_slice(&self.pages[index][within..within + piece]);
            done += piece;
        }
        count
    }

    /// Writes `bytes` at `offset`, growing (with zeros in a gap) if need be.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.len {
            self.resize(end);
        }
        let mut done = 0;
        while done < bytes.len() {
            let (index, within) = place(offset + done);
            let piece = (PAGE - within).min(bytes.len() - done);
            let source = &bytes[done..done + piece];
            if let Ok(whole) = <&[u8; PAGE]>::try_from(source) {
                self.pages[index] = Arc::new(Box::new(*whole));
            } else {
                let page = Arc::make_mut(&mut self.pages[index]);
                page[within..within + piece].copy_from_slice(source);
            }
            done += piece;
        }
    }

    /// Cuts, or extends with zeros, to `len` bytes.
    pub(super) fn resize(&mut self, len: usize) {
        self.pages.resize_with(len.div_ceil(PAGE), || ZEROS.with(Arc::clone));
        let (index, within) = place(len);
        if len < self.len
            && let Some(last) = self.pages.get_mut(index)
        {
            Arc::make_mut(last)[within..].fill(0);
        }
        self.len = len;
    }

    /// Returns all bytes in one piece.
    #[cfg(test)]
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        self.read(0, &mut bytes);
        bytes
    }
}

impl PartialEq for Pages {
    fn eq(&self, other: &Self) -> bool {
        // Page by page, because a shared page is equal without a look at its bytes.
        let mut pages = self.pages.iter().zip(&other.pages);
        self.len == other.len && pages.all(|(one, other)| Arc::ptr_eq(one, other) || one == other)
    }
}

impl Eq for Pages {}

impl From<&[u8]> for Pages {
    fn from(bytes: &[u8]) -> Self {
        let mut pages = Self::default();
        pages.write(0, bytes);
        pages
    }
}

/// Returns the page of the byte at `offset`, and where in it the byte is.
fn place(offset: usize) -> (usize, usize) {
    (offset / PAGE, offset % PAGE)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{PAGE, Pages};

    #[test]
    fn what_is_written_across_pages_is_read_again() {
        let mut pages = Pages::default();
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(2 * PAGE).collect();
        pages.write(PAGE - 7, &bytes);
        let mut out = vec![1; 3 * PAGE];
        assert_eq!(pages.read(1, &mut out), 3 * PAGE - 8);
        assert_eq!(out[..PAGE - 8], vec![0; PAGE - 8]);
        assert_eq!(out[PAGE - 8..3 * PAGE - 8], bytes);
    }

    #[test]
    fn what_was_cut_off_reads_as_zeros_when_the_file_grows_again() {
        let mut pages = Pages::from([1; 100].as_slice());
        pages.resize(10);
        pages.resize(100);
        assert_eq!(pages.to_vec()[10..], [0; 90]);
    }

    #[test]
    fn a_copy_shares_the_pages_that_nobody_writes() {
        let original = Pages::from([1; 2 * PAGE].as_slice());
        let mut copy = original.clone();
        copy.write(0, &[2]);
        assert_eq!((original.to_vec()[0], copy.to_vec()[0]), (1, 2));
        let second = |pages: &Pages| Arc::clone(pages.get(1).expect("two pages"));
        assert!(Arc::ptr_eq(&second(&original), &second(&copy)));
    }
}
