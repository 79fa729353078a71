//! Faults, as long as they were in force: a shade on the lane of a machine, or between the lanes
//! that a cut parts.

use maud::{Markup, html};

use super::Picture;
use crate::{html::Run, reach::Reach};

/// Half the width of the shade on a lane, and of the one between lanes.
const ON_LANE: i32 = 15;
const BETWEEN: i32 = 9;

pub(super) fn faults(run: &Run<'_>, picture: &Picture<'_>) -> Markup {
    let events = &run.record.events;
    let began = events.iter().filter(|event| event.kind == "fault_began");
    html! {
        @for event in began {
            @let ended = events.iter().find(|it| it.n > event.n && it.kind == "fault_ended" && it.what == event.what);
            @let top = picture.rows.from(event.n);
            @let bottom = ended.map_or(picture.rows.height(), |it| picture.rows.from(it.n));
            (shade(picture, &event.what, top, bottom.saturating_sub(top)))
        }
    }
}

fn shade(picture: &Picture<'_>, what: &str, top: i32, height: i32) -> Markup {
    let lanes = &picture.lanes;
    let reach = Reach::of(what, |name| lanes.x(name).is_some());
    let gaps = lanes.gaps(&reach.sides);
    let places: Vec<(i32, i32)> = if gaps.is_empty() {
        let names = reach.sides.iter().flatten();
        names.filter_map(|name| Some((lanes.x(name)?, ON_LANE))).collect()
    } else {
        gaps.into_iter().map(|gap| (gap, BETWEEN)).collect()
    };
    html! {
        @for (x, half) in places {
            rect.shade x=(x - half) y=(top) width=(2 * half) height=(height) { title { (what) } }
            rect.hatched x=(x - half) y=(top) width=(2 * half) height=(height) {}
        }
    }
}
