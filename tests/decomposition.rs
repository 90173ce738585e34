//! Growth of capability and of cost is the sum of its sources, in every month, of every firm and group.

mod support;

use frugality::metric::Scope;

const CAPABILITY: [&str; 6] = ["chips", "own", "spillover", "scale", "quality", "distilled"];
const COST: [&str; 5] = ["chips", "own", "spillover", "learning", "scale"];

/// The largest difference between a whole and the sum of its parts, and the number of months compared.
fn off(run: &support::Run, scope: Scope, id: &str, whole: &str, parts: &[String]) -> (f64, usize) {
    let wholes = run.panel(scope, id, whole);
    let parts: Vec<Vec<f64>> = parts.iter().map(|part| run.panel(scope, id, part)).collect();
    let mut most = 0.0_f64;
    let mut months = 0;
    for (month, whole) in wholes.iter().enumerate() {
        let sum: f64 = parts.iter().map(|part| part[month]).sum();
        assert_eq!(whole.is_finite(), sum.is_finite(), "{id} {month}");
        if whole.is_finite() {
            most = most.max((whole - sum).abs());
            months += 1;
        }
    }
    (most, months)
}

#[test]
fn parts_are_the_whole_in_every_month() {
    let run = support::run(&support::world("reference"), 1, 120);
    let names = |stem: &str, parts: &[&str], unit: &str| -> Vec<String> {
        parts.iter().map(|part| format!("{stem}_{part}_{unit}")).collect()
    };
    let mut compared = 0;
    for firm in run.members(Scope::Firm) {
        for (whole, parts) in [
            ("growth_dex", names("growth", &CAPABILITY, "dex")),
            ("cost_growth_ln", names("cost_growth", &COST, "ln")),
        ] {
            let (most, months) = off(&run, Scope::Firm, &firm, whole, &parts);
            assert!(most < 1e-9, "{firm} {whole}: {most}");
            compared += months;
        }
    }
    assert!(compared > 2000, "{compared}");
    for group in ["constrained", "unconstrained"] {
        let stem = format!("growth_{group}");
        let (most, months) =
            off(&run, Scope::World, "", &format!("{stem}_dex"), &names(&stem, &CAPABILITY, "dex"));
        assert!(most < 1e-9 && months == 120, "{stem}: {most}, {months}");
        let stem = format!("cost_growth_{group}");
        let (most, months) =
            off(&run, Scope::World, "", &format!("{stem}_ln"), &names(&stem, &COST, "ln"));
        assert!(most < 1e-9 && months > 60, "{stem}: {most}, {months}");
    }
    // And the whole is what it says: the capability of this month less that of the first.
    let (growth, level) = (
        run.panel(Scope::Firm, "alphabet", "growth_dex"),
        run.panel(Scope::Firm, "alphabet", "capability_dex"),
    );
    assert!((growth[119] - (level[119] - level[0])).abs() < 1e-9 && growth[119] > 0.0);
}
