//! Lanes: the rules in force by whom they cover, sorted out ahead.

use super::{Rule, RuleKind, Rulebook, Treatment};
use crate::entities::{CountryId, FirmId, RuleId};

/// The kinds that [`Lanes`] sorts out ahead.
pub(super) const LANE_KINDS: [RuleKind; 4] =
    [RuleKind::ChipExport, RuleKind::ImportGuidance, RuleKind::Tariff, RuleKind::EntityListing];

/// For each of the kinds, headquarters and destination: the rules in force that cover it,
/// strictest first; and for each rule those in force that replace it. Rebuilt when a rule
/// changes; most lanes are empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    countries: usize,
    /// Where a lane begins and ends in `rules`; lanes that are alike share a place there.
    places: Vec<(u32, u32)>,
    rules: Vec<RuleId>,
    /// Where those that replace a rule begin in `replacers`, `[rule]`.
    replaced: Vec<u32>,
    replacers: Vec<RuleId>,
    /// Import guidance in force that names firms, in the order of ids; none: not sorted out.
    pub(super) guiding: Option<Vec<RuleId>>,
    /// Firms that a rule in force names ([`Rulebook::names`]), sorted; none: not sorted out.
    pub(super) named: Option<Vec<FirmId>>,
}

impl Lanes {
    pub(super) fn of(
        &self,
        kind: RuleKind,
        headquarters: CountryId,
        destination: CountryId,
    ) -> Option<&[RuleId]> {
        let kind = LANE_KINDS.iter().position(|k| *k == kind)?;
        let lane =
            (kind * self.countries + headquarters.index()) * self.countries + destination.index();
        let (from, to) = *self.places.get(lane)?;
        self.rules.get(from as usize..to as usize)
    }

    /// The rules in force that replace `rule`; none: not sorted out.
    pub(super) fn replacers_of(&self, rule: RuleId) -> Option<&[RuleId]> {
        let at = rule.index();
        let (from, to) = (*self.replaced.get(at)?, *self.replaced.get(at + 1)?);
        self.replacers.get(from as usize..to as usize)
    }
}

impl Rulebook {
    /// Sorts the rules in force by whom they cover; to be called after any of them changed.
    pub fn sort_lanes(&mut self, countries: usize) {
        let mut lanes = Lanes { countries, ..Lanes::default() };
        let mut covered: Vec<(RuleId, bool, &[bool])> = Vec::new();
        for kind in LANE_KINDS {
            let mut in_force: Vec<&Rule> = self
                .rules
                .iter()
                .filter(|r| r.in_force && r.row.treatment != Treatment::Allow && answers(r, kind))
                .collect();
            in_force.sort_by(|a, b| b.row.treatment.cmp(&a.row.treatment).then(a.id.cmp(&b.id)));
            // Most headquarters are covered alike.
            let of_kind = lanes.places.len();
            for at in 0..countries {
                let headquarters = CountryId::at(at);
                let covers = |rule: &&Rule, at: usize| rule.headquarters.get(at).copied();
                let alike = (0..at).find(|other| {
                    in_force.iter().all(|rule| covers(rule, *other) == covers(rule, at))
                });
                if let Some(alike) = alike {
                    let from = of_kind + alike * countries;
                    lanes.places.extend_from_within(from..from + countries);
                    continue;
                }
                // Covered wherever they take delivery, or only in some places.
                covered.clear();
                covered.extend(in_force.iter().map(|rule| {
                    let all = rule.headquarters.get(headquarters.index()).is_some_and(|of| *of);
                    (rule.id, all, rule.destinations.as_slice())
                }));
                for destination in 0..countries {
                    let here = covered.iter().filter(|(_, all, to)| {
                        *all || to.get(destination).is_some_and(|covered| *covered)
                    });
                    let from = lanes.rules.len() as u32;
                    lanes.rules.extend(here.map(|(id, ..)| *id));
                    lanes.places.push((from, lanes.rules.len() as u32));
                }
            }
        }
        lanes.replaced.push(0);
        for rule in &self.rules {
            let others = self.rules.iter().filter(|o| o.in_force && o.replaces.contains(&rule.id));
            lanes.replacers.extend(others.map(|other| other.id));
            lanes.replaced.push(lanes.replacers.len() as u32);
        }
        lanes.guiding = Some(self.rules.iter().filter(|r| guides(r)).map(|r| r.id).collect());
        let mut named: Vec<FirmId> =
            self.rules.iter().filter(|r| singles_out(r)).flat_map(|r| &r.firms).copied().collect();
        named.sort_unstable();
        named.dedup();
        lanes.named = Some(named);
        self.lanes = lanes;
    }
}

/// Whether `rule` is in force and tells firms that it names from others.
pub(super) fn singles_out(rule: &Rule) -> bool {
    rule.in_force && (rule.row.kind != RuleKind::ImportGuidance || !rule.replaces.is_empty())
}

/// Whether `rule` is import guidance in force that names firms.
pub(super) fn guides(rule: &Rule) -> bool {
    rule.in_force && rule.row.kind == RuleKind::ImportGuidance && !rule.firms.is_empty()
}

/// Whether `rule` answers a question about `kind`: a listing that names firms answers for chip exports.
pub(super) fn answers(rule: &Rule, kind: RuleKind) -> bool {
    rule.row.kind == kind
        || (kind == RuleKind::ChipExport
            && rule.row.kind == RuleKind::EntityListing
            && !rule.firms.is_empty())
}
