//! What a policy adviser asks next: instruments, packages of rules, regret, and the return on a plan.

use serde_json::json;

use super::Failed;
use super::figure::{Figure, Section};
use super::folder::Folder;

/// A table that Python makes of a study, and how it is drawn: bars with intervals, narrowed down by lists.
struct Listed {
    table: &'static str,
    verb: &'static str,
    study: &'static str,
    title: &'static str,
    says: &'static str,
    /// Column of the bars' names, of their length, and of the ends of the interval.
    bars: [&'static str; 4],
    /// Columns to choose by, with their names for people.
    lists: &'static [(&'static str, &'static str)],
}

const ALL: &[Listed] = &[
    Listed {
        table: "cost_effectiveness",
        verb: "cost-effectiveness",
        study: "instruments",
        title: "What each instrument buys, and what it costs whom",
        says: "An instrument alone is set against no controls, one left out against all of them; the truth of what it adds lies \
               between. Negative costs are gains.",
        bars: ["instrument", "value", "low", "high"],
        lists: &[("measure", "Measure"), ("payer", "Payer"), ("reading", "Reading")],
    },
    Listed {
        table: "packages",
        verb: "packages",
        study: "packages",
        title: "Which package of rules did it",
        says: "Shapley: a package's mean contribution over all orders in which packages could have come. Left out: what goes when \
               only that package is taken away. Alone: what it does by itself.",
        bars: ["package", "value", "low", "high"],
        lists: &[("outcome", "Outcome"), ("method", "Method")],
    },
    Listed {
        table: "regret",
        verb: "regret",
        study: "policies",
        title: "What each policy would be sorry for",
        says: "Regret of a policy: what the best policy of the same draw gives more, mean over draws. What counts as better is a \
               judgement, which the table of goals owns up to.",
        bars: ["policy", "regret", "regret_low", "regret_high"],
        lists: &[("outcome", "Outcome"), ("whose", "For")],
    },
    Listed {
        table: "plan_return",
        verb: "plan-return",
        study: "bytedance-plan",
        title: "What a plan returns",
        says: "Mean over draws with its 90 % interval; look at the distribution in the CSV before the mean. It is the return in this \
               world, in which rivals, prices and queues answer.",
        bars: ["measure", "mean", "low", "high"],
        lists: &[("unit", "Unit"), ("firm", "Firm"), ("case", "Case"), ("arm", "Arm")],
    },
];

/// The tables that are there, and a sentence for those that are not.
///
/// # Errors
/// When a table cannot be read.
pub fn section(folders: &[Folder]) -> Result<Section, Failed> {
    let mut section = Section::new("policy", "What one asks next");
    for listed in ALL {
        let mut found = false;
        for folder in folders {
            let Some((frame, source)) = folder.table(listed.table, &[])? else { continue };
            if frame.lacks(&listed.bars).is_some() || found {
                continue;
            }
            found = true;
            let lists: Vec<_> =
                listed.lists.iter().filter(|(column, _)| frame.find(column).is_some()).collect();
            let study = if folder.plan.is_some() { folder.command() } else { String::new() };
            section.figures.push(Figure {
                id: "listed",
                title: listed.title.to_owned(),
                says: listed.says.to_owned(),
                more: json!({ "bars": listed.bars, "lists": lists }),
                data: frame,
                formula: format!("pd.read_csv(\"{}\")", source.path),
                commands: vec![
                    study,
                    format!("python python/discover.py {} {}", listed.verb, folder.name),
                ],
                sources: vec![source],
            });
        }
        if !found {
            section.missing_after(
                &format!("No table `{}` was given ({}).", listed.table, listed.title.to_lowercase()),
                &format!(
                    "frugality study run worlds/studies/{}.toml && python python/discover.py {} DIR",
                    listed.study, listed.verb
                ),
            );
        }
    }
    Ok(section)
}
