//! Runs the shards of a plan that are not there yet, on some threads, until all are there
//! or somebody says stop.
//!
//! Runs are handed out one by one, in order, so that no thread waits for another; the thread that ends
//! the last run of a shard writes it. What is in memory does not grow with the number of runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rayon::iter::{ParallelBridge as _, ParallelIterator as _};

use super::effects;
use super::plan::{Plan, Seeds};
use super::run_one::{Ran, Simulate, run_one};
use super::shard;
use super::store::{Failed, Scratch, Store};
use super::tables::Texts;
use crate::world::Definition;

/// What a process is told besides the plan.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// This process does every n-th shard, beginning with the k-th: (k, n), k from 1.
    pub share: (u64, u64),
    /// Threads; 0: as many as there are cores.
    pub threads: usize,
    /// Stop when more runs than this failed.
    pub max_failures: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { share: (1, 1), threads: 0, max_failures: None }
    }
}

/// Who wants to know how it goes.
pub trait Progress: Sync {
    /// So many runs are to be done by this process in this block, and so many are there already.
    fn begin(&self, to_do: u64, done: u64) {
        let _ = (to_do, done);
    }
    /// A run has ended.
    fn run(&self, failed: bool) {
        let _ = failed;
    }
    /// A shard is on the disk.
    fn shard(&self) {}
    /// A shard was found damaged and is done again.
    fn damaged(&self, shard: u64) {
        let _ = shard;
    }
}

impl Progress for () {}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every shard of the plan is there.
    Complete,
    /// This process's share is done; others' shards are missing.
    ShareDone,
    /// Seeds of the next block wait for shards of other processes.
    Waiting,
    /// Somebody said stop.
    Stopped,
    /// Too many runs failed.
    TooManyFailures,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// How it ended.
    pub ended: Ended,
    /// Runs that this process did and committed.
    pub runs: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Shards missing from the folder.
    pub missing: u64,
}

/// A process at work on a study.
pub struct Batch<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The folder.
    pub store: &'a Store,
    /// Limits.
    pub limits: Limits,
    /// Set to stop: runs in flight are dropped.
    pub stop: &'a AtomicBool,
    /// Who wants to know.
    pub progress: &'a dyn Progress,
    /// How a world is run.
    pub simulate: &'a Simulate,
}

/// A shard under way.
struct Open {
    shard: u64,
    from: u64,
    ran: Mutex<Vec<Option<Ran>>>,
    left: AtomicUsize,
    /// Held while the shard is under way, so that another process takes another one.
    _lock: Option<File>,
}

/// Hands out runs.
struct Feed<'a> {
    batch: &'a Batch<'a>,
    halt: &'a AtomicBool,
    shards: std::vec::IntoIter<u64>,
    /// Shards that another process is at.
    others: Vec<u64>,
    open: Option<(Arc<Open>, usize)>,
}

impl Iterator for Feed<'_> {
    type Item = (Arc<Open>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.halt.load(Ordering::Relaxed) || self.batch.stop.load(Ordering::Relaxed) {
                return None;
            }
            if let Some((open, next)) = &mut self.open {
                let size = open.ran.lock().unwrap_or_else(PoisonError::into_inner).len();
                if *next < size {
                    *next += 1;
                    return Some((Arc::clone(open), *next - 1));
                }
                self.open = None;
            }
            if let Some(shard) = self.shards.next() {
                self.take(shard);
            } else if self.others.is_empty() {
                return None;
            } else {
                std::thread::sleep(Duration::from_millis(100));
                let others = std::mem::take(&mut self.others);
                for shard in others {
                    if self.open.is_some() {
                        self.others.push(shard);
                    } else {
                        self.take(shard);
                    }
                }
            }
        }
    }
}

impl Feed<'_> {
    fn take(&mut self, shard: u64) {
        let Batch { plan, store, .. } = self.batch;
        let path = store.path(&format!("log/shard-{shard:06}.lock"));
        let lock = File::options().create(true).truncate(false).write(true).open(path).ok();
        if let Some(Err(std::fs::TryLockError::WouldBlock)) = lock.as_ref().map(File::try_lock) {
            self.others.push(shard);
            return;
        }
        // Another process may have been faster.
        if store.commit(plan, shard).is_some_and(|commit| store.holds(&commit)) {
            return;
        }
        let (from, to) = plan.draws_of_shard(shard);
        let runs = ((to - from) * plan.policies.len() as u64) as usize;
        let open = Open {
            shard,
            from,
            ran: Mutex::new((0..runs).map(|_| None).collect()),
            left: AtomicUsize::new(runs),
            _lock: lock,
        };
        self.open = Some((Arc::new(open), 0));
    }
}

impl Batch<'_> {
    /// Does what is to be done.
    ///
    /// # Errors
    /// When the system refuses, or a shard came out differently twice.
    pub fn run(&self) -> Result<Report, Failed> {
        let (k, n) = self.limits.share;
        let scratch = Scratch::new(self.store)?;
        let (runs, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        let report = |ended, missing| Report {
            ended,
            runs: runs.load(Ordering::Relaxed),
            failures: failures.load(Ordering::Relaxed),
            missing,
        };
        for block in 0..self.plan.blocks() {
            let (first, last) = self.plan.shards_of(block);
            let mut to_do = Vec::new();
            let (mut runs_to_do, mut done) = (0, 0);
            for shard in (first..last).filter(|shard| shard % n == k - 1) {
                let (from, to) = self.plan.draws_of_shard(shard);
                let of_shard = (to - from) * self.plan.policies.len() as u64;
                match self.store.commit(self.plan, shard) {
                    Some(commit) if self.store.holds(&commit) => done += of_shard,
                    found => {
                        if found.is_some() {
                            self.progress.damaged(shard);
                            self.store.note(&format!(
                                "shard {shard} was damaged or incomplete and is done again"
                            ));
                        }
                        to_do.push(shard);
                        runs_to_do += of_shard;
                    }
                }
            }
            self.progress.begin(runs_to_do, done);
            if !to_do.is_empty() {
                self.shards(to_do, &scratch, &runs, &failures)?;
            }
            if self.limits.max_failures.is_some_and(|most| failures.load(Ordering::Relaxed) > most)
            {
                return Ok(report(Ended::TooManyFailures, self.missing(block)));
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(report(Ended::Stopped, self.missing(block)));
            }
            if !matches!(self.plan.seeds, Seeds::Until { .. }) {
                continue;
            }
            let missing = self.missing(block);
            if missing > 0 {
                return Ok(report(Ended::Waiting, missing));
            }
            if narrow_enough(self.plan, self.store, block)? {
                return Ok(report(Ended::Complete, 0));
            }
        }
        let missing = self.missing(self.plan.blocks() - 1);
        let ended = if missing == 0 { Ended::Complete } else { Ended::ShareDone };
        Ok(report(ended, missing))
    }

    /// Shards of blocks up to `block` that have no record.
    fn missing(&self, block: u64) -> u64 {
        let last = self.plan.shards_of(block).1;
        (0..last).filter(|shard| self.store.commit(self.plan, *shard).is_none()).count() as u64
    }

    fn shards(
        &self,
        to_do: Vec<u64>,
        scratch: &Scratch,
        runs: &AtomicU64,
        failures: &AtomicU64,
    ) -> Result<(), Failed> {
        let plan = self.plan;
        let texts = Texts::new(plan);
        let halt = AtomicBool::new(false);
        let trouble: Mutex<Option<Failed>> = Mutex::new(None);
        let feed = Feed {
            batch: self,
            halt: &halt,
            shards: to_do.into_iter(),
            others: Vec::new(),
            open: None,
        };
        let policies = plan.policies.len();
        let work = |worlds: &mut BTreeMap<usize, Definition>, open: &Open, at: usize| {
            let draw = plan.draw(open.from + (at / policies) as u64);
            let policy = at % policies;
            let base = plan.arms[plan.policies[policy].arm].base;
            let world = worlds.entry(base).or_insert_with(|| plan.blank(policy));
            let Some(ran) = run_one(plan, draw, policy, world, self.simulate, self.stop) else {
                return;
            };
            let failed = ran.result.is_err();
            self.progress.run(failed);
            if failed {
                let so_far = failures.fetch_add(1, Ordering::Relaxed) + 1;
                if self.limits.max_failures.is_some_and(|most| so_far > most) {
                    halt.store(true, Ordering::Relaxed);
                }
            }
            open.ran.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(ran);
            if open.left.fetch_sub(1, Ordering::AcqRel) > 1 {
                return;
            }
            let all = std::mem::take(&mut *open.ran.lock().unwrap_or_else(PoisonError::into_inner));
            let all: Vec<Ran> = all.into_iter().flatten().collect();
            match shard::write(plan, self.store, scratch, &texts, open.shard, &all) {
                Ok(_) => {
                    runs.fetch_add(all.len() as u64, Ordering::Relaxed);
                    self.progress.shard();
                }
                Err(failed) => {
                    halt.store(true, Ordering::Relaxed);
                    let mut trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner);
                    trouble.get_or_insert(failed);
                }
            }
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.limits.threads)
            .build()
            .map_err(|e| Failed::Input(format!("cannot start threads: {e}")))?;
        pool.install(|| {
            feed.par_bridge()
                .for_each_init(BTreeMap::new, |worlds, (open, at)| work(worlds, &open, at));
        });
        trouble.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

/// Whether the interval of the watched outcome's paired effect is narrow enough, for every policy, with
/// the draws up to `block`.
pub(super) fn narrow_enough(plan: &Plan, store: &Store, block: u64) -> Result<bool, Failed> {
    let Seeds::Until { outcome, half_width, .. } = &plan.seeds else { return Ok(false) };
    if block + 1 >= plan.blocks() {
        return Ok(true);
    }
    let shards: Vec<u64> = (0..plan.shards_of(block).1).collect();
    let widths = effects::half_widths(plan, store, &shards, *outcome)?;
    Ok(widths.iter().all(|width| *width <= *half_width))
}

/// The shards that a study needs, as far as can be said: all, unless seeds are added until an
/// interval is narrow, and it is, or the shards that tell are missing.
pub(crate) fn needed(plan: &Plan, store: &Store) -> Result<(BTreeSet<u64>, bool), Failed> {
    if !matches!(plan.seeds, Seeds::Until { .. }) {
        return Ok(((0..plan.shards()).collect(), true));
    }
    for block in 0..plan.blocks() {
        let (_, last) = plan.shards_of(block);
        let there = (0..last).all(|shard| store.commit(plan, shard).is_some());
        if !there || narrow_enough(plan, store, block)? {
            return Ok(((0..last).collect(), there));
        }
    }
    Ok(((0..plan.shards()).collect(), true))
}
