//! How long to wait before trying again.

use std::time::Duration;

/// Waits that double from a first to a longest, each off by up to a fifth in either direction, so
/// that many clients do not come back at once (KIP-580).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait, such as `retry.backoff.ms`.
    pub first: Duration,
    /// The longest wait, such as `retry.backoff.max.ms`.
    pub longest: Duration,
}

impl Backoff {
    /// `retry.backoff.ms` and `retry.backoff.max.ms`: 100 ms to 1 s.
    pub const RETRY: Self = Self {
        first: Duration::from_millis(100),
        longest: Duration::from_secs(1),
    };
    /// `reconnect.backoff.ms` and `reconnect.backoff.max.ms`: 50 ms to 1 s.
    pub const RECONNECT: Self = Self {
        first: Duration::from_millis(50),
        longest: Duration::from_secs(1),
    };
}

/// Failures in a row, and the wait that follows from them.
#[derive(Debug, Clone, Copy)]
pub struct Attempts {
    failures: u32,
    random: Random,
}

impl Attempts {
    /// No failures yet; equal seeds wait equally long.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            random: Random(seed),
        }
    }

    /// One more failure: how long to wait.
    pub fn delay(&mut self, backoff: &Backoff) -> Duration {
        let doubled = backoff.first.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled
            .min(backoff.longest)
            .mul_f64(0.8 + 0.4 * self.random.fraction())
    }

    /// It worked: the next wait is the first one again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A small random generator (SplitMix64), for jitter and for spreading load. Not for secrets.
#[derive(Debug, Clone, Copy)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 random bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to but not including 1.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number below `n`; 0 for an `n` of 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % (n.max(1) as u64)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over() {
        let mut attempts = Attempts::new(1);
        for expected in [100, 200, 400, 800, 1000, 1000] {
            let ms = attempts.delay(&Backoff::RETRY).as_millis() as f64 / f64::from(expected);
            assert!((0.79..=1.2).contains(&ms), "{ms} of {expected}");
        }
        attempts.reset();
        assert!(attempts.delay(&Backoff::RETRY).as_millis() <= 120);
    }

    /// The first numbers of SplitMix64 for seed 0, as its author gives them.
    #[test]
    fn random_numbers_are_those_of_the_known_generator() {
        let mut random = Random(0);
        let first = [(); 3].map(|()| random.bits());
        let known = [
            0xe220_a839_7b1d_cdaf,
            0x6e78_9e6a_a1b9_65f4,
            0x06c4_5d18_8009_454f,
        ];
        assert_eq!(first, known);
        assert_eq!(Random(0).below(1000), (known[0] % 1000) as usize);
        assert_eq!(Random(0).below(0), 0);
        let fraction = Random(0).fraction();
        assert!((fraction - 0.883_311_5).abs() < 1e-6, "{fraction}");
    }

    #[test]
    fn two_clients_do_not_wait_alike() {
        let wait = |seed| Attempts::new(seed).delay(&Backoff::RETRY);
        assert_ne!(wait(1), wait(2));
    }
}
