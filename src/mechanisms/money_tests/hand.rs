//! A market worked by hand.

use super::world::{model, month, nations, paid, parameters, two_firms, world};
use crate::entities::Roster;
use crate::entities::boards::Offers;
use crate::entities::firm::{Compute, Lab};
use crate::entities::model::{ModelBook, Tier};
use crate::maths;
use crate::mechanisms::market::*;

#[test]
fn costs_prices_and_clearing_by_hand() {
    let mut p = parameters();
    p.chip_share_of_ai_capex = 0.5;
    p.running_cost_share = 0.1;
    p.serving_gain_limit = 1e15;
    p.price_margin_base = 1.0;
    (p.price_margin_lead, p.price_factor_china) = (0.0, 1.0);
    (p.price_floor_factor, p.entry_gap, p.price_weight_poor) = (0.0, 0.0, 0.0);
    p.spend_start_usd_year = 1.2e7;
    (p.awareness_start_home, p.spend_start_china_factor) = (1.0, 1.0);
    let firms = two_firms();
    let usa = [nations().pop().expect("the US"), nations().swap_remove(2)];
    let mut countries = usa.to_vec();
    countries.sort_by(|a, b| a.id.cmp(&b.id));
    let mut world = world(&firms, &countries, p);
    let entities = world.resource::<Roster>().firms.clone();
    for (i, entity) in entities.iter().enumerate() {
        let mut compute = world.get_mut::<Compute>(*entity).expect("compute");
        *compute = Compute {
            owned_serve_h100e: 100.0,
            serving_h100e: 100.0,
            capital_usd_year: 600_000.0,
            energy_usd_year: 60_000.0,
            power_mw: 0.1,
            ..Compute::default()
        };
        world.get_mut::<Lab>(*entity).expect("lab").ln_a_serve = 0.0;
        let mut book = world.resource_mut::<ModelBook>();
        book.models.push(model(i as u32, i, Tier::Big, 25.0, 1000.0, false));
        book.deployed.push([Some(i as u32), None]);
    }
    month().run(&mut world);
    let t = world.resource::<Trading>();
    let offers = world.resource::<Offers>();
    // (600 000 / 0.5 + 0.1 · 600 000 + 60 000) / 100 H100e / 12 months = 1 100 USD.
    assert!((t.unit_cost[0] - 1100.0).abs() < 1e-9);
    // 1 100 USD / 1 000 million tokens = 1.1 USD per million; margin 1 doubles it, and with an idle
    // month before it scarcity is 0.1 · −2 (the clip): 2.2 · e^−0.2 = 1.80121.
    assert!((offers.cost_usd_m[0] - 1.1).abs() < 1e-12);
    assert!((offers.price_usd_m[0] - 2.2 * maths::exp(-0.2)).abs() < 1e-9);
    // 0.1 MW / 100 H100e = 1 kW; 730 kWh a month for 1 000 million tokens.
    assert!((offers.energy_kwh_m[0] - 0.73).abs() < 1e-12);
    // In China only the Chinese firm is on offer: V = 0 against nothing's −outside_gap,
    // so nothing's share is e^−3 / (1 + e^−3) = 0.04743 (awareness and access 1, same price everywhere).
    assert!((t.nothing[0] - 0.047_425_87).abs() < 1e-6);
    // China's money: 1.2e7 / 12 months × its share of GDP × intensity, and all that is wanted is paid.
    let china = 18_740.0 * 0.6 / (18_740.0 * 0.6 + 29_180.0);
    let wanted = 1e6 * china * (1.0 - t.nothing[0]);
    assert!((t.unserved[0] + paid(t, offers, 0) - wanted).abs() < 1e-6);
}
