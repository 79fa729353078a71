//! The gateway: every connection between machines ends here and begins anew towards its target.
//!
//! `entrances`: addresses on which servers are met. `socket`: an end of a connection. `way`: from one
//! machine to another, and what is in it. `attempt`: a connection that may not come about. `line`: a connection as it is recorded. `carry`: bytes from
//! one end to the other. `replay`: requests that come again.

mod attempt;
mod carry;
mod entrances;
mod line;
mod replay;
mod socket;
mod way;

pub(crate) use self::{
    attempt::attempt,
    carry::carry,
    entrances::open,
    line::{Line, Parcel, Side},
    replay::Replay,
    socket::Socket,
    way::{Call, reach, through},
};
