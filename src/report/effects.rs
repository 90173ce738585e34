//! Treated against counterfactual, month by month, and against the dose.

use serde_json::{Value as Json, json};

use super::Failed;
use super::figure::{Figure, Section};
use super::folder::{Folder, Source};
use super::frame::Frame;
use crate::mechanisms;
use crate::metric::Scope;
use crate::record::columns;

/// Outcomes that the page shows, in this order, with their names for people.
pub(super) const OUTCOMES: &[(&str, &str)] = &[
    ("efficiency_gap", "Efficiency gap, training and serving"),
    ("efficiency_gap_train", "Efficiency gap, training"),
    ("efficiency_gap_serve", "Efficiency gap, serving"),
    ("efficiency_gap_best", "Efficiency gap, best developers"),
    ("third_market_share", "Share of third markets"),
    ("third_market_share_poor", "Share of markets short of infrastructure"),
    ("third_market_share_spend", "Share of third markets by spend"),
    ("capability_lag_months", "Capability lag"),
    ("serving_cost_ratio", "Serving cost, constrained / unconstrained"),
    ("serving_energy_ratio", "Serving energy, constrained / unconstrained"),
    ("compute_share_usable", "Share of compute usable"),
    ("domestic_chip_share", "Share of domestic chips"),
    ("grey_share", "Share of grey chips"),
    ("vendor_revenue_lost_usd", "Vendor revenue lost"),
    ("firm_value_usd_constrained", "Value of constrained firms"),
    ("firm_value_usd_unconstrained", "Value of unconstrained firms"),
];

/// What the mark of an arm with mechanisms switched off begins with.
pub(super) const WITHOUT: &str = ".without.";

/// What follows the name of a metric where an outcome is its last value.
const AT_END: &str = "_end";

const COLUMNS: &[&str] = &[
    "arm",
    "counterfactual",
    "outcome",
    "month",
    "unit",
    "pairs",
    "mean",
    "mean_counterfactual",
    "effect",
    "low",
    "high",
    "share_above",
    "share_below",
];

const PANDAS: &str = "\
import pandas as pd
effects = pd.read_parquet(f\"{folder}/merged/effects.parquet\")        # every number of the figure is a cell of it
rows = effects[effects.month.notna() & (effects.outcome == outcome)]

# and it follows from the runs: the mean over draws of the differences between twins, with its 90 % t-interval
from scipy.stats import t
runs = pd.read_parquet(f\"{folder}/merged/runs.parquet\")
series = pd.read_parquet(f\"{folder}/merged/series.parquet\").astype({outcome: \"float64\"})
twin = runs.loc[runs.arm == arm, [\"run_id\", \"counterfactual_run_id\"]]
both = (twin.merge(series, on=\"run_id\")
            .merge(series, left_on=[\"counterfactual_run_id\", \"month\"], right_on=[\"run_id\", \"month\"], suffixes=(\"\", \"_twin\")))
both[\"difference\"] = both[outcome] - both[outcome + \"_twin\"]
d = both.dropna(subset=\"difference\").groupby(\"month\").difference.agg([\"count\", \"mean\", \"std\"])
d[\"half\"] = t.ppf(0.95, d[\"count\"] - 1) * d[\"std\"] / d[\"count\"] ** 0.5        # low, high = mean - half, mean + half";

/// The effects of one study.
#[derive(Clone, Debug)]
pub struct Effects {
    /// The study's folder, by position.
    pub folder: usize,
    /// Rows by month.
    pub frame: Frame,
    /// The file.
    pub source: Source,
    /// Whether its policies differ by levers.
    pub levers: Vec<String>,
}

/// An effect with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean of the differences within draws.
    pub effect: f64,
    /// Low end of the interval.
    pub low: f64,
    /// High end.
    pub high: f64,
    /// Draws.
    pub pairs: f64,
    /// Share of draws in which the policy gives more.
    pub above: f64,
    /// Share in which it gives less.
    pub below: f64,
}

/// On which side of nothing an interval lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Wholly above.
    Above,
    /// Wholly below.
    Below,
    /// On both sides, or nowhere.
    Open,
}

impl Estimate {
    /// Where the interval lies.
    #[must_use]
    pub fn side(&self) -> Side {
        if self.low > 0.0 {
            Side::Above
        } else if self.high < 0.0 {
            Side::Below
        } else {
            Side::Open
        }
    }
}

impl Effects {
    /// Reads the effects of every study that has some.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub fn all(folders: &[Folder]) -> Result<Vec<Self>, Failed> {
        let mut all = Vec::new();
        // A hindcast is a study too, of a few years and with arms of its own.
        let studies = |f: &Folder| f.plan.is_some() && !f.hindcast;
        for (at, folder) in folders.iter().enumerate().filter(|(_, f)| studies(f)) {
            let Some((frame, source)) = folder.table("effects", &[])? else { continue };
            if frame.lacks(COLUMNS).is_some() {
                continue;
            }
            let levers = folder.factors("levers");
            let mut wanted = levers.iter().map(String::as_str).collect::<Vec<_>>();
            wanted.extend(COLUMNS);
            let frame = frame.pick(&wanted, |row| {
                !frame.text("month", row).is_empty()
                    && !frame.text("arm", row).contains(WITHOUT)
                    && is_known(&frame.text("outcome", row))
            });
            if frame.rows() > 0 {
                all.push(Self { folder: at, frame, source, levers });
            }
        }
        Ok(all)
    }

    /// The effect on `outcome` of an arm in each month that was kept.
    #[must_use]
    pub fn path(&self, arm: &str, outcome: &str) -> Vec<(String, Estimate)> {
        let frame = &self.frame;
        (0..frame.rows())
            .filter(|row| frame.text("arm", *row) == arm && frame.text("outcome", *row) == outcome)
            .map(|row| {
                let number = |name| frame.number(name, row);
                let estimate = Estimate {
                    effect: number("effect"),
                    low: number("low"),
                    high: number("high"),
                    pairs: number("pairs"),
                    above: number("share_above"),
                    below: number("share_below"),
                };
                (frame.text("month", row), estimate)
            })
            .collect()
    }

    /// The arm that stands for the regime as it came.
    #[must_use]
    pub fn treated(&self) -> String {
        let arms = self.frame.distinct("arm");
        let known = ["reference", "factual"];
        let named = known.iter().find(|name| arms.iter().any(|arm| arm == *name));
        named.map_or_else(|| arms[0].clone(), ToString::to_string)
    }
}

/// Names, units and definitions of outcomes, for people.
#[must_use]
pub fn described(outcomes: &[String]) -> Json {
    outcomes
        .iter()
        .map(|name| {
            let label = OUTCOMES.iter().find(|(own, _)| own == name).map_or(name.as_str(), |o| o.1);
            let metric = columns(mechanisms::all_metrics(), Scope::World).find(|m| m.name == name);
            let definition = match name.as_str() {
                // The metrics' own definitions name other metrics.
                "efficiency_gap" | "efficiency_gap_train" | "efficiency_gap_serve" => {
                    "Mean log algorithmic efficiency of constrained developers less that of unconstrained ones, weighted by \
                     compute at the start. Above 0: the constrained are ahead. The effect on it is the frugality premium."
                }
                _ => metric.map_or("", |m| m.definition),
            };
            json!({
                "name": name,
                "label": label,
                "unit": metric.map_or("", |m| m.unit),
                "definition": definition,
            })
        })
        .collect()
}

/// The outcomes of a table, in the page's order, then others.
pub(super) fn outcomes(frame: &Frame) -> Vec<String> {
    let there = frame.distinct("outcome");
    let known = OUTCOMES.iter().map(|(name, _)| (*name).to_owned());
    let mut all: Vec<String> = known.filter(|name| there.contains(name)).collect();
    all.extend(there.into_iter().filter(|name| !is_known(name)));
    all
}

fn is_known(outcome: &str) -> bool {
    OUTCOMES.iter().any(|(name, _)| *name == outcome)
}

/// The rows about outcomes that the page shows, if it shows any of them, and of these the ones by month, if there
/// are some: other rows would only make the page heavy.
pub(super) fn narrowed(frame: &Frame) -> Frame {
    let all: Vec<&str> = frame.columns.iter().map(|column| column.name.as_str()).collect();
    let known = |row: usize| is_known(frame.text("outcome", row).trim_end_matches(AT_END));
    let dated = |row: usize| !frame.text("month", row).is_empty();
    let some = |what: &dyn Fn(usize) -> bool| (0..frame.rows()).any(what);
    let any_known = some(&known);
    let wanted = |row: usize| known(row) || !any_known;
    let any_dated = some(&|row| wanted(row) && dated(row));
    frame.pick(&all, |row| wanted(row) && (dated(row) || !any_dated))
}

/// Treated against counterfactual.
#[must_use]
pub fn section(folders: &[Folder], all: &[Effects]) -> Section {
    let mut section = Section::new("effects", "What the regime changes");
    let mut data = Frame::default();
    let (mut commands, mut sources, mut studies) = (Vec::new(), Vec::new(), Vec::new());
    for effects in all.iter().filter(|effects| effects.levers.is_empty()) {
        let folder = &folders[effects.folder];
        let mut frame = effects.frame.clone();
        frame.label("study", "Folder of the study.", &folder.name);
        data.append(frame);
        commands.push(folder.command());
        sources.push(effects.source.clone());
        studies.push(json!({
            "name": folder.name,
            "title": folder.planned("title"),
            "draws": varied(folder),
        }));
    }
    if data.rows() == 0 {
        section.missing(
            "No study with effects by month was given, so nothing here compares a world with controls to one without.",
            "frugality study run worlds/studies/trajectories.toml",
        );
        return section;
    }
    section.paragraph(
        "Each world is run beside a counterfactual twin that shares its luck, draw by draw. The effect is the mean of the \
         differences within draws; the band is its 90 % interval. It says how well the mean is known, not in which range a \
         single world lies.",
    );
    let more = json!({ "outcomes": described(&outcomes(&data)), "studies": studies });
    section.figures.push(Figure {
        id: "effects",
        title: "Treated against counterfactual, by month".to_owned(),
        says: "Above: the mean under each arm, its counterfactual dashed. Below: the effect, arm less counterfactual, \
               with the paired 90 % interval."
            .to_owned(),
        data,
        formula: PANDAS.to_owned(),
        commands: commands.clone(),
        sources: sources.clone(),
        more,
    });
    section.figures.push(Figure {
        id: "horizon",
        title: "Effects at the chosen horizon".to_owned(),
        says: "Mean effect and paired 90 % interval of each arm in the month chosen above. Zero is no difference from the \
               counterfactual."
            .to_owned(),
        data: Frame::default(),
        formula: "The rows of the figure before in one month: effects[effects.month == horizon].".to_owned(),
        commands,
        sources,
        more: json!({ "of": "effects" }),
    });
    section
}

/// What the draws of a study vary, in words.
#[must_use]
pub fn varied(folder: &Folder) -> &'static str {
    if folder.factors("uncertainties").is_empty() {
        "luck only, at one set of parameters"
    } else {
        "luck and the parameters that nobody knows"
    }
}

/// Outcomes against the dose.
///
/// # Errors
/// When a table cannot be read.
pub fn dose(folders: &[Folder], all: &[Effects]) -> Result<Section, Failed> {
    let mut section = Section::new("dose", "How it grows with the dose");
    let numeric = |effects: &Effects, lever: &String| {
        let at = effects.frame.find(lever);
        at.is_some_and(|at| !matches!(effects.frame.cells[at], crate::study::Cells::Text(_)))
    };
    let study = all.iter().find_map(|effects| {
        let lever = effects.levers.iter().find(|lever| numeric(effects, lever))?;
        Some((effects, lever.clone()))
    });
    if let Some((effects, lever)) = &study {
        let folder = &folders[effects.folder];
        let mut data = effects.frame.clone();
        // The dose and the other lever carry the same names whatever the study calls them.
        let others: Vec<&String> = effects.levers.iter().filter(|own| *own != lever).collect();
        for column in &mut data.columns {
            if column.name == *lever {
                "dose".clone_into(&mut column.name);
            } else if others.first().is_some_and(|other| **other == column.name) {
                "besides".clone_into(&mut column.name);
            }
        }
        let more = json!({
            "outcomes": described(&outcomes(&data)),
            "lever": lever,
            "besides": others.first(),
            "turning": Json::Null,
        });
        section.figures.push(Figure {
            id: "dose",
            title: "Effect against the dose of the controls".to_owned(),
            says: format!(
                "Mean effect against dose 0 with its paired 90 % interval, in the month chosen above; the dose is the lever \
                 `{lever}`, 0 for no regime and 1 for the rules as they are. The draws vary {}.",
                varied(folder)
            ),
            data,
            formula: format!(
                "effects = pd.read_parquet(f\"{{folder}}/merged/effects.parquet\")\n\
                 rows = effects[(effects.outcome == outcome) & (effects.month == horizon)]   # against rows.{lever}"
            ),
            commands: vec![folder.command()],
            sources: vec![effects.source.clone()],
            more,
        });
    }
    let mut claims = None;
    for folder in folders {
        if let Some((frame, source)) = folder.table("dose_response", &[])?
            && frame.lacks(&["dose", "outcome", "mean"]).is_none()
        {
            claims = Some((frame, source, folder.told("frugality claims")));
            break;
        }
    }
    if let Some((frame, source, command)) = claims {
        section.figures.push(Figure {
            id: "levels",
            title: "Outcome against the dose, as the claims test it".to_owned(),
            says: "Effect of each dose against none, with its 90 % interval. Where a curve turns, the turning point is marked \
                   with its interval."
                .to_owned(),
            more: json!({ "outcomes": described(&outcomes(&frame)) }),
            data: frame,
            formula: format!("pd.read_csv(\"{}\")", source.path),
            commands: vec![command],
            sources: vec![source],
        });
    }
    if section.figures.is_empty() {
        section.missing(
            "No study with a dose was given, so it is not known whether the effects grow with the controls.",
            "frugality study run worlds/studies/dose-response.toml",
        );
    }
    Ok(section)
}
