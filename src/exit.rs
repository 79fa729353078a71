//! The exit codes, and what ends the command early.

use std::io;

/// The exit codes, as the help shows them.
pub(crate) const TABLE: &str = "\
Exit codes:
  0    every expectation holds
  1    a check is violated
  2    bad usage or a bad scenario file
  3    inconclusive: a limit was reached; without --lenient also an inert fault, a vacuous check,
       or a situation that never came about
  4    nothing was selected
  5    a replay or a repetition differs: a defect of fedsim, not of what it tested, unless another
       build made the record
  70   internal error
  130  ended by Ctrl-C";

/// Returns whether the table has that code.
pub(crate) fn is_code(text: &str) -> bool {
    text.parse::<u8>().is_ok()
        && TABLE.lines().any(|line| line.split_whitespace().next() == Some(text))
}

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Every expectation holds.
    Holds,
    /// Neither could be shown, or less was shown than was asked for.
    Inconclusive,
    /// Some check is violated.
    Violated,
    /// Two runs of the same thing differ.
    Diverged,
    /// An error of the command itself.
    Internal,
    /// Nothing was selected.
    NothingSelected,
    /// Bad usage or a bad scenario file.
    Usage,
    /// Ctrl-C ended it before its work was done.
    Interrupted,
    /// Standard output was closed.
    NobodyReads,
}

impl Exit {
    /// Returns the code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Violated => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::NothingSelected => 4,
            Self::Diverged => 5,
            Self::Internal => 70,
            // What shells report of a program that Ctrl-C ended.
            Self::Interrupted => 130,
            // What a shell reports when SIGPIPE ended a program.
            Self::NobodyReads => 141,
        }
    }

    /// Returns the more serious of the two, in the order of the variants.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        self.max(other)
    }
}

/// What ends the command before its work is done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Standard output was closed.
    NobodyReads,
    /// Nothing more can be done, and why: the first line is the message, further ones the remedy.
    Because(Exit, String),
}

impl Stop {
    /// Stops with a message.
    pub(crate) fn because(exit: Exit, message: impl Into<String>) -> Self {
        Self::Because(exit, message.into())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::because(Exit::Internal, format!("cannot write the output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_divergence_outweighs_a_violation_and_that_an_open_question() {
        assert_eq!(Exit::Violated.and(Exit::Diverged), Exit::Diverged);
        assert_eq!(Exit::Inconclusive.and(Exit::Violated), Exit::Violated);
        assert_eq!(Exit::Holds.and(Exit::Inconclusive), Exit::Inconclusive);
    }
}
