//! Money: every payment has a payer and a payee, and nothing else moves cash.

use bevy_ecs::prelude::Resource;

use super::{FirmId, VendorId};
use crate::units::Money;

crate::choice! {
    /// A named account outside the model's actors.
    pub enum Outside {
        /// People and firms that pay for AI.
        Users = "users",
        /// Customers of core business.
        CoreCustomers = "core_customers",
        /// Lenders.
        Creditors = "creditors",
        /// Shareholders and venture investors.
        Investors = "investors",
        /// Researchers and staff.
        Staff = "staff",
        /// Power companies.
        Utilities = "utilities",
        /// Builders of data centres and suppliers of everything but accelerators.
        Builders = "builders",
        /// Foundries, memory makers and packagers.
        Suppliers = "suppliers",
        /// Treasuries: fees, tariffs, revenue shares.
        Treasuries = "treasuries",
        /// Grey-market brokers.
        Brokers = "brokers",
        /// Whoever else is paid for running a core business.
        CoreSuppliers = "core_suppliers",
        /// Hosts of open models that are not firms of the table.
        OpenHosts = "open_hosts",
    }
}

crate::choice! {
    /// What a payment is for.
    pub enum Purpose {
        /// Opening balances.
        Opening = "opening",
        /// Accelerators.
        Chips = "chips",
        /// Fees, tariffs and revenue shares on accelerators.
        Fees = "fees",
        /// Making accelerators.
        Production = "production",
        /// Design of SKUs and variants.
        Design = "design",
        /// Rented capacity.
        Rent = "rent",
        /// Electricity.
        Energy = "energy",
        /// Salaries of researchers.
        Wages = "wages",
        /// Buildings, networks, everything in AI capex but accelerators.
        Building = "building",
        /// Capex that is not for AI.
        BaseCapex = "base_capex",
        /// Sales of tokens.
        Tokens = "tokens",
        /// Running cost of serving besides energy and chips.
        ServingOverhead = "serving_overhead",
        /// Core revenue.
        CoreRevenue = "core_revenue",
        /// Core operating cost.
        CoreCost = "core_cost",
        /// Borrowing and repayment.
        Debt = "debt",
        /// Interest.
        Interest = "interest",
        /// Equity raised, dividends and buybacks.
        Equity = "equity",
        /// State support.
        Support = "support",
    }
}

/// Who pays or is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// A firm.
    Firm(FirmId),
    /// A vendor.
    Vendor(VendorId),
    /// A named outside account.
    Outside(Outside),
}

/// Balances, and what flowed for which purpose.
#[derive(Resource, Clone, Debug)]
pub struct Ledger {
    firms: usize,
    vendors: usize,
    balances: Vec<Money>,
    /// Net receipts of this month, `[account][purpose]`.
    month: Vec<[Money; PURPOSES]>,
    /// Net receipts of earlier months, `[account][purpose]`.
    earlier: Vec<[Money; PURPOSES]>,
}

const PURPOSES: usize = Purpose::WORDS.len();

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new(firms: usize, vendors: usize) -> Self {
        let accounts = firms + vendors + Outside::WORDS.len();
        Self {
            firms,
            vendors,
            balances: vec![Money::ZERO; accounts],
            month: vec![[Money::ZERO; PURPOSES]; accounts],
            earlier: vec![[Money::ZERO; PURPOSES]; accounts],
        }
    }

    const fn slot(&self, account: Account) -> usize {
        match account {
            Account::Firm(firm) => firm.index(),
            Account::Vendor(vendor) => self.firms + vendor.index(),
            Account::Outside(outside) => self.firms + self.vendors + outside as usize,
        }
    }

    /// Moves `amount` from `payer` to `payee`; a negative amount moves it back.
    pub fn pay(&mut self, payer: Account, payee: Account, amount: Money, purpose: Purpose) {
        self.post(payer, -amount, purpose);
        self.post(payee, amount, purpose);
    }

    #[inline]
    fn post(&mut self, account: Account, amount: Money, purpose: Purpose) {
        let slot = self.slot(account);
        self.balances[slot] += amount;
        self.month[slot][purpose as usize] += amount;
    }

    /// Cash of an account (negative: an overdraft, or what an outside account has paid in).
    #[must_use]
    pub fn balance(&self, account: Account) -> Money {
        self.balances[self.slot(account)]
    }

    /// Net receipts of `account` for `purpose` this month.
    #[must_use]
    pub fn this_month(&self, account: Account, purpose: Purpose) -> Money {
        self.month[self.slot(account)][purpose as usize]
    }

    /// Net receipts of `account` for `purpose` since the start.
    #[must_use]
    pub fn since_start(&self, account: Account, purpose: Purpose) -> Money {
        let slot = self.slot(account);
        self.earlier[slot][purpose as usize] + self.month[slot][purpose as usize]
    }

    /// Opens a new month.
    pub fn turn_page(&mut self) {
        for (earlier, month) in self.earlier.iter_mut().zip(&mut self.month) {
            for (earlier, month) in earlier.iter_mut().zip(month) {
                *earlier += std::mem::replace(month, Money::ZERO);
            }
        }
    }

    /// The sum of all balances: zero, or a payment lost its payee.
    #[must_use]
    pub fn sum(&self) -> i128 {
        self.balances.iter().map(|m| i128::from(m.quanta())).sum()
    }

    /// For the audit: accounts whose balance is not the sum of what flowed.
    #[must_use]
    pub fn misposted(&self) -> Option<(usize, Money, Money)> {
        self.balances.iter().enumerate().find_map(|(slot, balance)| {
            let months = self.earlier[slot].iter().zip(&self.month[slot]);
            let flows: Money = months.map(|(earlier, month)| *earlier + *month).sum();
            (flows != *balance).then_some((slot, *balance, flows))
        })
    }
}

#[cfg(test)]
impl Ledger {
    /// Pays nobody, to see that it is noticed.
    pub(crate) fn lose_a_payee(&mut self) {
        let one = Money::from_amount(1.0, 1.0);
        self.balances[0] += one;
        self.month[0][0] += one;
    }

    /// Moves cash that no flow explains, to see that it is noticed.
    pub(crate) fn mispost(&mut self) {
        let one = Money::from_amount(1.0, 1.0);
        self.balances[0] += one;
        self.balances[1] -= one;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Whatever is paid, nothing is made or lost and every balance is the sum of its flows.
        #[test]
        fn payments_sum_to_zero(
            payments in proptest::collection::vec((0_u16..3, 0_u16..3, -1_000_000_i64..1_000_000, 0_usize..3), 0..50),
        ) {
            let mut ledger = Ledger::new(2, 1);
            let account = |i: u16| match i {
                0 | 1 => Account::Firm(FirmId(i)),
                _ => Account::Outside(Outside::Users),
            };
            let purposes = [Purpose::Tokens, Purpose::Chips, Purpose::Wages];
            for (payer, payee, quanta, purpose) in payments {
                let amount = Money::from_amount(quanta as f64, 1.0);
                ledger.pay(account(payer), account(payee), amount, purposes[purpose]);
            }
            proptest::prop_assert_eq!(ledger.sum(), 0);
            proptest::prop_assert!(ledger.misposted().is_none());
        }
    }

    #[test]
    fn a_page_turns_and_the_total_stays() {
        let mut ledger = Ledger::new(1, 0);
        let firm = Account::Firm(FirmId(0));
        let seven = Money::from_amount(7.0, 1.0);
        ledger.pay(Account::Outside(Outside::Users), firm, seven, Purpose::Tokens);
        assert_eq!(ledger.this_month(firm, Purpose::Tokens), seven);
        ledger.turn_page();
        assert_eq!(ledger.this_month(firm, Purpose::Tokens), Money::ZERO);
        assert_eq!(ledger.since_start(firm, Purpose::Tokens), seven);
        assert_eq!(ledger.balance(firm), seven);
    }
}
