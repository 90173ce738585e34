//! Laws that hold in every world, and changes of a world whose effect is known.
//!
//! Generated worlds are the reference world with actors left out, parameters drawn
//! from their priors, mechanisms switched off and rules of any kind added. They are
//! the same from run to run; `PROPTEST_CASES` asks for more of them, `PROPTEST_RNG_SEED`
//! for others.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use bevy_ecs::prelude::{Local, Res, ResMut};
use bevy_ecs::schedule::IntoScheduleConfigs as _;
use frugality::calendar::Month;
use frugality::entities::chip::Catalogue;
use frugality::entities::order::{Channel, Clearance, Order, OrderBook};
use frugality::entities::rule::{ClauseRow, RuleKind, RuleRow, Treatment};
use frugality::entities::script::{ShockKind, ShockRow, StockKind, StockRow};
use frugality::entities::{Clock, FirmId, SiteId, Switches};
use frugality::metric::Scope;
use frugality::parameters::{Distribution, ParameterRow};
use frugality::random::{DrawLog, Luck, key_from, key_of};
use frugality::schema::{Column, Kind, Value};
use frugality::units::Money;
use frugality::world::populate::populate;
use frugality::world::{Definition, Head};
use frugality::{maths, month};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError};
use support::{
    Run, Tape, assert_same, assert_same_before, attempt, run, run_logged, same_bits, world,
};

const SEED: u64 = 11;
/// Months of most runs: to the end of 2024, past the rules of 2022 and 2023.
const MONTHS: u32 = 36;

/// The reference world's first years, run once.
fn reference() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| run(&world("reference"), SEED, MONTHS))
}

/// The world without controls, run once.
fn uncontrolled() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| run(&world("no-controls"), SEED, MONTHS))
}

// --- Worlds ---

/// A row of any table with every cell missing, empty, first or least.
fn blank<R: frugality::schema::Row>(id: &str) -> R {
    let value = |column: &Column| match column.kind {
        _ if column.optional => Value::Missing,
        Kind::Text | Kind::Id(_) => Value::Text(String::new()),
        Kind::Number { low, .. } => Value::Number(low.max(0.0)),
        Kind::Whole { low, .. } => Value::Whole(low.max(0)),
        Kind::Flag => Value::Flag(false),
        Kind::Month => Value::Month(Month::new(2022, 1)),
        Kind::Choice(words) => Value::Text(words[0].to_owned()),
        Kind::Ids(_) | Kind::Words => Value::List(Vec::new()),
    };
    R::build(id.to_owned(), &mut R::COLUMNS.iter().map(value))
}

/// A rule of `us-bis` on China.
fn rule(id: &str, kind: RuleKind, treatment: Treatment, announced: Month, from: Month) -> RuleRow {
    RuleRow {
        name: id.to_owned(),
        issuer: "us-bis".to_owned(),
        kind,
        enabled: true,
        announced,
        from,
        regime: "ai-chip-controls".to_owned(),
        blocs: vec!["china".to_owned()],
        treatment,
        ..blank(id)
    }
}

fn switch(definition: &mut Definition, name: &str, on: bool) {
    *definition.head.switches.get_mut(name).expect("a switch of this name") = on;
}

/// Leaves out a firm, and all that refers to it.
fn drop_firm(d: &mut Definition, at: usize) {
    let id = d.firms.remove(at).id;
    let sites: BTreeSet<String> =
        d.data_centres.iter().filter(|s| s.owner == id).map(|s| s.id.clone()).collect();
    drop_sites(d, &sites);
    d.rentals.retain(|r| r.tenant != id && r.host != id);
    while let Some(captive) = d.vendors.iter().position(|v| v.captive.as_ref() == Some(&id)) {
        drop_vendor(d, captive);
    }
    for rule in &mut d.rules {
        let named = rule.firms.len();
        rule.firms.retain(|f| *f != id);
        rule.enabled &= named == 0 || !rule.firms.is_empty();
    }
}

fn drop_sites(d: &mut Definition, sites: &BTreeSet<String>) {
    d.data_centres.retain(|s| !sites.contains(&s.id));
    d.stocks.retain(|s| s.kind != StockKind::Installed || !sites.contains(&s.place));
}

/// Leaves out a vendor, its chips, contracts and stocks.
fn drop_vendor(d: &mut Definition, at: usize) {
    let id = d.vendors.remove(at).id;
    let chips: BTreeSet<String> =
        d.chips.iter().filter(|c| c.vendor == id).map(|c| c.id.clone()).collect();
    d.contracts.retain(|c| c.vendor != id);
    d.stocks.retain(|s| s.kind == StockKind::Installed || s.place != id);
    for rule in &mut d.rules {
        let named = rule.vendors.len();
        rule.vendors.retain(|v| *v != id);
        rule.enabled &= named == 0 || !rule.vendors.is_empty();
    }
    drop_chips(d, &chips);
}

fn drop_chips(d: &mut Definition, chips: &BTreeSet<String>) {
    d.chips.retain(|c| !chips.contains(&c.id));
    for chip in &mut d.chips {
        chip.parent = chip.parent.take().filter(|parent| !chips.contains(parent));
    }
    d.stocks.retain(|s| s.item.as_ref().is_none_or(|item| !chips.contains(item)));
}

fn drop_line(d: &mut Definition, at: usize) {
    let id = d.lines.remove(at).id;
    d.contracts.retain(|c| c.line != id);
}

/// Leaves out a country where nobody is at home; does nothing to another.
fn drop_country(d: &mut Definition, at: usize) {
    let id = d.countries[at].id.clone();
    let home = d.firms.iter().map(|f| &f.home).chain(d.vendors.iter().map(|v| &v.home));
    let home = home.chain(d.lines.iter().map(|l| &l.country));
    if home.chain(d.regulators.iter().map(|r| &r.country)).any(|c| *c == id) {
        return;
    }
    d.countries.remove(at);
    let sites = d.data_centres.iter().filter(|s| s.country == id).map(|s| s.id.clone()).collect();
    drop_sites(d, &sites);
    for rule in &mut d.rules {
        let named = rule.countries.len() + rule.headquarters.len();
        rule.countries.retain(|c| *c != id);
        rule.headquarters.retain(|c| *c != id);
        rule.enabled &= named == 0 || rule.countries.len() + rule.headquarters.len() > 0;
    }
}

/// How a generated world differs from the reference world.
#[derive(Clone, Debug)]
struct Recipe {
    seed: u64,
    months: u32,
    firms: Vec<u16>,
    countries: Vec<u16>,
    lines: Vec<u16>,
    vendors: Vec<u16>,
    chips: Vec<u16>,
    events: Vec<u16>,
    parameters: Option<u64>,
    off: Vec<u16>,
    rules: Vec<Extra>,
    variants: bool,
}

/// A rule that a generated world adds.
#[derive(Clone, Debug)]
struct Extra {
    words: (u16, u16, u16, u16),
    announced: i32,
    notice: i32,
    lasts: Option<i32>,
    tpp_min: Option<f64>,
    cap: Option<f64>,
    cap_buyer: Option<f64>,
    share: f64,
    strength: f64,
    domestic: bool,
}

fn extras() -> impl Strategy<Value = Extra> {
    (
        any::<(u16, u16, u16, u16)>(),
        -3..50_i32,
        0..6_i32,
        proptest::option::of(0..20_i32),
        proptest::option::of(0.0..20_000.0),
        proptest::option::of(0.0..100_000.0),
        proptest::option::of(0.0..20_000.0),
        0.0..0.5,
        0.0..=1.0,
        any::<bool>(),
    )
        .prop_map(
            |(
                words,
                announced,
                notice,
                lasts,
                tpp_min,
                cap,
                cap_buyer,
                share,
                strength,
                domestic,
            )| {
                Extra {
                    words,
                    announced,
                    notice,
                    lasts,
                    tpp_min,
                    cap,
                    cap_buyer,
                    share,
                    strength,
                    domestic,
                }
            },
        )
}

fn recipes(longest: u32) -> impl Strategy<Value = Recipe> {
    let few = |n: usize| proptest::collection::vec(any::<u16>(), 0..n);
    (
        (any::<u64>(), 24..=longest, any::<bool>()),
        (few(8), few(12), few(4), few(4), few(8), few(6)),
        proptest::option::weighted(0.8, any::<u64>()),
        few(6),
        proptest::collection::vec(extras(), 0..4),
    )
        .prop_map(|((seed, months, variants), dropped, parameters, off, rules)| {
            let (firms, countries, lines, vendors, chips, events) = dropped;
            Recipe {
                seed,
                months,
                firms,
                countries,
                lines,
                vendors,
                chips,
                events,
                parameters,
                off,
                rules,
                variants,
            }
        })
}

/// A draw from a parameter's prior, between its ends.
fn drawn(row: &ParameterRow, seed: u64) -> f64 {
    let luck = Luck::new(seed);
    let mut stream = luck.stream(frugality::random::Purpose::Delay, key_of(&[&row.id]));
    let u = stream.month(Month::new(2022, 1)).uniform();
    match row.distribution {
        Distribution::Fixed => row.value,
        Distribution::Whole => (row.low + u * (row.high - row.low)).round(),
        Distribution::Lognormal if row.low > 0.0 => {
            row.low * maths::exp(u * maths::ln(row.high / row.low))
        }
        _ => row.low + u * (row.high - row.low),
    }
}

impl Recipe {
    fn world(&self) -> Definition {
        let mut d = world("reference");
        let at = |n: u16, len: usize| usize::from(n) % len;
        for n in &self.firms {
            if !d.firms.is_empty() {
                let at = at(*n, d.firms.len());
                drop_firm(&mut d, at);
            }
        }
        for n in &self.vendors {
            if !d.vendors.is_empty() {
                let at = at(*n, d.vendors.len());
                drop_vendor(&mut d, at);
            }
        }
        for n in &self.lines {
            if !d.lines.is_empty() {
                let at = at(*n, d.lines.len());
                drop_line(&mut d, at);
            }
        }
        for n in &self.countries {
            let at = at(*n, d.countries.len());
            drop_country(&mut d, at);
        }
        for n in &self.chips {
            if !d.chips.is_empty() {
                let id = d.chips[at(*n, d.chips.len())].id.clone();
                drop_chips(&mut d, &BTreeSet::from([id]));
            }
        }
        for n in &self.events {
            if !d.events.is_empty() {
                d.events.remove(at(*n, d.events.len()));
            }
        }
        if let Some(seed) = self.parameters {
            for row in &mut d.parameters {
                row.value = drawn(row, seed);
            }
        }
        for n in &self.off {
            let (name, _) = Switches::ALL[at(*n, Switches::ALL.len())];
            switch(&mut d, name, false);
        }
        d.head.endogenous_variants = self.variants;
        for (n, extra) in self.rules.iter().enumerate() {
            extra.add_to(&mut d, n);
        }
        d.sorted()
    }
}

impl Extra {
    fn add_to(&self, d: &mut Definition, n: usize) {
        let id = format!("zz-{n}");
        let pick = |n: u16, len: usize| usize::from(n) % len;
        let kind = RuleKind::from_word(RuleKind::WORDS[pick(self.words.0, RuleKind::WORDS.len())]);
        let treatment =
            Treatment::from_word(Treatment::WORDS[pick(self.words.1, Treatment::WORDS.len())]);
        let issuer = &d.regulators[pick(self.words.2, d.regulators.len())];
        let announced = d.head.start + self.announced;
        let from = announced + self.notice;
        let mut row =
            rule(&id, kind.expect("a kind"), treatment.expect("a treatment"), announced, from);
        row.issuer.clone_from(&issuer.id);
        row.regime.clone_from(&issuer.regime);
        row.until = self.lasts.map(|months| from + months);
        row.cap_units = self.cap;
        row.cap_units_buyer = self.cap_buyer;
        row.revenue_share = self.share;
        row.duty = self.share;
        row.strength = self.strength;
        row.domestic = self.domestic.then_some(true);
        let blocs = ["us", "allied", "china", "nonaligned"];
        row.blocs = vec![blocs[pick(self.words.3, 4)].to_owned()];
        d.rules.push(row);
        if let Some(tpp) = self.tpp_min {
            d.clauses.push(ClauseRow { rule: id.clone(), tpp_min: Some(tpp), ..blank(&id) });
        }
    }
}

fn few_cases(cases: u32) -> Config {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var("PROPTEST_CASES").is_err() {
        config.cases = cases;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(20_220_101);
    }
    config
}

// --- The books ---

proptest! {
    #![proptest_config(few_cases(24))]

    /// In every world each month's books balance, nothing panics, and no value is lost on the way.
    #[test]
    fn books_balance_in_generated_worlds(recipe in recipes(60)) {
        let world = recipe.world();
        match attempt(&world, Luck::new(recipe.seed), recipe.months, false) {
            Err(stopped) => return Err(TestCaseError::fail(stopped.to_string())),
            Ok(run) => prop_assert_eq!(run.first_lost(), None),
        }
    }
}

#[test]
fn books_balance_in_worlds_without_this_or_that() {
    let bare: [(&str, fn(&mut Definition)); 8] = [
        ("firms", |d| {
            while !d.firms.is_empty() {
                drop_firm(d, 0);
            }
        }),
        ("vendors", |d| {
            while !d.vendors.is_empty() {
                drop_vendor(d, 0);
            }
        }),
        ("lines", |d| {
            while !d.lines.is_empty() {
                drop_line(d, 0);
            }
        }),
        ("all firms but one", |d| {
            while d.firms.len() > 1 {
                drop_firm(d, 0);
            }
        }),
        ("rules", |d| d.rules.iter_mut().for_each(|r| r.enabled = false)),
        ("data centres", |d| {
            let all = d.data_centres.iter().map(|s| s.id.clone()).collect();
            drop_sites(d, &all);
        }),
        ("events and stocks", |d| {
            d.events.clear();
            d.stocks.clear();
        }),
        ("all countries but homes", |d| {
            for at in (0..d.countries.len()).rev() {
                drop_country(d, at);
            }
        }),
    ];
    for (what, leave_out) in bare {
        let mut d = world("reference");
        leave_out(&mut d);
        if let Err(stopped) = attempt(&d, Luck::new(SEED), 24, false) {
            panic!("without {what}: {stopped}");
        }
    }
}

// --- Order, labels, repetition ---

/// Shuffles a table by the keys of its rows' ids.
fn shuffle<T>(rows: &mut [T], seed: u64, id: impl Fn(&T) -> &str) {
    rows.sort_by_key(|row| key_from(&[seed, key_of(&[id(row)])]));
}

fn shuffled(mut d: Definition, seed: u64) -> Definition {
    shuffle(&mut d.countries, seed, |r| &r.id);
    shuffle(&mut d.regimes, seed, |r| &r.id);
    shuffle(&mut d.regulators, seed, |r| &r.id);
    shuffle(&mut d.rules, seed, |r| &r.id);
    shuffle(&mut d.clauses, seed, |r| &r.id);
    shuffle(&mut d.vendors, seed, |r| &r.id);
    shuffle(&mut d.dies, seed, |r| &r.id);
    shuffle(&mut d.chips, seed, |r| &r.id);
    shuffle(&mut d.lines, seed, |r| &r.id);
    shuffle(&mut d.contracts, seed, |r| &r.id);
    shuffle(&mut d.firms, seed, |r| &r.id);
    shuffle(&mut d.rentals, seed, |r| &r.id);
    shuffle(&mut d.data_centres, seed, |r| &r.id);
    shuffle(&mut d.stocks, seed, |r| &r.id);
    shuffle(&mut d.events, seed, |r| &r.id);
    shuffle(&mut d.frontier, seed, |r| &r.id);
    shuffle(&mut d.parameters, seed, |r| &r.id);
    d
}

#[test]
fn the_order_of_rows_is_not_felt() {
    for seed in [1, 2] {
        let other = run(&shuffled(world("reference"), seed), SEED, MONTHS);
        assert_same("rows in another order", reference(), &other);
        let [a, b] = [reference(), &other].map(|run| format!("{:?}", run.ending));
        assert!(a == b, "rows in another order: events, licences or models differ");
    }
}

proptest! {
    #![proptest_config(few_cases(4))]

    /// The same in generated worlds, which have ties that the reference world has not.
    #[test]
    fn the_order_of_rows_is_not_felt_in_generated_worlds(recipe in recipes(30)) {
        let base = run(&recipe.world(), recipe.seed, recipe.months);
        let other = run(&shuffled(recipe.world(), 3), recipe.seed, recipe.months);
        let found = support::first_difference_in_bits(&base, &other);
        prop_assert!(found.is_none(), "{}", found.unwrap());
    }
}

#[test]
fn labels_are_not_felt() {
    let mut d = world("reference");
    // Events of one name are one paradigm: that name is not a label.
    for (n, event) in d.events.iter_mut().enumerate() {
        if event.kind != ShockKind::Paradigm {
            event.name = format!("label {n}");
        }
        event.source = "label".to_owned();
    }
    for row in &mut d.countries {
        row.name = format!("label {}", row.ai_power_mw);
    }
    for row in &mut d.regimes {
        row.name = "label".to_owned();
        row.note = String::new();
    }
    for row in &mut d.regulators {
        row.name = "label".to_owned();
    }
    for row in &mut d.rules {
        row.name = "label".to_owned();
        row.source = String::new();
    }
    for row in &mut d.vendors {
        row.name = "label".to_owned();
    }
    for row in &mut d.chips {
        row.name = "label".to_owned();
        row.source = String::new();
    }
    for row in &mut d.lines {
        row.name = "label".to_owned();
        row.owner = "label".to_owned();
    }
    for row in &mut d.firms {
        row.name = "label".to_owned();
        row.source = String::new();
    }
    d.head.title = "label".to_owned();
    d.head.story = String::new();
    d.head.id = "another-world".to_owned();
    let other = run(&d, SEED, MONTHS);
    assert_same("other labels", reference(), &other);
    let models = |run: &Run| format!("{:?} {:?}", run.ending.models, run.ending.applications);
    assert_eq!(models(reference()), models(&other));
    assert_eq!(reference().ending.events.len(), other.ending.events.len());
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_another() {
    let d = world("reference");
    let again = run(&d, SEED, MONTHS);
    assert_same("the same seed", reference(), &again);
    assert!(format!("{:?}", again.ending) == format!("{:?}", reference().ending));
    let other = run(&d, SEED + 1, MONTHS);
    assert!(
        support::first_difference_in_bits(reference(), &other).is_some(),
        "the seed is not felt"
    );
}

#[test]
fn keeping_events_changes_nothing() {
    let silent = attempt(&world("reference"), Luck::new(SEED), MONTHS, false).unwrap();
    assert_same("without events", reference(), &silent);
    assert!(silent.ending.events.is_empty());
    let rest = |run: &Run| format!("{:?} {:?}", run.ending.models, run.ending.applications);
    assert!(rest(reference()) == rest(&silent));
}

#[test]
fn a_longer_horizon_has_the_same_past() {
    let mut d = world("reference");
    let short = run(&d, SEED, 60);
    assert_same("120 months against 60", &short, &run(&d, SEED, 120));
    // The world's own end, not only how much of it is run.
    d.head.end = d.head.start + 47;
    let ends = run(&d, SEED, 48);
    assert_same_before("a world that ends early", d.head.end + 1, &ends, &short);
}

// --- Draws ---

/// A small US firm.
fn newcomer(d: &mut Definition, id: &str) {
    let model = d.firms.iter().find(|f| f.id == "xai").expect("a small US firm").clone();
    d.firms.push(frugality::entities::firm::FirmRow {
        id: id.to_owned(),
        name: id.to_owned(),
        ..model
    });
    let site = d.data_centres.iter().find(|s| s.owner == "xai").expect("its site").clone();
    d.data_centres.push(frugality::entities::site::SiteRow {
        id: format!("{id}-usa"),
        owner: id.to_owned(),
        ..site
    });
}

/// Draws at addresses that both runs know and that are not the same.
fn moved_draws(a: &Run, b: &Run) -> usize {
    a.draws.iter().filter(|(at, word)| b.draws.get(*at).is_some_and(|other| other != *word)).count()
}

/// Runs the reference world and the same world with two more firms, one first and one last by id.
fn with_newcomers(luck: impl Fn() -> Luck) -> (Run, Run) {
    let mut d = world("reference");
    let base = run_logged(&d, luck(), MONTHS);
    newcomer(&mut d, "aaa-new");
    newcomer(&mut d, "zzz-new");
    (base, run_logged(&d, luck(), MONTHS))
}

#[test]
fn another_firm_changes_nobody_elses_draws() {
    let (base, other) = with_newcomers(|| Luck::new(SEED));
    assert!(base.draws.len() > 1000, "{} draws", base.draws.len());
    assert_eq!(moved_draws(&base, &other), 0);
    // Who draws every month goes on doing so.
    for (purpose, key, month, n) in base.draws.keys() {
        if ["stance", "research", "seizure"].contains(purpose) {
            assert!(
                other.draws.contains_key(&(purpose, *key, *month, *n)),
                "{purpose}: a draw of {month} is gone"
            );
        }
    }
    assert!(other.draws.len() > base.draws.len(), "the new firms draw");
}

#[test]
fn with_one_shared_generator_another_firm_would_change_draws() {
    let (base, other) = with_newcomers(|| Luck::shared_for_negative_control(SEED));
    assert!(moved_draws(&base, &other) > 0, "the law above cannot fail");
}

/// Runs the reference world, with or without an order that nobody needs, in its third year.
fn with_order(luck: Luck, insert: bool) -> Run {
    let d = world("reference");
    let log = DrawLog::default();
    let mut world = populate(&d, luck.logged(log.clone()), true);
    let (start, end) = (d.head.start, d.head.start + MONTHS.cast_signed() - 1);
    world.insert_resource(Clock { start, now: start, end });
    let place = |ids: Vec<&String>, id: &str| ids.iter().position(|i| *i == id).expect("a row");
    let sorted = d.sorted();
    let buyer = place(sorted.firms.iter().map(|f| &f.id).collect(), "tencent");
    let site = place(sorted.data_centres.iter().map(|s| &s.id).collect(), "tencent-chn");
    let mut schedule = month::schedule();
    if insert {
        let system = move |clock: Res<Clock>,
                           catalogue: Res<Catalogue>,
                           mut book: ResMut<OrderBook>,
                           mut done: Local<bool>| {
            if clock.now < start + 14 || std::mem::replace(&mut *done, true) {
                return;
            }
            let (sku, chip) =
                catalogue.iter().find(|(_, s)| s.id == "nvidia-a100").expect("a chip");
            book.place(Order {
                id: 0,
                buyer: FirmId::at(buyer),
                vendor: chip.vendor,
                sku,
                site: SiteId::at(site),
                channel: Channel::Import,
                placed: clock.now,
                ordinal: 9,
                open: 5,
                shipped: 0,
                price: Money::ZERO,
                set_aside: Money::ZERO,
                fee: Money::ZERO,
                clearance: Clearance::Pending,
                cause: None,
            });
        };
        schedule.add_systems(system.ambiguous_with_all());
    }
    let mut tape = Tape::default();
    frugality::run::play(&mut world, &mut schedule, &mut tape).unwrap_or_else(|e| panic!("{e}"));
    let draws = log.lock().unwrap().clone();
    Run { tape, ending: frugality::record::Ending::of(&mut world), draws }
}

#[test]
fn an_unrelated_order_leaves_other_applications_draws_alone() {
    let (base, other) = (with_order(Luck::new(SEED), false), with_order(Luck::new(SEED), true));
    let applications = |run: &Run| run.draws.keys().filter(|at| at.0 == "licence").count();
    assert!(applications(&base) > 10, "{} draws for applications", applications(&base));
    assert!(base.draws.keys().ne(other.draws.keys()), "the order was not felt");
    assert_eq!(moved_draws(&base, &other), 0);
    // The application filed for it has taken a running number, and pushed nobody's luck aside.
    let shared = |insert| with_order(Luck::shared_for_negative_control(SEED), insert);
    assert!(moved_draws(&shared(false), &shared(true)) > 0, "the law above cannot fail");
}

// --- An effect never precedes its cause ---

/// The second, a middle and the last month of a run.
fn moments() -> [Month; 3] {
    let start = world("reference").head.start;
    [start + 1, start + 20, start + MONTHS.cast_signed() - 1]
}

#[test]
fn a_rule_is_not_felt_before_it_is_announced() {
    let start = world("reference").head.start;
    for month in [start].into_iter().chain(moments()) {
        for (kind, strength) in [
            (RuleKind::ChipExport, 0.0),
            (RuleKind::MemoryExport, 1.0),
            (RuleKind::ImportGuidance, 0.1),
        ] {
            let mut d = world("reference");
            let mut row = rule("zz-new", kind, Treatment::Deny, month, month + 2);
            row.strength = strength;
            d.rules.push(row);
            let other = run(&d, SEED, MONTHS);
            assert_same_before(&format!("{kind:?} of {month}"), month, reference(), &other);
            if kind == RuleKind::ChipExport {
                let felt = support::first_difference_in_bits(reference(), &other);
                assert!(felt.is_some_and(|d| d.month >= month), "a rule of {month} is not felt");
            }
        }
    }
}

#[test]
fn a_rule_moves_no_draw_before_it_is_announced() {
    for month in moments() {
        let months = (month - world("reference").head.start) as u32;
        let mut d = world("reference");
        let base = run_logged(&d, Luck::new(SEED), months);
        d.rules.push(rule("zz-new", RuleKind::ChipExport, Treatment::Deny, month, month + 2));
        let other = run_logged(&d, Luck::new(SEED), months);
        assert_eq!(base.draws, other.draws, "draws before {month}");
    }
}

#[test]
fn a_scripted_event_is_not_felt_before_its_month() {
    let month = moments()[1];
    for word in ShockKind::WORDS {
        let kind = ShockKind::from_word(word).expect("a kind");
        // What opens on a date is closed before it: its absence is another world from the first month.
        if matches!(kind, ShockKind::Lab | ShockKind::Service | ShockKind::ServiceAbroad) {
            continue;
        }
        let mut d = world("reference");
        d.events.push(ShockRow {
            name: "zz-new".to_owned(),
            month,
            kind,
            quantity: if kind == ShockKind::TrainingRun { 27.0 } else { 1.5 },
            subjects: match kind {
                ShockKind::TrainingRun | ShockKind::Paradigm => vec!["meta".to_owned()],
                _ => Vec::new(),
            },
            months: Some(4),
            ..blank("zz-new")
        });
        let other = run(&d, SEED, MONTHS);
        assert_same_before(word, month, reference(), &other);
        let felt = support::first_difference_in_bits(reference(), &other);
        assert!(felt.is_some_and(|d| d.month >= month), "{word} is not felt");
    }
}

#[test]
fn a_scripted_flow_is_not_felt_before_its_month() {
    let month = moments()[1];
    let flows = [
        (StockKind::Dies, "huawei", Some("huawei-ascend910b")),
        (StockKind::Memory, "huawei", None),
        (StockKind::Chips, "nvidia", Some("nvidia-h100")),
    ];
    for (kind, place, item) in flows {
        let mut d = world("reference");
        let die = d.chips.iter().find(|c| c.vendor == "huawei").map(|c| c.die.clone());
        let item = if kind == StockKind::Dies { die } else { item.map(str::to_owned) };
        d.stocks.push(StockRow {
            kind,
            place: place.to_owned(),
            item,
            monthly: 50_000.0,
            from: Some(month),
            ..blank("zz-new")
        });
        let other = run(&d, SEED, MONTHS);
        assert_same_before(kind.word(), month, reference(), &other);
    }
}

// --- What covers nothing, or does not bind, does nothing ---

/// Panics if the worlds differ in anything but the number of rules.
#[track_caller]
fn assert_nothing(what: &str, base: &Run, other: &Run) {
    let counts = ["rules_announced", "rules_in_force"];
    let found = support::first_difference(base, other, None, &|at, a, b| {
        same_bits(a, b) || counts.contains(&at.metric.name)
    });
    if let Some(difference) = found {
        panic!("{what}: {difference}");
    }
}

/// Runs a world with one more rule, announced in month `notice` and in force two months later.
fn with_rule(name: &str, at: i32, change: impl Fn(&mut RuleRow), clause: Option<ClauseRow>) -> Run {
    let mut d = world(name);
    let announced = d.head.start + at;
    let mut row = rule("zz-new", RuleKind::ChipExport, Treatment::Deny, announced, announced + 2);
    "pre-2022".clone_into(&mut row.regime);
    change(&mut row);
    d.rules.push(row);
    d.clauses.extend(clause.map(|clause| ClauseRow { rule: "zz-new".to_owned(), ..clause }));
    run(&d, SEED, MONTHS)
}

/// Each null rule early and late, in the world of the rules and in the one without.
fn assert_null(what: &str, change: impl Fn(&mut RuleRow), clause: Option<ClauseRow>) {
    for (name, base) in [("reference", reference()), ("no-controls", uncontrolled())] {
        for at in [1, 19] {
            let other = with_rule(name, at, &change, clause.clone());
            assert_nothing(&format!("{what}, {name}, month {at}"), base, &other);
        }
    }
}

#[test]
fn a_rule_that_no_chip_meets_does_nothing() {
    let clause = ClauseRow { tpp_min: Some(1e9), ..blank("zz-clause") };
    assert_null("a threshold that nobody reaches", |_| {}, Some(clause));
    let clause = ClauseRow { tpp_min: Some(2000.0), tpp_below: Some(1000.0), ..blank("zz-clause") };
    assert_null("a clause that contradicts itself", |_| {}, Some(clause));
}

#[test]
fn a_rule_whose_target_is_empty_does_nothing() {
    let mut d = world("reference");
    // A country with nobody and nothing in it but people.
    let mut island = d.countries.iter().find(|c| c.id == "bgd").expect("a country").clone();
    island.id = "zzz".to_owned();
    d.countries.push(island);
    let base = run(&d, SEED, MONTHS);
    for at in [1, 19] {
        let announced = d.head.start + at;
        let mut row =
            rule("zz-new", RuleKind::ChipExport, Treatment::Deny, announced, announced + 2);
        row.blocs.clear();
        row.countries = vec!["zzz".to_owned()];
        let mut with = d.clone();
        with.rules.push(row);
        let other = run(&with, SEED, MONTHS);
        // What is felt and enforced there is felt and enforced by nobody.
        let there = ["rule_hazard", "enforcement"];
        let counts = ["rules_announced", "rules_in_force"];
        let found = support::first_difference(&base, &other, None, &|cell, a, b| {
            same_bits(a, b)
                || counts.contains(&cell.metric.name)
                || (cell.row == "zzz" && there.contains(&cell.metric.name))
        });
        if let Some(difference) = found {
            panic!("an empty target, month {at}: {difference}");
        }
    }
}

#[test]
fn a_zero_fee_does_nothing() {
    assert_null("allowed for a share of 0", |r| r.treatment = Treatment::Allow, None);
    assert_null(
        "a duty of 0",
        |r| {
            r.kind = RuleKind::Tariff;
            r.treatment = Treatment::Notify;
        },
        None,
    );
}

#[test]
fn a_strength_of_zero_does_nothing() {
    for kind in [
        RuleKind::EquipmentExport,
        RuleKind::MemoryExport,
        RuleKind::FoundryService,
        RuleKind::RemoteAccess,
        RuleKind::MaterialExport,
        RuleKind::DesignTools,
    ] {
        let other = with_rule(
            "reference",
            3,
            |r| {
                r.kind = kind;
                r.treatment = Treatment::PresumptionOfDenial;
            },
            None,
        );
        assert_nothing(kind.word(), reference(), &other);
    }
}

#[test]
fn a_cap_too_loose_to_bind_does_nothing() {
    assert_null("a quota without a cap", |r| r.treatment = Treatment::Quota, None);
    let loose = |r: &mut RuleRow| {
        r.treatment = Treatment::Quota;
        r.cap_units = Some(1e9);
        r.cap_units_buyer = Some(1e9);
        r.cap_tpp = Some(1e15);
    };
    assert_null("a loose cap", loose, None);
    let clause = ClauseRow { tpp_min: Some(1000.0), ..blank("zz-clause") };
    assert_null("a loose cap on fast chips", loose, Some(clause));
}

#[test]
fn a_tight_cap_binds() {
    let tight = |r: &mut RuleRow| {
        r.treatment = Treatment::Quota;
        r.cap_units = Some(3000.0);
    };
    let other = with_rule("no-controls", 3, tight, None);
    let granted: i64 = other.ending.applications.iter().map(|a| a.granted).sum();
    let refused = other.series("units_refused").iter().filter(|x| x.is_finite()).sum::<f64>();
    let kappa = other.panel(Scope::Firm, "bytedance", "kappa");
    assert!(granted <= 3 * 3000, "{granted} chips in three calendar years");
    assert!(refused > 0.0 || kappa.iter().any(|k| *k > 1.5), "the cap is not felt");
    let base = uncontrolled().panel(Scope::Firm, "bytedance", "kappa");
    assert!(kappa[30] > base[30], "{} against {}", kappa[30], base[30]);
}

// --- Arms ---

#[test]
fn rules_that_are_never_enforced_differ_only_once_one_would_be() {
    let mut d = world("reference");
    let first = d.rules.iter().filter(|r| r.from > d.head.start).map(|r| r.from).min().unwrap();
    switch(&mut d, "enforcement", false);
    let other = run(&d, SEED, MONTHS);
    assert_same_before("never enforced", first, reference(), &other);
    assert!(support::first_difference_in_bits(reference(), &other).is_some());
    let standing = other.series("rules_in_force")[0];
    assert!(other.series("rules_in_force").iter().all(|n| *n == standing));
    assert!(other.series("rules_announced").last() > Some(&standing), "they are announced");
    assert!(other.ending.applications.is_empty(), "a licence was asked for");
}

#[test]
fn a_surprise_is_the_rule_without_its_notice() {
    let mut d = world("reference");
    let start = d.head.start;
    let first = d
        .rules
        .iter()
        .filter(|r| r.announced >= start && r.announced < r.from)
        .map(|r| r.announced)
        .min()
        .unwrap();
    for rule in d.rules.iter_mut().filter(|r| r.announced >= start) {
        rule.announced = rule.from;
    }
    let other = run(&d, SEED, MONTHS);
    assert_same_before("a surprise", first, reference(), &other);
    let felt = support::first_difference_in_bits(reference(), &other);
    assert!(felt.is_some_and(|d| d.month >= first));
}

#[test]
fn with_its_response_switched_off_research_keeps_its_direction() {
    for name in ["reference", "no-controls"] {
        let mut d = world(name);
        switch(&mut d, "direction", false);
        let other = run(&d, SEED, MONTHS);
        for firm in other.members(Scope::Firm) {
            for metric in ["direction_train", "direction_serve", "direction_quality"] {
                let shares = other.panel(Scope::Firm, &firm, metric);
                assert!(
                    shares.iter().all(|s| same_bits(*s, shares[0])),
                    "{name}, {firm}, {metric}"
                );
            }
        }
    }
    // And with it on, constraint turns it.
    let shares = reference().panel(Scope::Firm, "bytedance", "direction_serve");
    assert!(shares[35] != shares[0], "direction does not answer");
}

#[test]
fn without_reallocation_no_chip_money_hires() {
    let mut d = world("reference");
    switch(&mut d, "reallocation", false);
    let other = run(&d, SEED, MONTHS);
    let moved = |run: &Run| -> f64 {
        let firms = run.members(Scope::Firm);
        let of = |firm: &String| run.panel(Scope::Firm, firm, "reallocated_usd");
        firms.iter().flat_map(of).filter(|x| x.is_finite()).sum()
    };
    assert_eq!(moved(&other), 0.0);
    assert!(moved(reference()) > 0.0, "reallocation does nothing at all");
}

// --- Currency is a unit ---

/// Whether amounts of this unit are amounts of money, or of money for something.
fn is_money(unit: &str) -> bool {
    let mut parts = unit.split('/');
    let money = |part: &str| part.split_whitespace().any(|word| word == "USD");
    let over = parts.next().is_some_and(|over| money(over) && !over.contains(" per "));
    over && !parts.any(money)
}

#[test]
fn units_of_money_are_told() {
    for unit in ["USD", "bn USD", "bn USD/year", "USD/kWh", "USD/H100e-month", "USD/M tokens"] {
        assert!(is_money(unit), "{unit}");
    }
    for unit in ["1", "share", "USD per USD/year", "chips", "W/W", "year of revenue"] {
        assert!(!is_money(unit), "{unit}");
    }
}

/// The reference world with every amount of money, and the ledger's quantum, times `factor`.
fn in_other_money(factor: f64) -> (Definition, usize) {
    let loaded = support::loaded("reference");
    let mut scaled = 0;
    let head = Head {
        money_quantum: loaded.definition.head.money_quantum * factor,
        ..loaded.definition.head.clone()
    };
    let d = Definition::build(head, &mut |table| {
        let (_, columns) = Definition::columns(table).expect("a table");
        let unit = columns.iter().position(|c| table == "parameters" && c.name == "unit");
        let rows = loaded.cells.tables.get(table).into_iter().flatten();
        rows.map(|(id, row)| {
            let own = unit.map_or(Value::Missing, |at| row.cells[at].value.clone());
            let values = columns.iter().zip(&row.cells).map(|(column, cell)| {
                let unit = match &own {
                    Value::Text(own) if column.unit == "see unit" => own.as_str(),
                    _ => column.unit,
                };
                match cell.value {
                    Value::Number(x) if is_money(unit) => {
                        scaled += 1;
                        Value::Number(x * factor)
                    }
                    ref other => other.clone(),
                }
            });
            (id.clone(), values.collect())
        })
        .collect()
    });
    (d, scaled)
}

#[test]
fn currency_is_a_unit() {
    for factor in [8.0, 1.0 / 1024.0] {
        let (d, scaled) = in_other_money(factor);
        assert!(scaled > 100, "{scaled} amounts of money");
        let other = run(&d, SEED, MONTHS);
        let found = support::first_difference(reference(), &other, None, &|at, a, b| {
            // A logarithm of money is the same but for its last digits.
            let logarithms = at.metric.name.starts_with("cost_growth_");
            same_bits(if is_money(at.metric.unit) { a * factor } else { a }, b)
                || logarithms && (a - b).abs() < 1e-9
        });
        if let Some(difference) = found {
            panic!("money × {factor}: {difference}");
        }
    }
}

// --- Two halves are a whole ---

#[test]
fn two_halves_of_a_data_centre_are_one() {
    let base = reference();
    for id in ["bytedance-chn", "microsoft-usa"] {
        let mut d = world("reference");
        let at = d.data_centres.iter().position(|s| s.id == id).expect("a data centre");
        let whole = d.data_centres.remove(at);
        for half in ["a", "b"] {
            let mut site = whole.clone();
            site.id = format!("{id}-{half}");
            site.power_mw /= 2.0;
            site.build_share /= 2.0;
            d.data_centres.push(site);
        }
        let (stocks, others): (Vec<_>, Vec<_>) = d.stocks.into_iter().partition(|s| s.place == id);
        d.stocks = others;
        for stock in stocks {
            let first = maths::whole(stock.amount) / 2;
            for (half, amount) in [("a", first as f64), ("b", stock.amount - first as f64)] {
                d.stocks.push(StockRow {
                    id: format!("{}-{half}", stock.id),
                    place: format!("{id}-{half}"),
                    amount,
                    ..stock.clone()
                });
            }
        }
        let other = run(&d, SEED, MONTHS);
        let mut worst: BTreeMap<&str, f64> = BTreeMap::new();
        for metric in
            frugality::mechanisms::all_metrics().iter().filter(|m| m.scope == Scope::World)
        {
            let (a, b) = (base.series(metric.name), other.series(metric.name));
            for (a, b) in a.iter().zip(&b).filter(|(a, b)| a.is_finite() && b.is_finite()) {
                let apart = (a - b).abs() / a.abs().max(b.abs()).max(f64::MIN_POSITIVE);
                let worst = worst.entry(metric.name).or_default();
                *worst = worst.max(apart);
            }
        }
        for name in HALVES_AGREE {
            let apart = worst.get(name).copied().unwrap_or_else(|| panic!("no {name}"));
            assert!(apart < 0.01, "{id} in halves: {name} differs by {apart}");
        }
    }
}

/// World totals that two halves leave alone, to a hundredth in any month.
const HALVES_AGREE: [&str; 2] = ["ai_spend_usd_year", "stance"];
