//! `fedsim run --world live`: which scenarios processes can play, how long that takes, and what a
//! world that does not repeat came to over several runs.

use std::{collections::BTreeMap, time::Duration};

use checks::Run as Judged;
#[cfg(feature = "homeservers")]
use live_world::{Live, Servers, caveats, duration, obstacles};
use reports::line::INDENT;
use runs::Options;
use scenarios::Scenario;

use crate::{
    arguments::{Run, World},
    exit::{Exit, Stop},
    output::Output,
    program::Program,
    run::counted,
    select::Selected,
    trial::Trial,
};

/// Where runs take place.
#[derive(Debug)]
pub(crate) enum Place {
    /// In the simulated world.
    Simulated,
    /// On real processes, of these kinds.
    #[cfg(feature = "homeservers")]
    Live(Servers),
}

impl Place {
    /// Returns where `wanted` is to take place.
    #[cfg_attr(
        not(feature = "homeservers"),
        expect(unused_variables, reason = "without servers there is nothing to say")
    )]
    pub(crate) fn of(wanted: &Run, program: &Program) -> Result<Self, Stop> {
        let usage = |message| Stop::because(Exit::Usage, message);
        match wanted.world {
            #[cfg(feature = "homeservers")]
            World::Live if !program.is_fedsim() => Err(usage(format!(
                "processes can play Matrix' servers, and {} has others\n\
                 the command `fedsim` of fedsim itself does it",
                program.name()
            ))),
            #[cfg(feature = "homeservers")]
            World::Live => {
                let servers = wanted.servers.as_deref().map(Servers::load).transpose();
                Ok(Self::Live(servers.map_err(usage)?.unwrap_or_default()))
            }
            World::Sim if wanted.servers.is_some() || wanted.repeat.get() > 1 => Err(usage(
                "--servers and --repeat are about real processes\nadd --world live".to_owned(),
            )),
            World::Sim => Ok(Self::Simulated),
        }
    }

    /// Returns whether time is real, so that no run is like another.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self, Self::Simulated)
    }

    /// Runs a scenario.
    pub(crate) fn run(
        &self,
        program: &Program,
        scenario: &Scenario,
        seed: u64,
        options: &Options,
    ) -> Judged {
        match self {
            Self::Simulated => program.run(scenario, seed, options),
            #[cfg(feature = "homeservers")]
            Self::Live(servers) => {
                let universe = Live::new(scenario, servers, crate::interrupt::is_set);
                let federation = std::sync::Arc::new(runs::Homeservers::default());
                runs::run_on(&universe, federation, scenario, seed, options)
            }
        }
    }
}

/// Leaves out what cannot be played here, and says why; says what is done otherwise.
#[cfg_attr(
    not(feature = "homeservers"),
    expect(unused_variables, reason = "without servers there is nothing to say")
)]
pub(crate) fn playable(
    place: &Place,
    selected: Vec<Selected>,
    output: &mut Output,
) -> Result<Vec<Selected>, Stop> {
    match place {
        Place::Simulated => Ok(selected),
        #[cfg(feature = "homeservers")]
        Place::Live(servers) => by_processes(servers, selected, output),
    }
}

#[cfg(feature = "homeservers")]
fn by_processes(
    servers: &Servers,
    selected: Vec<Selected>,
    output: &mut Output,
) -> Result<Vec<Selected>, Stop> {
    use crate::output::Tone;
    // From here on, Ctrl-C ends a run and what it has started.
    crate::interrupt::flag();
    let mut playable = Vec::new();
    for one in selected {
        let reasons = obstacles(&one.scenario, servers);
        if reasons.is_empty() {
            playable.push(one);
        } else if !output.quiet {
            let text = format!("{}: {}", one.scenario.name, reasons.join("; "));
            output.word(Tone::Plain, "Left out", &text)?;
        }
    }
    if playable.is_empty() {
        let message = "real processes can play none of these scenarios";
        return Err(Stop::because(Exit::NothingSelected, message));
    }
    let mut otherwise: Vec<String> =
        playable.iter().flat_map(|one| caveats(&one.scenario)).collect();
    otherwise.sort_unstable();
    otherwise.dedup();
    if output.quiet {
        return Ok(playable);
    }
    for caveat in &otherwise {
        output.word(Tone::Plain, "Note", caveat)?;
    }
    Ok(playable)
}

/// Returns about how long runs take, one after another.
#[cfg(feature = "homeservers")]
pub(crate) fn takes<'s>(scenarios: impl Iterator<Item = &'s Scenario>) -> Duration {
    scenarios.map(duration).sum()
}

/// Returns no time: nothing else takes real time.
#[cfg(not(feature = "homeservers"))]
pub(crate) fn takes<'s>(_: impl Iterator<Item = &'s Scenario>) -> Duration {
    Duration::ZERO
}

/// What the runs of each scenario came to.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<String, BTreeMap<(&'static str, Option<String>), u64>>);

impl Tally {
    /// Counts a run.
    pub(crate) fn count(&mut self, trial: &Trial) {
        let kinds = self.0.entry(trial.title.clone()).or_default();
        *kinds.entry((trial.mark.word(), trial.signature.clone())).or_default() += 1;
    }

    /// Says how often each scenario came to what.
    pub(crate) fn print(&self, output: &mut Output) -> Result<(), Stop> {
        for (title, kinds) in &self.0 {
            let kinds = kinds.iter().map(|((word, signature), count)| match signature {
                Some(signature) => format!("{count} {} ({signature})", word.to_lowercase()),
                None => format!("{count} {}", word.to_lowercase()),
            });
            let kinds = kinds.collect::<Vec<_>>().join(", ");
            output.line(&format!("{}{title}: {kinds}", " ".repeat(INDENT)))?;
        }
        Ok(())
    }
}

/// Returns about how long something takes, in words.
pub(crate) fn about(takes: Duration) -> String {
    let seconds = takes.as_secs();
    if seconds < 120 {
        counted_seconds(seconds)
    } else {
        format!("{} minutes", seconds.div_ceil(60))
    }
}

fn counted_seconds(seconds: u64) -> String {
    counted(usize::try_from(seconds).unwrap_or(usize::MAX), "second")
}
