//! Firm by firm: effects, and what growth is made of.

use std::collections::BTreeMap;
use std::f64::consts::LN_10;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::Failed;
use super::figure::{Figure, Section};
use super::folder::Folder;
use super::frame::Frame;
use crate::mechanisms;
use crate::metric::Scope;
use crate::record::columns;
use crate::study::statistics::Paired;
use crate::study::{Cells, Column, Kind};

/// Arms beyond which a study is one of tests, and no page has room for its firms.
const MOST_ARMS: usize = 12;
const COMMAND: &str = "frugality study run worlds/studies/growth.toml";

/// A part of growth: its name for people, and the columns whose growth it sums, with their factors.
type Part = (&'static str, &'static [(&'static str, f64)]);

const TRAIN: f64 = 1.0 / LN_10;

/// Growth of capability: log10(C_possible A_eff) + B + D, split as the columns of firms are.
const CAPABILITY: &[Part] = &[
    ("chips and time", &[("possible_run_log10_flop", 1.0)]),
    ("own training efficiency", &[("gain_train_own", TRAIN), ("gain_train_noise", TRAIN)]),
    ("spillover", &[("gain_train_spillover", TRAIN)]),
    ("scale", &[("ln_a_train_effective", TRAIN), ("ln_a_train", -TRAIN)]),
    (
        "own quality and paradigms",
        &[("gain_quality_own", 1.0), ("gain_quality_paradigms", 1.0), ("gain_quality_fading", 1.0)],
    ),
    ("distillation", &[("distilled_dex", 1.0)]),
];

/// Growth of serving efficiency: what brings the cost of a token down besides hardware and energy.
const SERVING: &[Part] = &[
    ("own serving efficiency", &[("gain_serve_own", 1.0), ("gain_serve_noise", 1.0)]),
    ("spillover", &[("gain_serve_spillover", 1.0)]),
    ("learning by serving", &[("gain_serve_learning", 1.0)]),
];

/// What is split: name for the script, label, unit, column that grows, parts.
const SPLITS: &[(&str, &str, &str, &str, &[Part])] = &[
    ("capability", "Capability", "dex", "capability_dex", CAPABILITY),
    ("serving", "Serving efficiency", "ln", "ln_a_serve", SERVING),
];

/// Effects on one firm and measure, months in order.
struct Panel {
    arms: Vec<(String, String)>,
    ids: Vec<String>,
    months: Vec<String>,
    metrics: Vec<String>,
    /// `[arm][(month × ids + id) × metrics + metric]`
    sums: Vec<Vec<Paired>>,
}

impl Panel {
    fn at(&self, arm: usize, month: usize, id: usize, metric: usize) -> &Paired {
        &self.sums[arm][(month * self.ids.len() + id) * self.metrics.len() + metric]
    }

    fn metric(&self, name: &str) -> Option<usize> {
        self.metrics.iter().position(|own| own == name)
    }
}

/// The months that are shown of a panel: the first, the last and each December.
fn shown(months: &[String]) -> Vec<String> {
    let ends = [months.first(), months.last()];
    let keep = |month: &&String| month.ends_with("-12") || ends.contains(&Some(*month));
    months.iter().filter(keep).cloned().collect()
}

/// Pairs the runs of a study within draws, firm by firm.
fn paired(folder: &Folder) -> Result<Option<(Panel, Vec<super::Source>)>, Failed> {
    if folder.plan.is_none() || !folder.factors("levers").is_empty() {
        return Ok(None);
    }
    let arms: Vec<(String, String)> =
        folder.arms().into_iter().filter_map(|(arm, twin)| Some((arm, twin?))).collect();
    if arms.is_empty() || arms.len() > MOST_ARMS {
        return Ok(None);
    }
    let Some((runs, runs_file)) =
        folder.table("runs", &["run_id", "arm", "counterfactual_run_id"])?
    else {
        return Ok(None);
    };
    let Some((table, firms_file)) = folder.table("firms", &[])? else { return Ok(None) };
    if table.lacks(&["run_id", "month", "id"]).is_some()
        || runs.lacks(&["run_id", "arm", "counterfactual_run_id"]).is_some()
    {
        return Ok(None);
    }
    let fixed = ["run_id", "month", "id"];
    let metrics: Vec<String> = table
        .columns
        .iter()
        .filter(|c| !fixed.contains(&c.name.as_str()) && c.kind != Kind::Text)
        .map(|c| c.name.clone())
        .collect();
    let mut ids = table.distinct("id");
    ids.sort();
    let mut months = table.distinct("month");
    months.sort();
    let months = shown(&months);
    let width = months.len() * ids.len() * metrics.len();
    let places = |list: &[String]| -> BTreeMap<String, usize> {
        list.iter().enumerate().map(|(at, text)| (text.clone(), at)).collect()
    };
    let (month_at, id_at) = (places(&months), places(&ids));
    let cells: Vec<&Cells> =
        metrics.iter().filter_map(|name| table.find(name)).map(|at| &table.cells[at]).collect();
    let mut values: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for row in 0..table.rows() {
        let Some(month) = month_at.get(&table.text("month", row)) else { continue };
        let id = id_at[&table.text("id", row)];
        let run = table.number("run_id", row) as u64;
        let own = values.entry(run).or_insert_with(|| vec![f64::NAN; width]);
        let start = (month * ids.len() + id) * metrics.len();
        for (at, cells) in cells.iter().enumerate() {
            own[start + at] = cells.at(row);
        }
    }
    let mut sums = vec![vec![Paired::default(); width]; arms.len()];
    for row in 0..runs.rows() {
        let Some(arm) = arms.iter().position(|(arm, _)| *arm == runs.text("arm", row)) else {
            continue;
        };
        let twin = runs.number("counterfactual_run_id", row);
        if !twin.is_finite() {
            continue;
        }
        let own = values.get(&(runs.number("run_id", row) as u64));
        if let (Some(own), Some(twin)) = (own, values.get(&(twin as u64))) {
            for (sum, (x, y)) in sums[arm].iter_mut().zip(own.iter().zip(twin)) {
                sum.add(*x, *y);
            }
        }
    }
    let panel = Panel { arms, ids, months, metrics, sums };
    Ok(Some((panel, vec![firms_file, runs_file])))
}

fn text(frame: &mut Frame, at: usize, text: &str) {
    frame.cells[at].text(Some(Arc::from(text)));
}

fn words(names: &[(&str, &str)]) -> Vec<Column> {
    names.iter().map(|(name, says)| Column::new(name, "word", says, Kind::Text)).collect()
}

fn numbers(names: &[&str]) -> Vec<Column> {
    names.iter().map(|name| Column::new(name, "see unit", "", Kind::Number)).collect()
}

/// The effects of a panel as a table.
fn effects(panel: &Panel, skip: &[&str]) -> Frame {
    let mut columns = words(&[
        ("arm", "Name of the arm."),
        ("id", "Id of the firm."),
        ("metric", "A column of the table of firms."),
        ("month", "The month."),
    ]);
    columns.extend(numbers(&["pairs", "mean", "mean_counterfactual", "effect", "low", "high"]));
    let mut frame = Frame::new(columns);
    for (arm, (name, _)) in panel.arms.iter().enumerate() {
        for (at, metric) in panel.metrics.iter().enumerate() {
            if skip.contains(&metric.as_str()) {
                continue;
            }
            for (id, firm) in panel.ids.iter().enumerate() {
                for (month, when) in panel.months.iter().enumerate() {
                    let sums = panel.at(arm, month, id, at);
                    if sums.difference.n() == 0 {
                        continue;
                    }
                    for (column, word) in [name, firm, metric, when].into_iter().enumerate() {
                        text(&mut frame, column, word);
                    }
                    let (mean, half) = (sums.difference.mean(), sums.difference.half_width());
                    let numbers = [
                        sums.difference.n() as f64,
                        sums.treated.mean(),
                        sums.counterfactual.mean(),
                        mean,
                        mean - half,
                        mean + half,
                    ];
                    for (column, x) in numbers.into_iter().enumerate() {
                        frame.cells[4 + column].number(x);
                    }
                }
            }
        }
    }
    frame
}

/// Growth since the first month, in parts that sum to the whole; the counterfactual's as an arm of its own.
fn growth(panel: &Panel) -> Frame {
    let mut columns = words(&[
        ("what", "What grows."),
        ("arm", "Name of the arm."),
        ("id", "Id of the firm."),
        ("month", "The month until which it grows."),
        ("part", "The part of growth."),
    ]);
    columns.extend(numbers(&["growth"]));
    let mut frame = Frame::new(columns);
    let mut twins: Vec<&str> = Vec::new();
    // An arm and whether it is told as the counterfactual of the arm.
    let mut arms: Vec<(usize, &str, bool)> = Vec::new();
    for (at, (arm, twin)) in panel.arms.iter().enumerate() {
        arms.push((at, arm, false));
        if !twins.contains(&twin.as_str()) {
            twins.push(twin);
            arms.push((at, twin, true));
        }
    }
    for (what, _, _, whole, parts) in SPLITS {
        let Some(whole) = panel.metric(whole) else { continue };
        for (arm, name, twin) in &arms {
            for (id, firm) in panel.ids.iter().enumerate() {
                let grown = |metric: usize, month: usize| {
                    let mean = |month: usize| {
                        let sums = panel.at(*arm, month, id, metric);
                        if *twin { sums.counterfactual.mean() } else { sums.treated.mean() }
                    };
                    mean(month) - mean(0)
                };
                for (month, when) in panel.months.iter().enumerate().skip(1) {
                    if !grown(whole, month).is_finite() {
                        continue;
                    }
                    let mut row = |part: &str, x: f64| {
                        for (at, word) in
                            [what, name, firm.as_str(), when, part].into_iter().enumerate()
                        {
                            text(&mut frame, at, word);
                        }
                        frame.cells[5].number(x);
                    };
                    for (part, of) in *parts {
                        let sum = of
                            .iter()
                            .map(|(metric, factor)| {
                                panel.metric(metric).map_or(f64::NAN, |m| factor * grown(m, month))
                            })
                            .sum();
                        row(part, sum);
                    }
                    row("whole", grown(whole, month));
                }
            }
        }
    }
    frame
}

/// Whether a panel has every column that some split needs.
fn splits(panel: &Panel) -> bool {
    SPLITS.iter().any(|(_, _, _, whole, parts)| {
        let all = parts.iter().flat_map(|(_, of)| of.iter().map(|(metric, _)| metric));
        panel.metric(whole).is_some() && all.into_iter().all(|m| panel.metric(m).is_some())
    })
}

/// Names and groups of the firms, from the study's own copy of the table of firms.
fn who(folder: &Folder, ids: &[String]) -> Result<Json, Failed> {
    let table = folder.input("/firms.csv")?.unwrap_or_default();
    let found = |id: &String| (0..table.rows()).find(|row| table.text("id", *row) == *id);
    Ok(ids
        .iter()
        .map(|id| {
            let cell = |name: &str| found(id).map(|row| table.text(name, row)).unwrap_or_default();
            let name = if cell("name").is_empty() { id.clone() } else { cell("name") };
            json!({ "id": id, "name": name, "group": cell("group"), "developer": cell("developer") == "true" })
        })
        .collect())
}

fn metrics_json(metrics: &[String], skip: &[&str]) -> Json {
    metrics
        .iter()
        .filter(|name| !skip.contains(&name.as_str()))
        .map(|name| {
            let metric = columns(mechanisms::all_metrics(), Scope::Firm).find(|m| m.name == name);
            json!({
                "name": name,
                "unit": metric.map_or("", |m| m.unit),
                "definition": metric.map_or("", |m| m.definition),
            })
        })
        .collect()
}

const PANDAS: &str = "\
import pandas as pd
runs = pd.read_parquet(f\"{folder}/merged/runs.parquet\")
firms = pd.read_parquet(f\"{folder}/merged/firms.parquet\").astype({metric: \"float64\"})
twin = runs.loc[runs.arm == arm, [\"run_id\", \"counterfactual_run_id\"]]
both = (twin.merge(firms, on=\"run_id\")
            .merge(firms, left_on=[\"counterfactual_run_id\", \"month\", \"id\"], right_on=[\"run_id\", \"month\", \"id\"], suffixes=(\"\", \"_twin\")))
both = both.dropna(subset=[metric, metric + \"_twin\"])
effect = (both[metric] - both[metric + \"_twin\"]).groupby([both.id, both.month]).mean()";

const PANDAS_GROWTH: &str = "\
# as for the effects by firm; then, from the means of each column by firm and month (first: the first month that was kept)
grown = mean - mean.groupby(\"id\").transform(\"first\")
import numpy as np
parts = {
    \"chips and time\": grown.possible_run_log10_flop,
    \"own training efficiency\": (grown.gain_train_own + grown.gain_train_noise) / np.log(10),
    \"spillover\": grown.gain_train_spillover / np.log(10),
    \"scale\": (grown.ln_a_train_effective - grown.ln_a_train) / np.log(10),
    \"own quality and paradigms\": grown.gain_quality_own + grown.gain_quality_paradigms + grown.gain_quality_fading,
    \"distillation\": grown.distilled_dex,
}   # sum to grown.capability_dex; serving: gain_serve_own + gain_serve_noise, gain_serve_spillover, gain_serve_learning sum to ln_a_serve";

/// Firm by firm.
///
/// # Errors
/// When a table cannot be read.
pub fn section(folders: &[Folder]) -> Result<Section, Failed> {
    let mut section = Section::new("parts", "What growth is made of, and who bears it");
    // Parts of growth are a figure of their own.
    let skip: Vec<&str> = SPLITS
        .iter()
        .flat_map(|split| split.4.iter())
        .flat_map(|(_, of)| of.iter().map(|(metric, _)| *metric))
        .filter(|name| *name != "ln_a_train")
        .collect();
    for folder in folders {
        let Some((panel, sources)) = paired(folder)? else { continue };
        let who = who(folder, &panel.ids)?;
        let has = |section: &Section, id: &str| section.figures.iter().any(|f| f.id == id);
        if splits(&panel) && !has(&section, "growth") {
            let splits: Json = SPLITS
                .iter()
                .filter(|split| panel.metric(split.3).is_some())
                .map(|(name, label, unit, _, parts)| {
                    let parts: Vec<&str> = parts.iter().map(|part| part.0).collect();
                    json!({ "name": name, "label": label, "unit": unit, "parts": parts })
                })
                .collect();
            section.figures.push(Figure {
                id: "growth",
                title: "What growth is made of".to_owned(),
                says: format!(
                    "Growth from {} to the chosen horizon, mean over draws, in parts that sum to the whole (the dot). Capability \
                     is in dex, powers of ten of effective training compute; serving efficiency in natural logarithms of tokens \
                     per unit of compute.",
                    super::answer::month_name(&panel.months[0])
                ),
                more: json!({ "splits": splits, "firms": who, "first": panel.months[0] }),
                data: growth(&panel),
                formula: PANDAS_GROWTH.to_owned(),
                commands: vec![folder.command()],
                sources: sources.clone(),
            });
        }
        if !has(&section, "firms") {
            section.figures.push(Figure {
                id: "firms",
                title: "Effects by firm at the chosen horizon".to_owned(),
                says: "Mean difference from the counterfactual with its paired 90 % interval, firm by firm. Firms and arms \
                       are chosen above."
                    .to_owned(),
                more: json!({ "metrics": metrics_json(&panel.metrics, &skip), "firms": who }),
                data: effects(&panel, &skip),
                formula: PANDAS.to_owned(),
                commands: vec![folder.command()],
                sources,
            });
        }
    }
    for folder in folders {
        let table = folder.table("attribution", &[])?.map(|(mut frame, source)| {
            frame.rename("mechanism", "part");
            (super::effects::narrowed(&frame), source)
        });
        if let Some((frame, source)) = table
            && frame.lacks(&["outcome", "part", "effect"]).is_none()
        {
            section.figures.push(Figure {
                id: "attribution",
                title: "Which mechanism the effect comes from".to_owned(),
                says: "Shapley attribution: what each mechanism adds to the effect, averaged over every order in which mechanisms \
                       can be switched on. The parts and the rest, which is left with all of them off, sum to the total."
                    .to_owned(),
                more: json!({ "outcomes": super::effects::described(&super::effects::outcomes(&frame)) }),
                data: frame,
                formula: format!("the rows of {} in one month and arm", source.path),
                commands: vec![if folder.plan.is_some() { folder.command() } else { String::new() }],
                sources: vec![source],
            });
        }
    }
    section.figures.sort_by_key(|figure| {
        ["growth", "attribution", "firms"].iter().position(|id| *id == figure.id)
    });
    let has = |id: &str| section.figures.iter().any(|figure| figure.id == id);
    let (growth, attribution) = (has("growth"), has("attribution"));
    if !growth {
        section.missing(
            "No study with the parts of growth by firm was given, so growth is not split into chips, efficiency, spillover and \
             distillation.",
            COMMAND,
        );
    }
    if !attribution {
        section.missing_after(
            "No Shapley attribution (a table `attribution`) was given, so the effect is not split by mechanism.",
            "frugality study run worlds/studies/identification.toml",
        );
    }
    Ok(section)
}
