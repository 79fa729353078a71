//! A row of the table: what is measured, and what figure is good enough.

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// As long as the goal asks for, or long enough for a steady figure.
    Full,
    /// Just long enough to show that it works. The figures mean little.
    Quick,
}

impl Length {
    /// Returns the value for this length.
    pub(super) fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// A row.
#[derive(Debug)]
pub(super) struct Row {
    /// Its name, by which it is selected.
    pub(super) name: &'static str,
    /// What is measured, in a few words.
    pub(super) what: &'static str,
    /// What its figures count, or are a ratio of.
    pub(super) unit: Unit,
    /// What its figure must reach.
    pub(super) goal: Goal,
    /// Measures it.
    pub(super) measure: fn(Length) -> Result<Measured, String>,
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Measured {
    /// The figure, in the unit of the row.
    pub(super) figure: f64,
    /// What it was computed from, for people.
    pub(super) detail: String,
}

/// What a figure must reach.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
}

impl Goal {
    /// Returns whether `figure` is good enough. One that could not be measured (NaN) never is.
    pub(super) fn is_reached(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        }
    }

    pub(super) fn limit(self) -> f64 {
        match self {
            Self::AtLeast(limit) | Self::AtMost(limit) => limit,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::AtLeast(_) => "at least",
            Self::AtMost(_) => "at most",
        }
    }

    /// Returns the goal as the table shows it.
    pub(super) fn text(self, unit: Unit) -> String {
        let sign = match self {
            Self::AtLeast(_) => '≥',
            Self::AtMost(_) => '≤',
        };
        format!("{sign} {}", unit.text(self.limit()))
    }
}

/// What a figure counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    /// Simulated seconds in the CPU time of one yardstick.
    SecondsAYardstick,
    /// Runs in the CPU time of one yardstick.
    RunsAYardstick,
    /// A ratio.
    Times,
    /// A percentage.
    Percent,
}

impl Unit {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::SecondsAYardstick => "simulated seconds a yardstick",
            Self::RunsAYardstick => "runs a yardstick",
            Self::Times => "times",
            Self::Percent => "percent",
        }
    }

    /// Returns a figure as the table shows it.
    pub(super) fn text(self, figure: f64) -> String {
        let number = number(figure);
        match self {
            Self::SecondsAYardstick => format!("{number} s"),
            Self::RunsAYardstick => format!("{number} runs"),
            Self::Times => format!("{number} x"),
            Self::Percent => format!("{number} %"),
        }
    }
}

/// Returns a number with three digits, or all those of a larger whole number, and commas between
/// thousands.
pub(super) fn number(figure: f64) -> String {
    let digits = match figure.abs() {
        size if size < 1.0 => 3,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{figure:.digits$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut spaced = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            spaced.push(',');
        }
        spaced.push(digit);
    }
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() { spaced } else { format!("{spaced}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::{Goal, number};

    #[test]
    fn a_figure_is_short_to_read() {
        let figures = [20_000.0, 1.8, 0.1, 15.0, 1_234_567.8, 0.034_56];
        let texts = figures.map(number);
        assert_eq!(texts, ["20,000", "1.8", "0.1", "15", "1,234,568", "0.035"]);
    }

    #[test]
    fn what_could_not_be_measured_reaches_no_goal() {
        assert!(Goal::AtLeast(2.0).is_reached(2.0) && Goal::AtMost(2.0).is_reached(2.0));
        assert!(!Goal::AtLeast(2.0).is_reached(1.9) && !Goal::AtMost(2.0).is_reached(2.1));
        assert!(!Goal::AtLeast(2.0).is_reached(f64::NAN));
        assert!(!Goal::AtMost(2.0).is_reached(f64::NAN));
    }
}
