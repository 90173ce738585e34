//! The chip rules of 2022, 2023 and 2025 at work in the reference world: nobody scripts the variants
//! that vendors answer with, nor what becomes of their sales.
//!
//! The real ones, for comparison: the A800 came a month after the rule of October 2022 and the H800 five months
//! after it, both with links cut; the H20, a tenth of an H100's compute, four months after the rule of
//! October 2023 (its first sales in 2024); its sales ended with the letters of April 2025.

use std::path::Path;
use std::sync::OnceLock;

use frugality::calendar::Month;
use frugality::mechanisms::{all_metrics, declared_parameters};
use frugality::metric::Scope;
use frugality::record::Kept;
use frugality::run::{Options, simulate};
use frugality::world::load;

/// The reference world to the end of 2026.
fn reference() -> &'static Kept {
    static KEPT: OnceLock<Kept> = OnceLock::new();
    KEPT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
        let loaded = load(&folder, &[], &declared_parameters()).unwrap_or_else(|e| panic!("{e}"));
        let mut kept = Kept::new(all_metrics());
        let options = Options { months: Some(60), keep_events: false };
        simulate(&loaded.definition, 1, options, &mut kept).unwrap_or_else(|e| panic!("{e}"));
        kept
    })
}

/// A variant that the model designed: parent, attributes cut, first month on sale.
#[derive(Debug)]
struct Variant {
    id: String,
    parent: String,
    cut: String,
    on_sale: Month,
}

fn variants(kept: &Kept) -> Vec<Variant> {
    let mut found = Vec::new();
    for id in kept.members(Scope::Sku) {
        let Some((parent, rest)) = id.split_once("-cut-") else { continue };
        let cut = rest.split("-us-").next().unwrap_or_default();
        let on_sale = kept.panel(Scope::Sku, id, "on_sale").expect("a metric");
        let Some(at) = on_sale.iter().position(|flag| *flag == 1.0) else { continue };
        found.push(Variant {
            id: id.to_owned(),
            parent: parent.to_owned(),
            cut: cut.to_owned(),
            on_sale: kept.months[at],
        });
    }
    found
}

/// Chips of `id` that left the dock until `until`.
fn sold(kept: &Kept, id: &str, until: Month) -> f64 {
    let shipped = kept.panel(Scope::Sku, id, "shipped_units").expect("a metric");
    let months = kept.months.iter().zip(shipped);
    months.filter(|(m, x)| **m <= until && x.is_finite()).map(|(_, x)| x).sum()
}

/// Mean of a vendor's metric over the months from `from` to `to`.
fn mean(kept: &Kept, vendor: &str, metric: &str, from: Month, to: Month) -> f64 {
    let all = kept.panel(Scope::Vendor, vendor, metric).expect("a metric");
    let months = kept.months.iter().zip(all);
    let values: Vec<f64> =
        months.filter(|(m, _)| (from..=to).contains(*m)).map(|(_, x)| x).collect();
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn after_the_rule_of_2022_links_are_cut_within_four_months() {
    let kept = reference();
    let rule = Month::new(2022, 10);
    let all = variants(kept);
    for parent in ["nvidia-a100", "nvidia-h100"] {
        let variant = all
            .iter()
            .find(|v| v.parent == parent && v.cut == "interconnect")
            .unwrap_or_else(|| panic!("no interconnect cut of {parent} among {all:?}"));
        // The letters of August 2022 are the first that anybody could answer.
        assert!(variant.on_sale > Month::new(2022, 8), "{variant:?} comes before its cause");
        assert!(variant.on_sale <= rule + 4, "{variant:?} comes late");
        let chips = sold(kept, &variant.id, Month::new(2023, 10));
        assert!(chips >= 1000.0, "{variant:?} sold only {chips} by October 2023");
    }
}

#[test]
fn after_the_rule_of_2023_compute_is_cut_within_a_year() {
    let kept = reference();
    let rule = Month::new(2023, 10);
    let all = variants(kept);
    let variant = all
        .iter()
        .filter(|v| v.parent.starts_with("nvidia-") && v.cut == "compute")
        .filter(|v| v.on_sale > rule && v.on_sale <= rule + 12)
        .max_by_key(|v| sold(kept, &v.id, Month::new(2025, 3)) as u64)
        .unwrap_or_else(|| panic!("no compute cut within a year among {all:?}"));
    let chips = sold(kept, &variant.id, Month::new(2025, 3));
    assert!(chips >= 5000.0, "{variant:?} sold only {chips} by March 2025");
    // What was cut in its links only is sold no more to China: the rule of 2023 catches it.
    for caught in all.iter().filter(|v| v.cut == "interconnect") {
        let before = sold(kept, &caught.id, rule);
        let after = sold(kept, &caught.id, rule + 12) - before;
        assert!(after <= 0.5 * before.max(1.0), "{caught:?} still sells: {before}, then {after}");
    }
}

#[test]
fn after_the_letters_of_2025_sales_to_china_stop() {
    let kept = reference();
    let sales = |from, to| mean(kept, "nvidia", "vendor_china_h100e", from, to);
    let before = sales(Month::new(2025, 1), Month::new(2025, 3));
    assert!(before > 0.0);
    let quarter = sales(Month::new(2025, 5), Month::new(2025, 7));
    assert!(quarter <= 0.1 * before, "within a quarter: {quarter} of {before} H100e a month");
}

/// A licence that is presumed to be approved moves nobody to design a chip that needs none.
#[test]
fn no_variant_is_made_where_a_licence_is_as_good_as_granted() {
    let made = variants(reference());
    assert!(!made.is_empty());
    let needless: Vec<_> = made.iter().filter(|v| v.id.contains("third-countries")).collect();
    assert!(needless.is_empty(), "{needless:?}");
}
