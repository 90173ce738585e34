//! `frugality month`: the plan of a month, as built.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::exit;
use crate::month::PLAN;

/// Prints what happens in a month, room by room, in order.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  frugality month")]
pub struct MonthArgs {}

/// Does it.
#[must_use]
pub fn run(_: &MonthArgs) -> ExitCode {
    exit::print(&plan(PLAN))
}

/// The plan as text: rooms as they come, their systems numbered through.
fn plan(systems: &[(&str, &str, &str)]) -> String {
    let width = systems.iter().map(|(_, system, _)| system.len()).max().unwrap_or(0);
    let mut text = String::from("A month, in this order\n");
    let mut room = "";
    for (number, (of, system, what)) in systems.iter().enumerate() {
        if *of != room {
            room = of;
            let _ = write!(text, "\n{room}\n");
        }
        let _ = writeln!(text, "  {:>3}  {system:<width$}  {what}", number + 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_come_in_order_and_systems_are_numbered_through() {
        let text = plan(&[
            ("policy", "announce", "announces rules"),
            ("policy", "fear", "works out fears"),
            ("design", "launch", "puts chips on sale"),
        ]);
        let expected = "A month, in this order\n\npolicy\n    1  announce  announces rules\n    2  \
                        fear      works out fears\n\ndesign\n    3  launch    puts chips on sale\n";
        assert_eq!(text, expected);
    }
}
