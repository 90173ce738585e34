//! `frugality calibrate`: which parameters are compatible with what was seen by January 2024?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::exit;
use super::hindcast::write;
use super::study::{Attempt, refuse, stop_flag};
use crate::analysis::calibrate::{
    Calibration, Settings, Simulated, Waves, calibrate, fit_rows, hypercube, moved, page,
    parameters_csv, posterior_csv, wave_study, waves_csv,
};
use crate::study::{Factor, Failed, Plan, Store};
use crate::world::Loaded;
use crate::world::posterior::POSTERIOR;

/// Narrow the priors of a world's parameters by what was observed up to January 2024.
///
/// History matching in waves with emulators, then importance sampling; only rows that may be fitted to are used. Each
/// wave is a study in a folder below DIR: stopped, it goes on with the same command. DIR then holds posterior.csv (weighted
/// draws), calibration.md (what the data moved, what they did not, what they cannot tell apart), parameters.csv and waves.csv.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality calibrate reference
  frugality calibrate reference --waves 3 --points 600 --threads 2
  frugality calibrate reference --write           and put posterior.csv beside the world's parameters
  frugality hindcast reference --parameters posterior")]
pub struct CalibrateArgs {
    /// The world: a name, a folder or a TOML file.
    world: PathBuf,
    /// Waves of history matching, at most; one more gives the posterior.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=50))]
    waves: u16,
    /// Points a wave.
    #[arg(long, value_name = "K", default_value_t = 600, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    points: u32,
    /// Seeds a point.
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Standard deviation of what the model leaves out, in tolerances of the observations: a judgement.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = discrepancy)]
    discrepancy: f64,
    /// Seed of the draws of points.
    #[arg(long, value_name = "N", default_value_t = 1)]
    sampling_seed: u64,
    /// The folder to write [default: outputs/calibrate-<world>-<hash of the first wave>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads [default: as many as cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Put posterior.csv beside the parameters of the world as well.
    #[arg(long)]
    write: bool,
    /// Print the folder and nothing else.
    #[arg(long, short)]
    quiet: bool,
}

fn discrepancy(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..=100.0).contains(&x) => Ok(x),
        _ => Err("a number from 0 to 100 is wanted".to_owned()),
    }
}

/// Why there is no posterior.
enum Ended {
    Failed(Failed),
    /// A wave was stopped, which has been said.
    Stopped(ExitCode),
}

impl From<Failed> for Ended {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

/// Does it.
#[must_use]
pub fn run(args: &CalibrateArgs) -> ExitCode {
    match args.go() {
        Ok(code) | Err(Ended::Stopped(code)) => code,
        Err(Ended::Failed(failed)) => refuse(&failed),
    }
}

impl CalibrateArgs {
    /// The command that does the same again.
    fn command(&self) -> String {
        let mut command = format!(
            "frugality calibrate {} --waves {} --points {}",
            self.world.display(),
            self.waves,
            self.points
        );
        let more = [
            (self.seeds != 1).then(|| format!(" --seeds {}", self.seeds)),
            (self.discrepancy != 1.0).then(|| format!(" --discrepancy {}", self.discrepancy)),
            (self.sampling_seed != 1).then(|| format!(" --sampling-seed {}", self.sampling_seed)),
            self.write.then(|| " --write".to_owned()),
        ];
        command.extend(more.into_iter().flatten());
        command
    }

    fn go(&self) -> Result<ExitCode, Ended> {
        let loaded = super::load(&self.world, &[]).map_err(Failed::from)?;
        let waves = Waves { world: &self.world, definition: &loaded.definition, seeds: self.seeds };
        let settings = Settings {
            waves: usize::from(self.waves),
            points: self.points as usize,
            discrepancy: self.discrepancy,
            seed: self.sampling_seed,
        };
        let factors = Factor::of_priors(&loaded.definition.parameters);
        let first = hypercube(settings.points, &factors, settings.seed);
        let plan = self.plan(&waves, 1, &factors, &first)?;
        let out = match &self.out {
            Some(out) => out.clone(),
            None => Path::new("outputs").join(format!(
                "calibrate-{}-{}",
                loaded.definition.head.id,
                &plan.hash[..8]
            )),
        };
        let stop = stop_flag();
        let again = format!("{} --out {}", self.command(), out.display());
        let mut simulate = |number: usize, points: &[Vec<f64>]| -> Result<Simulated, Ended> {
            let plan = self.plan(&waves, number, &factors, points)?;
            let store = Store::create(&plan, &out.join(format!("wave-{number}")))?;
            let attempt = Attempt {
                plan: &plan,
                store: &store,
                threads: self.threads.map_or(0, usize::from),
                quiet: self.quiet,
                stop: &stop,
                again: &again,
            };
            match attempt.complete()? {
                Ok(_) => Ok(waves.read(&plan, &store)?),
                Err(code) => Err(Ended::Stopped(code)),
            }
        };
        let rows = fit_rows(&loaded.definition.observations);
        let calibration = calibrate(&factors, &rows, settings, &mut simulate)?;
        let text = self.written(&loaded, &calibration, &factors, &settings, &out)?;
        let shown = if self.quiet { format!("{}\n", out.display()) } else { text };
        Ok(exit::print(&shown))
    }

    fn plan(
        &self,
        waves: &Waves<'_>,
        number: usize,
        factors: &[Factor],
        points: &[Vec<f64>],
    ) -> Result<Plan, Failed> {
        let Some(files) = wave_study(waves, number, factors, points) else {
            let message = format!("the world `{}` has no rows to fit to", self.world.display());
            return Err(Failed::Input(message));
        };
        Ok(Plan::of(&files)?)
    }

    fn written(
        &self,
        loaded: &Loaded,
        calibration: &Calibration,
        factors: &[Factor],
        settings: &Settings,
        out: &Path,
    ) -> Result<String, Failed> {
        let posterior = posterior_csv(calibration, factors).into_bytes();
        let moved = moved(calibration, factors);
        write(&out.join(POSTERIOR), &posterior)?;
        write(&out.join("parameters.csv"), &parameters_csv(&moved).into_bytes())?;
        write(&out.join("waves.csv"), &waves_csv(calibration).into_bytes())?;
        let page = page(calibration, factors, settings, &self.command());
        write(&out.join("calibration.md"), page.as_bytes())?;
        let mut also = String::new();
        if self.write {
            let table = loaded.files().filter(|file| file.path.ends_with("parameters.csv")).last();
            let Some(folder) = table.and_then(|file| file.path.parent()) else {
                return Err(Failed::Input(
                    "the world has no parameters.csv to stand beside".into(),
                ));
            };
            let beside = folder.join(POSTERIOR);
            write(&beside, &posterior)?;
            also = format!("{}\n", beside.display());
        }
        let waves = calibration.waves.len();
        let last = calibration.waves.last().map_or(f64::NAN, |wave| wave.misfit);
        let first = calibration.waves.first().map_or(f64::NAN, |wave| wave.misfit);
        Ok(format!(
            "{waves} waves; {} draws, worth {:.0} of equal weight; {} of {} parameters moved, {} to a bound of their prior; \
             median misfit {first:.1} in the prior, {last:.1} in the posterior\n{}\n{also}",
            calibration.draws.len(),
            calibration.effective(),
            moved.iter().filter(|m| m.moved).count(),
            moved.len(),
            moved.iter().filter(|m| !m.bound.is_empty()).count(),
            out.join("calibration.md").display(),
        ))
    }
}
