//! Studies that cannot be run are refused in words, with the place, and nothing is written.

use frugality::study::Plan;

use crate::folder::*;

/// A change of the study and what is said of it.
const CASES: &[(&str, &str, &str)] = &[
    ("title = \"A study of the small world\"", "", "title: missing; a title for people"),
    ("seeds = SEEDS", "sedes = [1]", ":6:1 sedes: there is no such setting; did you mean `seeds`?"),
    ("SEEDS", "[]", "seeds: no seeds"),
    ("SEEDS", "[1, 2, 1]", "seeds: 1 is listed twice"),
    ("SEEDS", "[-1]", ":6:10 seeds: -1 is below 0"),
    ("SEEDS", "{ count = 0 }", "seeds.count: 0 is below 1"),
    (
        "SEEDS",
        "{ from = 2, until = { outcome = \"gap\", half_width = 0.1, max = 9 }, cont = 2 }",
        "seeds.cont: there is no such setting; did you mean `count`?",
    ),
    (
        "SEEDS",
        "{ until = { outcome = \"gapp\", half_width = 0.1, max = 9 } }",
        "seeds.until.outcome: there is no outcome `gapp`; did you mean `gap`?",
    ),
    ("SEEDS", "{ count = 9000000 }", "make 108000000 runs; at most 100000000"),
    ("months = 24", "months = 0", ":4:10 months: 0 is below 1"),
    (
        "counterfactual = \"free\"",
        "counterfactual = \"fre\"",
        "counterfactual: there is no arm `fre`; did you mean `free`?",
    ),
    (
        "counterfactual = \"free\"",
        "counterfactual = { guidence = \"off\" }",
        "there is no lever `guidence`; did you mean `guidance`?",
    ),
    (
        "counterfactual = \"free\"",
        "counterfactual = { guidance = \"of\" }",
        "`of` is not a value of guidance",
    ),
    (
        "world = \"small\"\n[arms.free]",
        "world = \"smal\"\n[arms.free]",
        ":10:9 arms.ruled.world: there is no world `smal`; did you mean `small`?",
    ),
    (
        "world = \"small\"\n[arms.free]",
        "world = \"small\"\nas_scarce_as = \"fre\"\n[arms.free]",
        "arms.ruled.as_scarce_as: there is no arm `fre`; did you mean `free`?",
    ),
    (
        "world = \"small\"\n[arms.free]",
        "world = \"small\"\nas_scarce_as = \"ruled\"\n[arms.free]",
        "arms.ruled.as_scarce_as: an arm cannot be as scarce as itself",
    ),
    (
        "world = \"small\"\n[arms.free]",
        "world = \"small\"\nas_scarce_as = \"free\"\n[arms.free]",
        "with it neither arm may set or switch anything; write a world that says it",
    ),
    (
        "world = \"small\"\n[arms.free]",
        "[arms.free]",
        "arms.ruled.world: missing; the name of a world in quotes",
    ),
    (
        "regimes.ai-chip-controls.active=false",
        "regimes.ai-chip-control.active=false",
        ":13:8 regimes.ai-chip-control: there is no such row; did you mean `ai-chip-controls`?",
    ),
    (
        "regimes.ai-chip-controls.active=false",
        "server_overhead=77",
        "parameters.server_overhead.value: 77 is outside its prior",
    ),
    (
        "mechanisms.import_guidance=true",
        "mechanisms.import_guidence=true",
        "levers.guidance.levels.on: there is no mechanism `import_guidence`; did you mean `import_guidance`?",
    ),
    (
        "mechanisms.import_guidance=true",
        "mechanisms.import_guidance=maybe",
        "`maybe` is neither true nor false",
    ),
    (
        "[uncertainties.review_days_constrained]\nprior = true",
        "[uncertainties.review_days_constraind]\nprior = true",
        "there is no parameter `review_days_constraind`; did you mean `review_days_constrained`?",
    ),
    (
        "[uncertainties.review_days_constrained]\nprior = true",
        "[uncertainties.review_days_constrained]\nlow = 3\nhigh = 1",
        "low: 3 is not below high, 1",
    ),
    (
        "[uncertainties.review_days_constrained]\nprior = true",
        "[uncertainties.review_days_constrained]\nlow = 0.001\nhigh = 1e6",
        "is outside the prior of review_days_constrained",
    ),
    ("values = [2, 5]", "values = [2, 5, 2]", "uncertainties.stale_months: 2 is listed twice"),
    ("values = [2, 5]", "values = [2, nan]", "uncertainties.stale_months"),
    (
        "values = [2, 5]",
        "values = [2, \"two\"]",
        "uncertainties.stale_months: `two` is not a number",
    ),
    (
        "method = \"latin_hypercube\"",
        "method = \"sobol\"",
        "sampling.method: one of factorial, latin_hypercube, table",
    ),
    (
        "method = \"latin_hypercube\"\npoints = 3",
        "method = \"factorial\"",
        "an uncertainty is a range; say how it is drawn",
    ),
    ("points = 3", "points = 0", "sampling.points: 0 is below 1"),
    (
        "\"rules_in_force\"",
        "\"rule_in_force\"",
        "record.metrics: `rule_in_force` is not a metric of series; did you mean `rules_in_force`?",
    ),
    (
        "panels.firms",
        "panels.firm",
        "record.panels.firm: there is no such panel; did you mean `firms`?",
    ),
    (
        "at = \"2023-12\"",
        "at = \"2024-01\"",
        "outcomes.gap: 2024-01 is outside the run, 2022-01 to 2023-12",
    ),
    (
        "take = \"max\"",
        "take = \"most\"",
        "outcomes.most_rules.take: one of last, mean, sum, min, max",
    ),
    (
        "id = \"cathay\"",
        "id = \"cathai\"",
        "outcomes.capex: `cathai` is not a row of firms; did you mean `cathay`?",
    ),
    (
        "capex = {",
        "seed = {",
        "`seed` is the name of an outcome and of a column of the table of runs; rename one",
    ),
    ("[record]", "[record", "not TOML"),
];

#[test]
fn what_cannot_be_run_is_refused_in_words() {
    let scratch = Scratch::new("refused");
    for (at, (from, to, wanted)) in CASES.iter().enumerate() {
        let changed = STUDY.replacen(from, to, 1);
        assert_ne!(changed, STUDY, "{from}");
        let file = scratch.study("t", &changed.replace("SEEDS", "[1]"));
        let said = match Plan::load(&file) {
            Ok(_) => "nothing".to_owned(),
            Err(refusal) => refusal.to_string(),
        };
        assert!(said.contains(wanted), "case {at}, {to}: {said}\nwanted: {wanted}");
        for line in said.lines() {
            assert!(line.contains(".toml") || line.contains(".csv"), "no place: {line}");
        }
    }
    let file = scratch.study("t", &study("[1]").replace("points = 3", "points = -3"));
    let out = scratch.path("out");
    let (code, _) = code(&frugality(&["study", "run", text(&file), "--out", text(&out)]));
    assert!(code == 2 && !out.exists());
}

#[test]
fn all_errors_come_at_once() {
    let scratch = Scratch::new("at-once");
    let changed = study("[1, -1]")
        .replace("months = 24", "months = 0")
        .replace("take = \"max\"", "take = \"most\"")
        .replace("every = 5", "evry = 5");
    let said = Plan::load(&scratch.study("t", &changed)).unwrap_err().to_string();
    assert_eq!(said.lines().count(), 4, "{said}");
    let lines: Vec<usize> =
        said.lines().map(|line| line.split(':').nth(1).unwrap().parse().unwrap()).collect();
    assert!(lines.is_sorted(), "{said}");
}

#[test]
fn a_table_made_elsewhere_is_a_design() {
    let scratch = Scratch::new("table");
    let of_table = |csv: &str| {
        std::fs::write(scratch.path("sobol.csv"), csv).unwrap();
        let method = "method = \"latin_hypercube\"\npoints = 3\nseed = 7";
        let changed = study("[1]").replace(method, "method = \"table\"\ntable = \"sobol.csv\"");
        Plan::load(&scratch.study("t", &changed))
    };
    let plan = of_table("stale_months,review_days_constrained\n2,60.5\n5,77\n").unwrap();
    assert_eq!((plan.design.scenarios, plan.runs()), (2, 8));
    assert!(plan.inputs.iter().any(|file| file.inside == "studies/sobol.csv"));
    let sets = plan.as_single(plan.draw(1), 0).2;
    assert!(sets.contains(&"parameters.review_days_constrained.value=77.0".to_owned()), "{sets:?}");
    for (csv, wanted) in [
        ("stale_months\n2\n", "no column `review_days_constrained`"),
        ("stale_months,review_days_constraind\n2,60\n", "did you mean `review_days_constrained`?"),
        (
            "stale_months,review_days_constrained\n3,60\n",
            "sobol.csv:2:1 stale_months: `3` is not one of 2, 5",
        ),
        (
            "stale_months,review_days_constrained\n2,60\n5,1e9\n",
            "sobol.csv:3:1 review_days_constrained: 1000000000 is outside",
        ),
        ("stale_months,review_days_constrained\n2,nan\n", "`nan` is not a finite number"),
        ("stale_months,review_days_constrained\n", "no rows"),
        ("stale_months,review_days_constrained\n2\n", "sobol.csv:2"),
    ] {
        let said = of_table(csv).unwrap_err().to_string();
        assert!(said.contains(wanted), "{csv}: {said}");
    }
}

#[test]
fn a_row_of_the_design_that_breaks_a_world_is_refused_before_anything_runs() {
    let scratch = Scratch::new("rows");
    let changed = study("[1]").replace(
        "[uncertainties.review_days_constrained]\nprior = true",
        "[uncertainties.until]\nset = \"rules.us-2022-10-chips.until\"\nvalues = [\"2023-05\", \"2021-01\"]",
    );
    let said = Plan::load(&scratch.study("t", &changed)).unwrap_err().to_string();
    assert!(said.contains("arm ruled with until = 2021-01"), "{said}");
}

#[test]
fn every_shipped_study_is_right_and_the_schema_is_fresh() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/studies");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let plan = Plan::load(&path).unwrap_or_else(|refusal| panic!("{refusal}"));
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("#:schema ./study.schema.json\n"), "{}", path.display());
            names.push((plan.name.clone(), plan.runs()));
        }
    }
    names.sort();
    let wanted = [
        ("bytedance-plan", 1_280),
        ("cases", 600),
        ("claims-prior", 8_000),
        ("dose-response", 22_000),
        ("growth", 200),
        ("identification", 14_300),
        ("instruments", 1_080),
        ("morris", 820),
        ("packages", 3_072),
        ("parameter-prior", 20_000),
        ("placebo", 400),
        ("policies", 900),
        ("quick", 40),
        ("sobol", 1_536),
        ("trajectories", 800),
    ];
    let wanted: Vec<(String, u64)> = wanted.iter().map(|(n, r)| ((*n).to_owned(), *r)).collect();
    assert_eq!(names, wanted);
    let path = folder.join("study.schema.json");
    let fresh = format!("{:#}\n", frugality::study::json_schema());
    if std::env::var_os("FRUGALITY_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == fresh, "stale; run cargo bless");
}
