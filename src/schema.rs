//! `fedsim schema`: prints a JSON schema.

use crate::{
    arguments::{Schema, SchemaOf},
    exit::{Exit, Stop},
    output::Output,
    program::Program,
};

/// Prints the schema that was asked for.
pub(crate) fn schema(
    wanted: &Schema,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    match wanted.of {
        SchemaOf::Scenario => {
            let schema = scenarios::language::schema::schema(program.vocabulary());
            output.raw(&format!("{schema:#}\n"))?;
        }
        SchemaOf::Run => output.raw(&reports::json::schema())?,
        SchemaOf::Journal => {
            output.raw(&format!("{:#}\n", journal::kept::schema()))?;
        }
    }
    Ok(Exit::Holds)
}
