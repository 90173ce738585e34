//! Rationing at posted prices, and payment.

use frugality::entities::boards::SELF_HOSTED;
use frugality::maths;
use frugality::mechanisms::market::TIERS;

use super::Twin;

/// Rounds of rationing and spilling, as in the model.
const PASSES: usize = 3;

impl Twin {
    pub(crate) fn clear(&mut self) {
        let (hosted, options, developers) = (self.hosted, self.options, self.developers.len());
        for k in 0..hosted {
            let on_offer = self.price[k] > 0.0 && self.per_h100e[k] > 0.0;
            self.h100e[k] = if on_offer { 1.0 / self.per_h100e[k] } else { 0.0 };
            self.posted[k] = if on_offer { self.price[k] } else { 0.0 };
        }
        for c in 0..self.nations {
            for d in 0..developers {
                let (mut compute, mut money) = (0.0, 0.0);
                for k in d * TIERS..(d + 1) * TIERS {
                    let share = self.shares[c * options + k];
                    compute += share * self.h100e[k];
                    money += share * self.posted[k];
                }
                self.compute[c * developers + d] = compute;
                self.money[c * developers + d] = money;
            }
            for k in hosted..options {
                let share = self.shares[c * options + k];
                if share > 0.0 {
                    self.host_compute[c] += share / self.per_h100e[k];
                    self.host_money[c] += share * self.open_price[c * SELF_HOSTED + k - hosted];
                }
            }
            self.pools[developers + c].left = self.self_host[c];
            self.purse[c] = self.spend[c] / 12.0 * (1.0 - self.nothing[c]);
        }
        for d in 0..developers {
            self.pools[d].left = self.serving[self.developers[d]].max(0.0);
        }
        self.served.fill(1.0);
        for pass in 0..PASSES {
            self.ration(pass);
        }
        self.account();
        self.use_of_compute();
    }

    /// One pass: what is wanted, what is served, what spills.
    fn ration(&mut self, pass: usize) {
        let developers = self.developers.len();
        for pool in &mut self.pools {
            pool.open = f64::from(u8::from(pass == 0 || pool.left > 0.0));
            pool.wanted = 0.0;
        }
        for c in 0..self.nations {
            let host = developers + c;
            self.scale[c] = 0.0;
            if pass > 0 && self.purse[c] == 0.0 {
                continue;
            }
            let mut money = self.pools[host].open * self.host_money[c];
            for d in 0..developers {
                money += self.pools[d].open * self.money[c * developers + d];
            }
            if money <= 0.0 {
                self.unserved[c] += self.purse[c];
                self.purse[c] = 0.0;
                continue;
            }
            let scale = self.purse[c] / money;
            self.scale[c] = scale;
            self.pools[host].wanted = scale * self.pools[host].open * self.host_compute[c];
            for d in 0..developers {
                let pool = &mut self.pools[d];
                pool.wanted += scale * pool.open * self.compute[c * developers + d];
            }
        }
        for (at, pool) in self.pools.iter_mut().enumerate() {
            let (left, wanted) = (pool.left, pool.wanted);
            let served = if wanted > left { left / wanted } else { 1.0 };
            pool.left = if wanted >= left { 0.0 } else { left - wanted };
            pool.got = pool.open * served;
            pool.refused = pool.open * (1.0 - served);
            if pass == 0 {
                let pressure = if left > 0.0 { wanted / left } else { 0.0 };
                if at < developers {
                    self.pressure[self.developers[at]] = pressure;
                    self.served[self.developers[at]] = served;
                } else {
                    self.host_pressure[at - developers] = pressure;
                }
            }
        }
        for c in 0..self.nations {
            let (host, scale) = (self.pools[developers + c], self.scale[c]);
            if scale == 0.0 {
                continue;
            }
            self.host_got[c] += scale * host.got;
            let mut turned_away = host.refused * self.host_money[c];
            for d in 0..developers {
                self.got[c * developers + d] += scale * self.pools[d].got;
                turned_away += self.pools[d].refused * self.money[c * developers + d];
            }
            turned_away *= scale;
            let again = if pass + 1 < PASSES { self.p.spill_share * turned_away } else { 0.0 };
            self.purse[c] = again;
            self.unserved[c] += turned_away - again;
        }
    }

    fn pay(&mut self, firm: usize, usd: f64) {
        self.income[firm] += maths::whole(usd / self.quantum);
    }

    /// Tokens, prices and payment.
    fn account(&mut self) {
        let (hosted, options) = (self.hosted, self.options);
        let p = &self.p;
        let relative = if p.price_weight > 0.0 { p.quality_weight / p.price_weight } else { 0.0 };
        for c in 0..self.nations {
            let (mut tokens, mut value, mut paid, mut constrained) = (0.0, 0.0, 0.0, 0.0);
            for d in 0..self.developers.len() {
                let at = c * self.developers.len() + d;
                let mut here = 0.0;
                for k in d * TIERS..(d + 1) * TIERS {
                    let used = self.shares[c * options + k] * self.got[at];
                    self.used[c * options + k] = used;
                    here += used;
                    if self.posted[k] > 0.0 {
                        value += used * (self.ln_price[k] - relative * self.quality[k]);
                    }
                    self.sold[k] += used;
                }
                tokens += here;
                paid += self.got[at] * self.money[at];
                constrained += if self.constrained[d] { here } else { 0.0 };
            }
            let open = self.host_got[c] * self.host_money[c];
            paid += open;
            for k in hosted..options {
                let used = self.shares[c * options + k] * self.host_got[c];
                self.used[c * options + k] = used;
                if used > 0.0 {
                    tokens += used;
                    let ln_price = self.ln_price_of(self.open_price[c * SELF_HOSTED + k - hosted]);
                    value += used * (ln_price - relative * self.quality[k]);
                    let group = self.constrained[self.origin[k - hosted]];
                    constrained += if group { used } else { 0.0 };
                }
            }
            if tokens > 0.0 {
                self.country_ln_price[c] = value / tokens;
            }
            let shares = &mut self.country_share[c * (options + 1)..(c + 1) * (options + 1)];
            let bought = if tokens > 0.0 { (1.0 - self.nothing[c]) / tokens } else { 0.0 };
            for (share, used) in shares.iter_mut().zip(&self.used[c * options..]).take(options) {
                *share = used * bought;
            }
            shares[options] = if tokens > 0.0 { self.nothing[c] } else { 1.0 };
            self.country_tokens[c] = tokens;
            self.country_constrained[c] = constrained;
            self.country_paid[c] = paid;
            if open > 0.0 && self.self_host[c] > 0.0 {
                for at in 0..self.hosts.len() {
                    let (country, host, h100e) = self.hosts[at];
                    if country == c {
                        self.pay(host, open / self.self_host[c] * h100e);
                    }
                }
            }
        }
        for k in 0..hosted {
            self.revenue[k] = self.sold[k] * self.posted[k];
            self.pay(self.firm_of[k], self.revenue[k]);
        }
    }

    fn use_of_compute(&mut self) {
        for i in 0..self.firms {
            let (mut had, mut spare) = (0.0, 0.0);
            if self.sells[i] {
                let d = self.developers.iter().position(|firm| *firm == i).expect("a developer");
                (had, spare) = (self.serving[i].max(0.0), self.pools[d].left);
            } else {
                let mut wanted = 0.0;
                for (country, _, h100e) in self.hosts.iter().filter(|h| h.1 == i) {
                    let here = self.hosts.iter().filter(|h| h.0 == *country);
                    let pooled: f64 = here.map(|h| h.2).sum();
                    let left = self.pools[self.developers.len() + country].left;
                    had += h100e;
                    spare += if pooled > 0.0 { left * h100e / pooled } else { 0.0 };
                    wanted += h100e * self.host_pressure[*country];
                }
                self.pressure[i] = if had > 0.0 { wanted / had } else { 0.0 };
            }
            self.utilisation[i] =
                if had > 0.0 { ((had - spare) / had).clamp(0.0, 1.0) } else { 0.0 };
        }
    }
}
