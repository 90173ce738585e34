//! Laws on random markets: shares, money and compute add up.

use proptest::prelude::*;

use super::world::{home_of, model, month, nations, paid, parameters, site, two_firms, world};
use crate::entities::boards::Offers;
use crate::entities::country::Demand;
use crate::entities::firm::{Compute, Finance};
use crate::entities::ledger::{Account, Ledger, Outside, Purpose};
use crate::entities::model::{ModelBook, Tier};
use crate::entities::site::Halls;
use crate::entities::{Clock, Roster};
use crate::mechanisms::market::*;
use crate::mechanisms::reference::reference;

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the capacities, prices and qualities: shares sum to one, nobody serves more than its
    /// compute allows, every dollar wanted is paid or unserved, the ledger sums to zero.
    #[test]
    fn markets_balance(
        seed in prop::collection::vec((0.0_f64..1e5, 20.0_f64..30.0, 1.0_f64..1e5, any::<bool>()), 20),
        spend in 1e6_f64..1e12,
        months in 1_usize..6,
    ) {
        let mut p = parameters();
        p.spend_start_usd_year = spend;
        let firms = reference().firms.clone();
        let countries = nations();
        let mut world = world(&firms, &countries, p);
        let entities = world.resource::<Roster>().firms.clone();
        for (i, entity) in entities.iter().enumerate() {
            let (h100e, quality, per, open) = seed[i % seed.len()];
            let mut compute = world.get_mut::<Compute>(*entity).expect("compute");
            *compute = Compute {
                owned_serve_h100e: h100e,
                serving_h100e: h100e / 2.0,
                capital_usd_year: h100e * 5e3,
                energy_usd_year: h100e * 8e2,
                power_mw: h100e * 1e-3,
                ..Compute::default()
            };
            let home = home_of(&firms, &countries)[i].index();
            let halls = Halls { drawn_mw: h100e * 1e-3, ..Halls::default() };
            let entity = world.spawn((site(i, home, i, &firms[i]), halls)).id();
            world.resource_mut::<Roster>().sites.push(entity);
            let mut book = world.resource_mut::<ModelBook>();
            let at = book.models.len() as u32;
            if firms[i].developer && h100e > 1e3 {
                book.models.push(model(at, i, Tier::Big, quality, per, open));
                book.models.push(model(at + 1, i, Tier::Small, quality - 1.0, per * 5.0, open));
                book.deployed.push([Some(at), Some(at + 1)]);
            } else {
                book.deployed.push([None, None]);
            }
        }
        let mut schedule = month();
        for _ in 0..months {
            world.resource_mut::<Ledger>().turn_page();
            schedule.run(&mut world);
            world.resource_mut::<Clock>().now = world.resource::<Clock>().now + 1;
            let t = world.resource::<Trading>();
            let offers = world.resource::<Offers>();
            let demands: Vec<&Demand> = world
                .resource::<Roster>()
                .countries
                .iter()
                .map(|entity| world.get::<Demand>(*entity).expect("demand"))
                .collect();
            let mut all_paid = 0.0;
            for (c, demand) in demands.iter().enumerate() {
                let sum: f64 = demand.share.iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-9, "shares of {c} sum to {sum}");
                let wanted = demand.spend_usd_year / 12.0 * (1.0 - t.nothing[c]);
                let spent = paid(t, offers, c);
                all_paid += spent;
                prop_assert!((spent - demand.paid_usd).abs() <= 1e-9 * wanted.max(1.0));
                prop_assert!(
                    (spent + demand.unserved_usd - wanted).abs() <= 1e-9 * wanted.max(1.0),
                    "{c}: {spent} + {} of {wanted}", demand.unserved_usd
                );
                let open: f64 = (t.hosted..t.options())
                    .filter(|k| t.per_h100e[*k] > 0.0)
                    .map(|k| t.used[c * t.options() + k] / t.per_h100e[k])
                    .sum();
                prop_assert!(open <= demand.self_host_h100e * (1.0 + 1e-9) + 1e-9);
            }
            for (i, entity) in entities.iter().enumerate() {
                let compute = world.get::<Compute>(*entity).expect("compute");
                let used: f64 = (0..t.hosted)
                    .filter(|k| offers.firm[*k].index() == i && t.per_h100e[*k] > 0.0)
                    .map(|k| offers.tokens_m[k] / t.per_h100e[k])
                    .sum();
                prop_assert!(used <= compute.serving_h100e * (1.0 + 1e-9));
                prop_assert!((0.0..=1.0).contains(&compute.utilisation));
                let finance = world.get::<Finance>(*entity).expect("finance");
                prop_assert!(finance.value_usd.is_finite() && finance.ai_capex_usd_year >= 0.0);
            }
            let ledger = world.resource::<Ledger>();
            prop_assert_eq!(ledger.sum(), 0);
            prop_assert!(ledger.misposted().is_none());
            let users = ledger.this_month(Account::Outside(Outside::Users), Purpose::Tokens);
            prop_assert!((users.amount(0.01) + all_paid).abs() < 1.0 + 1e-9 * all_paid);
        }
    }
}

#[test]
fn empty_worlds_do_not_panic() {
    let mut bare = world(&[], &[], parameters());
    month().run(&mut bare);
    let firms = two_firms();
    let mut idle = world(&firms, &nations(), parameters());
    let mut schedule = month();
    for _ in 0..14 {
        schedule.run(&mut idle);
        idle.resource_mut::<Clock>().now = idle.resource::<Clock>().now + 1;
    }
    assert_eq!(idle.resource::<Ledger>().sum(), 0);
}
