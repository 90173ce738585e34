use super::*;
use crate::calendar::Month;
use crate::entities::rule::fixtures::{chip, h100, minima, row, rule};
use crate::entities::{FirmId, RegulatorId, RuleId, SkuId, VendorId};
use crate::units::Money;

fn parameters() -> LicensingParameters {
    LicensingParameters::from_values(&mut |name| match name {
        "odds_case_by_case" => 2.24,
        "odds_presumption_of_denial" => -2.0,
        "approval_tpp_slope" => 0.5,
        "approval_stance_slope" => 2.0,
        "approval_risk_slope" => 1.0,
        _ => 0.0,
    })
}

fn application(buyer: u16, granted: Count) -> Application {
    Application {
        id: 0,
        order: 0,
        rule: RuleId(0),
        regulator: RegulatorId(0),
        vendor: VendorId(0),
        buyer: FirmId(buyer),
        sku: SkuId(0),
        units: granted,
        granted,
        shipped: 0,
        placed: Month::new(2026, 1),
        key: 0,
        filed: Month::new(2026, 2),
        due: Month::new(2026, 2),
        decided: None,
        expires: None,
        odds: 1.0,
        outcome: Outcome::Pending,
        conditions: "",
        event: None,
    }
}

#[test]
fn odds_fall_with_performance_stance_and_risk() {
    let p = parameters();
    let clause = minima([Some(4800.0), None, None, None]);
    let case = rule(0, row("a", Treatment::CaseByCase), vec![clause]);
    let at_threshold = chip("t", [Some(4800.0), None, None, None]);
    // Λ(2.24 − 2 · 0.7) = Λ(0.84) = 0.698: the base rate of FY2022.
    let base = maths::logistic(log_odds(&p, &case, &at_threshold, 0.7, 0.0).unwrap());
    assert!((base - 0.698).abs() < 0.001, "{base}");
    // ln(15832/4800) = 1.1934; 0.84 − 0.5967 − 1 = −0.7567
    let odds = log_odds(&p, &case, &h100(), 0.7, 1.0).unwrap();
    assert!((odds + 0.7567).abs() < 0.001, "{odds}");
    let notice = rule(0, row("b", Treatment::Notify), Vec::new());
    assert!(log_odds(&p, &notice, &h100(), 1.0, 1.0).is_none());
    let mut own = case.clone();
    own.row.odds = Some(6.0);
    assert!(log_odds(&p, &own, &h100(), 0.0, 0.0) > log_odds(&p, &case, &h100(), 0.0, 0.0));
}

#[test]
fn caps_are_never_exceeded() {
    let sku = h100();
    let mut row = row("a", Treatment::CaseByCase);
    row.cap_units = Some(1000.0);
    row.cap_units_buyer = Some(300.0);
    row.cap_tpp = Some(15_832.0 * 900.0);
    row.cap_home_share = Some(0.5);
    let rule = rule(0, row, Vec::new());
    let mut quotas = Quotas::default();
    let mut granted_by = [0; 8];
    for n in 0..80_u16 {
        let mut application = application(n % 8, 70);
        // 1700 shipped elsewhere: at most 850 under the relative cap.
        let shipped = [1700 + quotas.by_sku.values().sum::<Count>()];
        let room = room(&rule, &application, &sku, &shipped, &quotas, 2026);
        application.granted = application.granted.min(room);
        granted_by[usize::from(n % 8)] += application.granted;
        use_up(&rule, &application, &sku, &mut quotas, 2026);
    }
    assert_eq!(granted_by.iter().sum::<Count>(), 850);
    assert!(granted_by.iter().all(|n| *n <= 300));
    // A new year opens the annual caps, not the relative one.
    let left = room(&rule, &application(0, 1), &sku, &[1700 + 850], &quotas, 2027);
    assert_eq!(left, 0);
    let mut other = rule;
    other.row.cap_home_share = None;
    assert_eq!(room(&other, &application(0, 1), &sku, &[1700], &quotas, 2027), 300);
}

#[test]
fn what_is_refused_returns_to_the_budget() {
    let mut order = Order {
        id: 0,
        buyer: FirmId(0),
        vendor: VendorId(0),
        sku: SkuId(0),
        site: crate::entities::SiteId(0),
        channel: crate::entities::order::Channel::Import,
        placed: Month::new(2026, 1),
        ordinal: 0,
        open: 10,
        shipped: 0,
        price: Money::from_amount(100.0, 1.0),
        set_aside: Money::from_amount(130.0, 1.0),
        fee: Money::ZERO,
        clearance: Clearance::Pending,
        cause: None,
    };
    let mut purse = Purse {
        unspent: Money::ZERO,
        escrow: Money::from_amount(1300.0, 1.0),
        kappa: 1.0,
        kappa_lagged: 1.0,
        reallocated: Money::ZERO,
        shortfall: 0.0,
    };
    take_off(&mut order, 4, &mut purse);
    assert_eq!((order.open, purse.escrow.quanta(), purse.unspent.quanta()), (6, 780, 520));
    take_off(&mut order, 99, &mut purse);
    assert_eq!((order.open, purse.escrow.quanta(), purse.unspent.quanta()), (0, 0, 1300));
}
