//! `fedsim report`: shows runs that were written down in other ways.

use std::{fs, path::Path};

use reports::{RENDERERS, Renderer, folder, index};
use serde_json::json;

use crate::{
    arguments::Report,
    exit::{Exit, Stop},
    kept::{self, KeptRun},
    output::{Output, Tone},
};

/// Returns the list of formats for the help.
pub(crate) fn formats() -> String {
    let lines = RENDERERS.iter().map(|it| format!("\n  {:<9}{:<18}{}", it.name, it.file, it.about));
    format!("Formats, and the file or folder of each:{}", lines.collect::<String>())
}

/// Writes what was asked for.
pub(crate) fn report(wanted: &Report, output: &mut Output) -> Result<Exit, Stop> {
    let mut records = Vec::new();
    for named in &wanted.runs {
        records.extend(kept::records(named)?);
    }
    if let Some(path) = &wanted.output {
        let ([record], [renderer]) = (&records[..], &wanted.format[..]) else {
            let message = "--output is for one run in one format\nleave it out: each file goes beside its record";
            return Err(Stop::because(Exit::Usage, message));
        };
        one(&kept::read(record)?, renderer, path, output)?;
        return Ok(Exit::Holds);
    }
    let mut rows = Vec::new();
    for record in &records {
        let run = kept::read(record)?;
        if let Some(page) = &wanted.index {
            rows.push(index::Row::of(&run.record, Some(&relative(&run.folder, page))));
        }
        for renderer in &wanted.format {
            beside(&run, renderer, output)?;
        }
    }
    if let Some(page) = &wanted.index {
        folder::put(page, index::render(&rows, rows.len() as u64).as_bytes())
            .map_err(|error| unwritable(page, &error))?;
        tell(page, output)?;
    }
    Ok(Exit::Holds)
}

/// Writes the files of a run in one format beside its record.
fn beside(run: &KeptRun, renderer: &Renderer, output: &mut Output) -> Result<(), Stop> {
    let written = folder::render(&run.folder, &run.source(), renderer)
        .map_err(|error| unwritable(&run.folder, &error))?;
    let paths = written.map_err(|why| no_journal(run, &why))?;
    paths.iter().try_for_each(|path| tell(path, output))
}

/// Writes the only file of a run in one format elsewhere.
fn one(run: &KeptRun, renderer: &Renderer, path: &Path, output: &mut Output) -> Result<(), Stop> {
    let files = renderer.files(&run.source()).map_err(|why| no_journal(run, &why))?;
    let [file] = &files[..] else {
        let message =
            format!("`{}` makes {} files\nleave out --output", renderer.name, files.len());
        return Err(Stop::because(Exit::Usage, message));
    };
    if path == Path::new("-") {
        return Ok(output.bytes(&file.bytes)?);
    }
    fs::write(path, &file.bytes).map_err(|error| unwritable(path, &error))?;
    tell(path, output)
}

fn tell(path: &Path, output: &mut Output) -> Result<(), Stop> {
    if !output.quiet {
        output.word(Tone::Good, "wrote", &path.display().to_string())?;
    }
    Ok(output.object(&json!({ "type": "written", "file": path.display().to_string() }))?)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Stop {
    Stop::because(Exit::Usage, format!("cannot write {}: {error}", path.display()))
}

fn no_journal(run: &KeptRun, why: &reports::NoJournal) -> Stop {
    let help = "run it again with `--journal always`";
    Stop::because(Exit::Usage, format!("{}: {why}\n{help}", run.folder.display()))
}

/// Returns the way from a page's folder to a run's folder, as a link has it.
pub(crate) fn relative(folder: &Path, page: &Path) -> String {
    let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let around = page.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (folder, around) = (whole(folder), whole(around));
    let mut common = &*around;
    let mut up = String::new();
    while !folder.starts_with(common) {
        up.push_str("../");
        common = common.parent().unwrap_or(Path::new("/"));
    }
    let down = folder.strip_prefix(common).unwrap_or(&folder);
    format!("{up}{}", down.display())
}
