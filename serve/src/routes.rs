//! The HTTP interface: every address, and what it is asked with. All are GET; all but the pages
//! answer JSON, or a sentence in `problem`.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Query, State},
    middleware,
    response::Response,
    routing::get,
};
use serde::Deserialize;

use crate::{
    answer, difference,
    entries::{self, Page},
    entry, exploration, guard, overview, pages,
    shelf::Shelf,
    state, summary,
};

type Shown = State<Arc<Shelf>>;

/// Returns all of them.
pub(crate) fn all(shelf: Arc<Shelf>) -> Router {
    Router::new()
        .route("/", get(pages::page))
        .route("/serve.js", get(pages::script))
        .route("/serve.css", get(pages::style))
        .route("/icon.svg", get(pages::icon))
        .route("/api/overview", get(everything))
        .route("/api/run", get(run))
        .route("/api/entries", get(page_of_entries))
        .route("/api/entry", get(one_entry))
        .route("/api/state", get(machines))
        .route("/api/difference", get(two_runs))
        .route("/api/exploration", get(search))
        .route("/api/scenario", get(scenario))
        .layer(middleware::from_fn(guard::guard))
        .with_state(shelf)
}

/// A run, by its way below the folder that is shown.
#[derive(Deserialize)]
struct OfRun {
    run: String,
}

/// An entry of a run.
#[derive(Deserialize)]
struct OfEntry {
    run: String,
    n: u64,
}

/// Two runs.
#[derive(Deserialize)]
struct OfTwo {
    left: String,
    right: String,
}

/// A file, by its way below the folder that is shown.
#[derive(Deserialize)]
struct OfFile {
    file: String,
}

async fn everything(State(shelf): Shown) -> Response {
    answer::of(|| Ok(answer::json(&overview::of(&shelf))))
}

async fn run(State(shelf): Shown, Query(asked): Query<OfRun>) -> Response {
    answer::of(|| {
        let run = shelf.run(&asked.run)?;
        Ok(answer::json(&summary::of(&shelf.folder, &run)))
    })
}

async fn page_of_entries(State(shelf): Shown, Query(asked): Query<Page>) -> Response {
    answer::of(|| {
        let run = shelf.run(&asked.run)?;
        Ok(answer::json(&entries::of(&run, &asked)))
    })
}

async fn one_entry(State(shelf): Shown, Query(asked): Query<OfEntry>) -> Response {
    answer::of(|| {
        let run = shelf.run(&asked.run)?;
        Ok(answer::json(&entry::of(&run, asked.n)?))
    })
}

async fn machines(State(shelf): Shown, Query(asked): Query<OfEntry>) -> Response {
    answer::of(|| {
        let run = shelf.run(&asked.run)?;
        Ok(answer::json(&state::of(&run, asked.n)?))
    })
}

async fn two_runs(State(shelf): Shown, Query(asked): Query<OfTwo>) -> Response {
    answer::of(|| {
        let (left, right) = (shelf.run(&asked.left)?, shelf.run(&asked.right)?);
        Ok(answer::json(&difference::of(&left, &right)))
    })
}

async fn search(State(shelf): Shown, Query(asked): Query<OfFile>) -> Response {
    answer::of(|| Ok(answer::json(&exploration::of(&shelf.folder, &asked.file)?)))
}

async fn scenario(State(shelf): Shown, Query(asked): Query<OfFile>) -> Response {
    answer::of(|| Ok(answer::json(&exploration::scenario(&shelf.folder, &asked.file)?)))
}
