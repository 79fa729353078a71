//! A room's timeline as one reader sees it, page by page.

use std::ops::Range;

use rusqlite::Connection;

use super::{filter::EventFilter, rooms::Direction};
use crate::{
    event::Pdu,
    pdu::sight::Sight,
    store::{
        StoreError, events,
        relations::{self, Timed},
    },
};

/// Events that are looked at for one page, seen or not; the page ends there.
const MAX_LOOKED_AT: usize = 2000;

/// What of a timeline is read.
pub(crate) struct Pages<'a> {
    /// The positions.
    pub(crate) stretch: Range<i64>,
    pub(crate) direction: Direction,
    /// Events at most.
    pub(crate) limit: usize,
    /// Which of them are wanted.
    pub(crate) filter: &'a EventFilter,
}

/// Events that a reader sees, in the order of the direction.
pub(crate) struct Page {
    pub(crate) events: Vec<(i64, Pdu)>,
    /// The position of the last event that was looked at; `None` if there was none.
    pub(crate) last: Option<i64>,
    /// Whether the room may have more in that direction.
    pub(crate) has_more: bool,
}

/// Returns events that the reader sees and wants.
///
/// # Errors
/// The store refuses.
pub(crate) fn page(
    connection: &Connection,
    sight: &Sight<'_>,
    wanted: Pages<'_>,
) -> Result<Page, StoreError> {
    let Pages { mut stretch, direction, limit, filter } = wanted;
    if !filter.wants_any_of(sight.room) {
        return Ok(Page { events: Vec::new(), last: None, has_more: false });
    }
    let mut page = Page { events: Vec::new(), last: None, has_more: true };
    let mut looked_at = 0;
    while page.events.len() < limit && looked_at < MAX_LOOKED_AT {
        let wanted = limit - page.events.len();
        let found = match direction {
            Direction::Forwards => {
                events::timeline_forwards(connection, sight.room, stretch.clone(), wanted)?
            }
            Direction::Backwards => {
                events::timeline_backwards(connection, sight.room, stretch.clone(), wanted)?
            }
        };
        looked_at += found.len();
        page.has_more = found.len() == wanted;
        for (position, record) in found {
            page.last = Some(position);
            if filter.wants(&record.pdu) && sight.sees(Some(position), &record)? {
                page.events.push((position, record.pdu));
            }
        }
        match (page.last, direction) {
            (Some(last), Direction::Forwards) => stretch.start = last.saturating_add(1),
            (Some(last), Direction::Backwards) => stretch.end = last,
            (None, _) => {}
        }
        if !page.has_more {
            break;
        }
    }
    Ok(page)
}

/// Returns the event that is nearest to a time, at it or on one side of it, of those that the reader sees.
///
/// # Errors
/// The store refuses.
pub(crate) fn nearest(
    connection: &Connection,
    sight: &Sight<'_>,
    ts: i64,
    forwards: bool,
) -> Result<Option<Timed>, StoreError> {
    for event in relations::near(connection, sight.room, ts, forwards)? {
        let Some(record) = events::find(connection, &event.event_id)? else { continue };
        if sight.sees(Some(event.position), &record)? {
            return Ok(Some(event));
        }
    }
    Ok(None)
}
