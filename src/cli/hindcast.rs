//! `frugality hindcast`: would the model have told us what happened?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::exit;
use super::study::{Attempt, refuse, stop_flag};
use crate::analysis::hindcast::{
    Draws, Ensemble, Findings, Setup, events_csv, families, families_csv, fan_csv, figures,
    inputs_csv, late_inputs, results, scoreboard_csv, summary, validation_page,
};
use crate::study::{ANALYSIS, Failed, Plan, Store};
use crate::world::Loaded;

/// Run the world from 2022 to 2025 under many draws of its parameters, and score it against what happened.
///
/// A study in a folder of its own: it may be stopped and started again. Beside it, in `analysis/`: a table of
/// every observation (scoreboard.csv), of families, of inputs dated after 2023, of event tests, the fan of the
/// draws, and a figure a family. Rows that may be tuned to (fit) and later ones (test) are never mixed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality hindcast                                    200 draws of the prior of the reference world
  frugality hindcast reference --draws 50 --seeds 2
  frugality hindcast --parameters centre --seeds 20     the world's own values; only luck differs
  frugality hindcast --parameters posterior --write-validation docs/validation.md

docs/validation.md is what the last such command said.")]
pub struct HindcastArgs {
    /// The world: a name, a folder or a TOML file.
    #[arg(default_value = "reference")]
    world: PathBuf,
    /// Draws of the parameters.
    #[arg(long, value_name = "K", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    draws: u64,
    /// Seeds of each draw [default: 1; 50 with --parameters centre].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: Option<u64>,
    /// Where parameters come from.
    #[arg(long, value_enum, default_value_t = Parameters::Prior)]
    parameters: Parameters,
    /// Seed of the draws of parameters.
    #[arg(long, value_name = "N", default_value_t = 1)]
    sampling_seed: u64,
    /// The folder to write [default: outputs/hindcast-<world>-<parameters>-<hash of the plan>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads [default: as many as cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Write the page for sceptical readers to this file as well.
    #[arg(long, value_name = "FILE")]
    write_validation: Option<PathBuf>,
    /// Print the folder and nothing else.
    #[arg(long, short)]
    quiet: bool,
}

/// Where parameters come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Parameters {
    /// A Latin hypercube of the prior.
    Prior,
    /// Draws of posterior.csv beside the world's parameters.
    Posterior,
    /// The world's own values.
    Centre,
}

/// Seeds where only luck differs.
const SEEDS_OF_CENTRE: u64 = 50;

/// Does it.
#[must_use]
pub fn run(args: &HindcastArgs) -> ExitCode {
    match args.go() {
        Ok(code) => code,
        Err(failed) => refuse(&failed),
    }
}

impl HindcastArgs {
    fn setup(&self) -> Setup {
        let centre = self.parameters == Parameters::Centre;
        Setup {
            world: self.world.clone(),
            draws: match self.parameters {
                Parameters::Prior => Draws::Prior,
                Parameters::Posterior => Draws::Posterior,
                Parameters::Centre => Draws::Centre,
            },
            points: self.draws,
            seeds: self.seeds.unwrap_or(if centre { SEEDS_OF_CENTRE } else { 1 }),
            sampling_seed: self.sampling_seed,
        }
    }

    /// The command that does the same again.
    fn command(&self) -> String {
        let mut words = vec![format!("frugality hindcast {}", self.world.display())];
        match self.parameters {
            Parameters::Prior => {}
            Parameters::Posterior => words.push("--parameters posterior".to_owned()),
            Parameters::Centre => words.push("--parameters centre".to_owned()),
        }
        if self.parameters != Parameters::Centre {
            words.push(format!("--draws {}", self.draws));
        }
        words.extend(self.seeds.map(|seeds| format!("--seeds {seeds}")));
        if self.sampling_seed != 1 {
            words.push(format!("--sampling-seed {}", self.sampling_seed));
        }
        let page = self.write_validation.as_ref();
        words.extend(page.map(|path| format!("--write-validation {}", path.display())));
        words.join(" ")
    }

    fn go(&self) -> Result<ExitCode, Failed> {
        let loaded = super::load(&self.world, &[])?;
        let Some(study) = self.setup().study(&loaded.definition) else {
            return Err(Failed::Input(format!(
                "the world `{}` has no observations to be scored by",
                self.world.display()
            )));
        };
        let plan = Plan::of(&[study])?;
        let out = match &self.out {
            Some(out) => out.clone(),
            None => Path::new("outputs").join(plan.folder_name()),
        };
        let store = Store::create(&plan, &out)?;
        let stop = stop_flag();
        let attempt = Attempt {
            plan: &plan,
            store: &store,
            threads: self.threads.map_or(0, usize::from),
            quiet: self.quiet,
            stop: &stop,
            again: &format!("{} --out {}", self.command(), out.display()),
        };
        let failed = match attempt.complete()? {
            Ok(failed) => failed,
            Err(code) => return Ok(code),
        };
        let text = self.analyse(&plan, &store, &loaded, failed)?;
        if self.quiet {
            return Ok(exit::print(&format!("{}\n", out.display())));
        }
        Ok(exit::print(&format!("{text}\n{}\n", out.join(ANALYSIS).display())))
    }

    fn analyse(
        &self,
        plan: &Plan,
        store: &Store,
        loaded: &Loaded,
        failed: u64,
    ) -> Result<String, Failed> {
        let ensemble = Ensemble::read(plan, store)?;
        let scores = ensemble.scores();
        let families = families(&scores);
        let events = results(&ensemble);
        let inputs = late_inputs(loaded, plan.span.1);
        let command = self.command();
        let findings = Findings {
            world: &loaded.definition.head.title,
            command: &command,
            runs: (ensemble.draws(), plan.runs(), failed),
            sampling: &plan.sampling,
            scores: &scores,
            families: &families,
            events: &events,
            inputs: &inputs,
        };
        let mut files = vec![
            ("scoreboard.csv".to_owned(), scoreboard_csv(&scores).into_bytes()),
            ("families.csv".to_owned(), families_csv(&families).into_bytes()),
            ("inputs_after_2023.csv".to_owned(), inputs_csv(&inputs).into_bytes()),
            ("event_tests.csv".to_owned(), events_csv(&events).into_bytes()),
            ("fan.csv".to_owned(), fan_csv(&scores).into_bytes()),
            (
                "hindcast.json".to_owned(),
                format!("{:#}\n", serde_json::json!({ "command": command })).into_bytes(),
            ),
            ("validation.md".to_owned(), validation_page(&findings).into_bytes()),
        ];
        for (family, svg) in figures(&scores) {
            files.push((format!("figures/{}.svg", family.replace(' ', "-")), svg.into_bytes()));
        }
        for (name, bytes) in &files {
            write(&store.path(ANALYSIS).join(name), bytes)?;
        }
        if let Some(path) = &self.write_validation {
            write(path, validation_page(&findings).as_bytes())?;
        }
        Ok(summary(&findings))
    }
}

/// Puts `bytes` in a file, whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    let go = || {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        fs::write(&partial, bytes)?;
        fs::rename(&partial, path)
    };
    go().map_err(|source| Failed::Io { doing: format!("write `{}`", path.display()), source })
}
