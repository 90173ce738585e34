//! The book of rules: made of the tables, and kept as rules and chips are added.

use super::{Clause, ClauseRow, Rule, RuleRow, Rulebook, Treatment, Verdict, existing};
use crate::calendar::Month;
use crate::entities::chip::{Catalogue, Sku};
use crate::entities::country::CountryRow;
use crate::entities::firm::FirmRow;
use crate::entities::regulator::{RegimeRow, RegulatorRow};
use crate::entities::vendor::VendorRow;
use crate::entities::{CountryId, FirmId, RegimeId, RegulatorId, RuleId, VendorId};

/// The tables that rules refer to, each sorted by id.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Countries.
    pub countries: &'a [CountryRow],
    /// Firms.
    pub firms: &'a [FirmRow],
    /// Vendors.
    pub vendors: &'a [VendorRow],
    /// Regulators.
    pub regulators: &'a [RegulatorRow],
    /// Regimes.
    pub regimes: &'a [RegimeRow],
}

impl Rulebook {
    /// The rules of a world. Ids that a table does not hold are left out: the loader refuses them.
    #[must_use]
    pub fn compile(
        rules: &[RuleRow],
        clauses: &[ClauseRow],
        names: &Names,
        catalogue: &Catalogue,
    ) -> Self {
        let exists = existing(rules, names.regimes);
        let place = |id: &str| rules.iter().position(|r| r.id == id).map(RuleId::at);
        let firm = |id: &String| names.firms.iter().position(|f| f.id == *id).map(FirmId::at);
        let vendor = |id: &String| names.vendors.iter().position(|v| v.id == *id).map(VendorId::at);
        let mut book = Self {
            regime_begun: vec![false; names.regimes.len()],
            regime_active: names.regimes.iter().map(|r| r.active).collect(),
            ..Self::default()
        };
        for sku in &catalogue.skus {
            let home = names.vendors.get(sku.vendor.index()).map(|v| v.home.as_str());
            let at = names.countries.iter().position(|c| Some(c.id.as_str()) == home);
            book.sku_home.push(CountryId::at(at.unwrap_or(usize::from(u16::MAX))));
        }
        for (row, exists) in rules.iter().zip(exists) {
            let named = |c: &CountryRow| {
                row.countries.contains(&c.id)
                    || row.blocs.iter().any(|b| b == c.bloc.word())
                    || row.tiers.iter().any(|t| t.parse() == Ok(c.tier))
            };
            let everywhere = row.countries.is_empty()
                && row.blocs.is_empty()
                && row.tiers.is_empty()
                && row.headquarters.is_empty();
            let rule = Rule {
                id: RuleId::at(book.rules.len()),
                issuer: RegulatorId::at(
                    names.regulators.iter().position(|r| r.id == row.issuer).unwrap_or_default(),
                ),
                regime: RegimeId::at(
                    names.regimes.iter().position(|r| r.id == row.regime).unwrap_or_default(),
                ),
                caused_by: row.caused_by.as_deref().and_then(place),
                clauses: clauses
                    .iter()
                    .filter(|c| c.rule == row.id)
                    .map(Clause::from_row)
                    .collect(),
                destinations: names.countries.iter().map(|c| everywhere || named(c)).collect(),
                everywhere,
                headquarters: names
                    .countries
                    .iter()
                    .map(|c| row.headquarters.contains(&c.id))
                    .collect(),
                firms: row.firms.iter().filter_map(firm).collect(),
                vendors: row.vendors.iter().filter_map(vendor).collect(),
                replaces: row.replaces.iter().filter_map(|id| place(id)).collect(),
                exists,
                announced: false,
                in_force: false,
                event: None,
                row: row.clone(),
            };
            book.add_rule(rule, catalogue);
        }
        book
    }

    /// Adds a rule at the end; its id must be the number of rules so far.
    pub fn add_rule(&mut self, rule: Rule, catalogue: &Catalogue) {
        self.verdicts.push(catalogue.skus.iter().map(|sku| rule.verdict(sku)).collect());
        self.cap_left.push(i64::MAX);
        self.catches.push(false);
        let month = rule.row.announced;
        self.rules.push(rule);
        let last = self.rules.len() - 1;
        self.catches[last] = self.catches_by(last, catalogue, month);
        self.revision += 1;
    }

    /// Whether rule `at` catches a chip that is launched by `month`: one that catches none is no
    /// sign of anything.
    #[must_use]
    pub fn catches_by(&self, at: usize, catalogue: &Catalogue, month: Month) -> bool {
        let verdicts = self.verdicts[at].iter();
        verdicts
            .zip(&catalogue.skus)
            .any(|(verdict, sku)| *verdict != Verdict::Free && sku.row.launch <= month)
    }

    /// Whether a rule on chips keeps any away: one that catches some, and under a cap only
    /// once the cap is used up.
    #[must_use]
    pub fn keeps_away(&self, rule: &Rule) -> bool {
        let at = rule.id.index();
        self.catches[at] && (rule.row.treatment != Treatment::Quota || self.cap_left[at] <= 0)
    }

    /// Room for one more SKU, at the end, sold by a vendor of `home`.
    pub fn add_sku(&mut self, sku: &Sku, home: CountryId) {
        for (rule, verdicts) in self.rules.iter().zip(&mut self.verdicts) {
            verdicts.push(rule.verdict(sku));
        }
        self.sku_home.push(home);
        self.revision += 1;
    }

    /// The rule of this id in the table or in the run.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.row.id == id)
    }
}
