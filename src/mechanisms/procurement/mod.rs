//! Procurement: what firms pay for compute, how scarce it is, and what they order.
//!
//! - `prices`: prices, waits and the work of chips;
//! - `access`: which rule governs which delivery, and the risk of denial;
//! - `survey`: what ways a firm has to spend its money, what each costs, the shadow price κ;
//! - `shares`: how money spreads over them;
//! - `lost`: what rules keep from vendors;
//! - `power`: where chips find power.
//!
//! κ is felt late, `κ̄' = κ̄ + (κ − κ̄)/lag`. Of the money offered to brokers and to hosts abroad only a part finds something:
//! their cost is over that part f' = f + (found/offered − f)·s, so that nobody keeps bidding for what is not there.
//!
//! **Budget** (money a month) `= ai_capex/12 · chip share − repayment of what was spent ahead
//! plus u · unspent`, u the re-offered part; nothing new is set aside beyond some months of the plan unspent; a leak of unspent goes back to the firm's treasury. A
//! firm that could not pay last month orders nothing.
//!
//! **Anticipation**: orders of a SKU that an announced clause will catch (hazard 1), or a feared one
//! would (hazard of `policy`), rise by `ψ · hazard`; the money is spent ahead of the plan, within a part of
//! cash and credit. What no clause catches adds exactly nothing.
//!
//! **Sources**: MODEL sections of `docs/model.md`; discrete choice after McFadden (1974) and nested
//! logit after Train (2009); see each parameter's row.

use bevy_ecs::prelude::{Local, Query, Res, ResMut, Resource};

use crate::calendar::Month;
use crate::entities::boards::{
    ChipMarket, Fears, GreyMarkets, PowerPlans, RentalMarket, SpendOutlook,
};
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::{Chronicle, EventId};
use crate::entities::country::Country;
use crate::entities::firm::{Finance, Firm, Purse};
use crate::entities::ledger::{Account, Ledger};
use crate::entities::licence::{LicenceBook, Quotas};
use crate::entities::order::{Channel, Clearance, Order, OrderBook};
use crate::entities::regulator::Stance;
use crate::entities::rule::{RuleKind, Rulebook, Treatment};
use crate::entities::script::{Script, ShockKind, ShockRow};
use crate::entities::site::{Halls, Site, chip_mw};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, CountryId, FirmId, Roster, Settings, Switches, VendorId};
use crate::metric::Readings;
use crate::units::Money;

mod access;
mod lost;
mod power;
mod prices;
mod shares;
mod survey;
#[cfg(test)]
mod tests;

use self::access::Access;
use self::power::{Arrivals, Place};
use self::prices::Prices;
use self::survey::{Candidate, Market};

crate::parameters! {
    /// Parameters of procurement.
    pub struct ProcurementParameters in "procurement" {
        /// Share of AI capex that buys accelerators.
        chip_share_of_ai_capex,
        /// Share of unspent accelerator money that is offered again in a month.
        unspent_use,
        /// Share of unspent accelerator money that goes back to the treasury in a month.
        unspent_leak,
        /// Months of the plan that may lie unspent; beyond them nothing new is set aside.
        unspent_limit_months,
        /// Elasticity γ of channel shares to generalised cost.
        channel_elasticity,
        /// Speed with which a buyer's shares of vendors and channels follow their cost.
        habit_speed,
        /// Elasticity of shares among SKUs of one vendor and channel.
        sku_elasticity,
        /// Channel share below which nothing is ordered.
        smallest_channel_share,
        /// Smallest order: a server.
        smallest_order_chips,
        /// Cost of a month's wait, as a share of price.
        waiting_cost,
        /// Share of what guidance keeps from imports that it keeps from brokers too (share).
        guidance_reaches_brokers,
        /// Service life of an accelerator.
        chip_life_months,
        /// Rate at which lifetime cost is discounted.
        energy_discount_rate,
        /// Watts of server for each watt of accelerator.
        server_overhead,
        /// Cost of a watt of hall, building and power supply.
        hall_usd_watt,
        /// Exponent ν on the work of a chip over that of the best on sale (1).
        concentration,
        /// Mean draw over full draw of an installed fleet.
        fleet_utilisation,
        /// Largest shadow price: what the plan would pay before giving up.
        kappa_max,
        /// Months with which research feels the shadow price.
        kappa_lag_months,
        /// Risk of denial from which a channel counts as closed.
        denial_closes,
        /// Share of reviewed applications that are approved whatever their merits, a₀.
        approval_floor,
        /// Prior odds of approval case by case, in logits.
        odds_case_by_case,
        /// Prior odds of approval under a presumption of denial, in logits.
        odds_presumption_of_denial,
        /// Fall of the odds of approval with the regulator's stance, b_h.
        approval_stance_slope,
        /// Weight of prior odds against experience, in applications.
        approval_prior_applications,
        /// Months of decisions that buyers remember.
        approval_memory_months,
        /// Months that a buyer expects a licence review to take.
        review_months_expected,
        /// Cost of running chips in one's own site abroad, over running them at home.
        offshore_premium,
        /// Weight of channels abroad in the choice: the part of the work that may leave the country.
        abroad_weight,
        /// Step with which buyers learn what part of their offers finds something, s.
        fill_learning,
        /// Least part that they reckon with.
        fill_floor,
        /// Premium that buyers would pay to avoid smuggled chips: no warranty, no support, legal risk.
        grey_reluctance,
        /// Strength ψ with which fear of a rule moves orders ahead.
        anticipation_strength,
        /// Part of cash that may be spent ahead of the plan.
        anticipation_cash_share,
        /// Months of operating cash flow that may be borrowed to spend ahead of the plan.
        anticipation_credit_months,
        /// Share of what was spent ahead that later budgets pay back in a month.
        anticipation_repayment,
        /// Months over which planned power is smoothed.
        power_plan_smoothing_months,
        /// Share of the free power of a site that one order of a month may fill.
        room_pace,
        /// Months ahead for whose halls chips are ordered at most, however long the queue.
        order_horizon_months,
    }
}

/// What firms saw when they chose this month: candidates, shares, κ. Private to this room; the
/// buffers live on from month to month.
#[derive(Resource, Clone, Debug, Default)]
pub struct Channels {
    access: Access,
    prices: Prices,
    /// Candidates of firm i: `candidates[ranges[i].0..ranges[i].1]`.
    candidates: Vec<Candidate>,
    ranges: Vec<(usize, usize)>,
    /// Sites of each firm, by position, home ones first.
    sites: Vec<Vec<usize>>,
    /// Whether all imports of firm i were closed last month; changes are logged.
    closed: Vec<bool>,
    /// Placed this month by channel, USD, in the order of [`Channel`]'s words.
    placed_usd: [f64; 7],
    lost_usd: f64,
    ahead_usd: f64,
    /// Reference cost of the system per H100e of work, `[firm]`.
    reference_usd: Vec<f64>,
    /// Share of a firm's budget that rules keep from a vendor.
    lost: Vec<(FirmId, VendorId, f64)>,
    /// New accelerator money of this month, `[firm]`.
    budget: Vec<Money>,
    /// Money spent ahead of the plan and not yet paid back, `[firm]`.
    advanced: Vec<Money>,
    /// Shadow price when last reported, and the event that closed imports, `[firm]`.
    reported: Vec<(f64, Option<EventId>)>,
    /// Share of its money that each firm gives to a channel and platform, `[firm][slot]`.
    habits: Vec<Vec<f64>>,
    /// Slots of the candidates of one firm.
    slots: Vec<usize>,
    /// Share of the money offered to hosts abroad that found capacity, smoothed; 0 before the first month.
    filled_rental: f64,
    /// The same at brokers, `[market]`.
    filled_grey: Vec<f64>,
}

impl Channels {
    /// Learns from last month what part of offers to brokers and to hosts abroad finds something.
    fn learn_fills(
        &mut self,
        p: &ProcurementParameters,
        grey: &GreyMarkets,
        rental: &RentalMarket,
    ) {
        if self.filled_rental <= 0.0 {
            self.filled_rental = 1.0;
        }
        let bids: f64 = rental.bid_usd_month.iter().sum();
        let value = rental.offered_h100e * rental.price_usd_month;
        if bids > 0.0 && value.is_finite() {
            self.filled_rental += p.fill_learning * ((value / bids).min(1.0) - self.filled_rental);
        } else {
            self.filled_rental += p.fill_learning * (1.0 - self.filled_rental);
        }
        self.filled_grey.resize(grey.markets.len(), 1.0);
        for (filled, market) in self.filled_grey.iter_mut().zip(&grey.markets) {
            *filled += p.fill_learning * (market.filled - *filled);
        }
    }

    /// Parts of money offered to the brokers of `home` and to hosts abroad that firms expect to find something.
    fn filled(&self, p: &ProcurementParameters, grey: &GreyMarkets, home: CountryId) -> (f64, f64) {
        let here = grey.markets.iter().position(|market| market.country == home);
        let brokers = here.map_or(1.0, |market| self.filled_grey[market].max(p.fill_floor));
        (brokers, self.filled_rental.max(p.fill_floor))
    }
}

const CHANNELS: [Channel; 7] = [
    Channel::Import,
    Channel::Variant,
    Channel::Domestic,
    Channel::Grey,
    Channel::Offshore,
    Channel::Rental,
    Channel::Own,
];

/// Measures the power that everything bought so far will draw, by site.
pub(crate) fn commit_power(
    roster: Res<Roster>,
    p: Res<ProcurementParameters>,
    catalogue: Res<Catalogue>,
    book: Res<OrderBook>,
    countries: Query<&Country>,
    sites: Query<(&Site, &Halls)>,
    mut plans: ResMut<PowerPlans>,
    mut pue_of: Local<Vec<f64>>,
    mut pue: Local<Vec<f64>>,
    mut watts: Local<Vec<f64>>,
) {
    pue.clear();
    plans.committed_mw.clear();
    for sku in &catalogue.skus[watts.len().min(catalogue.skus.len())..] {
        watts.push(sku.row.tdp_w * p.server_overhead);
    }
    pue_of.clear();
    pue_of.extend(countries.iter_many(&roster.countries).flatten().map(|c| c.row.pue));
    let draw = |sku: crate::entities::SkuId, pue: f64| chip_mw(watts[sku.index()], 1.0, pue);
    for (site, halls) in sites.iter_many(&roster.sites).flatten() {
        let here = pue_of[site.country.index()];
        pue.push(here);
        let mut committed = halls.draw_of_fleet(|sku| draw(sku, here));
        for chips in &halls.warehouse {
            committed += chips.count as f64 * draw(chips.sku, here);
        }
        plans.committed_mw.push(committed);
    }
    for order in &book.orders {
        let at = order.site.index();
        plans.committed_mw[at] += order.open as f64 * draw(order.sku, pue[at]);
    }
    for shipment in &book.shipments {
        let at = shipment.site.index();
        plans.committed_mw[at] += shipment.units as f64 * draw(shipment.sku, pue[at]);
    }
}

/// Prices every channel of every firm and sets shadow prices.
pub(crate) fn price_channels(
    clock: Res<Clock>,
    roster: Res<Roster>,
    switches: Res<Switches>,
    p: Res<ProcurementParameters>,
    catalogue: Res<Catalogue>,
    (rulebook, licences, fears): (Res<Rulebook>, Res<LicenceBook>, Res<Fears>),
    quotas: Res<Quotas>,
    (chips, grey, rental): (Res<ChipMarket>, Res<GreyMarkets>, Res<RentalMarket>),
    (script, outlook): (Res<Script>, Option<Res<SpendOutlook>>),
    vendors: Query<(&Vendor, &Sales)>,
    (countries, sites, stances): (Query<&Country>, Query<&Site>, Query<&Stance>),
    mut firms: Query<(&Firm, &mut Purse)>,
    mut chronicle: ResMut<Chronicle>,
    mut channels: ResMut<Channels>,
) {
    let channels = &mut *channels;
    if channels.sites.len() != roster.firms.len() {
        channels.sites = vec![Vec::new(); roster.firms.len()];
        channels.closed = vec![false; roster.firms.len()];
        channels.budget = vec![Money::ZERO; roster.firms.len()];
        channels.reported = vec![(1.0, None); roster.firms.len()];
        channels.advanced = vec![Money::ZERO; roster.firms.len()];
        for (index, site) in sites.iter_many(&roster.sites).flatten().enumerate() {
            channels.sites[site.owner.index()].push(index);
        }
    }
    channels.prices.refresh(&roster, &p, &catalogue, &chips, &vendors, &countries);
    let own_sites = |firm: FirmId| {
        channels.sites[firm.index()]
            .iter()
            .filter_map(|at| sites.get(roster.sites[*at]).ok().map(|site| site.country))
    };
    channels.access.refresh(
        switches.enforcement,
        &rulebook,
        &catalogue,
        &channels.prices,
        firms.iter_many(&roster.firms).flatten().map(|(firm, _)| (firm.id, firm.home)),
        own_sites,
    );
    let hs = stances.iter_many(&roster.regulators).flatten().map(|stance| stance.h);
    channels.access.remember(&clock, &p, &switches, &rulebook, (&licences, &quotas), hs);
    channels.learn_fills(&p, &grey, &rental);
    channels.candidates.clear();
    channels.ranges.clear();
    channels.reference_usd.clear();
    channels.lost.clear();
    // Without any, which is most months, this asks for no memory.
    let shocks: Vec<&ShockRow> = script.at_work(ShockKind::ChipPrice, clock.now).collect();
    let mut all = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut purse))) = all.fetch_next() {
        let from = channels.candidates.len();
        let (filled_grey, filled_rental) = channels.filled(&p, &grey, firm.home);
        let market = Market {
            p: &p,
            filled_grey,
            filled_rental,
            switches: &switches,
            catalogue: &catalogue,
            rulebook: &rulebook,
            fears: &fears,
            grey: &grey,
            rental: &rental,
            surcharge: surcharge(&shocks, firm),
        };
        let seen = survey::survey(
            firm,
            &market,
            &channels.access,
            &channels.prices,
            &mut channels.candidates,
        );
        let to = channels.candidates.len();
        channels.ranges.push((from, to));
        channels.reference_usd.push(seen.reference_usd);
        let kappa = seen.kappa(p.kappa_max);
        purse.kappa = kappa;
        purse.kappa_lagged += (kappa - purse.kappa_lagged) / p.kappa_lag_months.max(1.0);
        channels.habits.resize(roster.firms.len(), Vec::new());
        shares::share_out(
            &mut channels.candidates[from..to],
            &mut channels.habits[firm.id.index()],
            &mut channels.slots,
            &p,
        );
        if seen.restricted {
            lost::lost_sales(
                firm,
                &market,
                &channels.access,
                &channels.prices,
                &channels.candidates[from..to],
                &mut channels.lost,
            );
        }
        let closed = &mut channels.closed[firm.id.index()];
        if seen.imports_closed != *closed {
            *closed = seen.imports_closed;
            let by = seen.last_rule.or(seen.rule);
            // What opens again does so because it had been closed.
            let cause = if *closed {
                by.and_then(|rule| rulebook.rules[rule.index()].event)
            } else {
                channels.reported[firm.id.index()].1
            };
            let (kind, word) = if *closed {
                ("imports_closed", "can no longer import any foreign chip")
            } else {
                ("imports_opened", "can import foreign chips again")
            };
            let name = &firm.row.name;
            let id =
                chronicle.log(clock.now, kind, (&firm.row.id, ""), (kappa, "kappa"), cause, || {
                    format!("{name} {word}; its shadow price of compute is {kappa:.2}")
                });
            channels.reported[firm.id.index()].1 = Some(id);
        }
        // The price of compute as firms feel it is news when it has doubled or halved.
        let (last, _) = &mut channels.reported[firm.id.index()];
        let felt = purse.kappa_lagged;
        if felt >= 2.0 * *last || 2.0 * felt <= *last {
            let rose = felt > *last;
            let rule = seen.last_rule.and_then(|rule| rulebook.rules[rule.index()].event);
            let cause = if rose {
                rule.or_else(|| outlook.as_ref().and_then(|outlook| outlook.event))
            } else {
                purse.event
            };
            let (kind, word) =
                if rose { ("compute_dearer", "rises") } else { ("compute_cheaper", "falls") };
            let (name, before) = (&firm.row.name, *last);
            purse.event = Some(chronicle.log(
                clock.now,
                kind,
                (&firm.row.id, ""),
                (felt, "kappa"),
                cause,
                || {
                    format!(
                        "the shadow price of compute of {name} {word} from {before:.1} to \
                         {felt:.1} times what it would be without rules and queues"
                    )
                },
            ));
            *last = felt;
        }
    }
}

/// Factor of scripted price shocks on chips of each vendor for this firm: (vendor id or none, factor).
fn surcharge<'a>(shocks: &'a [&ShockRow], firm: &'a Firm) -> impl Fn(&str) -> f64 + 'a {
    move |vendor: &str| {
        shocks
            .iter()
            .filter(|shock| {
                let named = |id: &str| shock.subjects.iter().any(|s| s == id);
                shock.subjects.is_empty() || named(&firm.row.id) || named(vendor)
            })
            .map(|shock| shock.quantity.max(0.0))
            .product()
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
    sites: Query<(&Site, &Halls)>,
    mut vendors: Query<&mut Sales>,
    mut firms: Query<(&Firm, &Finance, &mut Purse)>,
    (mut channels, mut book): (ResMut<Channels>, ResMut<OrderBook>),
    (mut grey, mut rental, mut plans): (
        ResMut<GreyMarkets>,
        ResMut<RentalMarket>,
        ResMut<PowerPlans>,
    ),
    mut planned: Local<Vec<f64>>,
    mut scratch: Local<(Vec<Place>, Arrivals)>,
) {
    let (rooms, arrivals) = &mut *scratch;
    arrivals.open(roster.sites.len(), p.order_horizon_months);
    let channels = &mut *channels;
    channels.placed_usd = [0.0; 7];
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
    let mut all = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, finance, mut purse))) = all.fetch_next() {
        let purse = &mut *purse;
        let (from, to) = channels.ranges[firm.id.index()];
        let (filled_grey, filled_rental) = channels.filled(&p, &grey, firm.home);
        let candidates = &mut channels.candidates[from..to];

        // Budget.
        let plan = if finance.months_short_of_cash > 0 {
            Money::ZERO
        } else {
            let usd = finance.ai_capex_usd_year.max(0.0) / 12.0 * p.chip_share_of_ai_capex;
            Money::from_amount(usd, quantum)
        };
        let advanced = &mut channels.advanced[firm.id.index()];
        let repaid = advanced.scaled(p.anticipation_repayment).min(plan);
        *advanced -= repaid;
        // A plan that finds nothing to buy does not go on setting money aside.
        let room = plan.scaled(p.unspent_limit_months) - purse.unspent;
        let fresh = (plan - repaid).min(room.max(Money::ZERO));
        channels.budget[firm.id.index()] = fresh;
        purse.unspent -= purse.unspent.scaled(p.unspent_leak);
        let again = purse.unspent.scaled(p.unspent_use).max(Money::ZERO);
        purse.unspent += fresh;
        let budget = if plan > Money::ZERO { fresh + again } else { Money::ZERO };
        // Money that is offered again and again needs a hall once.
        let first_offered =
            if budget > Money::ZERO { fresh.amount(quantum) / budget.amount(quantum) } else { 0.0 };

        // Anticipation: money spent ahead on what a coming clause would catch.
        let fear: f64 = candidates.iter().map(|c| c.share * c.hazard).sum();
        let mut ahead = Money::ZERO;
        if switches.anticipation && fear > 0.0 {
            let cash = ledger.balance(Account::Firm(firm.id)) - purse.unspent - purse.escrow;
            let headroom = cash.max(Money::ZERO).scaled(p.anticipation_cash_share)
                + Money::from_amount(
                    finance.operating_cash_flow_usd_year.max(0.0) / 12.0
                        * p.anticipation_credit_months,
                    quantum,
                )
                - *advanced;
            let wanted = budget.scaled(p.anticipation_strength * fear);
            ahead = wanted.min(headroom.max(Money::ZERO));
            purse.unspent += ahead;
            *advanced += ahead;
            channels.ahead_usd += ahead.amount(quantum);
            if ahead > Money::ZERO {
                let cause = coming_rule(clock.now, &rulebook, &catalogue, firm, candidates);
                let (name, usd) = (&firm.row.name, ahead.amount(quantum));
                chronicle.log(
                    clock.now,
                    "orders_pulled_forward",
                    (&firm.row.id, ""),
                    (usd, "USD"),
                    cause,
                    || format!("{name} orders chips for {usd:.0} USD ahead of a coming rule"),
                );
            }
        }

        // Brokers and hosts first, of whose chips only a part of the money may find any: what is not likely to is offered on.
        // Then the dearest channel; what does not fill a server goes on to the next cheaper one.
        let finds = |candidate: &Candidate| match candidate.channel {
            Channel::Grey => filled_grey,
            Channel::Rental => filled_rental,
            _ => 1.0,
        };
        let sure =
            |candidate: &Candidate| !matches!(candidate.channel, Channel::Grey | Channel::Rental);
        candidates.sort_unstable_by(|a, b| {
            sure(a)
                .cmp(&sure(b))
                .then_with(|| b.cost.total_cmp(&a.cost))
                .then_with(|| b.key().cmp(&a.key()))
        });
        let mut carried = Money::ZERO;
        let mut purse_left = budget + ahead;
        let mut obtained = 0.0;
        for candidate in candidates.iter().filter(|c| c.share > 0.0) {
            let caught = if fear > 0.0 { candidate.share * candidate.hazard / fear } else { 0.0 };
            let mut money = budget.scaled(candidate.share) + ahead.scaled(caught);
            if candidate.admitted >= 1.0 {
                money += carried;
                carried = Money::ZERO;
            }
            money = money.min(purse_left);
            if money <= Money::ZERO {
                continue;
            }
            let usd = money.amount(quantum);
            let slot = candidate.channel as usize;
            let likely = money.scaled(finds(candidate));
            match candidate.channel {
                Channel::Grey => {
                    purse_left -= likely;
                    carried += money - likely;
                    if let Some(market) = grey.markets.iter_mut().find(|m| m.country == firm.home) {
                        match market.offered_usd.last_mut() {
                            Some((buyer, offer)) if *buyer == firm.id => *offer += usd,
                            _ => market.offered_usd.push((firm.id, usd)),
                        }
                        channels.placed_usd[slot] += usd;
                        obtained += likely.amount(quantum) / candidate.usd_per_work;
                    }
                    continue;
                }
                Channel::Rental => {
                    purse_left -= likely;
                    carried += money - likely;
                    rental.bid_usd_month[firm.id.index()] += usd;
                    channels.placed_usd[slot] += usd;
                    obtained += likely.amount(quantum) / candidate.usd_per_work;
                    continue;
                }
                _ => {}
            }
            let fee = candidate.fee_usd.max(0.0);
            let price = Money::from_amount(candidate.price_usd, quantum);
            let fee = Money::from_amount(fee, quantum);
            let set_aside = Money::from_amount(candidate.system_usd, quantum) + fee;
            let sku = catalogue.sku(candidate.sku);
            let wanted = money.buys(set_aside);
            if (wanted as f64) < p.smallest_order_chips {
                carried += money;
                continue;
            }
            // Where it would go, and what power the plan would ask for.
            power::find_rooms(
                firm,
                candidate,
                &clock,
                &p,
                &switches,
                &roster,
                &rulebook,
                &channels.access,
                &channels.sites[firm.id.index()],
                &sites,
                &channels.prices,
                &plans,
                sku,
                arrivals,
                rooms,
            );
            let weight: f64 = rooms.iter().map(|room| room.build_share).sum();
            for room in &*rooms {
                let share =
                    if weight > 0.0 { room.build_share / weight } else { 1.0 / rooms.len() as f64 };
                planned[room.site.index()] += wanted as f64 * share * room.chip_mw * first_offered;
            }
            let mut left = wanted;
            power::fill(rooms, wanted, |room, units| {
                let units = units.min(left);
                if units <= 0 {
                    return;
                }
                left -= units;
                let clearance = match room.rule.map(|rule| &rulebook.rules[rule.index()]) {
                    None => Clearance::NotNeeded,
                    Some(rule) => match rule.row.treatment {
                        Treatment::Allow => Clearance::NotNeeded,
                        // What fits into a quota asks nobody, unless another rule asks for notice.
                        Treatment::Quota
                            if sites.get(roster.sites[room.site.index()]).is_ok_and(
                                |(site, _)| {
                                    let (sku, place) = (candidate.sku, site.country);
                                    !rulebook.asks_notice(sku, firm.id, firm.home, place)
                                },
                            ) && quotas.draw(
                                rule,
                                firm.id,
                                (candidate.sku, sku),
                                units,
                                &book.shipped,
                                clock.now.year(),
                            ) =>
                        {
                            Clearance::WithinQuota(rule.id)
                        }
                        _ => Clearance::Pending,
                    },
                };
                let cause = room
                    .rule
                    .or(candidate.rule)
                    .or(sku.caused_by)
                    .and_then(|rule| rulebook.rules.get(rule.index()).and_then(|r| r.event));
                let at = room.site.index();
                plans.committed_mw[at] += units as f64 * room.chip_mw;
                book.place(Order {
                    id: 0,
                    buyer: firm.id,
                    vendor: candidate.vendor,
                    sku: candidate.sku,
                    site: room.site,
                    channel: candidate.channel,
                    placed: clock.now,
                    ordinal: 0,
                    open: units,
                    shipped: 0,
                    price,
                    set_aside,
                    fee,
                    clearance,
                    cause,
                });
            });
            let placed = set_aside.times(wanted - left);
            purse_left -= placed;
            purse.unspent -= placed;
            purse.escrow += placed;
            channels.placed_usd[slot] += placed.amount(quantum);
            obtained += placed.amount(quantum) / candidate.usd_per_work;
            if candidate.admitted >= 1.0 && left == 0 {
                carried += money - placed;
            }
        }

        // What rules cost vendors, and how much of the plan found nothing.
        let usd = budget.amount(quantum);
        // Money that was offered before and came back has been counted then.
        let new = fresh.amount(quantum);
        for lost in channels.lost.iter().filter(|lost| lost.0 == firm.id) {
            if let Ok(mut sales) = vendors.get_mut(roster.vendors[lost.1.index()]) {
                sales.lost_to_rules_usd += new * lost.2;
                sales.lost_to_rules_total_usd += new * lost.2;
                channels.lost_usd += new * lost.2;
            }
        }
        let reference = channels.reference_usd[firm.id.index()];
        if usd > 0.0 && reference.is_finite() && reference > 0.0 {
            let missed = (1.0 - obtained * reference / usd).clamp(0.0, 1.0);
            purse.shortfall += (missed - purse.shortfall) / 12.0;
        }
    }
    let smoothing = p.power_plan_smoothing_months.max(1.0);
    plans.planned_mw_month.resize(roster.sites.len(), 0.0);
    for (smooth, now) in plans.planned_mw_month.iter_mut().zip(planned.iter()) {
        *smooth += (now - *smooth) / smoothing;
    }
}

/// The announcement of a rule that is to catch one of these candidates.
fn coming_rule(
    now: Month,
    rulebook: &Rulebook,
    catalogue: &Catalogue,
    firm: &Firm,
    candidates: &[Candidate],
) -> Option<EventId> {
    use crate::entities::rule::Verdict;
    let catches = |rule: &&crate::entities::rule::Rule| {
        rule.announced
            && rule.row.kind == RuleKind::ChipExport
            && rule.row.from > now
            && rule.covers(firm.id, firm.home, firm.home)
            && candidates.iter().any(|c| {
                c.hazard > 0.0
                    && c.sku.index() < catalogue.skus.len()
                    && rulebook.verdicts[rule.id.index()][c.sku.index()] != Verdict::Free
            })
    };
    rulebook.rules.iter().filter(catches).filter_map(|rule| rule.event).max()
}

/// Writes the metrics of this room.
pub(crate) fn record_procurement(
    roster: Res<Roster>,
    settings: Res<Settings>,
    channels: Res<Channels>,
    firms: Query<(&Firm, &Purse)>,
    mut readings: ResMut<Readings>,
) {
    let quantum = settings.quantum;
    let mut worst: f64 = 1.0;
    for (firm, purse) in firms.iter_many(&roster.firms).flatten() {
        let row = firm.id.index();
        worst = worst.max(purse.kappa);
        readings.set_for(&KAPPA, row, purse.kappa);
        readings.set_for(&KAPPA_LAGGED, row, purse.kappa_lagged);
        readings.set_for(&UNSPENT, row, purse.unspent.amount(quantum));
        readings.set_for(&ESCROW, row, purse.escrow.amount(quantum));
        readings.set_for(&BUDGET, row, channels.budget[row].amount(quantum));
        readings.set_for(&ADVANCED, row, channels.advanced[row].amount(quantum));
        readings.set_for(&SHORTFALL, row, purse.shortfall);
    }
    readings.set(&KAPPA_LARGEST, worst);
    let by_channel = [
        &PLACED_IMPORT,
        &PLACED_VARIANT,
        &PLACED_DOMESTIC,
        &PLACED_GREY,
        &PLACED_OFFSHORE,
        &PLACED_RENTAL,
        &PLACED_OWN,
    ];
    for (metric, channel) in by_channel.into_iter().zip(CHANNELS) {
        readings.set(metric, channels.placed_usd[channel as usize]);
    }
    readings.set(&CLOSED_CHANNELS, channels.lost_usd);
    readings.set(&ORDERED_AHEAD, channels.ahead_usd);
}

crate::metrics! {
    World {
        KAPPA_LARGEST = "kappa_largest", "ratio", "Largest shadow price of compute of any firm.";
        PLACED_IMPORT = "placed_import_usd", "USD/month", "Orders placed this month for foreign chips at home.";
        PLACED_VARIANT = "placed_variant_usd", "USD/month", "Orders placed this month for compliance variants.";
        PLACED_DOMESTIC = "placed_domestic_usd", "USD/month", "Orders placed this month with vendors of the buyer's own country.";
        PLACED_GREY = "placed_grey_usd", "USD/month", "Money offered to brokers this month.";
        PLACED_OFFSHORE = "placed_offshore_usd", "USD/month", "Orders placed this month for own sites abroad because home is restricted.";
        PLACED_RENTAL = "placed_rental_usd", "USD/month", "Money offered to hosts abroad this month.";
        PLACED_OWN = "placed_own_usd", "USD/month", "Orders placed this month for the buyer's own silicon.";
        CLOSED_CHANNELS = "closed_channels_usd", "USD/month", "What firms would have spent with vendors without rules, at this month's budgets and prices, and could not.";
        ORDERED_AHEAD = "ordered_ahead_usd", "USD/month", "Money spent ahead of the plan for fear of a rule.";
    }
    Firm {
        KAPPA = "kappa", "ratio", "Shadow price of compute: cheapest generalised cost now over the cheapest at list price without queue or rule, between 1 and kappa_max.";
        KAPPA_LAGGED = "kappa_lagged", "ratio", "Shadow price as research feels it: moves towards kappa by 1/kappa_lag_months a month.";
        UNSPENT = "unspent_usd", "USD", "Accelerator money of earlier months that found nothing to buy.";
        ESCROW = "escrow_usd", "USD", "Money set aside for open orders: the sum of open units × money set aside for one.";
        BUDGET = "chip_budget_usd", "USD/month", "New accelerator money of this month.";
        ADVANCED = "spent_ahead_usd", "USD", "Money spent ahead of the plan and not yet paid back out of later budgets.";
        SHORTFALL = "compute_shortfall", "share", "Compute that the budget would have bought at reference cost and did not, trailing twelve months.";
    }
}
