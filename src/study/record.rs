//! What a study keeps of a run: chosen metrics of the world by month, panels, events, and a
//! few numbers that sum the run up.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value as Json, json};

use super::file::{At, OutcomeSpec, StudyFile, Take};
use super::plan::{Bases, Plan};
use super::table::brief;
use crate::calendar::Month;
use crate::entities::chronicle::Event;
use crate::mechanisms;
use crate::metric::{Metric, Scope};
use crate::record::headline::headline;
use crate::record::observed::{Observer, measure};
use crate::record::{Ending, Page, Sink, columns};
use crate::world::observation::ObservationRow;
use crate::world::{Loaded, Problems, shown};

/// A number that sums a run up.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Name: a column of the table of runs.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// What it is.
    pub definition: String,
    /// How it is measured.
    pub measure: Measure,
}

/// How an outcome is measured.
#[derive(Clone, Debug)]
pub enum Measure {
    /// A metric over some months.
    Metric(MetricOver),
    /// What [`measure`](crate::record::observed::measure) makes of the run.
    Observation(Box<ObservationRow>),
}

/// A metric over some months.
#[derive(Clone, Debug)]
pub struct MetricOver {
    /// What it is measured on.
    pub scope: Scope,
    /// Position of the metric among those of its scope.
    pub column: usize,
    /// The member; empty for the world.
    pub id: String,
    /// First month that counts.
    pub from: Month,
    /// Last month that counts.
    pub to: Month,
    /// How the months become one number.
    pub take: Take,
}

impl Outcome {
    /// Last month that counts.
    #[must_use]
    pub fn last_month(&self) -> Month {
        match &self.measure {
            Measure::Metric(metric) => metric.to,
            Measure::Observation(row) => row.to,
        }
    }

    /// The observation that is measured, if it is one.
    #[must_use]
    pub fn observation(&self) -> Option<&ObservationRow> {
        match &self.measure {
            Measure::Observation(row) => Some(row),
            Measure::Metric(_) => None,
        }
    }

    fn json(&self) -> Json {
        match &self.measure {
            Measure::Metric(m) => json!({
                "name": self.name,
                "table": m.scope.table(),
                "id": m.id,
                "metric": columns(mechanisms::all_metrics(), m.scope).nth(m.column).map(|m| m.name),
                "from": m.from.to_string(),
                "to": m.to.to_string(),
                "take": m.take.word(),
            }),
            Measure::Observation(row) => json!({
                "name": self.name,
                "observation": row.id,
                "from": row.from.to_string(),
                "to": row.to.to_string(),
            }),
        }
    }
}

/// Before the id of an observation, in the name of its outcome.
pub const OBSERVED: &str = "obs.";

/// The metrics of a scope that are kept.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What they are measured on.
    pub scope: Scope,
    /// The metrics, and the position of each among those of the scope.
    pub metrics: Vec<(usize, &'static Metric)>,
}

/// What is kept.
#[derive(Clone, Debug)]
pub struct Record {
    /// World metrics, and the position of each among those of the world.
    pub series: Vec<(usize, &'static Metric)>,
    /// Panels.
    pub panels: Vec<Panel>,
    /// Whether the event log is kept.
    pub events: bool,
    /// Every so many months, counted back from the last.
    pub every: u32,
    /// Series, panels and events of the first draws only.
    pub draws: Option<u64>,
    /// Outcomes.
    pub outcomes: Vec<Outcome>,
}

impl Record {
    /// Whether `month` is kept.
    #[must_use]
    pub fn keeps(&self, month: Month, last: Month) -> bool {
        (last - month) % self.every.cast_signed() == 0
    }

    /// Whether series, panels and events of `draw` are kept.
    #[must_use]
    pub fn details(&self, draw: u64) -> bool {
        self.draws.is_none_or(|draws| draw < draws)
    }

    /// Bytes of a run's tables before compression, about.
    #[must_use]
    pub fn bytes_a_run(&self, plan: &Plan) -> u64 {
        let months = (plan.span.1 - plan.span.0).max(0) as u64 / u64::from(self.every) + 1;
        let counts = plan.bases.first().map(|base| &base.definition);
        let members = |scope| {
            counts.map_or(1, |d| match scope {
                Scope::World => 1,
                Scope::Firm => d.firms.len(),
                Scope::Vendor => d.vendors.len(),
                Scope::Country => d.countries.len(),
                Scope::Sku => d.chips.len(),
                Scope::Line => d.lines.len(),
            }) as u64
        };
        let panels: u64 =
            self.panels.iter().map(|p| members(p.scope) * (p.metrics.len() as u64 + 6)).sum();
        let events = if self.events { 4000 * 100 } else { 0 };
        months * 4 * (self.series.len() as u64 + panels + 6) + events
    }

    /// As the plan tells it.
    #[must_use]
    pub fn json(&self) -> Json {
        let names = |metrics: &[(usize, &'static Metric)]| -> Vec<&str> {
            metrics.iter().map(|m| m.1.name).collect()
        };
        let panels: BTreeMap<&str, Vec<&str>> =
            self.panels.iter().map(|p| (p.scope.table(), names(&p.metrics))).collect();
        json!({
            "series": names(&self.series),
            "every": self.every,
            "panels": panels,
            "events": self.events,
            "draws": self.draws,
            "outcomes": self.outcomes.iter().map(Outcome::json).collect::<Vec<_>>(),
        })
    }
}

fn of_scope(scope: Scope) -> Vec<(usize, &'static Metric)> {
    columns(mechanisms::all_metrics(), scope).enumerate().collect()
}

/// The metrics of `scope` that `words` name; a word that ends in `*` names all that begin so.
fn chosen(
    scope: Scope,
    words: &[At<String>],
    path: &str,
    problems: &mut Problems,
) -> Vec<(usize, &'static Metric)> {
    let all = of_scope(scope);
    let mut taken = vec![false; all.len()];
    for word in words {
        let matches = |name: &str| match word.value.strip_suffix('*') {
            Some(stem) => name.starts_with(stem),
            None => name == word.value,
        };
        let mut any = false;
        for (at, metric) in &all {
            if matches(metric.name) {
                taken[*at] = true;
                any = true;
            }
        }
        if !any {
            let hint = problems.hint(&word.value, all.iter().map(|m| m.1.name));
            let message =
                format!("`{}` is not a metric of {}{hint}", shown(&word.value), scope.table());
            problems.add(word.origin, path, message);
        }
    }
    all.into_iter().filter(|(at, _)| taken[*at]).collect()
}

fn scope_of(table: &str) -> Option<Scope> {
    Scope::ALL.into_iter().find(|scope| scope.table() == table)
}

/// What a study file asks to keep.
pub(super) fn resolve(
    study: &StudyFile,
    bases: &Bases,
    span: (Month, Month),
    problems: &mut Problems,
) -> Option<Record> {
    let spec = &study.record;
    let series = if spec.all_metrics {
        of_scope(Scope::World)
    } else if let Some(words) = &spec.metrics {
        chosen(Scope::World, words, "record.metrics", problems)
    } else {
        let wanted: Vec<&str> = headline(mechanisms::all_metrics()).map(|m| m.name).collect();
        of_scope(Scope::World).into_iter().filter(|m| wanted.contains(&m.1.name)).collect()
    };
    let mut panels = Vec::new();
    for (table, words) in &spec.panels {
        let path = format!("record.panels.{}", table.value);
        let scope = scope_of(&table.value).filter(|scope| *scope != Scope::World);
        let Some(scope) = scope else {
            let hint = problems.hint(&table.value, Scope::ALL[1..].iter().map(|s| s.table()));
            problems.add(table.origin, path, format!("there is no such panel{hint}"));
            continue;
        };
        let metrics = match words {
            None => of_scope(scope),
            Some(words) => chosen(scope, words, &path, problems),
        };
        panels.push(Panel { scope, metrics });
    }
    panels.sort_by_key(|panel| panel.scope);
    let mut outcomes = Vec::new();
    if study.outcomes.is_empty() {
        for (column, metric) in &series {
            outcomes.push(Outcome {
                name: metric.name.to_owned(),
                unit: metric.unit.to_owned(),
                definition: format!("{} In {}.", metric.definition, span.1),
                measure: Measure::Metric(MetricOver {
                    scope: Scope::World,
                    column: *column,
                    id: String::new(),
                    from: span.1,
                    to: span.1,
                    take: Take::Last,
                }),
            });
        }
    }
    if spec.observations {
        outcomes.extend(bases.first().definition.observations.iter().map(observed));
    }
    let reads = spec.observations || study.outcomes.iter().any(|o| o.observation.is_some());
    let differs = |loaded: &Loaded| {
        let (a, b) = (&loaded.definition.observations, &bases.first().definition.observations);
        a != b
    };
    if reads && let Some(at) = bases.loaded.iter().position(differs) {
        let message = "has other observations than the first arm's world";
        problems.add(bases.places[at], "record.observations", message);
    }
    for spec in &study.outcomes {
        outcomes.extend(outcome(spec, bases, span, problems));
    }
    if series.is_empty() && outcomes.is_empty() {
        problems.add(study.origin, "record", "neither metrics nor outcomes: nothing would be kept");
        return None;
    }
    let draws = spec.draws;
    Some(Record { series, panels, events: spec.events, every: spec.every as u32, draws, outcomes })
}

fn outcome(
    spec: &OutcomeSpec,
    bases: &Bases,
    span: (Month, Month),
    problems: &mut Problems,
) -> Option<Outcome> {
    let path = format!("outcomes.{}", spec.name.value);
    if let Some(wanted) = &spec.observation {
        return of_observation(spec, wanted, bases, problems);
    }
    let table = spec.table.as_ref().map_or(Scope::World.table(), |t| t.value.as_str());
    let Some(scope) = scope_of(table) else {
        let hint = problems.hint(table, Scope::ALL.iter().map(|s| s.table()));
        let origin = spec.table.as_ref().map_or(spec.name.origin, |t| t.origin);
        problems.add(origin, path, format!("there is no table `{}`{hint}", shown(table)));
        return None;
    };
    let found = chosen(scope, std::slice::from_ref(&spec.metric), &path, problems);
    let &[(column, metric)] = found.as_slice() else {
        if found.len() > 1 {
            problems.add(spec.metric.origin, path, "names several metrics; an outcome is one");
        }
        return None;
    };
    let id = spec.id.as_ref().map_or("", |id| id.value.as_str());
    if id.is_empty() != (scope == Scope::World) {
        let message = if id.is_empty() {
            format!("an outcome of {table} needs id = \"…\"")
        } else {
            "the world has no id; say table = \"firms\" or another".to_owned()
        };
        problems.add(spec.name.origin, path, message);
        return None;
    }
    if scope != Scope::World && scope != Scope::Sku {
        let rows = |at: usize| bases.loaded[at].cells.tables.get(table);
        let known = (0..bases.loaded.len()).any(|at| rows(at).is_some_and(|r| r.contains_key(id)));
        if !known {
            let ids = rows(0).into_iter().flat_map(|rows| rows.keys().map(String::as_str));
            let hint = problems.hint(id, ids);
            let origin = spec.id.as_ref().map_or(spec.name.origin, |id| id.origin);
            problems.add(origin, path, format!("`{}` is not a row of {table}{hint}", shown(id)));
            return None;
        }
    }
    let mut month = |word: &Option<At<String>>, default: Month| match word {
        None => Some(default),
        Some(word) => match word.value.parse::<Month>() {
            Ok(month) if month >= span.0 && month <= span.1 => Some(month),
            Ok(month) => {
                let message = format!("{month} is outside the run, {} to {}", span.0, span.1);
                problems.add(word.origin, path.clone(), message);
                None
            }
            Err(message) => {
                problems.add(word.origin, path.clone(), message);
                None
            }
        },
    };
    let last = spec.take == Take::Last;
    let to = month(&spec.to, span.1);
    let from = month(&spec.from, if last { to.unwrap_or(span.1) } else { span.0 });
    let (Some(from), Some(to)) = (from, to) else { return None };
    if from > to {
        problems.add(spec.name.origin, path, format!("{from} is after {to}"));
        return None;
    }
    let of = if id.is_empty() { String::new() } else { format!(" Of {id}.") };
    let when = match spec.take {
        Take::Last => format!("In {to}."),
        take => format!("The {} of the months {from} to {to}.", take.word()),
    };
    Some(Outcome {
        name: spec.name.value.clone(),
        unit: metric.unit.to_owned(),
        definition: format!("{}{of} {when}", metric.definition),
        measure: Measure::Metric(MetricOver {
            scope,
            column,
            id: id.to_owned(),
            from,
            to,
            take: spec.take,
        }),
    })
}

/// The outcome that measures an observation.
fn observed(row: &ObservationRow) -> Outcome {
    Outcome {
        name: format!("{OBSERVED}{}", row.id),
        unit: row.unit.clone(),
        definition: format!(
            "{}, {} to {}, as the source of the observation counts.",
            row.quantity, row.from, row.to
        ),
        measure: Measure::Observation(Box::new(row.clone())),
    }
}

/// An outcome that is an observation, maybe over other months.
fn of_observation(
    spec: &OutcomeSpec,
    wanted: &At<String>,
    bases: &Bases,
    problems: &mut Problems,
) -> Option<Outcome> {
    let path = format!("outcomes.{}", spec.name.value);
    let all = &bases.first().definition.observations;
    let Some(row) = all.iter().find(|row| row.id == wanted.value) else {
        let hint = problems.hint(&wanted.value, all.iter().map(|row| row.id.as_str()));
        let message = format!("there is no observation `{}`{hint}", shown(&wanted.value));
        problems.add(wanted.origin, path, message);
        return None;
    };
    let mut row = row.clone();
    for (word, month) in [(&spec.from, &mut row.from), (&spec.to, &mut row.to)] {
        let Some(word) = word else { continue };
        match word.value.parse::<Month>() {
            Ok(wanted) => *month = wanted,
            Err(message) => {
                problems.add(word.origin, path, message);
                return None;
            }
        }
    }
    if row.from > row.to {
        problems.add(spec.name.origin, path, format!("{} is after {}", row.from, row.to));
        return None;
    }
    let name = spec.name.value.clone();
    Some(Outcome { name, ..observed(&row) })
}

/// Rows of a panel of one run.
#[derive(Clone, Debug, Default)]
pub struct PanelRows {
    /// Position of the month among those kept.
    pub months: Vec<u16>,
    /// The member.
    pub ids: Vec<Arc<str>>,
    /// Values, row by row.
    pub values: Vec<f32>,
}

/// What was kept of a run.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The months kept.
    pub months: Vec<Month>,
    /// Values of the series, month by month.
    pub series: Vec<f32>,
    /// A panel each of [`Record::panels`].
    pub panels: Vec<PanelRows>,
    /// The event log.
    pub events: Vec<Event>,
    /// An outcome each of [`Record::outcomes`].
    pub outcomes: Vec<f64>,
}

/// Keeps what a study asks for while a run goes on, and stops it when asked to.
pub(super) struct Recorder<'a> {
    record: &'a Record,
    last: Month,
    details: bool,
    stop: &'a AtomicBool,
    kept: Kept,
    /// Months with a value so far, for means.
    counts: Vec<u32>,
    /// What observations need, if there are any among the outcomes.
    observer: Option<Observer>,
    /// Ids of members, `[scope][row]`.
    ids: Vec<Vec<Arc<str>>>,
}

impl<'a> Recorder<'a> {
    pub fn new(plan: &'a Plan, draw: u64, stop: &'a AtomicBool) -> Self {
        let record = &plan.record;
        let kept = Kept {
            panels: record.panels.iter().map(|_| PanelRows::default()).collect(),
            outcomes: vec![f64::NAN; record.outcomes.len()],
            ..Kept::default()
        };
        Self {
            record,
            last: plan.span.1,
            details: record.details(draw),
            stop,
            kept,
            counts: vec![0; record.outcomes.len()],
            observer: record
                .outcomes
                .iter()
                .any(|o| o.observation().is_some())
                .then(|| Observer::new(record.outcomes.iter().filter_map(Outcome::observation))),
            ids: vec![Vec::new(); Scope::ALL.len()],
        }
    }

    pub fn finish(mut self, ending: Ending) -> Kept {
        let outputs = self.observer.map(|observer| observer.finish(&ending));
        for ((outcome, value), count) in
            self.record.outcomes.iter().zip(&mut self.kept.outcomes).zip(&self.counts)
        {
            match (&outcome.measure, &outputs) {
                (Measure::Metric(of), _) if of.take == Take::Mean => *value /= f64::from(*count),
                (Measure::Observation(row), Some(outputs)) => {
                    *value = measure(outputs, row).map_or(f64::NAN, |measured| measured.value);
                }
                _ => {}
            }
        }
        if self.details && self.record.events {
            self.kept.events = ending.events;
        }
        self.kept
    }

    fn outcomes(&mut self, page: &Page<'_>) {
        for (at, outcome) in self.record.outcomes.iter().enumerate() {
            let Measure::Metric(outcome) = &outcome.measure else { continue };
            if page.month < outcome.from || page.month > outcome.to {
                continue;
            }
            let row = if outcome.scope == Scope::World {
                Some(page.readings.row(Scope::World, 0))
            } else {
                page.rows(outcome.scope).find(|(id, _)| *id == outcome.id).map(|(_, row)| row)
            };
            let x = row.and_then(|row| row.get(outcome.column)).copied().unwrap_or(f64::NAN);
            let value = &mut self.kept.outcomes[at];
            if outcome.take == Take::Last {
                if page.month == outcome.to {
                    *value = x;
                }
                continue;
            }
            if !x.is_finite() {
                continue;
            }
            let first = self.counts[at] == 0;
            self.counts[at] += 1;
            *value = match outcome.take {
                _ if first => x,
                Take::Mean | Take::Sum => *value + x,
                Take::Min => value.min(x),
                Take::Max => value.max(x),
                Take::Last => x,
            };
        }
    }
}

impl Sink for Recorder<'_> {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped"));
        }
        self.outcomes(page);
        if let Some(observer) = &mut self.observer {
            observer.month(page)?;
        }
        if !self.details || !self.record.keeps(page.month, self.last) {
            return Ok(());
        }
        let month = self.kept.months.len() as u16;
        self.kept.months.push(page.month);
        let world = page.readings.row(Scope::World, 0);
        self.kept.series.extend(self.record.series.iter().map(|(at, _)| brief(world[*at])));
        for (panel, rows) in self.record.panels.iter().zip(&mut self.kept.panels) {
            let ids = &mut self.ids[panel.scope as usize];
            for (row, (id, values)) in page.rows(panel.scope).enumerate() {
                // Members keep their rows, as a rule.
                match ids.get_mut(row) {
                    Some(known) if **known == *id => {}
                    Some(known) => *known = Arc::from(id),
                    None => ids.push(Arc::from(id)),
                }
                rows.months.push(month);
                rows.ids.push(Arc::clone(&ids[row]));
                rows.values.extend(panel.metrics.iter().map(|(at, _)| brief(values[*at])));
            }
        }
        Ok(())
    }
}
