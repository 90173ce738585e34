//! Fourteen years of a drawn-up world.

use bevy_ecs::prelude::World;

use super::world::{home_of, model, month, nations, parameters, site, world};
use crate::calendar::Month;
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Compute, Finance, Firm, Lab, Purse};
use crate::entities::ledger::{Account, Ledger, Outside, Purpose};
use crate::entities::model::{ModelBook, Tier};
use crate::entities::script::{Script, ShockRow};
use crate::entities::site::{Halls, Site};
use crate::entities::{Clock, FirmId, Roster, VendorId};
use crate::maths;
use crate::mechanisms::finance::{self, FinanceParameters};
use crate::mechanisms::market::*;
use crate::mechanisms::reference::reference;
use crate::metric::{Metric, Readings};
use crate::units::Money;

/// A stand-in for everything else: fleets grow with money, models with fleets, serving
/// efficiency by a falling rate; hosts lend to tenants; China pays twice as much for compute.
fn rest_of_the_month(world: &mut World, fleet: &mut [f64], spare: &mut [f64]) {
    let clock = *world.resource::<Clock>();
    let years = clock.years();
    let roster = world.resource::<Roster>().clone();
    let fp = world.resource::<FinanceParameters>().clone();
    let usd_per_h100e = 46_000.0 * maths::exp(-0.33 * years);
    let n = roster.firms.len();
    for i in 0..n {
        let entity = roster.firms[i];
        let firm = world.get::<Firm>(entity).expect("a firm").clone();
        let chinese = firm.row.home == "chn";
        let kappa = if chinese && clock.now >= Month::new(2022, 10) { 2.0 } else { 1.0 };
        world.get_mut::<Purse>(entity).expect("a purse").kappa = kappa;
        let finance = world.get::<Finance>(entity).expect("finance").clone();
        let months_short = finance.months_short_of_cash;
        let budget = if months_short > 0 {
            0.0
        } else {
            finance.ai_capex_usd_year * fp.chip_share_of_ai_capex / 12.0
        };
        let money = Money::from_amount(budget, 0.01);
        world.resource_mut::<Ledger>().pay(
            Account::Firm(FirmId::at(i)),
            Account::Vendor(VendorId(0)),
            money,
            Purpose::Chips,
        );
        // What is ordered is delivered nine months later.
        spare[i] += budget / (usd_per_h100e * kappa);
        let landed = spare[i] / 9.0;
        spare[i] -= landed;
        fleet[i] += landed - fleet[i] / 66.0;
        let mut lab = world.get_mut::<Lab>(entity).expect("a lab");
        let slower = 1.0 / (1.0 + 0.08 * years);
        lab.ln_a_serve += 1.0 * slower / 12.0;
        lab.ln_a_train += 1.0 * slower / 12.0;
        lab.staff *= maths::exp(firm.row.staff_growth / 12.0 / (1.0 + 0.3 * years));
    }
    let find = |id: &str| {
        (0..n).find(|i| world.get::<Firm>(roster.firms[*i]).expect("a firm").row.id == id)
    };
    let lent = [
        ("openai", "microsoft", 0.5),
        ("openai", "oracle", 0.5),
        ("anthropic", "amazon", 0.35),
        ("anthropic", "alphabet", 0.1),
        ("mistral", "neoclouds", 0.02),
        ("moonshot", "alibaba", 0.1),
        ("zhipu", "cn-clouds", 0.1),
    ];
    let mut rented = vec![0.0; n];
    for (tenant, host, share) in lent {
        let (Some(t), Some(h)) = (find(tenant), find(host)) else { continue };
        let core = world.get::<Firm>(roster.firms[h]).expect("a firm").row.core_share;
        let part = share * (1.0 - core) * fleet[h];
        rented[t] += part;
        rented[h] -= part;
    }
    for i in 0..n {
        let entity = roster.firms[i];
        let firm = world.get::<Firm>(entity).expect("a firm").clone();
        let unit = 46_000.0 * maths::exp(-0.33 * (years - 1.5).max(0.0)) / 5.5;
        let mut compute = world.get_mut::<Compute>(entity).expect("compute");
        let total = fleet[i] + rented[i];
        let free = total * (1.0 - firm.row.core_share);
        compute.serving_share = if compute.serving_share == 0.0 {
            0.3
        } else {
            (compute.serving_share + 0.03 * (compute.utilisation - 0.85)).clamp(0.02, 0.8)
        };
        compute.core_share = firm.row.core_share;
        compute.owned_serve_h100e = fleet[i];
        compute.rented_serve_h100e = rented[i];
        compute.serving_h100e = free.max(0.0) * compute.serving_share;
        compute.capital_usd_year = fleet[i] * unit;
        let kw = 1.0 * maths::exp(-0.2 * years) * 1.9;
        compute.power_mw = fleet[i] * kw / 1e3;
        compute.energy_usd_year = fleet[i] * kw * 8760.0 * 0.085;
        compute.rent_usd_year = rented[i] * unit * 2.2;
        let (flow, id) = (compute.rent_usd_year / 12.0, FirmId::at(i));
        world.resource_mut::<Ledger>().pay(
            Account::Firm(id),
            Account::Outside(Outside::OpenHosts),
            Money::from_amount(flow, 0.01),
            Purpose::Rent,
        );
        for site in 0..world.resource::<Roster>().sites.len() {
            let at = world.resource::<Roster>().sites[site];
            if world.get::<Site>(at).expect("a site").owner.index() == i {
                world.get_mut::<Halls>(at).expect("halls").drawn_mw = fleet[i] * kw / 1e3;
            }
        }
        // A release every seven months: 0.5 dex of compute a year, falling.
        let phase = (clock.elapsed() as usize + i).is_multiple_of(7);
        if firm.row.developer && total > 500.0 && phase {
            let lab = world.get::<Lab>(entity).expect("a lab");
            let lag = if firm.row.home == "chn" { 0.2 } else { 0.0 };
            let flop = 24.0 + 0.55 * years - 0.012 * years * years - lag
                + 0.2 * f64::from(firm.row.id == "openai");
            let quality = flop + lab.ln_a_train / maths::ln(10.0) + 0.1 * years;
            let open = firm.row.open_weights;
            let mut book = world.resource_mut::<ModelBook>();
            for (tier, down) in [(Tier::Big, 0.0), (Tier::Small, 1.3)] {
                let at = book.models.len() as u32;
                let per = 356.5 * maths::exp10(-0.42 * (flop - down - 24.53));
                book.models.push(model(at, i, tier, quality - down, per, open));
                book.deployed[i][tier as usize] = Some(at);
                if open
                    && book
                        .best_open
                        .is_none_or(|b| book.models[b as usize].quality < quality - down)
                {
                    book.best_open = Some(at);
                }
            }
        }
        world.get_mut::<Lab>(entity).expect("a lab").possible_capability = 23.0 + years;
    }
}

/// Scripted events that the market reads.
fn money_events() -> Vec<ShockRow> {
    use crate::entities::script::ShockKind::{Awareness, DemandGrowth, TokenPrice};
    let mut shocks = reference().events.clone();
    shocks.retain(|shock| matches!(shock.kind, Awareness | DemandGrowth | TokenPrice));
    shocks
}

/// A decade and a half of a drawn-up world: the trajectories that the two rooms must not lose.
#[test]
fn fourteen_years_without_a_bust() {
    let firms = reference().firms.clone();
    let countries = nations();
    let mut world = world(&firms, &countries, parameters());
    let mut script = Script { shocks: money_events(), ..Script::default() };
    script.shocks.sort_by(|a, b| (a.month, &a.id).cmp(&(b.month, &b.id)));
    script.happened = vec![None; script.shocks.len()];
    world.insert_resource(script);
    let homes = home_of(&firms, &countries);
    let mut sites = Vec::new();
    for (i, row) in firms.iter().enumerate() {
        let places: Vec<usize> = match row.id.as_str() {
            "rest-of-world" | "microsoft" => {
                (0..countries.len()).filter(|c| countries[*c].id != "chn").collect()
            }
            "alibaba" => vec![homes[i].index(), 12],
            _ => vec![homes[i].index()],
        };
        for c in places {
            sites.push(world.spawn((site(i, c, sites.len(), row), Halls::default())).id());
        }
    }
    world.resource_mut::<Roster>().sites = sites;
    world.resource_mut::<ModelBook>().deployed = vec![[None, None]; firms.len()];
    let mut fleet: Vec<f64> =
        firms.iter().map(|row| row.ai_capex_usd_bn * 1e9 * 0.6 * 2.0 / 46_000.0).collect();
    let mut spare: Vec<f64> = fleet.iter().map(|h| h * 0.4).collect();
    let mut schedule = month();
    let (mut peak, mut last) = (0.0_f64, 0.0);
    let mut lowest_price = f64::INFINITY;
    for elapsed in 0..168 {
        world.resource_mut::<Ledger>().turn_page();
        rest_of_the_month(&mut world, &mut fleet, &mut spare);
        schedule.run(&mut world);
        let r = world.resource::<Readings>();
        let capex = r.get(&finance::W_CAPEX);
        peak = peak.max(capex);
        last = capex;
        lowest_price = r.get(&measures::MEAN_PRICE).min(lowest_price);
        if elapsed % 6 == 5 {
            let of = |id: &str, m: &'static Metric| {
                r.get_for(m, firms.iter().position(|f| f.id == id).expect("a firm"))
            };
            println!(
                "{} E {:7.1} paid {:7.1} uns {:.3} T/d {:9.2} chn {:8.2} p {:8.4} util {:.2} capex {:6.0} K {:6.0} | 3rd {:.3} spend {:.3} poor {:.3} slope {:+.2} rout {:.3} open {:.2} | c {:.2} pr {:.3} gpt4 {:.3} | ms {:4.0} am {:4.0} al {:4.0} me {:4.0} bd {:3.0} tc {:3.0} xa {:3.0} nc {:3.0} rev bd {:3.0} oai {:.1} cash {:.0} val bd {:.0} goog press {:.2} oai {:.2} bd {:.2} ds {:.2}",
                world.resource::<Clock>().now,
                r.get(&measures::AI_SPEND) / 1e9,
                r.get(&measures::AI_PAID) / 1e9,
                r.get(&measures::AI_UNSERVED),
                r.get(&measures::TOKENS),
                r.get(&measures::TOKENS_CHINA),
                r.get(&measures::MEAN_PRICE),
                r.get(&measures::SERVING_USE),
                capex / 1e9,
                r.get(&finance::W_CAPITAL) / 1e9,
                r.get(&measures::THIRD_SHARE),
                r.get(&measures::THIRD_SHARE_SPEND),
                r.get(&measures::THIRD_SHARE_POOR),
                r.get(&measures::THIRD_SLOPE),
                r.get(&measures::ROUTER_SHARE),
                r.get(&measures::OPEN_SHARE),
                r.get(&measures::COST_RATIO),
                r.get(&measures::PRICE_RATIO),
                r.get(&measures::REFERENCE_PRICE),
                of("microsoft", &finance::F_CAPEX) / 1e9,
                of("amazon", &finance::F_CAPEX) / 1e9,
                of("alphabet", &finance::F_CAPEX) / 1e9,
                of("meta", &finance::F_CAPEX) / 1e9,
                of("bytedance", &finance::F_CAPEX) / 1e9,
                of("tencent", &finance::F_CAPEX) / 1e9,
                of("xai", &finance::F_CAPEX) / 1e9,
                of("neoclouds", &finance::F_CAPEX) / 1e9,
                of("bytedance", &finance::F_REVENUE) / 1e9,
                of("openai", &finance::F_REVENUE) / 1e9,
                of("openai", &finance::F_CASH) / 1e9,
                of("bytedance", &finance::F_VALUE) / 1e9,
                of("alphabet", &measures::F_PRESSURE),
                of("openai", &measures::F_PRESSURE),
                of("bytedance", &measures::F_PRESSURE),
                of("deepseek", &measures::F_PRESSURE),
            );
        }
        world.resource_mut::<Clock>().now = world.resource::<Clock>().now + 1;
    }
    for event in world.resource::<Chronicle>().events().iter().take(60) {
        println!(
            "{} {} {} {} {:.3e} {}",
            event.month, event.kind, event.subject, event.object, event.quantity, event.text
        );
    }
    assert_eq!(world.resource::<Ledger>().sum(), 0);
    assert!(last > 0.5 * peak, "capex fell from {peak:e} to {last:e}");
    assert!(lowest_price > 1e-3, "tokens for {lowest_price} USD per million");
}
