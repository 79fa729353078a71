//! `fedsim serve`: shows runs and explorations in the browser, until it is ended.

use serde_json::json;
use serve::{Place, Refused};

use crate::{
    arguments::Serve,
    exit::{Exit, Stop},
    output::{Output, Tone},
};

/// What the help says besides the flags.
pub(crate) const HELP: &str = "\
Open the address that it prints in a browser. It goes on until Ctrl-C.

  fedsim run mine.toml --journal always   # the journal has what requests carried
  fedsim serve                            # in another terminal, or after that
  fedsim explore mine.toml --runs 5000    # is followed live, too

It only reads, and the page asks nobody but this program.";

/// Shows what was asked for.
pub(crate) fn serve(wanted: &Serve, output: &mut Output) -> Result<Exit, Stop> {
    let place = Place { folder: wanted.folder.clone(), bind: wanted.bind, port: wanted.port };
    let served = serve::open(&place).map_err(|refused| refusal(&refused))?;
    let address = format!("http://{}/", served.address());
    if !wanted.bind.is_loopback() {
        let folder = wanted.folder.display();
        output.note(&format!("whoever can reach {address} can read everything in {folder}"))?;
    }
    if !output.quiet {
        let text = format!("{} at {address} until Ctrl-C", wanted.folder.display());
        output.word(Tone::Plain, "Serving", &text)?;
    }
    output.object(&json!({ "type": "serving", "address": address }))?;
    served
        .run()
        .map_err(|why| Stop::because(Exit::Internal, format!("cannot begin a thread: {why}")))?;
    Ok(Exit::Holds)
}

fn refusal(refused: &Refused) -> Stop {
    Stop::because(Exit::Usage, refused.to_string())
}
