//! Random values of every message, valid for one version: what the round-trip law and the fuzz
//! targets feed on.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{Spec, Struct};

/// A source of random values that exist in one version.
#[derive(Debug)]
pub struct Gen {
    state: u64,
    version: i16,
    /// Whether the field that is made may be null.
    nullable: bool,
}

impl Gen {
    /// The same seed makes the same values.
    #[must_use]
    pub fn new(seed: u64, version: i16) -> Self {
        Self {
            state: seed,
            version,
            nullable: true,
        }
    }

    /// Whether the version has the field; the value made next is for it.
    pub fn enter(&mut self, spec: Spec) -> bool {
        self.nullable = spec.null <= self.version;
        spec.has(self.version)
    }

    /// The next random bits (SplitMix64).
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n.max(1)
    }
}

/// A type of which there are random values.
pub trait Any: Sized {
    /// A random value that the generator's version can carry.
    fn any(g: &mut Gen) -> Self;
}

macro_rules! integers {
    ($($ty:ty),*) => { $(
        impl Any for $ty {
            fn any(g: &mut Gen) -> Self {
                // Small and extreme values find more than uniform ones.
                match g.below(4) {
                    0 => g.below(8) as Self,
                    1 => Self::MAX,
                    2 => Self::MIN,
                    _ => g.bits() as Self,
                }
            }
        }
    )* };
}

integers!(i8, i16, i32, i64, u16, u32);

impl Any for f64 {
    fn any(g: &mut Gen) -> Self {
        g.bits() as Self / 3.0
    }
}

impl Any for bool {
    fn any(g: &mut Gen) -> Self {
        g.below(2) == 1
    }
}

impl Any for Uuid {
    fn any(g: &mut Gen) -> Self {
        Self::from_u64_pair(g.bits(), g.bits())
    }
}

impl Any for Arc<str> {
    fn any(g: &mut Gen) -> Self {
        let n = if g.below(8) == 0 { 200 } else { g.below(6) };
        (0..n)
            .map(|_| ['a', 'Z', '0', '.', 'é', '日'][g.below(6) as usize])
            .collect::<String>()
            .into()
    }
}

impl Any for Bytes {
    fn any(g: &mut Gen) -> Self {
        let n = if g.below(16) == 0 { 5000 } else { g.below(12) };
        (0..n).map(|_| g.bits() as u8).collect()
    }
}

impl<T: Any> Any for Vec<T> {
    fn any(g: &mut Gen) -> Self {
        (0..g.below(4)).map(|_| T::any(g)).collect()
    }
}

macro_rules! nullable {
    ($([$($generic:tt)*] $ty:ty;)*) => { $(
        impl<$($generic)*> Any for Option<$ty> {
            fn any(g: &mut Gen) -> Self {
                if g.nullable && g.below(3) == 0 { None } else { Some(Any::any(g)) }
            }
        }
    )* };
}

nullable! {
    []               Arc<str>;
    []               Bytes;
    [T: Any]         Vec<T>;
    [T: Any + Struct] T;
}
