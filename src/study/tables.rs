//! The tables of a study: their columns, and runs as rows of them.

use std::sync::Arc;

use super::design::{Factor, Pick};
use super::plan::{FIXED, Plan};
use super::record::Kept;
use super::run_one::Ran;
use super::table::{Batch, Column, Kind};
use crate::calendar::Month;
use crate::mechanisms;
use crate::record::columns;
use crate::record::ending::EVENTS;

/// A table: its name and columns.
#[derive(Clone, Debug)]
pub struct Table {
    /// Name of its files.
    pub name: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// Columns.
    pub columns: Vec<Column>,
}

fn whole(name: &str, definition: &str) -> Column {
    Column::new(name, "number", definition, Kind::Whole)
}

fn run_id() -> Column {
    whole("run_id", "Number of the run: draw × policies + policy.")
}

fn month() -> Column {
    Column::new("month", "month", "The month, YYYY-MM.", Kind::Text)
}

pub(super) fn of_factor(factor: &Factor) -> Column {
    if factor.is_numeric() {
        Column::new(&factor.name, &factor.unit, &factor.definition, Kind::Number)
    } else {
        let definition =
            if factor.definition.is_empty() { "Name of the level." } else { &factor.definition };
        Column::new(&factor.name, "word", definition, Kind::Text)
    }
}

/// The table of runs.
#[must_use]
pub fn runs(plan: &Plan) -> Table {
    let word = |name, definition| Column::new(name, "word", definition, Kind::Text);
    let mut columns = vec![run_id(), word("arm", "Name of the arm.")];
    columns.extend(plan.design.levers.iter().map(of_factor));
    columns.extend([
        whole("draw", "Number of the draw: a scenario under a seed, the same for all policies."),
        whole("scenario", "Number of the scenario: a row of the design of uncertainties."),
        whole("replicate", "Number of the seed among those of the scenario."),
        whole("seed", "The seed of all random draws."),
        whole(
            "counterfactual_run_id",
            "The run of the same draw that this one is compared with; empty for a counterfactual.",
        ),
        word("status", "ok or failed."),
        Column::new("error", "text", "Why the run failed; empty if it did not.", Kind::Text),
        Column::new(
            "replay",
            "text",
            "The command that makes the run again with everything recorded, in the study's folder.",
            Kind::Text,
        ),
    ]);
    columns.extend(plan.design.uncertainties.iter().map(of_factor));
    columns.extend(
        plan.record
            .outcomes
            .iter()
            .map(|o| Column::new(&o.name, &o.unit, &o.definition, Kind::Number)),
    );
    debug_assert!(FIXED.iter().all(|name| columns.iter().any(|c| c.name == *name)));
    Table { name: "runs", about: "a row a run", columns }
}

/// Where the columns of outcomes begin in the table of runs.
#[must_use]
pub fn outcomes_at(plan: &Plan) -> usize {
    FIXED.len() + plan.design.levers.len() + plan.design.uncertainties.len()
}

/// The table of series.
#[must_use]
pub fn series(plan: &Plan) -> Table {
    let metrics = plan.record.series.iter();
    let mut columns = vec![run_id(), month()];
    columns.extend(metrics.map(|(_, m)| Column::new(m.name, m.unit, m.definition, Kind::Short)));
    Table { name: "series", about: "a row a run and month", columns }
}

/// The tables of panels.
#[must_use]
pub fn panels(plan: &Plan) -> Vec<Table> {
    let one = |panel: &super::record::Panel| {
        let id = Column::new("id", "id", "Id of the member.", Kind::Text);
        let mut columns = vec![run_id(), month(), id];
        columns.extend(
            panel
                .metrics
                .iter()
                .map(|(_, m)| Column::new(m.name, m.unit, m.definition, Kind::Short)),
        );
        Table { name: panel.scope.table(), about: "a row a run, month and member", columns }
    };
    plan.record.panels.iter().map(one).collect()
}

/// The table of events.
#[must_use]
pub fn events() -> Table {
    let mut columns = vec![run_id()];
    for field in &EVENTS {
        let kind = match field.name {
            "id" | "cause" => Kind::Whole,
            "quantity" => Kind::Number,
            _ => Kind::Text,
        };
        columns.push(Column::new(field.name, field.unit, field.definition, kind));
    }
    Table { name: "events", about: "a row a run and event", columns }
}

/// The tables that shards hold, in the order of their files.
#[must_use]
pub fn of_shards(plan: &Plan) -> Vec<Table> {
    let mut tables = vec![runs(plan)];
    if !plan.record.series.is_empty() {
        tables.push(series(plan));
    }
    tables.extend(panels(plan));
    if plan.record.events {
        tables.push(events());
    }
    tables
}

/// What never changes from run to run: names as text cells.
pub(super) struct Texts {
    arms: Vec<Arc<str>>,
    months: Vec<(Month, Arc<str>)>,
    ok: Arc<str>,
    failed: Arc<str>,
}

impl Texts {
    pub fn new(plan: &Plan) -> Self {
        let (first, last) = plan.span;
        let months = (0..=last - first).map(|n| first + n);
        Self {
            arms: plan.arms.iter().map(|arm| Arc::from(arm.name.as_str())).collect(),
            months: months.map(|m| (m, Arc::from(m.to_string()))).collect(),
            ok: Arc::from("ok"),
            failed: Arc::from("failed"),
        }
    }

    fn month(&self, month: Month) -> Option<Arc<str>> {
        let first = self.months.first()?.0;
        let at = usize::try_from(month - first).ok()?;
        self.months.get(at).map(|(_, text)| Arc::clone(text))
    }
}

/// The rows of some runs, a batch each of [`of_shards`].
pub(super) fn rows(plan: &Plan, texts: &Texts, tables: &[Table], runs: &[Ran]) -> Vec<Batch> {
    tables
        .iter()
        .map(|table| {
            let mut batch = Batch::new(&table.columns);
            for ran in runs {
                match (&ran.result, table.name) {
                    (_, "runs") => run_row(plan, texts, ran, &mut batch),
                    (Ok(kept), "series") => series_rows(plan, texts, ran.run_id, kept, &mut batch),
                    (Ok(kept), "events") => event_rows(texts, ran.run_id, kept, &mut batch),
                    (Ok(kept), name) => panel_rows(plan, texts, name, ran.run_id, kept, &mut batch),
                    (Err(_), _) => {}
                }
            }
            batch
        })
        .collect()
}

fn factor_cell(factor: &Factor, pick: Pick, cells: &mut super::table::Cells) {
    if factor.is_numeric() {
        cells.number(factor.number(pick));
    } else {
        cells.text(Some(Arc::from(factor.label(pick))));
    }
}

fn run_row(plan: &Plan, texts: &Texts, ran: &Ran, batch: &mut Batch) {
    let policy = plan.policies[ran.policy];
    let policies = plan.policies.len() as u64;
    let id = |n: u64| i64::try_from(n).ok();
    let mut cells = batch.cells.iter_mut();
    let mut next = || cells.next().expect("a row has the cells of its table");
    next().whole(id(ran.run_id));
    next().text(Some(Arc::clone(&texts.arms[policy.arm])));
    for (at, lever) in plan.design.levers.iter().enumerate() {
        factor_cell(lever, plan.design.lever(at, policy.lever_row), next());
    }
    next().whole(id(ran.draw.number));
    next().whole(id(ran.draw.scenario));
    next().whole(id(ran.draw.replicate));
    next().whole(id(ran.draw.seed));
    next().whole(policy.against.and_then(|p| id(ran.draw.number * policies + p as u64)));
    let (status, error, replay) = match &ran.result {
        Ok(_) => (&texts.ok, None, None),
        Err(error) => {
            let replay = format!("frugality study replay . {}", ran.run_id);
            (&texts.failed, Some(Arc::from(error.as_str())), Some(Arc::from(replay)))
        }
    };
    next().text(Some(Arc::clone(status)));
    next().text(error);
    next().text(replay);
    for (at, factor) in plan.design.uncertainties.iter().enumerate() {
        factor_cell(factor, plan.design.uncertainty(at, ran.draw.scenario), next());
    }
    for at in 0..plan.record.outcomes.len() {
        next().number(ran.result.as_ref().map_or(f64::NAN, |kept| kept.outcomes[at]));
    }
}

fn series_rows(plan: &Plan, texts: &Texts, run_id: u64, kept: &Kept, batch: &mut Batch) {
    let width = plan.record.series.len();
    for (at, month) in kept.months.iter().enumerate() {
        batch.cells[0].whole(i64::try_from(run_id).ok());
        batch.cells[1].text(texts.month(*month));
        let row = &kept.series[at * width..(at + 1) * width];
        for (cells, value) in batch.cells[2..].iter_mut().zip(row) {
            cells.number(f64::from(*value));
        }
    }
}

fn panel_rows(plan: &Plan, texts: &Texts, name: &str, run_id: u64, kept: &Kept, batch: &mut Batch) {
    let at = plan.record.panels.iter().position(|panel| panel.scope.table() == name);
    let Some((panel, rows)) = at.map(|at| (&plan.record.panels[at], &kept.panels[at])) else {
        return;
    };
    let width = panel.metrics.len();
    for (row, month) in rows.months.iter().enumerate() {
        batch.cells[0].whole(i64::try_from(run_id).ok());
        batch.cells[1].text(texts.month(kept.months[usize::from(*month)]));
        batch.cells[2].text(Some(Arc::clone(&rows.ids[row])));
        let values = &rows.values[row * width..(row + 1) * width];
        for (cells, value) in batch.cells[3..].iter_mut().zip(values) {
            cells.number(f64::from(*value));
        }
    }
}

fn event_rows(texts: &Texts, run_id: u64, kept: &Kept, batch: &mut Batch) {
    let text = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
    for event in &kept.events {
        let mut cells = batch.cells.iter_mut();
        let mut next = || cells.next().expect("a row has the cells of its table");
        next().whole(i64::try_from(run_id).ok());
        next().whole(Some(i64::from(event.id.0)));
        next().text(texts.month(event.month));
        next().text(text(event.kind));
        next().text(text(&event.subject));
        next().text(text(&event.object));
        next().number(event.quantity);
        next().text(text(event.unit));
        next().whole(event.cause.map(|cause| i64::from(cause.0)));
        next().text(text(&event.besides_text()));
        next().text(text(&event.text));
    }
}

/// Unit and definition of a world metric or an outcome.
#[must_use]
pub fn unit_of<'a>(plan: &'a Plan, name: &str) -> &'a str {
    let outcome = plan.record.outcomes.iter().find(|o| o.name == name).map(|o| o.unit.as_str());
    let metric = || {
        columns(mechanisms::all_metrics(), crate::metric::Scope::World)
            .find(|m| m.name == name)
            .map(|m| m.unit)
    };
    outcome.or_else(metric).unwrap_or("")
}
