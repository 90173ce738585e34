//! The command line: one file a verb. A verb parses its arguments, calls the
//! library and prints; nothing is computed here.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::parameters::Declared;
use crate::world::{Loaded, Refusal};

mod check;
mod parameters;
mod schema;
mod show;

/// Agent-based simulation of export controls on AI chips.
#[derive(Parser)]
#[command(name = "frugality", version, about, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  frugality check reference               is the world in worlds/reference right?
  frugality show reference firms.bytedance  what it says of a firm, and where that is written
  frugality parameters reference          every parameter with its prior and source

Each verb has its own help: frugality show --help")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Check(check::Check),
    Show(show::Show),
    Schema(schema::Schema),
    Parameters(parameters::Parameters),
}

/// Why a verb did not do what was asked.
pub(crate) enum Failure {
    /// A world was refused: exit code 2.
    Refused(Refusal),
    /// What was asked for is not there: exit code 2.
    Wrong(String),
    /// Writing failed: exit code 1.
    Io(io::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        Self::Io(error.into())
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = match arguments.verb {
        Verb::Check(verb) => verb.run(&mut out),
        Verb::Show(verb) => verb.run(&mut out),
        Verb::Schema(verb) => verb.run(&mut out),
        Verb::Parameters(verb) => verb.run(&mut out),
    };
    let flushed = out.flush();
    match result.and_then(|()| Ok(flushed?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(refusal)) => {
            eprintln!("{refusal}");
            ExitCode::from(2)
        }
        Err(Failure::Wrong(message)) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
        // Somebody closed the pipe (`| head`): they have what they want.
        Err(Failure::Io(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Io(e)) => {
            eprintln!("cannot write: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The parameters that the mechanisms read.
pub(crate) fn declared() -> Vec<&'static Declared> {
    crate::mechanisms::declared_parameters()
}

/// Loads a world with settings of the command line.
pub(crate) fn load(world: &Path, sets: &[String]) -> Result<Loaded, Refusal> {
    crate::world::load(world, sets, &declared())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    static DECLARED: [Declared; 3] = [
        Declared { name: "research_elasticity", room: "research", doc: "Elasticity." },
        Declared { name: "review_months", room: "licensing", doc: "Median review." },
        Declared { name: "stacks_per_wafer", room: "fabs", doc: "Stacks." },
    ];

    pub(super) fn declared() -> Vec<&'static Declared> {
        DECLARED.iter().collect()
    }

    /// The smallest world that has a row of everything.
    pub(super) fn base(sets: &[&str]) -> Loaded {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rejected/base");
        let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
        crate::world::load(&path, &sets, &declared()).unwrap()
    }

    #[test]
    fn every_verb_has_help_with_an_example() {
        let command = Arguments::command();
        command.clone().debug_assert();
        for verb in command.get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{}", verb.get_name());
            assert!(verb.get_about().is_some(), "{}", verb.get_name());
        }
    }
}
