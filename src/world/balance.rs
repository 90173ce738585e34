//! What cells say together: shares that sum to one, months in order, chips that
//! fit the power of their hall, ids in columns that take ids of several tables.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Cells;
use super::definition::Definition;
use super::observation::Aggregate;
use super::problem::{Origin, Problems, Sources, did_you_mean, shown};
use crate::calendar::Month;
use crate::entities::country::Bloc;
use crate::entities::line::LineKind;
use crate::entities::rule::ClauseRow;
use crate::entities::script::{ShockKind, StockKind};
use crate::parameters::Distribution;

/// How far a sum of shares may be from what it must be.
const TOLERANCE: f64 = 1e-6;

/// Checks a definition whose cells are fine one by one. What is odd but
/// possible becomes a notice.
pub(super) fn check(
    world: &Definition,
    cells: &Cells,
    sources: &Sources,
    problems: &mut Problems,
    notices: &mut Problems,
) {
    let mut check = Check { world, cells, sources, problems, notices };
    check.parameters();
    check.shares();
    check.rules();
    check.clauses();
    check.chips();
    check.lines();
    check.stocks();
    check.power();
    check.regulators();
    check.events();
    check.observations();
    check.horizon();
}

struct Check<'a> {
    world: &'a Definition,
    cells: &'a Cells,
    sources: &'a Sources,
    problems: &'a mut Problems,
    notices: &'a mut Problems,
}

impl Check<'_> {
    fn at(&self, table: &str, id: &str, column: &str) -> Origin {
        self.cells.origin(table, id, column).unwrap_or(Origin::WORLD)
    }

    /// A problem of the first of `cells` that the others have part in: it stands
    /// where the highest layer among them speaks, for that is what was changed.
    fn wrong_among(&mut self, cells: &[(&str, &str, &str)], message: impl Into<String>) {
        let mut blamed: Option<(Origin, String)> = None;
        for (table, id, column) in cells {
            let at = self.at(table, id, column);
            let above = |b: &(Origin, String)| self.sources.layer(at) > self.sources.layer(b.0);
            if blamed.as_ref().is_none_or(above) {
                blamed = Some((at, format!("{table}.{id}.{column}")));
            }
        }
        if let Some((at, path)) = blamed {
            self.problems.add(at, path, message);
        }
    }

    /// The same for columns of one row, of which the first is the one at fault.
    fn wrong_row(&mut self, table: &str, id: &str, columns: &[&str], message: impl Into<String>) {
        let mut at = self.at(table, id, columns[0]);
        for column in columns {
            let other = self.at(table, id, column);
            if self.sources.layer(other) > self.sources.layer(at) {
                at = other;
            }
        }
        self.problems.add(at, format!("{table}.{id}.{}", columns[0]), message);
    }

    fn wrong(&mut self, table: &str, id: &str, column: &str, message: impl Into<String>) {
        let at = self.at(table, id, column);
        self.problems.add(at, format!("{table}.{id}.{column}"), message);
    }

    fn notice(&mut self, table: &str, id: &str, column: &str, message: impl Into<String>) {
        let at = self.at(table, id, column);
        self.notices.add(at, format!("{table}.{id}.{column}"), message);
    }

    /// `ids` must be rows of one of `tables`.
    fn ids(&mut self, path: (&str, &str, &str), ids: &[String], tables: &[&str]) {
        for id in ids {
            let known: Vec<&str> = tables
                .iter()
                .filter_map(|t| self.cells.tables.get(t))
                .flat_map(|rows| rows.keys().map(String::as_str))
                .collect();
            if known.iter().all(|k| k != id) {
                let hint = did_you_mean(id, known);
                let message =
                    format!("`{}` is not a row of {}{hint}", shown(id), tables.join(" or "));
                self.wrong(path.0, path.1, path.2, message);
            }
        }
    }

    fn parameters(&mut self) {
        for p in &self.world.parameters {
            let whole = |x: f64| x.fract() == 0.0;
            if p.low > p.high {
                let message = format!("{} is above high, {}", p.low, p.high);
                self.wrong_row("parameters", &p.id, &["low", "high", "distribution"], message);
            } else if p.value < p.low || p.value > p.high {
                let message = format!(
                    "{} is outside its prior, {} to {}; widen low or high in [parameters.{}] if it is meant",
                    p.value, p.low, p.high, p.id
                );
                self.wrong_row("parameters", &p.id, &["value", "low", "high"], message);
            }
            if p.distribution != Distribution::Fixed && p.low == p.high {
                let message =
                    format!("{} from {} to the same; write fixed", p.distribution.word(), p.low);
                self.wrong_row(
                    "parameters",
                    &p.id,
                    &["distribution", "value", "low", "high"],
                    message,
                );
            }
            if p.distribution == Distribution::Lognormal && p.low <= 0.0 {
                let message = format!("{}; a lognormal prior lies above 0", p.low);
                self.wrong_row("parameters", &p.id, &["low", "high", "distribution"], message);
            }
            if p.distribution == Distribution::Whole
                && !(whole(p.value) && whole(p.low) && whole(p.high))
            {
                let message = "whole, but value, low and high are not all whole numbers";
                self.wrong_row(
                    "parameters",
                    &p.id,
                    &["distribution", "value", "low", "high"],
                    message,
                );
            }
        }
    }

    /// Shares of one owner's building, of a host's compute, of a line's capacity.
    fn shares(&mut self) {
        let world = self.world;
        let mut building: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
        for site in &world.data_centres {
            building.entry(&site.owner).or_default().push((&site.id, site.build_share));
        }
        for (owner, sites) in building {
            let sum: f64 = sites.iter().map(|s| s.1).sum();
            if (sum - 1.0).abs() > TOLERANCE {
                let message = format!("the shares of {owner} sum to {}, not to 1", rounded(sum));
                let cells: Vec<_> =
                    sites.iter().rev().map(|s| ("data_centres", s.0, "build_share")).collect();
                self.wrong_among(&cells, message);
            }
        }
        let mut lent: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
        for rental in &world.rentals {
            if rental.tenant == rental.host {
                let message = format!("{} rents from itself", rental.host);
                self.wrong_row("rentals", &rental.id, &["host", "tenant"], message);
            }
            lent.entry(&rental.host).or_default().push((&rental.id, rental.share));
        }
        for (host, shares) in lent {
            let sum: f64 = shares.iter().map(|s| s.1).sum();
            if sum > 1.0 + TOLERANCE {
                let message = format!("{host} lends {} of its compute, more than 1", rounded(sum));
                let cells: Vec<_> =
                    shares.iter().rev().map(|s| ("rentals", s.0, "share")).collect();
                self.wrong_among(&cells, message);
            }
        }
        let start = world.head.start;
        let mut lines: BTreeMap<&str, Vec<&crate::entities::line::ContractRow>> = BTreeMap::new();
        for contract in &world.contracts {
            let from = contract.from.unwrap_or(start);
            if contract.until.is_some_and(|until| until <= from) {
                let message = format!("not after the first month, {from}");
                self.wrong_row("contracts", &contract.id, &["until", "from"], message);
            }
            lines.entry(&contract.line).or_default().push(contract);
        }
        for (line, contracts) in lines {
            // The sum rises only where a contract begins.
            let months: BTreeSet<Month> =
                contracts.iter().map(|c| c.from.unwrap_or(start)).collect();
            for month in months {
                let running = contracts.iter().filter(|c| {
                    c.from.unwrap_or(start) <= month && c.until.is_none_or(|until| month < until)
                });
                let running: Vec<_> = running.collect();
                let sum: f64 = running.iter().map(|c| c.weight).sum();
                if sum > 1.0 + TOLERANCE {
                    let message = format!(
                        "the weights of {line} sum to {} in {month}, more than 1",
                        rounded(sum)
                    );
                    let cells: Vec<_> = running
                        .iter()
                        .rev()
                        .map(|c| ("contracts", c.id.as_str(), "weight"))
                        .collect();
                    self.wrong_among(&cells, message);
                    break;
                }
            }
        }
    }

    fn rules(&mut self) {
        for rule in &self.world.rules {
            if rule.from < rule.announced {
                let message = format!("in force before it was announced in {}", rule.announced);
                self.wrong_row("rules", &rule.id, &["from", "announced"], message);
            }
            if rule.until.is_some_and(|until| until < rule.from) {
                let message = format!("before the first month in force, {}", rule.from);
                self.wrong_row("rules", &rule.id, &["until", "from"], message);
            } else if rule.until == Some(rule.from) {
                // Withdrawn before it bit: those who feared it had acted on it all the same.
                let message = "the first month in force: announced, never in force";
                self.notice("rules", &rule.id, "until", message);
            }
            self.words_of("rules", &rule.id, "blocs", &rule.blocs, Bloc::WORDS);
            self.words_of("rules", &rule.id, "tiers", &rule.tiers, &["0", "1", "2", "3"]);
        }
        let caused: BTreeMap<&str, Vec<&str>> = self
            .world
            .rules
            .iter()
            .map(|r| (r.id.as_str(), r.caused_by.iter().map(String::as_str).collect()))
            .collect();
        self.circles("rules", "caused_by", &caused);
        let replaces: BTreeMap<&str, Vec<&str>> = self
            .world
            .rules
            .iter()
            .map(|r| (r.id.as_str(), r.replaces.iter().map(String::as_str).collect()))
            .collect();
        self.circles("rules", "replaces", &replaces);
    }

    fn words_of(&mut self, table: &str, id: &str, column: &str, words: &[String], known: &[&str]) {
        for word in words.iter().filter(|w| !known.contains(&w.as_str())) {
            let hint = did_you_mean(word, known.iter().copied());
            let message = format!("`{}` is not one of {}{hint}", shown(word), known.join(", "));
            self.wrong(table, id, column, message);
        }
    }

    /// No row may lead back to itself.
    fn circles(&mut self, table: &str, column: &str, leads_to: &BTreeMap<&str, Vec<&str>>) {
        let mut settled: BTreeSet<&str> = BTreeSet::new();
        for start in leads_to.keys().copied() {
            // Depth first without recursion; `path` holds the rows on the way.
            let mut path: Vec<(&str, usize)> = vec![(start, 0)];
            while let Some((here, next)) = path.last_mut() {
                let targets = leads_to.get(here).map_or(&[][..], Vec::as_slice);
                let Some(target) = targets.get(*next).copied() else {
                    settled.insert(here);
                    path.pop();
                    continue;
                };
                *next += 1;
                if let Some(i) = path.iter().position(|(id, _)| *id == target) {
                    let mut names: Vec<&str> = path[i..].iter().map(|(id, _)| *id).collect();
                    names.push(target);
                    let message = format!("goes round in a circle: {}", names.join(" → "));
                    let last = names[names.len() - 2];
                    self.wrong(table, last, column, message);
                } else if !settled.contains(target) {
                    path.push((target, 0));
                }
            }
        }
    }

    fn clauses(&mut self) {
        for clause in &self.world.clauses {
            for (column, min, below) in bounds(clause) {
                if let (Some(min), Some(below)) = (min, below)
                    && min >= below
                {
                    let message = format!("at least {min} and below {below}: no chip can be both");
                    self.wrong("clauses", &clause.id, column, message);
                }
            }
            let empty =
                bounds(clause).iter().all(|(_, min, below)| min.is_none() && below.is_none());
            if empty && clause.marketed_for_datacentre.is_none() {
                self.notice(
                    "clauses",
                    &clause.id,
                    "rule",
                    "a clause without bounds: every chip meets it",
                );
            }
        }
    }

    fn chips(&mut self) {
        for chip in &self.world.chips {
            if chip.end.is_some_and(|end| end < chip.launch) {
                let message = format!("before the launch, {}", chip.launch);
                self.wrong_row("chips", &chip.id, &["end", "launch"], message);
            } else if chip.end == Some(chip.launch) {
                self.notice("chips", &chip.id, "end", "the month of the launch: never made");
            }
        }
        let parents: BTreeMap<&str, Vec<&str>> = self
            .world
            .chips
            .iter()
            .map(|c| (c.id.as_str(), c.parent.iter().map(String::as_str).collect()))
            .collect();
        self.circles("chips", "parent", &parents);
        let made: BTreeSet<&str> = self
            .world
            .lines
            .iter()
            .filter(|line| line.kind == LineKind::Logic)
            .flat_map(|line| line.nodes.iter().map(String::as_str))
            .collect();
        let world = self.world;
        for die in world.dies.iter().filter(|die| !made.contains(die.node.as_str())) {
            let hint = did_you_mean(&die.node, made.iter().copied());
            let message = format!("no logic line makes `{}`{hint}", shown(&die.node));
            self.notice("dies", &die.id, "node", message);
        }
    }

    fn lines(&mut self) {
        for line in &self.world.lines {
            if line.kind == LineKind::Logic && line.nodes.is_empty() {
                self.wrong(
                    "lines",
                    &line.id,
                    "nodes",
                    "empty; a logic line makes at least one node",
                );
            }
            if line.capacity > line.capacity_ceiling {
                let message =
                    format!("{} is below the capacity, {}", line.capacity_ceiling, line.capacity);
                self.wrong_row("lines", &line.id, &["capacity_ceiling", "capacity"], message);
            }
        }
    }

    fn stocks(&mut self) {
        for stock in &self.world.stocks {
            let place = std::slice::from_ref(&stock.place);
            let installed = stock.kind == StockKind::Installed;
            let places: &[&str] = if installed { &["data_centres"] } else { &["vendors"] };
            let items: &[&str] = if stock.kind == StockKind::Memory {
                &[]
            } else if stock.kind == StockKind::Dies {
                &["dies"]
            } else {
                &["chips"]
            };
            self.ids(("stocks", &stock.id, "place"), place, places);
            match (&stock.item, items.is_empty()) {
                (Some(item), false) => {
                    self.ids(("stocks", &stock.id, "item"), std::slice::from_ref(item), items);
                }
                (None, false) => {
                    let message = format!("empty; an id of {} is needed", items.join(" or "));
                    self.wrong("stocks", &stock.id, "item", message);
                }
                (Some(item), true) => {
                    let message = format!("`{}`; memory is one good, leave it empty", shown(item));
                    self.wrong("stocks", &stock.id, "item", message);
                }
                (None, true) => {}
            }
            if stock.kind != StockKind::Memory && stock.amount.fract() != 0.0 {
                let message = format!("{}; chips and dies are counted whole", stock.amount);
                self.wrong("stocks", &stock.id, "amount", message);
            }
            if let (Some(from), Some(until)) = (stock.from, stock.until)
                && until <= from
            {
                let message = format!("not after the first month, {from}");
                self.wrong_row("stocks", &stock.id, &["until", "from"], message);
            }
        }
    }

    /// Chips installed at the start may not draw more than their hall has. The
    /// chips' own power and the cooling of the country are counted; what servers
    /// add is a parameter of a mechanism and comes on top.
    fn power(&mut self) {
        let world = self.world;
        for site in &world.data_centres {
            let pue = world.countries.iter().find(|c| c.id == site.country).map_or(1.0, |c| c.pue);
            let mut drawn_mw = 0.0;
            let mut cells = Vec::new();
            for stock in world.stocks.iter().filter(|s| s.kind == StockKind::Installed) {
                let chip = world.chips.iter().find(|c| Some(&c.id) == stock.item.as_ref());
                if let Some(chip) = chip.filter(|_| stock.place == site.id) {
                    drawn_mw += stock.amount * chip.tdp_w * pue / WATTS_PER_MW;
                    cells.insert(0, ("stocks", stock.id.as_str(), "amount"));
                }
            }
            cells.push(("data_centres", &site.id, "power_mw"));
            if drawn_mw > site.power_mw * (1.0 + TOLERANCE) {
                let message = format!(
                    "chips installed in {} draw {} MW with a PUE of {pue}; it has {} MW",
                    site.id,
                    rounded(drawn_mw),
                    site.power_mw
                );
                self.wrong_among(&cells, message);
            }
        }
    }

    fn regulators(&mut self) {
        for regulator in &self.world.regulators {
            for word in &regulator.stance_path {
                let said = word
                    .split_once('=')
                    .map(|(month, h)| (month.parse::<Month>(), h.parse::<f64>()));
                if !matches!(said, Some((Ok(_), Ok(h))) if (0.0..=1.0).contains(&h)) {
                    let message = format!(
                        "`{}` is not YYYY-MM=value with a value from 0 to 1, for example 2027-01=0.6",
                        shown(word)
                    );
                    self.wrong("regulators", &regulator.id, "stance_path", message);
                }
            }
            for word in &regulator.elections {
                if word.parse::<Month>().is_err() {
                    let message = format!(
                        "`{}` is not a month; write it as YYYY-MM, for example 2028-11",
                        shown(word)
                    );
                    self.wrong("regulators", &regulator.id, "elections", message);
                }
            }
        }
    }

    fn events(&mut self) {
        for event in &self.world.events {
            let tables: &[&str] = match event.kind {
                ShockKind::DemandGrowth | ShockKind::GridGrowth => &["countries"],
                ShockKind::LineCapacity => &["lines"],
                ShockKind::ChipPrice => &["vendors", "firms"],
                // What firms do or have done to them.
                _ => &["firms"],
            };
            self.ids(("events", &event.id, "subjects"), &event.subjects, tables);
            let factor = !matches!(event.kind, ShockKind::DemandGrowth | ShockKind::Paradigm);
            if factor && event.quantity < 0.0 {
                let message =
                    format!("{} is below 0; {} multiplies", event.quantity, event.kind.word());
                self.wrong_row("events", &event.id, &["quantity", "kind"], message);
            }
        }
    }

    fn observations(&mut self) {
        for o in &self.world.observations {
            if !(o.low <= o.value && o.value <= o.high) {
                let message = format!("{} is not within {} to {}", o.value, o.low, o.high);
                self.wrong_row("observations", &o.id, &["value", "low", "high"], message);
            }
            if o.to < o.from {
                let message = format!("before the first month, {}", o.from);
                self.wrong_row("observations", &o.id, &["to", "from"], message);
            }
            match (o.aggregate == Aggregate::Ratio, &o.per) {
                (true, None) => {
                    let message = "empty; a ratio divides by a metric";
                    self.wrong_row("observations", &o.id, &["per", "aggregate"], message);
                }
                (false, Some(_)) => {
                    let message = "only a ratio divides by a metric; leave it empty";
                    self.wrong("observations", &o.id, "per", message);
                }
                _ => {}
            }
            if o.table == "series" && !o.members.is_empty() {
                let message = "the world's series has no members; leave it empty";
                self.wrong_row("observations", &o.id, &["members", "table"], message);
            }
            // A variant may lack a member that the observation speaks of; words with
            // signs are patterns.
            let rows = self.cells.tables.get(o.table.as_str());
            for member in o.members.iter().filter(|m| !m.contains(['*', ':', '&', '@'])) {
                if rows.is_some_and(|rows| !rows.contains_key(member)) {
                    let known = rows.into_iter().flat_map(|rows| rows.keys().map(String::as_str));
                    let hint = did_you_mean(member, known);
                    let message = format!("`{}` is not a row of {}{hint}", shown(member), o.table);
                    self.notice("observations", &o.id, "members", message);
                }
            }
        }
    }

    /// What lies outside the run is not wrong, but a person should know.
    fn horizon(&mut self) {
        let (start, end) = (self.world.head.start, self.world.head.end);
        let world = self.world;
        for rule in &world.rules {
            if rule.announced > end {
                let message =
                    format!("{}, after the end of the run, {end}: never happens", rule.announced);
                self.notice("rules", &rule.id, "announced", message);
            } else if rule.from > end {
                let message = format!(
                    "{}, after the end of the run, {end}: announced, never in force",
                    rule.from
                );
                self.notice("rules", &rule.id, "from", message);
            }
        }
        for event in &world.events {
            if event.month > end {
                let message =
                    format!("{}, after the end of the run, {end}: never happens", event.month);
                self.notice("events", &event.id, "month", message);
            } else if event.month < start {
                let message =
                    format!("{}, before the start of the run, {start}: never happens", event.month);
                self.notice("events", &event.id, "month", message);
            }
        }
        for chip in world.chips.iter().filter(|chip| chip.launch > end) {
            let message = format!("{}, after the end of the run, {end}: never sold", chip.launch);
            self.notice("chips", &chip.id, "launch", message);
        }
    }
}

const WATTS_PER_MW: f64 = 1e6;

type BoundsOf<'a> = [(&'a str, Option<f64>, Option<f64>); 4];

fn bounds(c: &ClauseRow) -> BoundsOf<'static> {
    [
        ("tpp_below", c.tpp_min, c.tpp_below),
        ("performance_density_below", c.performance_density_min, c.performance_density_below),
        ("interconnect_below_gbps", c.interconnect_min_gbps, c.interconnect_below_gbps),
        ("memory_bandwidth_below_gbps", c.memory_bandwidth_min_gbps, c.memory_bandwidth_below_gbps),
    ]
}

/// A sum as a message shows it: six decimals, without zeros at the end.
fn rounded(x: f64) -> String {
    let text = format!("{x:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
