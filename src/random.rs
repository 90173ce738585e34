//! Draws with an address.
//!
//! A draw is not the next number of a sequence: it is found at
//! (seed, purpose, key, month). Seed gives the `ChaCha8` key, purpose and key
//! the stream, the month the position in it; each month has sixteen 32-bit
//! words of its own, so that no draw can push another aside. Keys are hashes of
//! table ids or of the tuple that describes a thing in a book, never of a
//! position in memory. A policy announced in month *t* therefore leaves every
//! earlier draw alone, and a firm more or less changes nobody else's luck.
//!
//! The `ChaCha` words are stable across releases of `rand`; the samplers on top
//! are our own, because those of libraries are not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bevy_ecs::prelude::Resource;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::calendar::Month;
use crate::maths;

/// 32-bit words that each (stream, month) owns: eight draws.
const WORDS_A_MONTH: u128 = 16;

/// What a draw is for; part of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Monthly motion of a regulator's stance, and what elections redraw.
    Stance,
    /// How long an application waits and how it is decided.
    Licence,
    /// Noise of research progress.
    Research,
    /// Size and timing of a training run; quality of a release.
    Training,
    /// Interdiction of grey shipments.
    Seizure,
    /// Dates and strength of paradigm events that a world leaves open.
    Paradigm,
    /// Delays of expansions and of building.
    Delay,
}

impl Purpose {
    /// The name that goes into the address.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stance => "stance",
            Self::Licence => "licence",
            Self::Research => "research",
            Self::Training => "training",
            Self::Seizure => "seizure",
            Self::Paradigm => "paradigm",
            Self::Delay => "delay",
        }
    }

    /// Every purpose, for the table of draw addresses in the documentation.
    pub const ALL: [Self; 7] = [
        Self::Stance,
        Self::Licence,
        Self::Research,
        Self::Training,
        Self::Seizure,
        Self::Paradigm,
        Self::Delay,
    ];
}

/// 64-bit FNV-1a over the parts of an address, with a separator after each
/// part, finished by the mixing step of `SplitMix64`.
#[must_use]
pub fn key_of(parts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0x1f]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    mix(hash)
}

/// A key made from other keys and whole numbers.
#[must_use]
pub fn key_from(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |hash, part| mix(hash ^ mix(*part)))
}

const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Where a draw was found, and what it was: (purpose, key, month, number within
/// the month) → word.
pub type DrawLog = Arc<Mutex<BTreeMap<(&'static str, u64, Month, u8), u64>>>;

/// The luck of one run: hands out streams of draws.
#[derive(Resource, Clone)]
pub struct Luck {
    seed: u64,
    shared: Option<Arc<Mutex<ChaCha8Rng>>>,
    log: Option<DrawLog>,
}

impl Luck {
    /// Addressed draws under `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, shared: None, log: None }
    }

    /// The same luck, writing every draw and its address into `log`, so that
    /// two runs can be compared draw by draw.
    #[must_use]
    pub fn logged(mut self, log: DrawLog) -> Self {
        self.log = Some(log);
        self
    }

    /// One generator for everybody, drawn in order of use: what this model does
    /// *not* do. Tests use it to show that their checks of addressing can fail.
    #[must_use]
    pub fn shared_for_negative_control(seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { seed, shared: Some(Arc::new(Mutex::new(rng))), log: None }
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The stream of (`purpose`, `key`). Keep it for the run where the owner
    /// lasts: opening one costs twenty draws.
    #[must_use]
    pub fn stream(&self, purpose: Purpose, key: u64) -> Stream {
        let source = if let Some(shared) = &self.shared {
            Source::Shared(Arc::clone(shared))
        } else {
            let mut bytes = [0_u8; 32];
            for (i, chunk) in bytes.chunks_exact_mut(8).enumerate() {
                chunk.copy_from_slice(&mix(self.seed ^ mix(i as u64)).to_le_bytes());
            }
            let mut rng = ChaCha8Rng::from_seed(bytes);
            rng.set_stream(key_from(&[key_of(&[purpose.name()]), key]));
            Source::Addressed(rng)
        };
        let log = self.log.as_ref().map(|log| (Arc::clone(log), purpose.name(), key));
        Stream { source, log }
    }
}

#[derive(Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "all streams but those of tests are addressed, and many are short-lived"
)]
enum Source {
    Addressed(ChaCha8Rng),
    Shared(Arc<Mutex<ChaCha8Rng>>),
}

/// The draws of one owner for one purpose.
#[derive(Clone)]
pub struct Stream {
    source: Source,
    log: Option<(DrawLog, &'static str, u64)>,
}

impl Stream {
    /// The draws of `month`.
    pub fn month(&mut self, month: Month) -> Draws<'_> {
        if let Source::Addressed(rng) = &mut self.source {
            let place = WORDS_A_MONTH * u128::from(month.index().unsigned_abs());
            // The generator makes the words of some months at once: what lies between is thrown away, not made anew.
            match place.checked_sub(rng.get_word_pos()) {
                Some(ahead) if ahead <= WORDS_A_MONTH => {
                    for _ in 0..ahead {
                        rng.next_u32();
                    }
                }
                _ => rng.set_word_pos(place),
            }
        }
        Draws { stream: self, month, taken: 0 }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

/// Up to eight draws of one stream and month, always in the same order.
pub struct Draws<'a> {
    stream: &'a mut Stream,
    month: Month,
    taken: u8,
}

impl Draws<'_> {
    fn word(&mut self) -> u64 {
        assert!(
            u128::from(self.taken) < WORDS_A_MONTH / 2,
            "a stream holds eight draws a month; open another purpose"
        );
        let word = match &mut self.stream.source {
            Source::Addressed(rng) => rng.next_u64(),
            Source::Shared(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).next_u64(),
        };
        if let Some((log, purpose, key)) = &self.stream.log {
            let address = (*purpose, *key, self.month, self.taken);
            log.lock().unwrap_or_else(PoisonError::into_inner).insert(address, word);
        }
        self.taken += 1;
        word
    }

    /// Uniform on the open interval (0, 1).
    pub fn uniform(&mut self) -> f64 {
        uniform(self.word())
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        maths::normal_quantile(self.uniform())
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Log-normal with median `median` and `sigma` the standard deviation of the logarithm.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * maths::exp(sigma * self.normal())
    }
}

/// The uniform number on the open interval (0, 1) that a word of bits stands for: the middle of one of 2⁵² equal parts.
#[must_use]
pub fn uniform(word: u64) -> f64 {
    ((word >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_found_by_its_address_alone() {
        let luck = Luck::new(7);
        let mut kept = luck.stream(Purpose::Research, key_of(&["bytedance"]));
        let may = Month::new(2025, 5);
        let mut early = kept.clone();
        early.month(Month::new(2022, 1)).normal();
        early.month(Month::new(2022, 2)).uniform();
        let a = early.month(may).uniform();
        let b = kept.month(may).uniform();
        let c = luck.stream(Purpose::Research, key_of(&["bytedance"])).month(may).uniform();
        assert_eq!(a.to_bits(), b.to_bits());
        assert_eq!(a.to_bits(), c.to_bits());
    }

    #[test]
    fn month_by_month_draws_are_those_of_each_month_alone() {
        let luck = Luck::new(7);
        let mut kept = luck.stream(Purpose::Training, 3);
        for month in (0..40).map(|n| Month::new(2022, 1) + n + n / 7) {
            // None to eight draws a month.
            for draw in 0..month.index() % 9 {
                let mut fresh = luck.stream(Purpose::Training, 3);
                let mut fresh = fresh.month(month);
                let word = (0..=draw).map(|_| fresh.uniform()).last();
                let mut again = kept.month(month);
                let same = (0..=draw).map(|_| again.uniform()).last();
                assert_eq!(word.map(f64::to_bits), same.map(f64::to_bits));
            }
        }
    }

    #[test]
    fn other_addresses_give_other_draws() {
        let may = Month::new(2025, 5);
        let draw = |seed, purpose, key: &str| {
            Luck::new(seed).stream(purpose, key_of(&[key])).month(may).uniform()
        };
        let base = draw(1, Purpose::Research, "meta");
        assert!(base != draw(2, Purpose::Research, "meta"));
        assert!(base != draw(1, Purpose::Training, "meta"));
        assert!(base != draw(1, Purpose::Research, "xai"));
    }

    #[test]
    fn golden_draws_of_the_pinned_generator() {
        let mut stream = Luck::new(1).stream(Purpose::Licence, key_of(&["a", "b"]));
        let mut month = stream.month(Month::new(2022, 1));
        let words: Vec<String> = (0..3).map(|_| format!("{:.12}", month.uniform())).collect();
        assert_eq!(words, GOLDEN);
    }

    const GOLDEN: [&str; 3] = ["0.403839541176", "0.270889034748", "0.664836159013"];

    #[test]
    fn uniform_draws_have_the_moments_of_a_uniform() {
        let luck = Luck::new(3);
        let n = 20_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for i in 0..n {
            let u = luck.stream(Purpose::Seizure, i).month(Month::new(2024, 1)).uniform();
            sum += u;
            squares += u * u;
        }
        let mean = sum / n as f64;
        let variance = squares / n as f64 - mean * mean;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!((variance - 1.0 / 12.0).abs() < 0.003, "{variance}");
    }

    #[test]
    #[should_panic(expected = "eight draws a month")]
    fn a_month_never_runs_into_the_next() {
        let mut stream = Luck::new(1).stream(Purpose::Stance, 1);
        let mut month = stream.month(Month::new(2022, 1));
        for _ in 0..9 {
            month.uniform();
        }
    }
}
