//! Reads what is set of a server, with the keys, the units and the mistakes of its configuration file.

use serde_spanned::Spanned;
use settings::{Choices, Kind, Setting, Settings};
use toml::de::DeValue;

use crate::language::{
    mistake::{Code, Mistake},
    reader::Reader,
    table::{Item, Table},
};

/// A shorter word for a setting, and its key.
type Short = (&'static str, &'static str);

/// Takes all settings of a server out of its table. `short` has a shorter word for one of them.
pub(super) fn settings(
    table: &mut Table<'_>,
    known: &'static Settings,
    (short, meant): Short,
    reader: &mut Reader,
) -> Choices {
    let mut choices = Choices::default();
    for setting in known.settings {
        if let Some(item) = table.take(setting.key, reader) {
            choose(&mut choices, setting, &item, reader);
        }
    }
    if let Some(item) = table.take(short, reader) {
        if choices.get(meant).is_some() {
            let mistake =
                Mistake::new(Code::DuplicateName, format!("`{short}` and `{meant}` are the same"))
                    .label("given again here")
                    .help("remove one of them");
            reader.broken(&item, mistake);
        } else if let Some(setting) = known.find(meant) {
            choose(&mut choices, setting, &item, reader);
        }
    }
    for (key, why) in known.elsewhere {
        table.refuse(key, why, reader);
    }
    choices
}

fn choose(choices: &mut Choices, setting: &'static Setting, item: &Item<'_>, reader: &mut Reader) {
    if setting.kind == Kind::Names {
        let names = reader.texts(item);
        return choices.set(setting, settings::Choice::Names(names));
    }
    match setting.read(Spanned::new(item.span.clone(), item.value.clone())) {
        Ok(choice) => choices.set(setting, choice),
        Err(error) => {
            let is_text = matches!(item.value, DeValue::String(_));
            let code = match setting.kind {
                Kind::Duration if is_text => Code::BadDuration,
                _ if error.message().starts_with("invalid type") => Code::WrongType,
                _ => Code::BadValue,
            };
            let message = format!("`{}`: {}", item.at, error.message());
            let mistake = Mistake::new(code, message)
                .label("not what this setting can be")
                .help(format!("write, for example, {} = {}", setting.key, setting.example));
            reader.broken(item, mistake);
        }
    }
}
