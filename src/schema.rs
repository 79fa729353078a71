//! `fedsim schema`: prints a JSON schema.

use crate::{
    arguments::{Schema, SchemaOf},
    exit::{Exit, Stop},
    output::Output,
};

/// Prints the schema that was asked for.
pub(crate) fn schema(wanted: &Schema, output: &mut Output) -> Result<Exit, Stop> {
    match wanted.of {
        SchemaOf::Run => output.raw(&reports::json::schema())?,
        SchemaOf::Journal => {
            output.raw(&format!("{:#}\n", journal::kept::schema()))?;
        }
    }
    Ok(Exit::Holds)
}
