//! Shocks to the reference world, and the responses that theory demands of them.
//!
//! Each entry of the table changes the world in one place and says which metric must move, which
//! way, by how much at least, when, and not before when. The same shock is then given to a world in which the
//! mechanism that should carry the response is switched off, or its causal path cut: there, the response
//! must vanish or shrink to a fraction. What the mechanism is called in a world file stands under `off`; under
//! `elsewhere` stands the same shock to somebody whom the path does not start from.
//!
//! A response is the mean of a metric over the months of its window, with the shock less without it,
//! under the same seed. Sizes are modest on purpose: they say that a response is there, not how large it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use frugality::calendar::Month;
use frugality::entities::script::{ShockKind, ShockRow};
use frugality::mechanisms::{all_metrics, declared_parameters};
use frugality::metric::Scope;
use frugality::record::Kept;
use frugality::run::{Options, simulate, simulate_as_scarce};
use frugality::schema::Value;
use frugality::world::{Definition, Loaded, load};

/// One change of the world.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// `table.id.column=value`, `parameter=value` or `mechanisms.name=false`, as after `--set`.
    Set(&'static str),
    /// A cell times a factor; `*` for the id means every row.
    Times(&'static str, f64),
    /// A scripted event: month, kind, quantity, how long (0: for good), to whom (empty: all).
    Event(&'static str, ShockKind, f64, i64, &'static str),
}
use Change::{Event, Set, Times};

/// Which way a metric must move.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    Up,
    Down,
}
use Sign::{Down, Up};

/// What a metric must do: `table.metric` or `table.id.metric`, first and last month of the
/// window, which way, and by which part of its level without the shock at least.
#[derive(Clone, Copy, Debug)]
struct Move(&'static str, &'static str, &'static str, Sign, f64);

/// A shock and what follows.
struct Response {
    /// What else the world is like, with the shock and without.
    given: &'static [Change],
    /// The shock.
    shock: &'static [Change],
    /// What must follow.
    then: &'static [Move],
    /// The first month in which anything may differ; before it, every metric above is the same to the bit.
    not_before: &'static str,
    /// A window after the shock in which the first metric has not yet moved by half as much: the lag.
    lag: Option<(&'static str, &'static str)>,
    /// What cuts the path from shock to metric.
    off: &'static [Change],
    /// Where the path is cut by giving the shock to somebody else: that shock.
    elsewhere: Option<&'static [Change]>,
}

/// Part of a response that may be left when its path is cut.
const LEFT: f64 = 0.25;

fn month(text: &str) -> Month {
    text.parse().unwrap_or_else(|_| panic!("{text} is no month"))
}

fn reference(sets: &[String]) -> Loaded {
    let worlds = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
    load(&worlds, sets, &declared_parameters()).unwrap_or_else(|e| panic!("{e}"))
}

/// The reference world as it is, for cells that are multiplied.
fn as_it_is() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| reference(&[]))
}

/// What `--set` would say to multiply a cell.
fn times(cell: &str, factor: f64, sets: &mut Vec<String>) {
    let cells = &as_it_is().cells;
    let (table, id, column) = match cell.split('.').collect::<Vec<_>>()[..] {
        [name] => ("parameters", name, "value"),
        [table, id, column] => (table, id, column),
        _ => panic!("{cell}: neither a parameter nor table.id.column"),
    };
    let (table, columns) = Definition::columns(table).expect("a table");
    let place = columns.iter().position(|c| c.name == column).expect("a column");
    let mut found = false;
    for (row, checked) in &cells.tables[table] {
        if id != "*" && id != row {
            continue;
        }
        found = true;
        match checked.cells[place].value {
            Value::Number(x) => sets.push(format!("{table}.{row}.{column}={}", x * factor)),
            Value::Whole(n) => {
                let x = (n as f64 * factor).round();
                sets.push(format!("{table}.{row}.{column}={x}"));
            }
            Value::Missing => {}
            ref other => panic!("{cell} of {row} is no number: {other:?}"),
        }
    }
    assert!(found, "{cell}: no such row");
}

/// The reference world with `changes`.
fn world(changes: &[Change]) -> Definition {
    let mut sets = Vec::new();
    for change in changes {
        match *change {
            Set(setting) => sets.push(setting.to_owned()),
            Times(cell, factor) => times(cell, factor, &mut sets),
            Event(..) => {}
        }
    }
    let mut world = reference(&sets).definition;
    for change in changes {
        if let Event(at, kind, quantity, months, subjects) = *change {
            world.events.push(ShockRow {
                id: format!("shock-{}-{}", at, world.events.len()),
                name: "a shock".to_owned(),
                month: month(at),
                kind,
                subjects: subjects.split_whitespace().map(str::to_owned).collect(),
                quantity,
                months: (months > 0).then_some(months),
                caused_by: None,
                source: "tests/responses.rs".to_owned(),
            });
        }
    }
    world.sorted()
}

/// Runs the world with `changes` to the end of `until`'s year, or takes the run that another test made.
fn run(changes: &[Change], until: Month) -> Arc<Kept> {
    static RUNS: Mutex<BTreeMap<String, Arc<OnceLock<Arc<Kept>>>>> = Mutex::new(BTreeMap::new());
    let months = 12 * (until.year() - 2022 + 1);
    let key = format!("{months} {changes:?}");
    let cell = Arc::clone(RUNS.lock().expect("no test panics here").entry(key).or_default());
    let kept = cell.get_or_init(|| {
        let options = Options { months: Some(months.unsigned_abs()), keep_events: false };
        let mut kept = Kept::new(all_metrics());
        simulate(&world(changes), 1, options, &mut kept)
            .unwrap_or_else(|e| panic!("{changes:?}: {e}"));
        Arc::new(kept)
    });
    Arc::clone(kept)
}

/// Every month of a metric.
fn series(kept: &Kept, metric: &str) -> Vec<f64> {
    let parts: Vec<&str> = metric.split('.').collect();
    let (table, id, name) = match parts[..] {
        [table, name] => (table, "", name),
        [table, id, name] => (table, id, name),
        _ => panic!("{metric}: neither table.metric nor table.id.metric"),
    };
    let scope = Scope::ALL
        .into_iter()
        .find(|scope| scope.table() == table)
        .unwrap_or_else(|| panic!("{metric}: no such table"));
    kept.panel(scope, id, name).unwrap_or_else(|| panic!("{metric}: no such metric"))
}

/// Mean of a metric over the months from `from` to `to` in which it has a value.
fn mean(kept: &Kept, metric: &str, from: Month, to: Month) -> f64 {
    let all = series(kept, metric);
    let values: Vec<f64> = kept
        .months
        .iter()
        .zip(all)
        .filter(|(m, x)| (from..=to).contains(*m) && x.is_finite())
        .map(|(_, x)| x)
        .collect();
    assert!(!values.is_empty(), "{metric} has no value from {from} to {to}");
    values.iter().sum::<f64>() / values.len() as f64
}

fn joined(lists: &[&[Change]]) -> Vec<Change> {
    lists.concat()
}

impl Response {
    fn check(&self) {
        let last = self.then.iter().map(|m| month(m.2)).max().expect("a metric that moves");
        let run = |lists: &[&[Change]]| run(&joined(lists), last);
        let without = run(&[self.given]);
        let with = run(&[self.given, self.shock]);
        let cut = run(&[self.given, self.off]);
        let cut_with = run(&[self.given, self.off, self.elsewhere.unwrap_or(self.shock)]);

        let first = month(self.not_before);
        let mut moved = Vec::new();
        for &Move(metric, from, to, sign, least) in self.then {
            let (from, to) = (month(from), month(to));
            let early = without.months.iter().take_while(|m| **m < first).count();
            let bits = |kept: &Kept| -> Vec<u64> {
                series(kept, metric)[..early].iter().map(|x| x.to_bits()).collect()
            };
            assert_eq!(bits(&without), bits(&with), "{metric} moves before {first}");

            let (a, b) = (mean(&without, metric, from, to), mean(&with, metric, from, to));
            let response = b - a;
            let (c, d) = (mean(&cut, metric, from, to), mean(&cut_with, metric, from, to));
            let left = d - c;
            println!(
                "{metric} {from}..{to}: {a:.4e} -> {b:.4e} ({:+.1} %); path cut: {c:.4e} -> {d:.4e}",
                100.0 * response / a
            );
            let towards = if sign == Up { response } else { -response };
            assert!(
                towards > 0.0 && towards >= least * a.abs(),
                "{metric} goes from {a} to {b}, not {sign:?} by {least}"
            );
            assert!(
                left.abs() <= LEFT * response.abs(),
                "{metric} still goes from {c} to {d} when its path is cut, against {a} to {b}"
            );
            moved.push(response);
        }
        if let Some((from, to)) = self.lag {
            let metric = self.then[0].0;
            let (from, to) = (month(from), month(to));
            let soon = mean(&with, metric, from, to) - mean(&without, metric, from, to);
            assert!(
                soon.abs() <= 0.5 * moved[0].abs(),
                "{metric} moves by {soon} within the lag, and by {} after it",
                moved[0]
            );
        }
    }
}

macro_rules! responses {
    ($($(#[doc = $doc:literal])+ $name:ident {
        $(given: $given:expr,)?
        shock: $shock:expr,
        then: $then:expr,
        $(not_before: $first:literal,)?
        $(lag: $lag:expr,)?
        $(off: $off:expr,)?
        $(elsewhere: $elsewhere:expr,)?
    })+) => {
        $(
            $(#[doc = $doc])+
            #[test]
            fn $name() {
                #[allow(unused_mut, unused_assignments)]
                let mut response = Response {
                    given: &[],
                    shock: $shock,
                    then: $then,
                    not_before: "2022-01",
                    lag: None,
                    off: &[],
                    elsewhere: None,
                };
                $(response.given = $given;)?
                $(response.off = $off;)?
                $(response.elsewhere = Some($elsewhere);)?
                $(response.not_before = $first;)?
                $(response.lag = Some($lag);)?
                response.check();
            }
        )+

        /// What is switched off in one response or another.
        const OFF: &[&[Change]] = &[$($($off,)?)+];
    };
}

/// Everybody whose home is China.
const CHINESE: &str = "alibaba baidu bytedance cn-clouds cn-others deepseek moonshot tencent zhipu";

responses! {
    /// Officers who decide a fifth as fast leave applications waiting, for longer.
    slow_officers_make_queues {
        shock: &[Times("regulators.us-bis.decisions_per_month", 0.2)],
        then: &[
            Move("series.applications_pending", "2023-01", "2026-12", Up, 0.3),
            Move("series.licence_wait_months", "2023-01", "2026-12", Up, 0.2),
        ],
        not_before: "2022-08",
        off: &[Set("mechanisms.licence_queue=false")],
    }

    /// Better odds under a presumption of denial: more is approved.
    better_odds_bring_licences {
        shock: &[Set("odds_presumption_of_denial=0")],
        then: &[
            // The approval rate need not rise: more is applied for, under rules that refuse.
            Move("series.units_licensed", "2022-11", "2023-12", Up, 0.2),
        ],
        not_before: "2022-08",
        off: &[Set("mechanisms.licence_queue=false")],
    }

    /// A rule that refuses nothing lets imports flow and lowers the shadow price of compute.
    without_the_rule_of_2023_compute_is_cheaper {
        shock: &[
            Set("rules.us-2023-10-datacentre.enabled=false"),
            Set("rules.us-2023-10-headquarters.enabled=false"),
        ],
        then: &[
            Move("firms.bytedance.kappa", "2024-01", "2025-12", Down, 0.08),
            Move("series.china_foreign_units", "2024-01", "2025-12", Up, 0.15),
        ],
        not_before: "2023-10",
        off: &[Set("mechanisms.enforcement=false")],
    }

    /// Without the rules of 2022 nobody cuts chips to their measure. That the constrained gain little by it is history too: A800 and H800 came at once.
    without_the_rule_of_2022_nothing_is_cut {
        shock: &[
            Set("rules.us-2022-08-letters.enabled=false"),
            Set("rules.us-2022-10-chips.enabled=false"),
        ],
        then: &[
            Move("series.placed_variant_usd", "2022-12", "2023-09", Down, 0.9),
        ],
        not_before: "2022-08",
        off: &[Set("mechanisms.enforcement=false")],
    }

    /// A threshold low enough to catch what variants are cut to keeps imports out.
    lower_thresholds_catch_more {
        shock: &[
            Set("clauses.us-2023-10-datacentre.b.performance_density_min=1"),
            Set("clauses.us-2023-10-datacentre.b.tpp_min=600"),
        ],
        then: &[Move("series.china_lawful_import_h100e", "2024-01", "2025-12", Down, 0.2)],
        not_before: "2023-10",
        off: &[Set("mechanisms.enforcement=false")],
    }

    /// A rule announced half a year before it bites pulls orders forward; one that comes as a surprise does not.
    announcements_pull_orders_forward {
        shock: &[Set("rules.us-2023-10-datacentre.announced=2023-05")],
        then: &[
            Move("series.ordered_ahead_usd", "2023-05", "2023-10", Up, 0.5),
            Move("series.placed_variant_usd", "2023-05", "2023-10", Up, 0.1),
        ],
        not_before: "2023-05",
        off: &[Set("mechanisms.anticipation=false")],
    }

    /// Beijing lets nothing in: imports of foreign chips dry up.
    guidance_closes_the_border {
        shock: &[
            Set("rules.cn-2025-08-guidance.strength=0"),
            Set("guidance_floor=0"),
        ],
        then: &[
            Move("series.china_foreign_units", "2025-10", "2026-12", Down, 0.03),
            Move("series.placed_import_usd", "2025-10", "2026-12", Down, 0.003),
        ],
        not_before: "2025-07",
        off: &[Set("mechanisms.import_guidance=false")],
    }

    /// Lobbying that counts for more softens stance once stance can move.
    lobbying_softens_stance {
        shock: &[Set("stance_lobby_response=0.2")],
        then: &[Move("series.stance", "2027-01", "2028-12", Down, 0.1)],
        not_before: "2026-10",
        off: &[Set("mechanisms.lobbying=false")],
    }

    /// Elections that bring stricter governments make stance stricter afterwards.
    elections_move_stance {
        shock: &[Set("election_stance_low=0.6"), Set("election_stance_high=1")],
        then: &[Move("series.stance", "2029-06", "2030-12", Up, 0.1)],
        not_before: "2029-01",
        off: &[Set("mechanisms.stance=false")],
    }

    /// Vendors design cuts only where cuts pay; dear cuts, no variants, fewer imports.
    dear_cuts_leave_no_variants {
        shock: &[
            Set("parameters.cut_cost_interconnect_usd.high=1e12"),
            Set("parameters.cut_cost_bandwidth_usd.high=1e12"),
            Set("parameters.cut_cost_compute_usd.high=1e12"),
            Set("cut_cost_interconnect_usd=1e12"),
            Set("cut_cost_bandwidth_usd=1e12"),
            Set("cut_cost_compute_usd=1e12"),
        ],
        then: &[
            Move("series.variants_on_sale", "2023-01", "2025-12", Down, 0.9),
            Move("series.china_foreign_units", "2023-01", "2025-12", Down, 0.2),
        ],
        not_before: "2022-08",
        off: &[Set("mechanisms.variants=false")],
    }

    /// Stricter enforcement: fewer diverted chips land, at a higher premium.
    enforcement_makes_grey_chips_dear {
        shock: &[Set("regulators.us-bis.enforcement=0.8")],
        then: &[
            Move("series.grey_landed_units", "2023-01", "2025-12", Down, 0.2),
            Move("countries.chn.grey_premium", "2023-01", "2025-12", Up, 0.1),
        ],
        not_before: "2022-08",
        off: &[Set("mechanisms.grey_market=false")],
    }

    /// Remote access is closed: nothing is rented abroad, and compute is scarcer.
    closing_remote_access_ends_renting {
        shock: &[
            Set("rules.us-bill-remote-access.enabled=true"),
            Set("rules.us-bill-remote-access.announced=2024-01"),
            Set("rules.us-bill-remote-access.from=2024-01"),
        ],
        then: &[
            Move("series.compute_share_rented", "2024-07", "2026-12", Down, 0.95),
            Move("firms.bytedance.kappa", "2024-02", "2026-12", Up, 0.002),
        ],
        not_before: "2024-01",
        off: &[Set("mechanisms.rental=false")],
    }

    /// What guidance of 2025 left open to subsidiaries abroad, closed: nothing more is bought there.
    closing_subsidiaries_ends_buying_abroad {
        shock: &[Set("rules.us-2025-05-subsidiaries.enabled=false")],
        then: &[
            Move("series.placed_offshore_usd", "2025-06", "2026-05", Down, 0.5),
            Move("firms.tencent.kappa", "2025-06", "2026-05", Up, 0.05),
        ],
        not_before: "2025-05",
        off: &[Set("mechanisms.offshore=false")],
    }

    /// Half the packaging: fewer chips, until lines have grown.
    less_packaging_makes_fewer_chips {
        shock: &[Times("lines.tsmc-cowos.capacity", 0.5)],
        then: &[
            Move("vendors.nvidia.vendor_shipped_units", "2022-07", "2024-06", Down, 0.02),
            Move("series.h100e_total", "2023-07", "2024-06", Down, 0.01),
        ],
        off: &[Times("chips.*.packages_per_wafer", 0.0)],
    }

    /// Memory lines that cannot grow hold everybody's chips back, once what is banked is used.
    memory_that_cannot_grow_holds_chips_back {
        shock: &[
            Set("lines.sk-hynix-hbm.growth_cap=0"),
            Set("lines.samsung-hbm.growth_cap=0"),
            Set("lines.micron-hbm.growth_cap=0"),
        ],
        then: &[
            Move("series.h100e_total", "2025-01", "2025-12", Down, 0.05),
            Move("series.hbm_gb", "2023-06", "2025-12", Down, 0.05),
        ],
        lag: ("2022-01", "2023-06"),
        off: &[Set("mechanisms.expansion=false")],
    }

    /// Lines that answer faster to backlog are larger two years later.
    eager_lines_grow {
        shock: &[Set("expansion_response=0.05")],
        then: &[Move("lines.tsmc-cowos.line_capacity", "2024-01", "2024-12", Down, 0.03)],
        lag: ("2022-01", "2022-06"),
        off: &[Set("mechanisms.expansion=false")],
    }

    /// Faster learning raises yield.
    learning_raises_yield {
        shock: &[Set("yield_learning_exponent=0.8")],
        then: &[Move("lines.smic-n2.line_yield", "2024-01", "2026-12", Up, 0.03)],
        lag: ("2022-01", "2022-12"),
        off: &[Set("mechanisms.yield_learning=false")],
    }

    /// A tenth more yield is a tenth more dies, where dies are what is short: no chips before the cycle is over.
    yield_makes_chips {
        given: &[
            Set("stocks.dies-huawei-fronts.remove=true"),
            Times("lines.smic-n2.capacity", 0.3),
        ],
        shock: &[
            Times("lines.smic-n2.yield_start", 1.1),
            Times("lines.smic-n2.yield_end", 1.1),
        ],
        then: &[Move("vendors.huawei.vendor_shipped_units", "2024-01", "2025-06", Up, 0.02)],
        not_before: "2022-04",
        off: &[Set("lines.smic-n2.capacity=0")],
    }

    /// Without the dies that came through front companies, fewer Ascends.
    without_the_die_bank_fewer_ascends {
        shock: &[Set("stocks.dies-huawei-fronts.remove=true")],
        then: &[
            Move("vendors.huawei.vendor_shipped_units", "2024-01", "2025-12", Down, 0.1),
            Move("series.china_domestic_units", "2024-01", "2025-12", Down, 0.04),
        ],
        not_before: "2023-01",
        off: &[Set("mechanisms.domestic_chips=false")],
    }

    /// Without the memory rule, a Huawei that has hoarded nothing still gets memory.
    without_the_memory_rule_memory_flows {
        given: &[
            Set("stocks.memory-huawei-ahead-2022.remove=true"),
            Set("stocks.memory-huawei-ahead-2023.remove=true"),
            Set("stocks.memory-huawei-surge.remove=true"),
        ],
        shock: &[Set("rules.us-2024-12-memory.enabled=false")],
        then: &[
            Move("vendors.huawei.memory_bank_gb", "2025-06", "2026-12", Up, 0.2),
            Move("vendors.huawei.vendor_shipped_units", "2025-10", "2026-12", Up, 0.1),
        ],
        not_before: "2024-12",
        off: &[Set("mechanisms.enforcement=false")],
    }

    /// Taiwan's lines stand still for half a year: fewer chips once what is under way is finished.
    taiwan_stops {
        shock: &[Event("2024-01", ShockKind::LineCapacity, 0.1, 6, "tsmc-n7 tsmc-n5 tsmc-n3 tsmc-cowos")],
        then: &[
            Move("vendors.nvidia.vendor_shipped_units", "2024-04", "2024-09", Down, 0.3),
            Move("series.h100e_total", "2024-07", "2024-12", Down, 0.03),
        ],
        not_before: "2024-01",
        lag: ("2024-01", "2024-01"),
        elsewhere: &[Event("2024-01", ShockKind::LineCapacity, 0.1, 6, "smic-n1")],
    }

    /// Power that no longer grows: less is installed, and chip money waits.
    a_frozen_grid_leaves_money_waiting {
        shock: &[Event("2023-01", ShockKind::GridGrowth, 0.0, 0, "usa")],
        then: &[
            Move("series.h100e_unconstrained", "2026-01", "2027-12", Down, 0.1),
            Move("firms.microsoft.unspent_usd", "2025-01", "2027-12", Up, 0.1),
        ],
        not_before: "2023-01",
        lag: ("2023-01", "2023-12"),
        off: &[Set("mechanisms.power=false")],
    }

    /// Accelerators at one and a half times the price, for the constrained: less compute for the same money.
    dearer_chips_mean_less_compute {
        shock: &[Event("2024-01", ShockKind::ChipPrice, 1.5, 0, CHINESE)],
        then: &[
            Move("series.h100e_constrained", "2025-01", "2026-12", Down, 0.03),
            Move("firms.bytedance.kappa", "2024-02", "2026-12", Up, 0.04),
        ],
        not_before: "2024-01",
        lag: ("2024-01", "2024-03"),
        elsewhere: &[Event("2024-01", ShockKind::ChipPrice, 1.5, 0, "mistral")],
    }

    /// Prices that answer slowly to short backlogs fall less.
    prices_that_answer_slowly_stay_near_launch {
        shock: &[Set("price_response=0.002")],
        then: &[Move("chips.nvidia-h100.price_usd", "2023-01", "2024-01", Up, 0.01)],
        off: &[Set("mechanisms.chip_prices=false")],
    }

    /// Demand that grows faster brings capex, until power binds.
    demand_brings_capex {
        shock: &[Event("2023-03", ShockKind::DemandGrowth, 2.0, 0, "")],
        then: &[Move("series.ai_capex_usd_year", "2023-07", "2023-12", Up, 0.1)],
        not_before: "2023-03",
        lag: ("2023-03", "2023-03"),
        off: &[Set("parameters.capital_per_spend.low=0"), Set("capital_per_spend=0")],
    }

    /// A stronger race for capex lifts those behind.
    the_race_lifts_capex {
        shock: &[Times("race_strength", 2.0)],
        then: &[Move("firms.amazon.ai_capex_usd", "2022-06", "2023-12", Up, 0.02)],
        off: &[Set("mechanisms.capex_race=false")],
    }

    /// Where neither power nor the ceiling holds plans back, investors who ask for more free cash flow get less capex.
    discipline_cuts_capex {
        given: &[
            Set("mechanisms.power=false"),
            Set("capex_ceiling_public=1.05"),
            Set("capital_per_spend=7"),
        ],
        shock: &[Set("discipline_margin=0.05"), Set("discipline_quarters=2")],
        then: &[Move("series.ai_capex_usd_year", "2025-01", "2026-12", Down, 0.005)],
        off: &[Set("mechanisms.discipline=false")],
    }

    /// The same firm, listed: investors let it spend less of what it earns.
    a_listed_bytedance_spends_less {
        shock: &[Set("firms.bytedance.ownership=public")],
        then: &[Move("firms.bytedance.capex_ceiling", "2023-01", "2026-12", Down, 0.05)],
        off: &[Set("capex_ceiling_private=0.825"), Set("capex_ceiling_public=0.825"), Set("mechanisms.discipline=false")],
    }

    /// A larger uplift is more core revenue.
    uplift_is_revenue {
        shock: &[Times("uplift_elasticity", 2.0)],
        then: &[
            Move("firms.bytedance.uplift_usd", "2023-01", "2025-12", Up, 0.5),
            Move("firms.meta.revenue_usd", "2023-01", "2025-12", Up, 0.02),
        ],
        off: &[Set("mechanisms.uplift=false")],
    }

    /// Power at twice the price makes the fleet at home dearer to run.
    dear_power_costs {
        shock: &[Times("countries.chn.power_price_usd_kwh", 2.0)],
        then: &[
            Move("firms.bytedance.energy_usd_year", "2023-01", "2025-12", Up, 0.3),
            Move("firms.bytedance.cost_per_token_usd_m", "2023-01", "2025-12", Up, 0.01),
        ],
        elsewhere: &[Times("countries.bra.power_price_usd_kwh", 2.0)],
    }

    /// Half as many researchers more: efficiency grows faster, from then on, slowly.
    more_researchers_find_more {
        shock: &[Event("2023-01", ShockKind::Staff, 1.5, 0, "alibaba")],
        then: &[Move("firms.alibaba.gain_train_own", "2024-07", "2025-12", Up, 0.03)],
        not_before: "2023-01",
        lag: ("2023-01", "2023-06"),
        off: &[Set("parameters.g_train.low=0"), Set("g_train=0")],
    }

    /// Faster spillover brings laggards nearer.
    spillover_helps_laggards {
        shock: &[Times("spillover_speed", 1.5)],
        then: &[
            Move("series.ln_a_train_constrained", "2024-01", "2025-12", Up, 0.01),
            Move("series.efficiency_gap_train", "2024-01", "2025-12", Up, 0.02),
        ],
        off: &[Set("mechanisms.spillover=false")],
    }

    /// Faster distillation shortens the lag; efficiency it leaves alone.
    distillation_shortens_the_lag {
        shock: &[Set("distillation_rate=0.8")],
        then: &[
            Move("firms.deepseek.distilled_dex", "2024-01", "2025-12", Up, 0.2),
            Move("series.capability_lag_months", "2024-01", "2026-12", Down, 0.03),
        ],
        off: &[Set("mechanisms.distillation=false")],
    }

    /// A direction that answers more to scarcity leaves less for quality where compute is scarce.
    scarcity_turns_research_to_frugality {
        shock: &[Times("direction_elasticity", 2.0)],
        then: &[
            Move("firms.bytedance.direction_quality", "2024-06", "2025-12", Down, 0.02),
            Move("firms.bytedance.direction_train", "2024-06", "2025-12", Up, 0.02),
        ],
        off: &[Set("mechanisms.direction=false")],
    }

    /// Unspent chip money that hires sooner hires more.
    unspent_money_hires {
        shock: &[Set("reallocation_rate=1")],
        then: &[Move("firms.bytedance.reallocated_staff", "2024-01", "2026-12", Up, 0.3)],
        off: &[Set("mechanisms.reallocation=false")],
    }

    /// Serving under rationing teaches.
    serving_teaches {
        shock: &[Set("learning_by_serving_rate=0.1")],
        then: &[Move("firms.bytedance.gain_serve_learning", "2025-01", "2026-12", Up, 0.5)],
        off: &[Set("mechanisms.learning_by_serving=false")],
    }

    /// The more gains need scale, the less they are worth to a small lab.
    small_labs_cannot_use_what_needs_scale {
        shock: &[Set("scale_dependent_share=0.9")],
        then: &[Move("firms.moonshot.ln_a_train_effective", "2024-01", "2026-12", Down, 0.1)],
        off: &[Set("mechanisms.scale_dependence=false")],
    }

    /// A paradigm found a year later: no jump until then.
    a_late_paradigm_jumps_late {
        shock: &[
            Set("events.paradigm-reasoning-1.month=2025-09"),
            Set("events.paradigm-reasoning-2.month=2025-12"),
        ],
        then: &[
            Move("firms.openai.quality_bonus_dex", "2024-10", "2025-08", Down, 0.2),
            Move("firms.deepseek.quality_bonus_dex", "2025-02", "2025-08", Down, 0.2),
        ],
        not_before: "2024-09",
        off: &[Set("mechanisms.paradigms=false")],
    }

    /// Models that become known abroad are used abroad.
    awareness_brings_users {
        shock: &[Event("2024-01", ShockKind::Awareness, 8.0, 0, "alibaba bytedance deepseek")],
        then: &[
            Move("firms.alibaba.awareness_third", "2024-02", "2024-12", Up, 0.3),
            Move("series.third_market_share", "2024-02", "2024-12", Up, 0.1),
        ],
        not_before: "2024-01",
        off: &[Set("mechanisms.awareness=false")],
    }

    /// Third markets that trust Chinese models as they do American ones use more of them.
    trust_brings_users {
        shock: &[Set("bloc_distance_nonaligned_china=0.1")],
        then: &[Move("series.third_market_share", "2023-06", "2025-12", Up, 0.2)],
        off: &[Set("trust_weight=0")],
    }

    /// Without open weights from constrained developers nobody abroad runs them at home.
    closed_weights_are_not_self_hosted {
        shock: &[
            Set("firms.alibaba.open_weights=false"),
            Set("firms.deepseek.open_weights=false"),
            Set("firms.moonshot.open_weights=false"),
            Set("firms.zhipu.open_weights=false"),
        ],
        then: &[Move("series.third_market_open_share", "2023-06", "2026-12", Down, 0.9)],
        off: &[Set("mechanisms.self_hosting=false")],
    }
}

/// Every mechanism that a world can switch off carries a response above.
#[test]
fn every_switch_carries_a_response() {
    let named: Vec<&str> = OFF
        .iter()
        .flat_map(|changes| changes.iter())
        .filter_map(|change| match change {
            Set(setting) => setting.strip_prefix("mechanisms.")?.strip_suffix("=false"),
            _ => None,
        })
        .collect();
    for (switch, does) in frugality::entities::Switches::ALL {
        assert!(named.contains(switch), "nothing above fails without {switch}:{does}");
    }
}

/// Without any rule, but as short of compute as with them, each constrained firm can use what it could use under them, month
/// by month; and the want of compute is felt as a price.
#[test]
fn want_of_compute_without_a_rule_follows_the_treated_world() {
    let free = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/no-controls.toml");
    let free =
        load(&free, &[], &declared_parameters()).unwrap_or_else(|e| panic!("{e}")).definition;
    let treated = reference(&[]).definition;
    let run = |world: &Definition, like: Option<&Definition>| {
        let mut kept = Kept::new(all_metrics());
        let options = Options { months: Some(72), keep_events: false };
        simulate_as_scarce(world, like, 1, options, &mut kept).unwrap();
        kept
    };
    let (under, without, scarce) =
        (run(&treated, None), run(&free, None), run(&free, Some(&treated)));
    let firms = ["alibaba", "bytedance", "cn-clouds", "deepseek", "tencent"];
    let last = month("2027-12");
    let of = |kept: &Kept, firm: &str, metric: &str, at: Month| {
        let months = (at - treated.head.start) as usize;
        kept.panel(Scope::Firm, firm, metric).unwrap_or_else(|| panic!("{firm}"))[months]
    };
    let usable = |kept: &Kept, firm: &str, at: Month| of(kept, firm, "compute_usable_h100e", at);
    let (mut off, mut months) = (0, 0);
    for firm in firms {
        assert!(usable(&without, firm, last) > 1.5 * usable(&under, firm, last), "{firm}");
        for at in (0..).map(|n| month("2024-01") + n).take_while(|at| *at <= last) {
            months += 1;
            off += i32::from(
                (usable(&scarce, firm, at) / usable(&under, firm, at) - 1.0).abs() > 0.02,
            );
        }
    }
    assert!(off * 20 <= months, "{off} of {months} firm-months are more than 2 % off");
    let felt = |kept: &Kept| of(kept, "bytedance", "kappa", last);
    assert!(felt(&scarce) > 1.2 && felt(&without) < felt(&scarce), "{}", felt(&scarce));
}
