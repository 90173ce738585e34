//! Which rule governs a delivery, and which guidance a firm.
//!
//! Of the rules in force, the strictest counts
//! unless a rule names the one that it replaces; a rule milder than the one it
//! replaces must be *determined* to cover the chip, or it would free what is unknown.
//!
//! A sale at home is no export, and a vendor of a covered country answers to its
//! own state: neither is governed, unless a rule says so (`domestic`). An entity
//! listing governs exports of every chip to the firms that it names and foundry
//! work for the vendors that it names.

use super::lanes::{answers, guides, singles_out};
use super::{Rule, RuleKind, Rulebook, Treatment, Verdict};
use crate::entities::{CountryId, FirmId, RuleId, SkuId};

impl Rulebook {
    /// Whether the buyer's own state waves this chip through for a firm that it guides otherwise: import
    /// guidance in force at home that names the firm and allows what its clauses cover.
    #[must_use]
    pub fn waved_through(&self, sku: SkuId, firm: FirmId, home: CountryId) -> bool {
        self.guiding(firm, home).any(|rule| {
            rule.row.treatment == Treatment::Allow
                && self.verdicts[rule.id.index()].get(sku.index()) == Some(&Verdict::Controlled)
        })
    }

    /// Share of its imports of this chip that import guidance in force which names the firm lets in: the least of what each such
    /// rule says, 0 where it denies, 1 where none names it.
    #[must_use]
    pub fn let_in(&self, sku: SkuId, firm: FirmId, home: CountryId) -> f64 {
        let caught = |rule: &Rule| {
            let verdict = self.verdicts[rule.id.index()].get(sku.index());
            verdict.is_some_and(|verdict| *verdict != Verdict::Free)
        };
        self.guiding(firm, home)
            .filter(|rule| rule.row.treatment != Treatment::Allow && caught(rule))
            .map(|rule| if rule.row.treatment == Treatment::Deny { 0.0 } else { rule.row.strength })
            .fold(1.0, f64::min)
    }

    /// Whether import guidance in force at `home` names `firm`; else nothing is waved through for it, and everything let in.
    #[must_use]
    pub fn guides(&self, firm: FirmId, home: CountryId) -> bool {
        self.guiding(firm, home).next().is_some()
    }

    /// Import guidance in force at `home` that names `firm`, in the order of ids.
    fn guiding(&self, firm: FirmId, home: CountryId) -> impl Iterator<Item = &Rule> {
        let (listed, all) = match &self.lanes.guiding {
            Some(ids) => (ids.as_slice(), &[][..]),
            None => (&[][..], self.rules.as_slice()),
        };
        let listed = listed.iter().map(|id| &self.rules[id.index()]);
        listed
            .chain(all.iter().filter(|rule| guides(rule)))
            .filter(move |rule| rule.firms.contains(&firm) && rule.covers_lane(home, home))
    }

    /// The strictest rule in force of `kind` on `sku` for a delivery, if any. An
    /// undetermined chip counts as controlled. Rules that allow everything never show: they
    /// only take away what they replace.
    #[must_use]
    pub fn strictest(
        &self,
        kind: RuleKind,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> Option<&Rule> {
        let governs = |rule: &Rule| self.governs(rule, sku, firm, headquarters, destination);
        if let Some(lane) = self.lanes.of(kind, headquarters, destination) {
            // What a lane holds is in force and covers it; most rules do not catch the chip.
            let catching = |id: &&RuleId| self.verdicts[id.index()][sku.index()] != Verdict::Free;
            return lane.iter().filter(catching).map(|id| &self.rules[id.index()]).find(|rule| {
                (rule.firms.is_empty() || rule.firms.contains(&firm))
                    && self.reaches(rule, sku, firm, headquarters, destination)
            });
        }
        let mut found: Option<&Rule> = None;
        for rule in &self.rules {
            if answers(rule, kind)
                && found.is_none_or(|f| rule.row.treatment > f.row.treatment)
                && governs(rule)
            {
                found = Some(rule);
            }
        }
        found
    }

    /// Rules of `kind` in force that ask something of a delivery of one of `skus`, or would if no other rule were stricter or
    /// replaced them.
    pub fn standing(
        &self,
        kind: RuleKind,
        skus: &[SkuId],
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| {
            let catches = |sku: &SkuId| {
                self.verdicts[rule.id.index()][sku.index()] != Verdict::Free
                    && !self.exempt(rule, *sku, destination)
            };
            answers(rule, kind)
                && rule.in_force
                && rule.row.treatment != Treatment::Allow
                && rule.covers(firm, headquarters, destination)
                && skus.iter().any(catches)
        })
    }

    /// Whether a chip's home takes it out of the reach of `rule`.
    fn exempt(&self, rule: &Rule, sku: SkuId, destination: CountryId) -> bool {
        self.sku_home.get(sku.index()).is_some_and(|home| rule.exempts(*home, destination))
    }

    /// Whether `rule` is in force and governs a delivery, whichever others do.
    fn governs(
        &self,
        rule: &Rule,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> bool {
        rule.in_force
            && rule.row.treatment != Treatment::Allow
            && self.verdicts[rule.id.index()][sku.index()] != Verdict::Free
            && rule.covers(firm, headquarters, destination)
            && self.reaches(rule, sku, firm, headquarters, destination)
    }

    /// Whether nothing takes a delivery that `rule` covers out of its reach: no exemption, no rule that
    /// replaces it.
    fn reaches(
        &self,
        rule: &Rule,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> bool {
        !self.exempt(rule, sku, destination)
            && !self.replaced(rule, sku, firm, headquarters, destination)
    }

    /// Whether some rule on chips asks for notice of a delivery; a quota on top of it, being stricter,
    /// governs, and does not do away with the notice.
    #[must_use]
    pub fn asks_notice(
        &self,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> bool {
        self.rules.iter().any(|rule| {
            rule.row.treatment == Treatment::Notify
                && answers(rule, RuleKind::ChipExport)
                && self.governs(rule, sku, firm, headquarters, destination)
        })
    }

    /// Whether another rule in force replaces `rule` for this delivery.
    fn replaced(
        &self,
        rule: &Rule,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> bool {
        let replaces = |other: &Rule| {
            other.in_force
                && match self.verdicts[other.id.index()][sku.index()] {
                    Verdict::Free => false,
                    Verdict::Controlled => true,
                    Verdict::Undetermined(_) => other.row.treatment >= rule.row.treatment,
                }
                && other.covers(firm, headquarters, destination)
        };
        match self.lanes.replacers_of(rule.id) {
            Some(others) => others.iter().any(|other| replaces(&self.rules[other.index()])),
            None => self.rules.iter().any(|o| o.replaces.contains(&rule.id) && replaces(o)),
        }
    }

    /// Whether a rule in force that can bear on a sale names `firm`; firms of one country that none
    /// names meet the same rules.
    #[must_use]
    pub fn names(&self, firm: FirmId) -> bool {
        match &self.lanes.named {
            Some(firms) => firms.binary_search(&firm).is_ok(),
            None => self.rules.iter().any(|rule| singles_out(rule) && rule.firms.contains(&firm)),
        }
    }
}
