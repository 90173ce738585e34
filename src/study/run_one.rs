//! One run of a study, whatever happens in it.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::AtomicBool;

use super::plan::{Draw, Plan};
use super::record::{Kept, Recorder};
use crate::run::{Options, Outcome, Sink, Stopped};
use crate::world::Definition;

/// How a world is run: [`crate::run::simulate`], but for tests.
///
/// It is given the world, the world as scarce of compute as which it is to be, if any, and the seed.
pub type Simulate = dyn Fn(&Definition, Option<&Definition>, u64, Options, &mut dyn Sink) -> Result<Outcome, Stopped>
    + Sync;

/// A run that ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its number.
    pub run_id: u64,
    /// Its scenario and seed.
    pub draw: Draw,
    /// Its policy.
    pub policy: usize,
    /// What was kept, or why it failed.
    pub result: Result<Kept, String>,
}

/// Runs `policy` under `draw`; none when it was stopped. `definition` is a copy of the policy's base.
pub fn run_one(
    plan: &Plan,
    draw: Draw,
    policy: usize,
    definition: &mut Definition,
    simulate: &Simulate,
    stop: &AtomicBool,
) -> Option<Ran> {
    plan.prepare(definition, policy, draw.scenario);
    let keep_events = plan.record.events && plan.record.details(draw.number);
    let options = Options { months: plan.months, keep_events };
    let mut recorder = Recorder::new(plan, draw.number, stop);
    let treated = plan.treated(policy, draw.scenario);
    let ended =
        caught(|| simulate(definition, treated.as_ref(), draw.seed, options, &mut recorder));
    let result = match ended {
        Ok(Ok(outcome)) => Ok(recorder.finish(outcome.ending)),
        Ok(Err(Stopped::Sink { .. })) => return None,
        Ok(Err(stopped)) => Err(stopped.to_string()),
        Err(message) => Err(message),
    };
    let run_id = draw.number * plan.policies.len() as u64 + policy as u64;
    Some(Ran { run_id, draw, policy, result })
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work`, and turns a panic into its message, without a word on the terminal.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if GUARDED.get() {
                MESSAGE.set(Some(message(info)));
            } else {
                usual(info);
            }
        }));
    });
    GUARDED.set(true);
    let ended = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    ended.map_err(|_| MESSAGE.take().unwrap_or_else(|| "the model panicked".to_owned()))
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let said = info.payload_as_str().unwrap_or("no message");
    // Of a path on this machine, only the end says anything elsewhere.
    let place = info.location().map_or_else(String::new, |at| {
        let file = Path::new(at.file());
        let parts: Vec<_> = file.components().rev().take(3).collect();
        let parts: Vec<String> = parts
            .into_iter()
            .rev()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        format!(" at {}:{}", parts.join("/"), at.line())
    });
    format!("the model panicked{place}: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        let said = caught(|| -> () { panic!("no {}", "chips") }).unwrap_err();
        assert!(said.starts_with("the model panicked at src/study/run_one.rs:"), "{said}");
        assert!(said.ends_with(": no chips"), "{said}");
        assert_eq!(caught(|| 7), Ok(7));
    }
}
