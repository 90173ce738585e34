//! Tests of the engine of rules.

use super::fixtures::{COUNTRIES, FIRMS, book, books, catalogue, chip, h100, minima, row, rule};
use super::lanes::LANE_KINDS;
use super::*;
use crate::entities::SkuId;
use crate::entities::chip::Attribute;
use crate::entities::regulator::RegimeRow;

proptest::proptest! {
    /// What [`Lanes`] sorts out ahead is what looking at every rule finds.
    #[test]
    fn lanes_change_no_answer((plain, catalogue) in books()) {
        let mut sorted = plain.clone();
        sorted.sort_lanes(COUNTRIES);
        let lanes = (0..COUNTRIES).flat_map(|of| (0..COUNTRIES).map(move |to| (of, to)));
        for firm in (0..FIRMS).map(FirmId::at) {
            proptest::prop_assert_eq!(plain.names(firm), sorted.names(firm));
        }
        for ((of, to), firm) in lanes.flat_map(|lane| (0..FIRMS).map(move |firm| (lane, firm))) {
            let (of, to, firm) = (CountryId::at(of), CountryId::at(to), FirmId::at(firm));
            for (sku, _) in catalogue.iter() {
                for kind in LANE_KINDS {
                    let ask = |book: &Rulebook| {
                        book.strictest(kind, sku, firm, of, to).map(|rule| rule.id)
                    };
                    proptest::prop_assert_eq!(ask(&plain), ask(&sorted));
                }
                let ask = |book: &Rulebook| book.asks_notice(sku, firm, of, to);
                proptest::prop_assert_eq!(ask(&plain), ask(&sorted));
                let ask = |book: &Rulebook| {
                    (book.waved_through(sku, firm, of), book.let_in(sku, firm, of).to_bits())
                };
                proptest::prop_assert_eq!(ask(&plain), ask(&sorted));
            }
        }
    }
}

const USA: CountryId = CountryId(0);
const CHN: CountryId = CountryId(1);

fn in_force(mut rule: Rule) -> Rule {
    rule.announced = true;
    rule.in_force = true;
    rule
}

#[test]
fn all_bounds_of_any_clause_control_and_a_missing_one_is_never_free() {
    let october = minima([Some(4800.0), None, Some(600.0), None]);
    assert_eq!(october.verdict(&h100()), Verdict::Controlled);
    let cut = chip("h800", [Some(15_832.0), Some(19.45), Some(400.0), Some(3350.0)]);
    assert_eq!(october.verdict(&cut), Verdict::Free);
    let unknown = chip("x", [None, None, Some(900.0), None]);
    assert_eq!(october.verdict(&unknown), Verdict::Undetermined(Attribute::Tpp));
    // A bound that fails settles it whatever else is missing.
    let slow = chip("y", [None, None, Some(64.0), None]);
    assert_eq!(october.verdict(&slow), Verdict::Free);
}

#[test]
fn the_strictest_counts_unless_it_is_replaced_and_home_is_no_export() {
    let catalogue = catalogue(vec![h100(), chip("x", [None, None, Some(1.0), Some(1.0)])]);
    let deny = minima([Some(4800.0), None, None, None]);
    let strict = in_force(rule(0, row("a", Treatment::PresumptionOfDenial), vec![deny.clone()]));
    let mut mild = in_force(rule(1, row("b", Treatment::CaseByCase), vec![deny]));
    let mut book = book(vec![strict.clone(), mild.clone()], &catalogue);
    let ask = |book: &Rulebook, sku, destination| {
        book.strictest(RuleKind::ChipExport, SkuId(sku), FirmId(0), CHN, destination)
            .map(|r| r.row.id.clone())
    };
    assert_eq!(ask(&book, 0, CHN).as_deref(), Some("a"));
    assert_eq!(ask(&book, 0, USA), None, "a delivery in the vendor's country");
    book.sort_lanes(2);
    assert_eq!(ask(&book, 0, CHN).as_deref(), Some("a"));
    mild.replaces = vec![RuleId(0)];
    let mut book = super::fixtures::book(vec![strict, mild], &catalogue);
    assert_eq!(ask(&book, 0, CHN).as_deref(), Some("b"));
    // The milder rule does not free a chip of unknown performance.
    assert_eq!(ask(&book, 1, CHN).as_deref(), Some("a"));
    book.sort_lanes(2);
    assert_eq!(ask(&book, 0, CHN).as_deref(), Some("b"));
    assert_eq!(ask(&book, 1, CHN).as_deref(), Some("a"));
    // Both stand, also the one that is replaced.
    let stand = |book: &Rulebook, destination| {
        let skus = [SkuId(0), SkuId(1)];
        book.standing(RuleKind::ChipExport, &skus, FirmId(0), CHN, destination)
            .map(|rule| rule.row.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(stand(&book, CHN), ["a", "b"]);
    assert!(stand(&book, USA).is_empty());
    // A Chinese vendor's chip answers to China.
    book.sku_home.fill(CHN);
    assert_eq!(ask(&book, 0, CHN), None);
    assert!(stand(&book, CHN).is_empty());
}

#[test]
fn a_rule_that_covers_nothing_changes_nothing() {
    let catalogue = catalogue(vec![h100()]);
    let high = minima([Some(1e9), None, None, None]);
    let mut none = in_force(rule(1, row("b", Treatment::Deny), Vec::new()));
    none.destinations = vec![false, false];
    let empty = in_force(rule(0, row("a", Treatment::Deny), vec![high]));
    let book = book(vec![empty, none], &catalogue);
    for (headquarters, destination) in [(USA, USA), (USA, CHN), (CHN, CHN), (CHN, USA)] {
        let found =
            book.strictest(RuleKind::ChipExport, SkuId(0), FirmId(0), headquarters, destination);
        assert!(found.is_none());
    }
}

#[test]
fn what_a_missing_rule_caused_is_missing_too() {
    let regimes = [
        RegimeRow {
            id: "controls".into(),
            name: String::new(),
            active: false,
            note: String::new(),
        },
        RegimeRow { id: "answers".into(), name: String::new(), active: true, note: String::new() },
    ];
    let cause = row("a", Treatment::Deny);
    let mut answer = row("b", Treatment::Deny);
    answer.regime = "answers".into();
    answer.caused_by = Some("a".into());
    let mut circle = row("c", Treatment::Deny);
    circle.regime = "answers".into();
    circle.caused_by = Some("c".into());
    let rows = [cause, answer, circle];
    assert_eq!(existing(&rows, &regimes), [false, false, false]);
    let mut on = regimes.clone();
    on[0].active = true;
    assert_eq!(existing(&rows, &on), [true, true, false]);
}
