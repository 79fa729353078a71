//! A key that can be set, and all keys of a server.

use serde::Deserialize;
use serde_spanned::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::{
    Choice, Wrong,
    amount::{self, DURATIONS, SIZES},
    rules::any,
};

/// Says what of its type makes no sense for a key.
pub type Rule = fn(&'static str, u64) -> Result<(), Wrong>;

/// What can be set of one sort of server.
#[derive(Debug)]
pub struct Settings {
    /// What there is in its configuration file and in a scenario alike.
    pub settings: &'static [Setting],
    /// What there is in its configuration file alone, and why a scenario cannot say it.
    pub elsewhere: &'static [(&'static str, &'static str)],
    /// Two keys of which the first is to be no less than the second.
    pub ordered: Option<(&'static str, &'static str)>,
}

/// A key that can be set.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name.
    pub key: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What holds without it, as a file would say it, without quotes; empty for no names.
    pub default: &'static str,
    /// What holds without it in a simulation, if that is something else.
    pub simulated: Option<&'static str>,
    /// What of its type makes no sense.
    pub rule: Rule,
    /// What it means, in a sentence without a period.
    pub means: &'static str,
    /// A value, as it is written in a file.
    pub example: &'static str,
}

/// What a value is. Every one but names is an amount, which is counted in the smallest unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`: 1 or 0.
    Flag,
    /// A whole number of 32 bits.
    Count,
    /// A whole number of 64 bits.
    Number,
    /// A duration: milliseconds.
    Duration,
    /// A size: bytes.
    Bytes,
    /// A list of names of servers.
    Names,
}

impl Settings {
    /// Returns the setting with this key.
    pub fn find(&self, key: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// Checks amounts by their keys: each by itself, and those that must agree.
    ///
    /// # Errors
    /// The first key whose value makes no sense.
    pub fn check(&self, amount_of: impl Fn(&str) -> Option<u64>) -> Result<(), Wrong> {
        for setting in self.settings {
            if let Some(amount) = amount_of(setting.key) {
                (setting.rule)(setting.key, amount)?;
            }
        }
        let Some((most, least)) = self.ordered else { return Ok(()) };
        let amount =
            |key: &str| amount_of(key).or_else(|| self.find(key).map(Setting::default_amount));
        if amount(most) < amount(least) {
            let problem = format!("is less than `{least}`");
            return Err(Wrong { key: most, problem, remedy: "raise it".to_owned() });
        }
        Ok(())
    }
}

/// Returns a setting for which everything of its type makes sense.
pub(super) const fn setting(
    key: &'static str,
    kind: Kind,
    default: &'static str,
    means: &'static str,
    example: &'static str,
) -> Setting {
    Setting { key, kind, default, simulated: None, rule: any, means, example }
}

impl Setting {
    /// Returns the same setting with a rule.
    pub(super) const fn ruled(self, rule: Rule) -> Self {
        Self { rule, ..self }
    }

    /// Returns the same setting with another default in a simulation.
    pub(super) const fn simulated(self, default: &'static str) -> Self {
        Self { simulated: Some(default), ..self }
    }

    /// Returns the amount that holds without it; 0 for names.
    pub fn default_amount(&self) -> u64 {
        self.amount(self.default)
    }

    /// Returns the amount that holds without it in a simulation; 0 for names.
    pub fn simulated_amount(&self) -> u64 {
        self.amount(self.simulated.unwrap_or(self.default))
    }

    fn amount(&self, text: &str) -> u64 {
        let amount = match self.kind {
            Kind::Flag => Some(u64::from(text == "true")),
            Kind::Count | Kind::Number => text.parse().ok(),
            Kind::Duration => amount::sum(text, DURATIONS),
            Kind::Bytes => amount::sum(text, SIZES),
            Kind::Names => Some(0),
        };
        amount.expect("the defaults of the tables are amounts")
    }

    /// Reads a value, just as a configuration file is read.
    ///
    /// # Errors
    /// It is of another type, or out of the range of its type.
    pub fn read(&self, value: Spanned<DeValue<'_>>) -> Result<Choice, toml::de::Error> {
        let value = ValueDeserializer::from(value);
        let amount = match self.kind {
            Kind::Flag => u64::from(bool::deserialize(value)?),
            Kind::Count => u32::deserialize(value)?.into(),
            Kind::Number => u64::deserialize(value)?,
            Kind::Duration => amount::sum_of(value, DURATIONS)?,
            Kind::Bytes => amount::sum_of(value, SIZES)?,
            Kind::Names => return Vec::deserialize(value).map(Choice::Names),
        };
        Ok(Choice::Amount(amount))
    }

    /// Returns the text of a value in a file.
    pub fn text(&self, choice: &Choice) -> String {
        match (choice, self.kind) {
            (Choice::Amount(amount), Kind::Flag) => (*amount != 0).to_string(),
            (Choice::Amount(amount), Kind::Duration) => {
                format!("\"{}\"", amount::text(*amount, DURATIONS))
            }
            (Choice::Amount(amount), Kind::Bytes) => {
                format!("\"{}\"", amount::text(*amount, SIZES))
            }
            (Choice::Amount(amount), _) => amount.to_string(),
            (Choice::Names(names), _) => {
                let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
                format!("[{}]", quoted.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;
    use crate::{HOMESERVER, RELAY};

    fn read(text: &str) -> Result<Choice, String> {
        let document = DeTable::parse(text).expect("it is TOML").into_inner();
        let (key, value) = document.into_iter().next().expect("a key");
        let known = [&HOMESERVER, &RELAY].into_iter().find_map(|it| it.find(key.get_ref()));
        let read = known.expect("a setting").read(value);
        read.map_err(|error| error.message().to_owned())
    }

    #[test]
    fn every_default_and_every_example_makes_sense_and_is_read_back_from_its_text() {
        for settings in [&HOMESERVER, &RELAY] {
            for setting in settings.settings {
                let example = read(&format!("{} = {}", setting.key, setting.example)).unwrap();
                if let Choice::Amount(amount) = example {
                    (setting.rule)(setting.key, amount).unwrap();
                }
                let default = Choice::Amount(setting.default_amount());
                let said = |it: &Choice| setting.kind != Kind::Names || *it != Choice::Amount(0);
                for choice in [example, default].into_iter().filter(said) {
                    let text = format!("{} = {}", setting.key, setting.text(&choice));
                    assert_eq!(read(&text), Ok(choice), "{text}");
                }
            }
            assert!(settings.check(|key| settings.find(key).map(Setting::default_amount)).is_ok());
        }
    }

    #[test]
    fn what_is_no_amount_is_said_as_a_configuration_file_says_it() {
        let long = read("backoff_first = \"long\"").unwrap_err();
        assert!(long.contains("whole numbers with units (d, h, m, s, ms)"), "{long}");
        let many = read("attempts_before_relay = 4294967296").unwrap_err();
        assert!(many.contains("expected u32"), "{many}");
    }

    #[test]
    fn amounts_that_must_agree_are_compared_with_the_defaults_of_the_others() {
        let check = |first: u64| HOMESERVER.check(|key| (key == "backoff_first").then_some(first));
        assert!(check(3_600_000).is_ok());
        let wrong = check(3_600_001).unwrap_err();
        assert_eq!(wrong.to_string(), "`backoff_max` is less than `backoff_first`; raise it");
    }
}
