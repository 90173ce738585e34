//! `frugality study plan`: what a study comes to, before anything starts.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;

use super::{SIMULATE, ended, size, time};
use crate::record::CsvText;
use crate::record::cell::printable;
use crate::study::{Batch, Failed, Limits, Plan, Store};

/// Tell how many runs a study has, how long they take and how large they are, and write nothing.
///
/// Time and size are measured on the first shards, in a temporary folder that is removed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality study plan worlds/studies/quick.toml
  frugality study plan parameter-prior --design > design.csv    the rows of the design
  frugality study plan dose-response --no-sample")]
pub struct PlanArgs {
    /// The study: a TOML file, or the name of one in worlds/studies/.
    study: PathBuf,
    /// One of the sizes that the study names [default: as it is written].
    #[arg(long, value_name = "NAME")]
    size: Option<String>,
    /// Print the design as CSV instead: a row a scenario, a column an uncertainty.
    #[arg(long)]
    design: bool,
    /// Do not run a sample.
    #[arg(long)]
    no_sample: bool,
    /// Seconds that the sample may take, about.
    #[arg(long, value_name = "N", default_value_t = 5)]
    seconds: u64,
}

/// Does it.
#[must_use]
pub fn run(args: &PlanArgs) -> ExitCode {
    ended(args.text())
}

impl PlanArgs {
    fn text(&self) -> Result<String, Failed> {
        let plan = Plan::load_sized(&self.study, self.size.as_deref())?;
        if self.design {
            return Ok(design(&plan));
        }
        let mut text = overview(&plan);
        if !self.no_sample {
            text.push_str(&sample(&plan, self.seconds)?);
        }
        for notice in &plan.notices {
            let _ = writeln!(text, "note: {}", printable(notice));
        }
        Ok(text)
    }
}

fn design(plan: &Plan) -> String {
    let factors = &plan.design.uncertainties;
    let header: Vec<&str> = factors.iter().map(|f| f.name.as_str()).collect();
    let mut csv = CsvText::new(header);
    for row in 0..plan.design.scenarios {
        for (at, factor) in factors.iter().enumerate() {
            csv.text(&factor.label(plan.design.uncertainty(at, row)));
        }
        csv.end();
    }
    String::from_utf8(csv.into_bytes()).unwrap_or_default()
}

fn overview(plan: &Plan) -> String {
    let mut text = String::new();
    let design = &plan.design;
    let names = |names: Vec<&str>| {
        let more = names.len().saturating_sub(6);
        let few = names.into_iter().take(6).collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{few} and {more} more") } else { few }
    };
    let _ = writeln!(text, "{}", printable(&plan.title));
    let _ = writeln!(text, "  months      {} to {}", plan.span.0, plan.span.1);
    let arms = plan.arms.iter().map(|arm| arm.name.as_str()).collect();
    let _ = writeln!(text, "  arms        {:>7}  {}", plan.arms.len(), names(arms));
    if !design.levers.is_empty() {
        let levers = design.levers.iter().map(|f| f.name.as_str()).collect();
        let _ = writeln!(
            text,
            "  levers      {:>7}  combinations of {}",
            design.lever_rows,
            names(levers)
        );
    }
    if !design.uncertainties.is_empty() {
        let of = design.uncertainties.iter().map(|f| f.name.as_str()).collect();
        let _ = writeln!(
            text,
            "  scenarios   {:>7}  of {} ({})",
            design.scenarios,
            names(of),
            plan.sampling
        );
    }
    let most =
        if plan.blocks() > 1 { "  at most, in blocks until the interval is narrow" } else { "" };
    let _ = writeln!(text, "  seeds       {:>7}{most}", plan.replicates());
    let pairs = plan.policies.iter().filter(|policy| policy.against.is_some()).count();
    let compared = if pairs == 0 {
        "no counterfactual is named: no effects".to_owned()
    } else {
        format!("{pairs} of {} policies are compared with a counterfactual", plan.policies.len())
    };
    let _ = writeln!(text, "  runs        {:>7}  {compared}", plan.runs());
    let _ = writeln!(
        text,
        "  shards      {:>7}  of {} runs: what is lost at most, for each process, when it is killed",
        plan.shards(),
        plan.shard_draws * plan.policies.len() as u64
    );
    let _ = writeln!(
        text,
        "  kept        {:>7}  metrics by month{}, {} outcomes{}{}",
        plan.record.series.len(),
        if plan.record.every > 1 {
            format!(" (one in {})", plan.record.every)
        } else {
            String::new()
        },
        plan.record.outcomes.len(),
        if plan.record.panels.is_empty() {
            String::new()
        } else {
            format!(", {} panels", plan.record.panels.len())
        },
        if plan.record.events { ", events" } else { "" },
    );
    let _ = writeln!(text, "  folder      outputs/{}", plan.folder_name());
    text
}

/// Runs the first shards until the time is up, and says what the whole would take.
fn sample(plan: &Plan, seconds: u64) -> Result<String, Failed> {
    let folder = std::env::temp_dir().join(format!("frugality-plan-{}", std::process::id()));
    let result = measured(plan, seconds, &folder);
    let _ = std::fs::remove_dir_all(&folder);
    let (rate, bytes) = result?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runs = plan.runs() as f64;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "  time        {} on {threads} threads here ({rate:.1} runs/s in a sample), {} on one",
        time(runs / rate),
        time(runs / rate * threads as f64),
    );
    let _ = writeln!(
        text,
        "  disk        at most {} for shards, less again for merged tables ({:.1} kB a run)",
        size((runs * bytes) as u64),
        bytes / 1e3
    );
    Ok(text)
}

/// Runs of a shard of the sample, about.
const SAMPLE_RUNS: u64 = 16;
/// How many times longer than wanted the sample may take when no shard is done.
const PATIENCE: f64 = 3.0;

struct Sampler {
    begun: Instant,
    seconds: f64,
    stop: AtomicBool,
    runs: std::sync::atomic::AtomicU64,
    last: std::sync::Mutex<f64>,
}

impl crate::study::Progress for Sampler {
    fn run(&self, _: bool) {
        use std::sync::atomic::Ordering::Relaxed;
        self.runs.fetch_add(1, Relaxed);
        let now = self.begun.elapsed().as_secs_f64();
        // A draw of many policies may take longer than a sample should.
        if now > PATIENCE * self.seconds {
            self.stop.store(true, Relaxed);
        }
        if let Ok(mut last) = self.last.lock() {
            *last = now;
        }
    }
    fn shard(&self) {
        use std::sync::atomic::Ordering::Relaxed;
        if self.begun.elapsed().as_secs_f64() > self.seconds {
            self.stop.store(true, Relaxed);
        }
    }
}

fn measured(plan: &Plan, seconds: u64, folder: &std::path::Path) -> Result<(f64, f64), Failed> {
    use std::sync::atomic::Ordering::Relaxed;
    let mut plan = plan.clone();
    // Small shards, so that the sample ends in time.
    let policies = plan.policies.len() as u64;
    plan.shard_draws = (SAMPLE_RUNS / policies).clamp(1, plan.shard_draws);
    let store = Store::create(&plan, folder)?;
    let sampler = Sampler {
        begun: Instant::now(),
        seconds: seconds as f64,
        stop: AtomicBool::new(false),
        runs: std::sync::atomic::AtomicU64::new(0),
        last: std::sync::Mutex::new(0.0),
    };
    let batch = Batch {
        plan: &plan,
        store: &store,
        limits: Limits::default(),
        stop: &sampler.stop,
        progress: &sampler,
        simulate: SIMULATE,
    };
    let report = batch.run()?;
    let elapsed = sampler.last.lock().map_or(1.0, |last| *last).max(1e-3);
    let bytes: u64 = (0..plan.shards())
        .map_while(|shard| store.commit(&plan, shard))
        .flat_map(|commit| commit.files)
        .map(|file| file.bytes)
        .sum();
    let runs = sampler.runs.load(Relaxed).max(1);
    let a_run = if report.runs == 0 {
        plan.record.bytes_a_run(&plan) as f64
    } else {
        bytes as f64 / report.runs as f64
    };
    Ok((runs as f64 / elapsed, a_run))
}
