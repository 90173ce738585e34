//! What a study costs: runs a second on one and two threads, the share of recording, bytes a recorded
//! value, and memory as runs grow.
//!
//! `cargo bench --bench study`. Times are shown and gate nothing; `.ci/instructions` gates.
//! `--quick` takes a tenth of the runs; `--long` also twenty thousand short ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use frugality::record::{Page, Sink};
use frugality::run::simulate;
use frugality::study::{Batch, Limits, Plan, Store};

/// A study of `seeds` runs of `months` months of the reference world beside it, with the default metrics.
fn study(folder: &Path, seeds: u64, months: u32) -> PathBuf {
    let text = format!(
        "title = \"bench\"\nstory = \"What a study costs.\"\nmonths = {months}\n\
         seeds = {{ from = 1, count = {seeds} }}\n\n[arms.reference]\nworld = \"reference\"\n"
    );
    let path = folder.join(format!("bench-{seeds}-{months}.toml"));
    fs::write(&path, text).expect("a file for the study");
    path
}

/// Runs `study` as users do; (seconds, peak memory in MiB).
fn program(study: &Path, out: &Path, threads: usize) -> (f64, f64) {
    drop(fs::remove_dir_all(out));
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_frugality"))
        .args(["study", "run"])
        .arg(study)
        .args(["--quiet", "--no-merge", "--threads", &threads.to_string(), "--out"])
        .arg(out)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak: f64 = 0.0;
    let ended = loop {
        if let Some(ended) = child.try_wait().expect("a child of ours") {
            break ended;
        }
        // Linux keeps the high-water mark; elsewhere nothing is shown.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        peak = peak.max(kib.unwrap_or_default() / 1024.0);
        sleep(Duration::from_millis(3));
    };
    assert!(ended.success(), "the study ends well");
    (begun.elapsed().as_secs_f64(), peak)
}

fn speed(folder: &Path, out: &Path, seeds: u64) {
    println!("## Runs a second, whole program\n");
    println!(
        "| threads | runs | s | runs a second | times one | peak MiB |\n|---|---|---|---|---|---|"
    );
    let study = study(folder, seeds, 168);
    let mut one = f64::NAN;
    for threads in [1, 2] {
        let tries = (0..3).map(|_| program(&study, out, threads));
        let (s, peak) = tries.min_by(|a, b| a.0.total_cmp(&b.0)).expect("three tries");
        if threads == 1 {
            one = s;
        }
        println!(
            "| {threads} | {seeds} | {s:.2} | {:.1} | {:.2} | {peak:.0} |",
            seeds as f64 / s,
            one / s
        );
    }
    println!();
}

/// Nanoseconds in the sink, and in runs.
static SINK: AtomicU64 = AtomicU64::new(0);
static RUNS: AtomicU64 = AtomicU64::new(0);

fn add(to: &AtomicU64, begun: Instant) {
    to.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
}

fn seconds(of: &AtomicU64) -> f64 {
    Duration::from_nanos(of.load(Ordering::Relaxed)).as_secs_f64()
}

/// A sink that is timed.
struct Timed<'a>(&'a mut dyn Sink);

impl Sink for Timed<'_> {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        let begun = Instant::now();
        let kept = self.0.month(page);
        add(&SINK, begun);
        kept
    }
}

/// Prints what computing and writing the default metrics costs, and how large they are.
fn recording(folder: &Path, out: &Path, seeds: u64) {
    drop(fs::remove_dir_all(out));
    let plan = Plan::load(&study(folder, seeds, 168)).unwrap_or_else(|refusal| panic!("{refusal}"));
    let store = Store::create(&plan, out).expect("a folder");
    let stop = AtomicBool::new(false);
    let batch = Batch {
        plan: &plan,
        store: &store,
        limits: Limits { threads: 1, ..Limits::default() },
        stop: &stop,
        progress: &(),
        simulate: &|definition, _, seed, options, sink| {
            let begun = Instant::now();
            let outcome = simulate(definition, seed, options, &mut Timed(sink));
            add(&RUNS, begun);
            outcome
        },
    };
    let begun = Instant::now();
    batch.run().expect("a study that runs");
    let all = begun.elapsed().as_secs_f64();
    let model = seconds(&RUNS) - seconds(&SINK);
    let (mut values, mut bytes) = (0, 0);
    for shard in 0..plan.shards() {
        for file in store.commit(&plan, shard).expect("a shard").files {
            let panel = plan.record.panels.iter().find(|panel| panel.scope.table() == file.table);
            let width = match file.table.as_str() {
                "series" => plan.record.series.len(),
                "runs" => plan.record.outcomes.len(),
                _ => panel.map_or(0, |panel| panel.metrics.len()),
            };
            values += file.rows * width as u64;
            bytes += file.bytes;
        }
    }
    println!("## Recording\n");
    println!(
        "{:.1} % of a study's time is not the model's: {:.1} % collecting, the rest preparing and writing.",
        100.0 * (1.0 - model / all),
        100.0 * seconds(&SINK) / all
    );
    println!(
        "{values} values in {bytes} bytes: {:.2} bytes a value.\n",
        bytes as f64 / values.max(1) as f64
    );
}

fn memory(folder: &Path, out: &Path, counts: &[u64]) {
    println!("## Memory, two threads, runs of three months\n\n| runs | peak MiB |\n|---|---|");
    for seeds in counts {
        let (_, peak) = program(&study(folder, *seeds, 3), out, 2);
        println!("| {seeds} | {peak:.0} |");
    }
}

fn main() {
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    let folder = std::env::temp_dir().join(format!("frugality-bench-{}", std::process::id()));
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
    fs::create_dir_all(folder.join("reference")).expect("a folder for the bench");
    for file in fs::read_dir(world).expect("the reference world").flatten() {
        let to = folder.join("reference").join(file.file_name());
        fs::copy(file.path(), to).expect("room for a copy of the world");
    }
    let out = folder.join("out");
    let seeds = if asked("--quick") { 8 } else { 80 };
    speed(&folder, &out, seeds);
    recording(&folder, &out, seeds);
    memory(&folder, &out, if asked("--long") { &[1_000, 20_000] } else { &[100, 1_000] });
    drop(fs::remove_dir_all(&folder));
}
