//! A month's orders: budgets, money spent ahead, offers to brokers, bids for capacity abroad, chips from vendors.
//!
//! Money goes down the channels of a firm, first to brokers and hosts abroad, then from the dearest channel to the
//! cheapest; what a channel cannot use is carried on to the next that guidance leaves open.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::access::Access;
use super::power::{Place, fill, find_rooms, follow_plans, look_ahead};
use super::prices::Prices;
use super::survey::Candidate;
use super::{CHANNELS, Channels, ProcurementParameters, anticipation, budget, lost};
use crate::calendar::Month;
use crate::entities::boards::{GreyMarkets, PowerPlans, RentalMarket};
use crate::entities::chip::{Catalogue, Sku};
use crate::entities::chronicle::{Chronicle, EventId};
use crate::entities::firm::{Finance, Firm, Purse};
use crate::entities::ledger::{Account, Ledger};
use crate::entities::licence::Quotas;
use crate::entities::order::{Channel, Clearance, Order, OrderBook};
use crate::entities::rule::{Rulebook, Treatment};
use crate::entities::site::{Halls, Site};
use crate::entities::vendor::Sales;
use crate::entities::{Clock, Roster, Settings, Switches};
use crate::units::{Count, Money};

/// What is given while a month's orders are placed.
pub(super) struct Given<'a, 'w, 's> {
    pub now: Month,
    pub p: &'a ProcurementParameters,
    pub quantum: f64,
    pub switches: &'a Switches,
    pub roster: &'a Roster,
    pub catalogue: &'a Catalogue,
    pub rulebook: &'a Rulebook,
    pub access: &'a Access,
    pub prices: &'a Prices,
    pub sites: &'a Query<'w, 's, (&'static Site, &'static Halls)>,
}

/// What orders for chips change, and buffers.
struct Desk<'a> {
    book: &'a mut OrderBook,
    quotas: &'a mut Quotas,
    plans: &'a mut PowerPlans,
    /// Power that this month's orders would need, MW, `[site]`.
    planned: &'a mut [f64],
    /// Power of each site that orders may count on, MW, `[site]`.
    power_mw: &'a [f64],
    rooms: &'a mut Vec<Place>,
}

/// A firm's money on its way down the channels.
struct Spending {
    budget: Money,
    ahead: Money,
    /// What a coming clause is feared to catch: shares × hazards.
    fear: f64,
    left: Money,
    /// What the channels so far could not use.
    carried: Money,
    /// Compute that was bought or is likely to be, H100e.
    obtained: f64,
}

impl Spending {
    /// What there is for a candidate: its share, its part of what is spent ahead, and what was carried.
    fn offer(&mut self, candidate: &Candidate) -> Money {
        let caught =
            if self.fear > 0.0 { candidate.share * candidate.hazard / self.fear } else { 0.0 };
        let mut money = self.budget.scaled(candidate.share) + self.ahead.scaled(caught);
        if candidate.admitted >= 1.0 {
            money += self.carried;
            self.carried = Money::ZERO;
        }
        money.min(self.left)
    }

    /// Takes the part of `money` that is likely to find something; the rest is carried.
    fn count_on(&mut self, money: Money, part: f64) -> Money {
        let likely = money.scaled(part);
        self.left -= likely;
        self.carried += money - likely;
        likely
    }

    /// Counts the work that `money` buys.
    fn obtain(&mut self, money: Money, candidate: &Candidate, quantum: f64) {
        self.obtained += money.amount(quantum) / candidate.usd_per_work;
    }
}

/// Sets budgets, places orders, offers money to brokers and to hosts abroad.
pub(crate) fn place_orders(
    clock: Res<Clock>,
    roster: Res<Roster>,
    settings: Res<Settings>,
    switches: Res<Switches>,
    p: Res<ProcurementParameters>,
    catalogue: Res<Catalogue>,
    (rulebook, mut quotas): (Res<Rulebook>, ResMut<Quotas>),
    ledger: Res<Ledger>,
    mut chronicle: ResMut<Chronicle>,
    sites: Query<(&'static Site, &'static Halls)>,
    mut vendors: Query<&mut Sales>,
    mut firms: Query<(&Firm, &Finance, &mut Purse)>,
    (mut channels, mut book): (ResMut<Channels>, ResMut<OrderBook>),
    (mut grey, mut rental, mut plans): (
        ResMut<GreyMarkets>,
        ResMut<RentalMarket>,
        ResMut<PowerPlans>,
    ),
    mut planned: Local<Vec<f64>>,
    mut scratch: Local<(Vec<Place>, Vec<f64>)>,
) {
    let (rooms, power_mw) = &mut *scratch;
    look_ahead(clock.now, &p, &roster, &sites, power_mw);
    let channels = &mut *channels;
    channels.placed_usd = [0.0; CHANNELS.len()];
    channels.lost_usd = 0.0;
    channels.ahead_usd = 0.0;
    planned.clear();
    planned.resize(roster.sites.len(), 0.0);
    for market in &mut grey.markets {
        market.offered_usd.clear();
    }
    rental.bid_usd_month.clear();
    rental.bid_usd_month.resize(roster.firms.len(), 0.0);
    let quantum = settings.quantum;
    let given = Given {
        now: clock.now,
        p: &p,
        quantum,
        switches: &switches,
        roster: &roster,
        catalogue: &catalogue,
        rulebook: &rulebook,
        access: &channels.access,
        prices: &channels.prices,
        sites: &sites,
    };
    let mut desk = Desk {
        book: &mut book,
        quotas: &mut quotas,
        plans: &mut plans,
        planned: &mut planned,
        power_mw,
        rooms,
    };
    let mut all = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, finance, mut purse))) = all.fetch_next() {
        let purse = &mut *purse;
        let row = firm.id.index();
        let (from, to) = channels.ranges[row];
        let candidates = &mut channels.candidates[from..to];
        let advanced = &mut channels.advanced[row];

        let budget = budget::set_aside(&p, quantum, finance, purse, advanced);
        channels.budget[row] = budget.fresh;
        let fear = anticipation::fear(candidates);
        let mut ahead = Money::ZERO;
        if switches.anticipation && fear > 0.0 {
            let means = (finance, ledger.balance(Account::Firm(firm.id)));
            ahead =
                anticipation::spend_ahead(&p, quantum, means, (budget.all, fear), purse, advanced);
            channels.ahead_usd += ahead.amount(quantum);
            if ahead > Money::ZERO {
                tell_of_orders_ahead(&given, firm, candidates, ahead, &mut chronicle);
            }
        }

        let (filled_grey, filled_rental) = channels.fills.expected(&p, &grey, firm.home);
        sort_for_spending(candidates);
        let mut spending = Spending {
            budget: budget.all,
            ahead,
            fear,
            left: budget.all + ahead,
            carried: Money::ZERO,
            obtained: 0.0,
        };
        for candidate in candidates.iter().filter(|c| c.share > 0.0) {
            let money = spending.offer(candidate);
            if money <= Money::ZERO {
                continue;
            }
            let placed_usd = match candidate.channel {
                Channel::Grey => {
                    let likely = spending.count_on(money, filled_grey);
                    let usd = offer_to_brokers(firm, money.amount(quantum), &mut grey);
                    if usd.is_some() {
                        spending.obtain(likely, candidate, quantum);
                    }
                    usd.unwrap_or(0.0)
                }
                Channel::Rental => {
                    let likely = spending.count_on(money, filled_rental);
                    let usd = money.amount(quantum);
                    rental.bid_usd_month[row] += usd;
                    spending.obtain(likely, candidate, quantum);
                    usd
                }
                _ => {
                    let placed = order_chips(
                        &given,
                        &mut desk,
                        (firm, &channels.sites[row]),
                        candidate,
                        (money, budget.first_offered),
                        &mut spending,
                        purse,
                    );
                    placed.amount(quantum)
                }
            };
            channels.placed_usd[candidate.channel as usize] += placed_usd;
        }

        let new_usd = budget.fresh.amount(quantum);
        let lost_usd = &mut channels.lost_usd;
        lost::book_lost(firm.id, new_usd, &channels.lost, lost_usd, &roster, &mut vendors);
        feel_shortfall(
            purse,
            spending.obtained,
            budget.all.amount(quantum),
            channels.reference_usd[row],
        );
    }
    follow_plans(&p, &planned, &mut plans);
}

/// Logs that a firm orders ahead of a coming rule.
fn tell_of_orders_ahead(
    given: &Given,
    firm: &Firm,
    candidates: &[Candidate],
    ahead: Money,
    chronicle: &mut Chronicle,
) {
    let cause =
        anticipation::coming_rule(given.now, given.rulebook, given.catalogue, firm, candidates);
    let (name, usd) = (&firm.row.name, ahead.amount(given.quantum));
    chronicle.log(
        given.now,
        "orders_pulled_forward",
        (&firm.row.id, ""),
        (usd, "USD"),
        cause,
        || format!("{name} orders chips for {usd:.0} USD ahead of a coming rule"),
    );
}

/// Brokers and hosts first, of whose chips only a part of the money may find any: what is not likely to is offered on.
/// Then the dearest channel; what does not fill a server goes on to the next cheaper one.
fn sort_for_spending(candidates: &mut [Candidate]) {
    let sure =
        |candidate: &Candidate| !matches!(candidate.channel, Channel::Grey | Channel::Rental);
    candidates.sort_unstable_by(|a, b| {
        sure(a)
            .cmp(&sure(b))
            .then_with(|| b.cost.total_cmp(&a.cost))
            .then_with(|| b.key().cmp(&a.key()))
    });
}

/// Offers money to the brokers of the firm's home; none where there are none.
fn offer_to_brokers(firm: &Firm, usd: f64, grey: &mut GreyMarkets) -> Option<f64> {
    let market = grey.markets.iter_mut().find(|m| m.country == firm.home)?;
    match market.offered_usd.last_mut() {
        Some((buyer, offer)) if *buyer == firm.id => *offer += usd,
        _ => market.offered_usd.push((firm.id, usd)),
    }
    Some(usd)
}

/// Orders a candidate's chips for `money`, as far as they find power; gives the money set aside for them.
fn order_chips(
    given: &Given,
    desk: &mut Desk,
    (firm, own): (&Firm, &[usize]),
    candidate: &Candidate,
    (money, first_offered): (Money, f64),
    spending: &mut Spending,
    purse: &mut Purse,
) -> Money {
    let price = Money::from_amount(candidate.price_usd, given.quantum);
    let fee = Money::from_amount(candidate.fee_usd.max(0.0), given.quantum);
    let set_aside = Money::from_amount(candidate.system_usd, given.quantum) + fee;
    let sku = given.catalogue.sku(candidate.sku);
    let wanted = money.buys(set_aside);
    if (wanted as f64) < given.p.smallest_order_chips {
        spending.carried += money;
        return Money::ZERO;
    }
    let Desk { book, quotas, plans, planned, power_mw, rooms } = desk;
    find_rooms(given, firm, own, candidate, plans, power_mw, rooms);
    ask_for_power(rooms, wanted, first_offered, planned);
    let mut left = wanted;
    fill(rooms, wanted, |room, units| {
        let units = units.min(left);
        if units <= 0 {
            return;
        }
        left -= units;
        let clearance = clear(given, quotas, &book.shipped, (firm, candidate, sku), room, units);
        plans.committed_mw[room.site.index()] += units as f64 * room.chip_mw;
        book.place(Order {
            id: 0,
            buyer: firm.id,
            vendor: candidate.vendor,
            sku: candidate.sku,
            site: room.site,
            channel: candidate.channel,
            placed: given.now,
            ordinal: 0,
            open: units,
            shipped: 0,
            price,
            set_aside,
            fee,
            clearance,
            cause: cause_of(given, candidate, sku, room),
        });
    });
    let placed = set_aside.times(wanted - left);
    spending.left -= placed;
    purse.unspent -= placed;
    purse.escrow += placed;
    spending.obtain(placed, candidate, given.quantum);
    if candidate.admitted >= 1.0 && left == 0 {
        spending.carried += money - placed;
    }
    placed
}

/// Adds to `planned` the power that `wanted` chips would need, by where the firm builds. Money that is offered again and
/// again needs a hall once.
fn ask_for_power(rooms: &[Place], wanted: Count, first_offered: f64, planned: &mut [f64]) {
    let weight: f64 = rooms.iter().map(|room| room.build_share).sum();
    for room in rooms {
        let share = if weight > 0.0 { room.build_share / weight } else { 1.0 / rooms.len() as f64 };
        planned[room.site.index()] += wanted as f64 * share * room.chip_mw * first_offered;
    }
}

/// Whether `units` for a room may be delivered as they are ordered, fit into a quota, or have to wait for a licence.
fn clear(
    given: &Given,
    quotas: &mut Quotas,
    shipped: &[Count],
    (firm, candidate, sku): (&Firm, &Candidate, &Sku),
    room: &Place,
    units: Count,
) -> Clearance {
    let Some(rule) = room.rule.map(|rule| &given.rulebook.rules[rule.index()]) else {
        return Clearance::NotNeeded;
    };
    match rule.row.treatment {
        Treatment::Allow => Clearance::NotNeeded,
        // What fits into a quota asks nobody, unless another rule asks for notice.
        Treatment::Quota
            if given.sites.get(given.roster.sites[room.site.index()]).is_ok_and(|(site, _)| {
                let to = site.country;
                !given.rulebook.asks_notice(candidate.sku, firm.id, firm.home, to)
            }) && quotas.draw(
                rule,
                firm.id,
                (candidate.sku, sku),
                units,
                shipped,
                given.now.year(),
            ) =>
        {
            Clearance::WithinQuota(rule.id)
        }
        _ => Clearance::Pending,
    }
}

/// The announcement of the rule that an order answers to, or that its chip was made for.
fn cause_of(given: &Given, candidate: &Candidate, sku: &Sku, room: &Place) -> Option<EventId> {
    let rule = room.rule.or(candidate.rule).or(sku.caused_by)?;
    given.rulebook.rules.get(rule.index())?.event
}

/// Moves the share of a year's budgets that found nothing: `obtained` H100e for `usd`, against what that buys at the
/// price of the reference.
fn feel_shortfall(purse: &mut Purse, obtained: f64, usd: f64, reference: f64) {
    if usd > 0.0 && reference.is_finite() && reference > 0.0 {
        let missed = (1.0 - obtained * reference / usd).clamp(0.0, 1.0);
        purse.shortfall += (missed - purse.shortfall) / 12.0;
    }
}
