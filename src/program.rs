//! Whose command it is: the federation that it plays, the world in which it does, and its name.

use std::{process::ExitCode, sync::Arc};

use ::explore::{
    Subject,
    trial::{Founder, MAX_ENTRIES},
};
use checks::Promises;
use clap::{CommandFactory, FromArgMatches};
use runs::{
    Federation, Options,
    world::{Simulated, Universe},
};
use scenarios::{Vocabulary, vocabulary::HOMESERVERS};

use crate::{
    arguments::{Arguments, Command},
    campaign, check,
    exit::{Exit, Stop},
    explain, explore, judge, list, new,
    output::Output,
    replay, report, run, schema, serve, show, shrink, surface,
};

/// The subcommands that are about fedsim's own homeservers, whatever else is played.
const OF_HOMESERVERS: [&str; 3] = ["bench", "compare", "defects"];

/// A command for a federation.
pub struct Program {
    universe: Arc<dyn Universe>,
    found: Founder,
    promises: &'static Promises,
    /// The federation's type, without the modules that it is in.
    federation: &'static str,
}

impl Program {
    /// Returns the command for the federation that `found` makes, a fresh one for each run, in the
    /// simulated world.
    pub fn new<F: Federation>(found: impl Fn() -> F + Send + Sync + 'static) -> Self {
        let promises = found().promises();
        let found: Founder = Arc::new(move || Arc::new(found()));
        let path = std::any::type_name::<F>();
        let federation = path.rsplit("::").next().unwrap_or(path);
        Self { universe: Arc::new(Simulated), found, promises, federation }
    }

    /// Plays in another world.
    #[must_use]
    pub fn in_world(mut self, universe: impl Universe + 'static) -> Self {
        self.universe = Arc::new(universe);
        self
    }

    /// Does what the arguments of the process say, and returns its exit code.
    pub fn main(&self) -> ExitCode {
        let matches = self.surface().get_matches();
        let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        arguments.global.color.write_global();
        let mut output = Output::new(arguments.global);
        let done = self.dispatch(&arguments.command, &mut output);
        let exit = done.unwrap_or_else(|stop| stopped(stop, &mut output));
        ExitCode::from(exit.code())
    }

    fn dispatch(&self, command: &Command, output: &mut Output) -> Result<Exit, Stop> {
        match command {
            Command::Run(wanted) => run::run(wanted, self, output),
            Command::Explore(wanted) => explore::explore(wanted, self, output),
            Command::Campaign(wanted) => campaign::campaign(wanted, self, output),
            Command::Shrink(wanted) => shrink::shrink(wanted, self, output),
            Command::Replay(wanted) => replay::replay(wanted, self, output),
            Command::Report(wanted) => report::report(wanted, output),
            Command::Show(wanted) => show::show(wanted, output),
            Command::Serve(wanted) => serve::serve(wanted, output),
            Command::Judge(wanted) => judge::judge(wanted, self, output),
            Command::Check(wanted) => check::check(wanted, self, output),
            Command::List(wanted) => list::list(wanted, self, output),
            Command::Schema(wanted) => schema::schema(wanted, self, output),
            Command::New(wanted) => new::new(wanted, self, output),
            Command::Explain(wanted) => explain::explain(wanted, self, output),
            Command::Completions(wanted) => surface::completions(wanted, self, output),
            Command::Man(wanted) => surface::man(wanted, self, output),
            #[cfg(feature = "homeservers")]
            Command::Defects(wanted) => {
                self.own(output, |output| crate::defects::defects(wanted, output))
            }
            #[cfg(feature = "homeservers")]
            Command::Compare(wanted) => {
                self.own(output, |output| crate::compare::compare(wanted, self, output))
            }
            #[cfg(feature = "homeservers")]
            Command::Bench(wanted) => {
                self.own(output, |output| crate::bench::bench(wanted, output))
            }
        }
    }

    /// Does what only fedsim's own homeservers can be asked for.
    #[cfg(feature = "homeservers")]
    fn own(
        &self,
        output: &mut Output,
        act: impl FnOnce(&mut Output) -> Result<Exit, Stop>,
    ) -> Result<Exit, Stop> {
        if self.is_fedsim() {
            return act(output);
        }
        let message = format!(
            "this is about fedsim's own homeservers, and {} has others\n\
             the command `fedsim` of fedsim itself does it",
            self.name()
        );
        Err(Stop::because(Exit::Usage, message))
    }

    /// Returns the subcommands and flags, under the name of this program.
    pub(crate) fn surface(&self) -> clap::Command {
        let surface = Arguments::command();
        if self.is_fedsim() {
            return surface;
        }
        let Vocabulary { program, version, .. } = self.vocabulary();
        let about = format!(
            "Runs the federation of {program} in a simulated world, breaks it on purpose, and judges \
             what it promised"
        );
        let surface = surface.name(program).bin_name(*program).version(version).about(about);
        renamed(surface, program).mut_subcommands(|command| {
            let is_fedsims = OF_HOMESERVERS.contains(&command.get_name());
            command.hide(is_fedsims)
        })
    }

    /// Returns what is explored and shrunk.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            universe: Arc::clone(&self.universe),
            found: Arc::clone(&self.found),
            options: Options { max_entries: Some(MAX_ENTRIES), ..Options::default() },
        }
    }

    /// Returns the expression that makes the federation, as far as it can be known.
    pub(crate) fn found_by(&self) -> String {
        let module = if self.is_fedsim() { "fedsim::runs::" } else { "" };
        format!("{module}{}::default", self.federation)
    }

    /// Runs a scenario, and judges it.
    pub(crate) fn run(
        &self,
        scenario: &scenarios::Scenario,
        seed: u64,
        options: &Options,
    ) -> checks::Run {
        runs::run_on(&*self.universe, (self.found)(), scenario, seed, options)
    }

    /// Returns what the federation promises.
    pub(crate) fn promises(&self) -> &'static Promises {
        self.promises
    }

    /// Returns what its scenarios can name.
    pub(crate) fn vocabulary(&self) -> &'static Vocabulary {
        self.promises.vocabulary
    }

    /// Returns its name, by which records know it.
    pub(crate) fn name(&self) -> &'static str {
        self.vocabulary().program
    }

    /// Returns whether it plays fedsim's own homeservers and relays.
    pub(crate) fn is_fedsim(&self) -> bool {
        self.name() == HOMESERVERS.program
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Has the help speak of `program` where it says which command to use.
fn renamed(command: clap::Command, program: &str) -> clap::Command {
    let said = |text: &clap::builder::StyledStr| {
        text.to_string().replace("`fedsim ", &format!("`{program} "))
    };
    let after = command.get_after_help().map(said);
    let command = command.mut_args(|argument| match argument.get_help().map(said) {
        Some(help) => argument.help(help),
        None => argument,
    });
    let command = match after {
        Some(after) => command.after_help(after),
        None => command,
    };
    command.mut_subcommands(|command| renamed(command, program))
}

/// Says why nothing more can be done, unless nobody is reading anymore.
fn stopped(stop: Stop, output: &mut Output) -> Exit {
    let (exit, message) = match stop {
        Stop::NobodyReads => return Exit::NobodyReads,
        Stop::Because(exit, message) => (exit, message),
    };
    match output.refusal(&message) {
        Ok(()) => exit,
        Err(_) => Exit::NobodyReads,
    }
}
