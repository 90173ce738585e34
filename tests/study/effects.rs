//! Effects are differences within draws, and draws are shared.

use frugality::study::statistics::{Moments, Paired};
use frugality::study::{Cells, Plan, Reader, Store, effects_table, runs_table};

use crate::folder::*;

/// The cells of a table, by the name of the column.
pub struct Read {
    reader: Reader,
    names: Vec<String>,
}

impl Read {
    pub fn open(folder: &std::path::Path, table: &frugality::study::Table) -> Self {
        let path = folder.join(format!("merged/{}.parquet", table.name));
        let names = table.columns.iter().map(|c| c.name.clone()).collect();
        Self { reader: Reader::open(&path, &table.columns).unwrap(), names }
    }

    pub fn numbers(&self, name: &str) -> Vec<f64> {
        let mut all = Vec::new();
        for cells in self.batches(name) {
            all.extend((0..cells.len()).map(|row| cells.at(row)));
        }
        all
    }

    pub fn texts(&self, name: &str) -> Vec<String> {
        let mut all = Vec::new();
        for cells in self.batches(name) {
            let Cells::Text(cells) = cells else { panic!("{name} is no text") };
            all.extend(cells.into_iter().map(|c| c.map_or_else(String::new, |c| c.to_string())));
        }
        all
    }

    fn batches(&self, name: &str) -> Vec<Cells> {
        let column = self.names.iter().position(|n| n == name).unwrap();
        (0..self.reader.batches()).map(|n| self.reader.column(n, column).unwrap()).collect()
    }
}

#[test]
fn effects_are_those_of_the_runs() {
    let scratch = Scratch::new("effects");
    let file = scratch.study("t", &study("{ from = 1, count = 4 }"));
    let folder = scratch.path("out");
    done(&["study", "run", text(&file), "--out", text(&folder), "--quiet"]);
    let plan = Store::open(&folder).unwrap().1;
    let runs = Read::open(&folder, &runs_table(&plan));
    let effects = Read::open(&folder, &effects_table(&plan));
    let (arms, guidance) = (runs.texts("arm"), runs.texts("guidance"));
    let (gap, twin) = (runs.numbers("gap"), runs.numbers("counterfactual_run_id"));
    let mut paired = Paired::default();
    for row in 0..gap.len() {
        if arms[row] == "ruled" && guidance[row] == "off" {
            paired.add(gap[row], gap[twin[row] as usize]);
        }
    }
    assert_eq!(paired.difference.n(), 12);
    let (of, outcome, month) =
        (effects.texts("guidance"), effects.texts("outcome"), effects.texts("month"));
    let row = (0..of.len()).find(|r| of[*r] == "off" && outcome[*r] == "gap").unwrap();
    assert_eq!(month[row], "");
    let at = |name: &str| effects.numbers(name)[row];
    assert_eq!(at("pairs"), 12.0);
    assert_eq!(at("effect").to_bits(), paired.difference.mean().to_bits());
    let half = paired.difference.half_width();
    assert_eq!((at("low"), at("high")), (at("effect") - half, at("effect") + half));
    let unpaired = paired.half_width_unpaired();
    assert_eq!(at("high_unpaired"), at("effect") + unpaired);
    assert!(at("effect") != 0.0 && unpaired > half, "{unpaired} against {half}");
    assert_eq!(at("narrower"), unpaired / half);
    // By month: as far as the 17 bits of a series go, the last month is the outcome; before the first rule is
    // announced the twins are one.
    let monthly = |wanted: &str| {
        (0..of.len())
            .find(|r| of[*r] == "off" && outcome[*r] == "efficiency_gap" && month[*r] == wanted)
    };
    let last = monthly("2023-12").unwrap();
    let effect = effects.numbers("effect");
    assert!((effect[last] - effect[row]).abs() < 1e-5);
    let first = monthly("2022-04").unwrap();
    assert_eq!(effect[first], 0.0);
    // Every fifth month, counted from the last.
    assert!(monthly("2023-07").is_some() && monthly("2023-08").is_none());
}

#[test]
fn arms_share_their_luck() {
    let scratch = Scratch::new("luck");
    let same = study("{ from = 1, count = 3 }")
        .replace("set = [\"regimes.ai-chip-controls.active=false\"]", "");
    let file = scratch.study("t", &same);
    let folder = scratch.path("out");
    done(&["study", "run", text(&file), "--out", text(&folder), "--quiet"]);
    let plan = Store::open(&folder).unwrap().1;
    let effects = Read::open(&folder, &effects_table(&plan));
    assert!(effects.numbers("effect").iter().all(|x| *x == 0.0 || x.is_nan()));
    let unpaired: Vec<f64> = effects.numbers("high_unpaired");
    assert!(unpaired.iter().any(|x| *x > 0.0));
}

#[test]
fn seeds_by_scenario_are_nobody_elses_and_levers_can_be_the_counterfactual() {
    let scratch = Scratch::new("by-scenario");
    let text_of = study("{ from = 5, count = 2, by_scenario = true }")
        .replace("counterfactual = \"free\"", "counterfactual = { guidance = \"off\" }");
    let plan = Plan::load(&scratch.study("t", &text_of)).unwrap();
    let mut seeds: Vec<u64> = (0..6).map(|draw| plan.draw(draw).seed).collect();
    seeds.sort_unstable();
    assert_eq!(seeds, [5, 6, 7, 8, 9, 10]);
    // Policies: (on, ruled), (on, free), (off, ruled), (off, free).
    let against: Vec<Option<usize>> = plan.policies.iter().map(|p| p.against).collect();
    assert_eq!(against, [Some(2), Some(3), None, None]);
}

#[test]
fn subsets_of_mechanisms_meet_their_twins() {
    let scratch = Scratch::new("subsets");
    let text_of = study("[1]")
        .replace("world = \"small\"\n[arms.free]", "world = \"small\"\nsubsets_off = [\"direction\", \"spillover\"]\n[arms.free]")
        .replace("set = [\"regimes", "subsets_off = [\"direction\", \"spillover\"]\nset = [\"regimes")
        .replace("[levers.guidance.levels]\non = [\"mechanisms.import_guidance=true\"]\noff = [\"mechanisms.import_guidance=false\"]", "");
    let plan = Plan::load(&scratch.study("t", &text_of)).unwrap();
    let names: Vec<&str> = plan.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(
        names[..4],
        [
            "ruled",
            "ruled.without.direction",
            "ruled.without.spillover",
            "ruled.without.direction+spillover"
        ]
    );
    assert_eq!(names[7], "free.without.direction+spillover");
    let against: Vec<Option<usize>> = plan.arms.iter().map(|arm| arm.against).collect();
    assert_eq!(against, [Some(4), Some(5), Some(6), Some(7), None, None, None, None]);
    assert_eq!(plan.bases.len(), 2);
}

#[test]
fn half_widths_shrink_with_the_root_of_the_draws() {
    let mut few = Moments::default();
    let mut many = Moments::default();
    for n in 0..400 {
        let x = f64::from(n % 4);
        if n < 100 {
            few.add(x);
        }
        many.add(x);
    }
    let ratio = few.half_width() / many.half_width();
    assert!((ratio - 2.0).abs() < 0.03, "{ratio}");
}
