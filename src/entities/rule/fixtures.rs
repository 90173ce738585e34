//! Rules and chips for tests: two countries (0 `usa`, 1 `chn`), a vendor of each.

use proptest::prelude::*;

use super::lanes::LANE_KINDS;
use super::{Bound, Clause, Rule, RuleKind, RuleRow, Rulebook, Treatment};
use crate::calendar::Month;
use crate::entities::chip::{Attribute, Catalogue, ChipRow, Origin, Sku};
use crate::entities::{CountryId, DieId, FirmId, RegimeId, RegulatorId, RuleId, VendorId};

/// Countries and firms of generated books.
pub(crate) const COUNTRIES: usize = 3;
pub(crate) const FIRMS: usize = 4;

/// Books of a few rules of every kind that bears on sales, on four chips of vendors at home in
/// country 0, 0, 1 and 2; not sorted into lanes.
pub(crate) fn books() -> impl Strategy<Value = (Rulebook, Catalogue)> {
    let of_rule = (
        (0..LANE_KINDS.len(), 0..Treatment::WORDS.len(), any::<bool>(), any::<bool>()),
        any::<(u8, u8, u8, u8)>(),
        proptest::option::of(0.0..20_000.0),
    );
    proptest::collection::vec(of_rule, 0..9).prop_map(|rules| {
        let tpp = [Some(15_832.0), Some(2_000.0), None, Some(8_000.0)];
        let chips = ["a", "b", "c", "d"].into_iter().zip(tpp);
        let catalogue =
            catalogue(chips.map(|(id, tpp)| chip(id, [tpp, None, None, None])).collect());
        let bits = |byte: u8, n: usize| (0..n).map(move |i| byte >> i & 1 == 1);
        let set = |byte: u8, n: usize| (0..n).filter(move |i| byte >> i & 1 == 1);
        let rules = rules.into_iter().enumerate().map(|(at, rule_of)| {
            let ((kind, treatment, in_force, domestic), (to, of, firms, replaces), tpp) = rule_of;
            let treatment = Treatment::from_word(Treatment::WORDS[treatment]);
            let mut row = row(&format!("rule-{at}"), treatment.expect("a treatment"));
            row.kind = LANE_KINDS[kind];
            row.domestic = domestic.then_some(true);
            row.duty = f64::from(to) / 256.0;
            let clauses = tpp.map(|tpp| minima([Some(tpp), None, None, None]));
            let mut rule = self::rule(at, row, clauses.into_iter().collect());
            rule.in_force = in_force;
            rule.destinations = bits(to, COUNTRIES).collect();
            rule.headquarters = bits(of, COUNTRIES).collect();
            // Most rules name no firm and replace none.
            rule.firms = set(firms & firms >> 4, FIRMS).map(FirmId::at).collect();
            rule.replaces =
                set(replaces & replaces >> 4, 8).filter(|r| *r != at).map(RuleId::at).collect();
            rule
        });
        let mut book = book(rules.collect(), &catalogue);
        book.sku_home = [0, 0, 1, 2].map(CountryId).to_vec();
        (book, catalogue)
    })
}

/// A rule row of `issuer` 0, in force from 2022-10 on.
pub(crate) fn row(id: &str, treatment: Treatment) -> RuleRow {
    RuleRow {
        id: id.to_owned(),
        name: id.to_owned(),
        issuer: "us-bis".to_owned(),
        kind: RuleKind::ChipExport,
        enabled: true,
        announced: Month::new(2022, 10),
        from: Month::new(2022, 10),
        until: None,
        regime: "controls".to_owned(),
        caused_by: None,
        replaces: Vec::new(),
        countries: Vec::new(),
        blocs: Vec::new(),
        tiers: Vec::new(),
        headquarters: Vec::new(),
        firms: Vec::new(),
        vendors: Vec::new(),
        treatment,
        cap_units: None,
        cap_tpp: None,
        cap_units_buyer: None,
        cap_home_share: None,
        revenue_share: 0.0,
        duty: 0.0,
        strength: 0.0,
        conditions: None,
        odds: None,
        review_months_added: 0,
        domestic: None,
        source: "test".to_owned(),
    }
}

/// A clause of minima: TPP, density, interconnect, bandwidth.
pub(crate) fn minima(of: [Option<f64>; 4]) -> Clause {
    let attributes = [
        Attribute::Tpp,
        Attribute::PerformanceDensity,
        Attribute::Interconnect,
        Attribute::MemoryBandwidth,
    ];
    Clause {
        id: String::new(),
        bounds: attributes
            .into_iter()
            .zip(of)
            .filter_map(|(attribute, x)| {
                x.map(|threshold| Bound { attribute, threshold, at_least: true })
            })
            .collect(),
        marketed_for_datacentre: None,
    }
}

/// A rule on deliveries to country 1.
pub(crate) fn rule(at: usize, row: RuleRow, clauses: Vec<Clause>) -> Rule {
    Rule {
        id: RuleId::at(at),
        issuer: RegulatorId(0),
        regime: RegimeId(0),
        caused_by: None,
        clauses,
        destinations: vec![false, true],
        everywhere: false,
        headquarters: vec![false, false],
        firms: Vec::new(),
        vendors: Vec::new(),
        replaces: Vec::new(),
        exists: true,
        announced: false,
        in_force: false,
        event: None,
        row,
    }
}

/// A chip of vendor 0 with these attributes.
pub(crate) fn chip(id: &str, of: [Option<f64>; 4]) -> Sku {
    let row = ChipRow {
        id: id.to_owned(),
        name: id.to_owned(),
        vendor: "nvidia".to_owned(),
        launch: Month::new(2022, 1),
        end: None,
        tflops_16bit: 989.5,
        tops_8bit: 1979.0,
        tpp: of[0],
        performance_density: of[1],
        interconnect_gbps: of[2],
        memory_bandwidth_gbps: of[3],
        hbm_gb: 80.0,
        tdp_w: 700.0,
        die: "gh100".to_owned(),
        dies_per_chip: 1,
        packages_per_wafer: 25.0,
        price_usd: 30_000.0,
        unit_cost_usd: 5_000.0,
        marketed_for_datacentre: true,
        origin: Origin::Roadmap,
        parent: None,
        caused_by: None,
        board_share: None,
        source: "test".to_owned(),
    };
    Sku {
        id: id.to_owned(),
        vendor: VendorId(0),
        die: DieId(0),
        parent: None,
        caused_by: None,
        train_paper: 1.0,
        serve_paper: 1.0,
        work_paper: 1.0,
        price_usd: 30_000.0,
        on_sale: true,
        approved_units_month: 0.0,
        row,
    }
}

/// The H100 SXM5.
pub(crate) fn h100() -> Sku {
    chip("h100", [Some(15_832.0), Some(19.45), Some(900.0), Some(3350.0)])
}

/// A catalogue with the H100 as reference.
pub(crate) fn catalogue(skus: Vec<Sku>) -> Catalogue {
    Catalogue {
        skus,
        dies: Vec::new(),
        reference: (1979.0, 3350.0),
        reference_tflops: 989.5,
        serving_exponent: 0.5,
        mix: (0.5, 1.0),
    }
}

/// A book of these rules, vendors at home in country 0, regime active.
pub(crate) fn book(rules: Vec<Rule>, catalogue: &Catalogue) -> Rulebook {
    let mut book = Rulebook {
        regime_begun: vec![false],
        regime_active: vec![true],
        sku_home: vec![CountryId(0); catalogue.skus.len()],
        ..Rulebook::default()
    };
    for rule in rules {
        book.add_rule(rule, catalogue);
    }
    book
}
