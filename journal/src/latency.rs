//! How long a segment travels.

use std::time::Duration;

/// How long a segment travels, one way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Drawn evenly from the range for each segment; segments of a stream stay in order.
    Uniform(Duration, Duration),
}
