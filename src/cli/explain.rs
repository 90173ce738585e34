//! `frugality explain`: walks from what happened back to why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit;
use crate::calendar::Month;
use crate::record::Archive;
use crate::record::archive::{Sheet, value};
use crate::record::causes::{Branch, Log};
use crate::record::cell::{human, printable};

/// Walks causes in the results of a run.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality explain outputs/reference-s1-0123abcd
      the kinds of events, and those from which most follows
  frugality explain DIR --firm bytedance --month 2027-03
      its figures against a year before, what touched it since, each with its causes
  frugality explain DIR --firm bytedance --month 2027-03 --metric cost_per_token
      the same with the course of one figure
  frugality explain DIR --event 812
      the chain from an event to its root, and what followed
  frugality explain DIR --rule us-bis-2022-10
      everything that descends from a rule, as a tree with counts")]
pub struct ExplainArgs {
    /// The folder of a run.
    dir: PathBuf,
    /// A firm of firms.csv; with --month.
    #[arg(long, value_name = "ID", requires = "month", conflicts_with_all = ["event", "rule"])]
    firm: Option<String>,
    /// The month to explain, YYYY-MM.
    #[arg(long, value_name = "YYYY-MM", requires = "firm")]
    month: Option<Month>,
    /// A column of firms.csv to follow.
    #[arg(long, value_name = "NAME", requires = "firm")]
    metric: Option<String>,
    /// How many months back to look for events of a firm.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=1200))]
    months: i32,
    /// An event of events.csv.
    #[arg(long, value_name = "ID", conflicts_with = "rule")]
    event: Option<u32>,
    /// A rule: everything that descends from its events.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// How many generations of effects to show.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=50))]
    depth: u8,
}

/// Does it.
#[must_use]
pub fn run(args: &ExplainArgs) -> ExitCode {
    match explanation(args) {
        Ok(text) => exit::print(&text),
        Err(text) => exit::fail(&text, exit::BAD_INPUT),
    }
}

fn explanation(args: &ExplainArgs) -> Result<String, String> {
    let archive = Archive::open(&args.dir)?;
    let log = archive.log()?;
    let mut text = String::new();
    if let (Some(firm), Some(month)) = (&args.firm, args.month) {
        let case = Case { archive: &archive, log: &log, firm, month, since: month - args.months };
        case.explain(args.metric.as_deref(), &mut text)?;
    } else if let Some(id) = args.event {
        explain_event(&log, id, usize::from(args.depth), &mut text)?;
    } else if let Some(rule) = &args.rule {
        explain_rule(&log, rule, usize::from(args.depth), &mut text)?;
    } else {
        overview(&archive, &log, &mut text);
    }
    Ok(text)
}

// What is said when nobody asks.

fn overview(archive: &Archive, log: &Log, text: &mut String) {
    let manifest = archive.manifest();
    let said = |value: &serde_json::Value| {
        let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        printable(&plain).into_owned()
    };
    let _ = writeln!(
        text,
        "{}, seed {}, {} to {}: {} events",
        said(&manifest["world"]["title"]),
        said(&manifest["seed"]),
        said(&manifest["first_month"]),
        said(&manifest["last_month"]),
        log.entries().len()
    );
    if log.entries().is_empty() {
        text.push_str("Nothing happened that a room logs.\n");
        return;
    }
    text.push_str("\nEvents by kind\n");
    for branch in log.grouped((0..log.entries().len()).collect()) {
        let _ = writeln!(text, "  {}", branch_line(log, &branch));
    }
    text.push_str("\nEvents from which most follows\n");
    for at in log.most_telling(10) {
        let _ = writeln!(text, "  {} ({} follow)", headline(log, at), log.descendants(at));
    }
    text.push_str(
        "\nAsk further with --firm ID --month YYYY-MM, --event ID or --rule ID; \
         `frugality explain --help` shows examples.\n",
    );
}

// Events.

/// `#812 2026-11 application_denied us-bis → bytedance, 12000 chips`.
fn headline(log: &Log, at: usize) -> String {
    let entry = &log.entries()[at];
    let mut line = format!("#{} {} {}", entry.id, entry.month, entry.kind);
    for (mark, id) in [(" ", &entry.subject), (" → ", &entry.object)] {
        if !id.is_empty() {
            line.push_str(mark);
            line.push_str(id);
        }
    }
    if entry.quantity.is_finite() && !entry.unit.is_empty() {
        let _ = write!(line, ", {} {}", human(entry.quantity), entry.unit);
    }
    printable(&line).into_owned()
}

fn sentence(log: &Log, at: usize) -> Option<String> {
    let said = &log.entries()[at].text;
    (!said.is_empty()).then(|| printable(said).into_owned())
}

/// The event and its causes, one step further right each, with their sentences.
fn chain(log: &Log, at: usize, margin: &str, text: &mut String) {
    for (step, place) in log.chain(at).enumerate() {
        let indent = format!("{margin}{}", "   ".repeat(step));
        let because = if step == 0 { "" } else { "← " };
        let _ = writeln!(text, "{indent}{because}{}", headline(log, place));
        if let Some(said) = sentence(log, place) {
            let _ = writeln!(text, "{indent}     {said}");
        }
    }
}

fn span(log: &Log, members: &[usize]) -> String {
    let month = |at: Option<&usize>| at.map(|at| log.entries()[*at].month);
    match (month(members.first()), month(members.last())) {
        (Some(a), Some(b)) if a != b => format!("{a} to {b}"),
        (Some(a), _) => a.to_string(),
        _ => String::new(),
    }
}

fn quantities(sums: &BTreeMap<String, f64>) -> String {
    sums.iter().fold(String::new(), |mut line, (unit, sum)| {
        let _ = write!(line, ", {} {}", human(*sum), printable(unit));
        line
    })
}

fn branch_line(log: &Log, branch: &Branch) -> String {
    format!(
        "{} × {}, {}{}",
        printable(&branch.kind),
        branch.members.len(),
        span(log, &branch.members),
        quantities(&branch.quantities)
    )
}

/// What follows from `members`, kind by kind, `depth` generations deep.
fn tree(log: &Log, members: &[usize], depth: usize, margin: &str, text: &mut String) {
    let branches = log.branches(members);
    if depth == 0 {
        let below: usize = members.iter().map(|at| log.descendants(*at)).sum();
        if below > 0 {
            let _ = writeln!(text, "{margin}… {below} more; see further with --depth");
        }
        return;
    }
    for (place, branch) in branches.iter().enumerate() {
        let last = place + 1 == branches.len();
        let (joint, below) = if last { ("└ ", "  ") } else { ("├ ", "│ ") };
        let _ = writeln!(text, "{margin}{joint}{}", branch_line(log, branch));
        if let [only] = branch.members.as_slice()
            && let Some(said) = sentence(log, *only)
        {
            let _ = writeln!(text, "{margin}{below}     #{} {said}", log.entries()[*only].id);
        }
        tree(log, &branch.members, depth - 1, &format!("{margin}{below}"), text);
    }
}

fn explain_event(log: &Log, id: u32, depth: usize, text: &mut String) -> Result<(), String> {
    let Some(at) = log.find(id) else {
        return Err(match (log.entries().first(), log.entries().last()) {
            (Some(first), Some(last)) => {
                format!("no event {id}; events.csv holds {} to {}", first.id, last.id)
            }
            _ => format!("no event {id}: events.csv is empty"),
        });
    };
    chain(log, at, "", text);
    let root = log.root(at);
    if root == at {
        text.push_str("\nIt is a root: nothing earlier is on record as its cause.\n");
    }
    match log.descendants(at) {
        0 => text.push_str("\nNothing on record follows from it.\n"),
        n => {
            let _ = writeln!(text, "\n{n} events follow from it");
            tree(log, &[at], depth, "  ", text);
        }
    }
    Ok(())
}

fn explain_rule(log: &Log, rule: &str, depth: usize, text: &mut String) -> Result<(), String> {
    let about: Vec<usize> = (0..log.entries().len())
        .filter(|at| {
            let entry = &log.entries()[*at];
            entry.kind.starts_with("rule") && entry.touches(rule)
        })
        .collect();
    if about.is_empty() {
        let known: BTreeSet<&str> = log
            .entries()
            .iter()
            .filter(|e| e.kind.starts_with("rule"))
            .flat_map(|e| [e.subject.as_str(), e.object.as_str()])
            .filter(|id| !id.is_empty())
            .collect();
        return Err(format!(
            "no event of a rule `{}` in this run{}\n{}",
            printable(rule),
            did_you_mean(rule, known.iter().copied()),
            listed("Rules and regulators with events", known.into_iter())
        ));
    }
    // An event of the rule that follows from another of them belongs to its tree.
    let tops: Vec<usize> = about
        .iter()
        .copied()
        .filter(|at| !log.chain(*at).skip(1).any(|above| about.contains(&above)))
        .collect();
    let below: usize = tops.iter().map(|at| log.descendants(*at)).sum();
    let _ = writeln!(text, "{}: {below} events descend from it", printable(rule));
    text.push_str("A line holds all events of a kind that follow from those of the line above.\n");
    for at in tops {
        text.push('\n');
        chain(log, at, "", text);
        tree(log, &[at], depth, "  ", text);
    }
    Ok(())
}

// A firm in a month.

/// What to show of a firm first: label, and words one of which its metrics' names hold.
const FIGURES: [(&str, &[&str]); 7] = [
    ("Shadow price and access", &["kappa", "shadow", "access", "denial"]),
    ("Compute", &["compute", "h100e", "power_mw", "utilisation"]),
    ("Chips waited for", &["backlog", "waiting", "escrow", "unspent", "delivered", "ordered"]),
    (
        "Capability and efficiency",
        &["lag", "capability", "quality", "a_train", "a_serve", "efficiency", "density", "staff"],
    ),
    ("Serving", &["cost_per", "price", "tokens", "payback"]),
    ("Spending", &["capex", "intensity"]),
    ("Money", &["revenue", "cash", "debt", "value", "margin"]),
];

struct Case<'a> {
    archive: &'a Archive,
    log: &'a Log,
    firm: &'a str,
    month: Month,
    /// The month before the window begins.
    since: Month,
}

impl Case<'_> {
    fn explain(&self, metric: Option<&str>, text: &mut String) -> Result<(), String> {
        let firms = self.archive.sheet("firms")?;
        let ids = firms.ids();
        if !ids.contains(&self.firm) {
            return Err(format!(
                "no firm `{}` in firms.csv{}\n{}",
                printable(self.firm),
                did_you_mean(self.firm, ids.iter().copied()),
                listed("Firms", ids.iter().copied())
            ));
        }
        if let Some((first, last)) = self.archive.span()
            && !(first..=last).contains(&self.month)
        {
            return Err(format!("the run goes from {first} to {last}; {} is outside", self.month));
        }
        let _ = writeln!(text, "{} in {}", printable(self.firm), self.month);
        self.figures(&firms, text);
        if let Some(metric) = metric {
            self.course(&firms, metric, text)?;
        }
        self.licences(text)?;
        self.events(text);
        Ok(())
    }

    /// Figures of the month against twelve months before.
    fn figures(&self, firms: &Sheet, text: &mut String) {
        let Some(now) = firms.row(self.month, self.firm) else {
            text.push_str("It has no figures in this month.\n");
            return;
        };
        let before = firms.row(self.month - 12, self.firm);
        let _ = writeln!(
            text,
            "\n{:<40}{:>12}{:>12}{:>10}  unit",
            "Figure",
            self.month.to_string(),
            (self.month - 12).to_string(),
            "change"
        );
        let mut shown = BTreeSet::new();
        for (label, words) in FIGURES {
            let mut titled = false;
            for (at, name) in firms.header.iter().enumerate().skip(2) {
                let wanted = words.iter().any(|word| name.contains(word));
                let today = number(now, at);
                if wanted && today.is_finite() && shown.insert(at) {
                    if !titled {
                        let _ = writeln!(text, "  {label}");
                        titled = true;
                    }
                    let past = before.map_or(f64::NAN, |row| number(row, at));
                    let _ = writeln!(
                        text,
                        "    {name:<36}{:>12}{:>12}{:>10}  {}",
                        human(today),
                        human(past),
                        change(past, today),
                        self.archive.unit("firms", name)
                    );
                }
            }
        }
        if shown.is_empty() {
            text.push_str("  none of the figures shown here is measured; see firms.csv\n");
        }
    }

    /// One metric through the window, and the largest step.
    fn course(&self, firms: &Sheet, metric: &str, text: &mut String) -> Result<(), String> {
        let Some(at) = firms.column(metric) else {
            let names = || firms.header.iter().skip(2).map(String::as_str);
            return Err(format!(
                "no column `{}` in firms.csv{}\n{}",
                printable(metric),
                did_you_mean(metric, names()),
                listed("Columns", names())
            ));
        };
        let _ = writeln!(text, "\n{metric}, {}", self.archive.unit("firms", metric));
        let mut last = f64::NAN;
        let mut month = self.since;
        while month <= self.month {
            let today = firms.row(month, self.firm).map_or(f64::NAN, |row| number(row, at));
            let touched = self.touching(month, month).len();
            let note = if touched == 0 { String::new() } else { format!("  {touched} events") };
            let step = change(last, today);
            let _ = writeln!(text, "  {month}  {:>12}{step:>10}{note}", human(today));
            last = today;
            month = month + 1;
        }
        Ok(())
    }

    /// Applications for the firm that were filed or decided in the window.
    fn licences(&self, text: &mut String) -> Result<(), String> {
        let sheet = self.archive.sheet("licences")?;
        let columns = ["buyer", "filed", "decided", "outcome", "units", "granted", "sku"];
        let at = columns.map(|name| sheet.column(name));
        let [
            Some(buyer),
            Some(filed),
            Some(decided),
            Some(outcome),
            Some(units),
            Some(granted),
            Some(sku),
        ] = at
        else {
            return Ok(());
        };
        let mut by: BTreeMap<(&str, &str), (usize, f64, f64)> = BTreeMap::new();
        for row in sheet.rows.iter().filter(|row| row[buyer] == self.firm) {
            let inside =
                |cell: &str| cell.parse().is_ok_and(|m: Month| m > self.since && m <= self.month);
            if inside(&row[filed]) || inside(&row[decided]) {
                let sums = by.entry((&row[sku], &row[outcome])).or_default();
                sums.0 += 1;
                sums.1 += number(row, units);
                sums.2 += number(row, granted);
            }
        }
        if !by.is_empty() {
            let _ = writeln!(
                text,
                "\nLicence applications filed or decided, {} to {}, as they stood at the end of the run",
                self.since + 1,
                self.month
            );
            for ((sku, outcome), (n, units, granted)) in by {
                let _ = writeln!(
                    text,
                    "  {sku:<28} {outcome:<10} × {n}: {} chips asked for, {} granted",
                    human(units),
                    human(granted)
                );
            }
        }
        Ok(())
    }

    fn touching(&self, from: Month, to: Month) -> Vec<usize> {
        let of = |at: &usize| {
            let entry = &self.log.entries()[*at];
            entry.month >= from && entry.month <= to && entry.touches(self.firm)
        };
        (0..self.log.entries().len()).filter(of).collect()
    }

    /// What touched the firm in the window: by kind and root, and the root that weighs most.
    fn events(&self, text: &mut String) {
        let from = self.since + 1;
        let members = self.touching(from, self.month);
        if members.is_empty() {
            let _ = write!(text, "\nNo event touched it from {from} to {}", self.month);
            let earlier = self.touching(Month::new(0, 1), self.since);
            match earlier.last() {
                Some(at) => {
                    let _ = writeln!(text, "; the last one before was");
                    chain(self.log, *at, "  ", text);
                    text.push_str("Look further back with --months N.\n");
                }
                None => text.push_str(", nor before.\n"),
            }
            return;
        }
        // What was filed and then decided is told once, at the end of its chain.
        let told: BTreeSet<usize> =
            members.iter().flat_map(|at| self.log.chain(*at).skip(1)).collect();
        let _ = writeln!(text, "\nWhat touched it, {from} to {}, with its causes", self.month);
        let mut groups: BTreeMap<(usize, &str), Vec<usize>> = BTreeMap::new();
        for at in members.iter().copied().filter(|at| !told.contains(at)) {
            let kind = self.log.entries()[at].kind.as_str();
            groups.entry((self.log.root(at), kind)).or_default().push(at);
        }
        for ((_, kind), of_group) in &groups {
            let branch = Branch {
                kind: (*kind).to_owned(),
                quantities: self.log.quantities(of_group),
                members: of_group.clone(),
            };
            let _ = writeln!(text, "\n  {}", branch_line(self.log, &branch));
            if of_group.len() > 1 {
                text.push_str("    the largest of them:\n");
            }
            chain(self.log, self.largest(of_group), "    ", text);
        }
        self.things(&members, text);
        self.binding(&members, text);
    }

    fn largest(&self, members: &[usize]) -> usize {
        let size = |at: usize| self.log.entries()[at].quantity.abs();
        members.iter().copied().fold(members[0], |best, at| {
            if size(at) > size(best) || (size(best).is_nan() && !size(at).is_nan()) {
                at
            } else {
                best
            }
        })
    }

    /// The state this month of chips, lines and vendors that stand on the chains.
    fn things(&self, members: &[usize], text: &mut String) {
        const SAID: [&str; 9] = [
            "price",
            "wait",
            "backlog",
            "yield",
            "capacity",
            "utilisation",
            "inventory",
            "output",
            "shipped",
        ];
        let mut ids = BTreeSet::new();
        for at in members {
            for place in self.log.chain(*at) {
                let entry = &self.log.entries()[place];
                ids.extend([entry.subject.as_str(), entry.object.as_str()]);
            }
        }
        let mut titled = false;
        for table in ["chips", "lines", "vendors"] {
            let Ok(sheet) = self.archive.sheet(table) else { continue };
            for id in &ids {
                let Some(row) = sheet.row(self.month, id) else { continue };
                let cells = sheet.header.iter().enumerate().skip(2).filter_map(|(at, name)| {
                    let x = number(row, at);
                    let said = x.is_finite() && SAID.iter().any(|word| name.contains(word));
                    said.then(|| format!("{name} {}", human(x)))
                });
                let cells: Vec<String> = cells.collect();
                if !cells.is_empty() {
                    if !titled {
                        let _ = writeln!(text, "\nWhat stands on these chains, in {}", self.month);
                        titled = true;
                    }
                    let _ = writeln!(text, "  {id}: {}", printable(&cells.join(", ")));
                }
            }
        }
    }

    /// The root with the largest quantity behind it, in the unit that most events
    /// carry, the last step of each chain counted; roots that are the firm's own doing only when there is no other.
    fn binding(&self, members: &[usize], text: &mut String) {
        let mut units: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in members.iter().map(|at| &self.log.entries()[*at]) {
            if entry.quantity.is_finite() && !entry.unit.is_empty() {
                *units.entry(&entry.unit).or_insert(0) += 1;
            }
        }
        let unit = units.iter().fold(None, |best: Option<(&str, usize)>, (unit, n)| {
            if best.is_none_or(|(_, most)| *n > most) { Some((unit, *n)) } else { best }
        });
        let Some((unit, _)) = unit else { return };
        // What was filed and then denied is one thing: only the last step of a chain counts.
        let of_unit = |at: usize| self.log.entries()[at].unit == unit;
        let earlier: BTreeSet<usize> = members
            .iter()
            .filter(|at| of_unit(**at))
            .flat_map(|at| self.log.chain(*at).skip(1))
            .collect();
        let mut weights: BTreeMap<usize, f64> = BTreeMap::new();
        for at in members {
            let entry = &self.log.entries()[*at];
            if of_unit(*at) && entry.quantity.is_finite() && !earlier.contains(at) {
                *weights.entry(self.log.root(*at)).or_insert(0.0) += entry.quantity.abs();
            }
        }
        let foreign = |root: usize| !self.log.entries()[root].touches(self.firm);
        let only_own = !weights.keys().any(|root| foreign(*root));
        let heaviest = weights.iter().filter(|(root, _)| only_own || foreign(**root)).fold(
            None,
            |best: Option<(usize, f64)>, (root, weight)| {
                if best.is_none_or(|(_, most)| *weight > most) {
                    Some((*root, *weight))
                } else {
                    best
                }
            },
        );
        let Some((root, weight)) = heaviest else { return };
        let total: f64 = weights.values().sum();
        let _ = writeln!(
            text,
            "\nBinding cause: {} of the {} {unit} in these events descend from",
            human(weight),
            human(total)
        );
        chain(self.log, root, "  ", text);
        if only_own {
            text.push_str("  (its own doing: no cause outside the firm is on record)\n");
        }
    }
}

fn number(row: &[String], at: usize) -> f64 {
    row.get(at).and_then(|cell| value(cell)).unwrap_or(f64::NAN)
}

/// The change from `past` to `today` in per cent; a dash where it means nothing.
fn change(past: f64, today: f64) -> String {
    if !past.is_finite() || !today.is_finite() || past == 0.0 || past.signum() != today.signum() {
        return "–".to_owned();
    }
    let percent = (today / past - 1.0) * 100.0;
    if percent.abs() < 1000.0 {
        format!("{percent:+.1} %")
    } else {
        format!("× {}", human(today / past))
    }
}

/// `; did you mean x?`, or nothing.
fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    const NEAR: f64 = 0.8;
    let mut best: Option<(&str, f64)> = None;
    for candidate in known {
        let likeness = strsim::jaro_winkler(word, candidate);
        if likeness >= NEAR && best.is_none_or(|(_, most)| likeness > most) {
            best = Some((candidate, likeness));
        }
    }
    best.map_or_else(String::new, |(candidate, _)| {
        format!("; did you mean `{}`?", printable(candidate))
    })
}

fn listed<'a>(title: &str, words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    if words.is_empty() {
        format!("{title}: none")
    } else {
        format!("{title}: {}", printable(&words.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shares_of_the_past() {
        assert_eq!(change(2.0, 3.0), "+50.0 %");
        assert_eq!(change(1.0, 20.0), "× 20");
        assert_eq!(change(0.0, 1.0), "–");
        assert_eq!(change(f64::NAN, 1.0), "–");
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let firms = || ["bytedance", "baidu"].into_iter();
        assert_eq!(did_you_mean("bytedanse", firms()), "; did you mean `bytedance`?");
        assert_eq!(did_you_mean("zzz", firms()), "");
    }
}
