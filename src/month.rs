//! One month: every system of the model, in order, on one page.
//!
//! Nothing else schedules. The order is fixed by chaining each system to the
//! one before it, and the single-threaded executor runs them as listed: runs are
//! parallel, a run is not. Ambiguous orders are errors.

use bevy_ecs::schedule::{
    IntoScheduleConfigs, LogLevel, Schedule, ScheduleBuildSettings, ScheduleConfigs, ScheduleLabel,
    SingleThreadedExecutor,
};
use bevy_ecs::system::ScheduleSystem;

use crate::audit;
use crate::mechanisms::{
    allocation, data_centres, design, fabs, finance, grey_market, licensing, market, policy,
    procurement, research, shipping, shortage, training,
};

/// The schedule of a month.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Month;

macro_rules! month {
    ($($room:ident {$($system:path, $does:literal;)*})*) => {
        /// The month as it is run: room, system, what it does.
        pub const PLAN: &[(&str, &str, &str)] = &[$($(
            (stringify!($room), last_segment(stringify!($system)), $does),
        )*)*];

        fn add_all(schedule: &mut Schedule) {
            let mut all: Option<ScheduleConfigs<ScheduleSystem>> = None;
            $($(
                all = Some(match all {
                    None => $system.into_configs(),
                    Some(earlier) => (earlier, $system).chain(),
                });
            )*)*
            schedule.add_systems(all.expect("a month has systems"));
        }

        /// Every system of [`PLAN`] in a schedule of its own, in order: for benches, which
        /// time each.
        #[must_use]
        pub fn one_by_one() -> Vec<Schedule> {
            let mut schedules = Vec::new();
            $($(
                let mut schedule = alone();
                schedule.add_systems($system);
                schedules.push(schedule);
            )*)*
            schedules
        }
    };
}

/// What follows the last `:` of a path.
const fn last_segment(path: &'static str) -> &'static str {
    let bytes = path.as_bytes();
    let mut from = bytes.len();
    while from > 0 && bytes[from - 1] != b':' && bytes[from - 1] != b' ' {
        from -= 1;
    }
    path.split_at(from).1
}

month! {
    policy {
        policy::enact_rules, "Announces rules, brings them into force and ends them, by date.";
        policy::log_shocks, "Logs the scripted events that begin.";
        policy::judge_hazard, "Judges the hazard of a stricter rule from last month's stance and lag.";
        policy::move_stance, "Moves stance; where it has moved far, issues a new rule.";
        policy::publish_fears, "Publishes which chips announced and feared rules would catch.";
        policy::publish_strengths, "Publishes what is withheld: memory, foundry work, tools, remote access; and enforcement.";
        policy::guide_imports, "Moves the share of imports that the buyer's own state lets in.";
        policy::measure_policy, "Measures, and turns the page of revenue lost to rules.";
    }
    design {
        design::watch_demand, "Smooths what each vendor sells to whom.";
        design::continue_roadmaps, "Adds generations beyond the known roadmaps when their time comes.";
        design::finish_variants, "Puts finished variants into the catalogue.";
        design::open_and_close_sales, "Opens sales at launch and closes them at the end.";
        design::start_variants, "Starts compliance variants where announced clauses cost more than a cut.";
    }
    fabs {
        fabs::lines::receive_scripted, "Receives scripted flows of dies and memory.";
        fabs::lines::update_lines, "Brings in capacity, learns yield, applies equipment rules.";
        fabs::chips::finish, "Finishes chips and wafers whose cycle is over.";
        fabs::chips::fuse, "Fuses finished chips into variants with fewer links that buyers wait for.";
        fabs::planning::plan, "Plans starts by what is ordered and forecast.";
        fabs::parts::start_parts, "Starts wafers and memory, shared by contract and need.";
        fabs::chips::start_chips, "Packages chips: the scarcest of dies, memory and packaging decides.";
        fabs::lines::expand, "Orders capacity where backlog is long.";
        fabs::measure, "Measures lines and output.";
    }
    licensing {
        licensing::reclassify_orders, "Finds open orders that a new rule covers, or frees.";
        licensing::settle_licences, "Books what shipped under licences; lets old ones expire.";
        licensing::file_applications, "Files applications for last month's orders.";
        licensing::decide, "Decides what is due, as far as officers and caps allow.";
        licensing::publish_caps, "Publishes what caps still leave.";
    }
    shortage {
        shortage::price_shortage, "In an experiment, prices the compute that firms may not have more of.";
    }
    procurement {
        procurement::commit_power, "Adds up the power that everything bought so far will draw.";
        procurement::price_channels, "Prices every channel of every firm; the shadow price of compute follows.";
        procurement::place_orders, "Spends the month's budget: orders, grey offers, bids for capacity abroad.";
        procurement::record_procurement, "Measures buying.";
    }
    allocation {
        allocation::open_month, "Opens the vendors' month.";
        allocation::roll_over, "Fills orders that wait for an older chip with later ones in stock.";
        allocation::cancel_stale, "Cancels part of the orders that waited too long.";
        allocation::ration, "Rations what is finished among eligible orders, ships and is paid.";
        allocation::update_market, "Updates backlog, waits, forecasts and prices.";
    }
    grey_market {
        grey_market::clear, "Moves the premium a step; lands and seizes diverted chips.";
        grey_market::measure, "Measures the grey trade.";
    }
    shipping {
        shipping::deliver, "Delivers what is due to warehouses.";
        shipping::measure, "Measures what is on its way.";
        allocation::measure, "Measures sales, grey ones included.";
    }
    data_centres {
        data_centres::grow_grids, "Grows what grids can connect.";
        data_centres::open_halls, "Opens halls that are built.";
        data_centres::ask_for_power, "Asks for power ahead of what is ordered.";
        data_centres::retire_chips, "Retires chips that are old or cost more than they earn.";
        data_centres::install_chips, "Installs what waits, as far as power goes.";
        data_centres::measure_fleets, "Measures fleets: compute, power, cost.";
        data_centres::value_compute, "Values an H100e at replacement cost.";
        data_centres::let_capacity, "Lets capacity to tenants, at home by contract and abroad by bid.";
        shortage::hold_back, "In an experiment, lets idle what firms have beyond that.";
        data_centres::split_compute, "Splits compute among core, serving, training, experiments.";
        data_centres::record_compute, "Measures compute and power.";
    }
    research {
        research::hire, "Hires as planned, and from unspent chip money.";
        research::spread_paradigms, "Finds and spreads paradigms.";
        research::advance, "Advances efficiency and quality: own research, spillover, distillation, learning.";
        research::measure, "Measures efficiency and gaps.";
    }
    training {
        training::assess_capability, "Assesses what each firm could train; frontiers and lags follow.";
        training::release_models, "Releases finished runs as models.";
        training::start_runs, "Starts training runs.";
        training::measure, "Measures capability.";
    }
    market {
        market::offers::cost_compute, "Costs a token: fleet average and replacement.";
        market::offers::post_prices, "Posts prices: sticky, pulled by cost, lead and utilisation.";
        market::offers::host_open_models, "Offers open models on each country's own compute.";
        market::demand::grow_spend, "Grows spend towards saturation.";
        market::demand::spread_awareness, "Spreads awareness of providers.";
        market::clearing::choose, "Countries choose among providers, open models and nothing.";
        market::clearing::clear, "Serves within capacity in three passes; users pay.";
        market::measures::measure, "Measures tokens, prices, shares.";
    }
    finance {
        finance::cash::settle, "Settles the month: revenue, costs, capex, debt, equity.";
        finance::plan::answer_to_investors, "Public firms answer for free cash flow.";
        finance::plan::plan_capex, "Plans capex from return, rivals and access.";
        finance::plan::measure, "Measures money.";
    }
    audit {
        audit::check_books, "Checks every law of the books.";
    }
}

/// The schedule of a month, ready to run on a populated world.
#[must_use]
pub fn schedule() -> Schedule {
    let mut schedule = alone();
    add_all(&mut schedule);
    schedule
}

/// A schedule without systems, run on one thread.
fn alone() -> Schedule {
    let mut schedule = Schedule::new(Month);
    schedule.set_build_settings(ScheduleBuildSettings {
        ambiguity_detection: LogLevel::Error,
        // No system puts off what it changes.
        auto_insert_apply_deferred: false,
        ..Default::default()
    });
    schedule.set_executor(SingleThreadedExecutor::new());
    schedule
}
