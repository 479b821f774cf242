//! What the fuzz targets share: messages chosen and bent by bytes ([`Choice`], [`Edit`]), a walk
//! over the records of a partition ([`walk`]), and a bound on what a decoder may take
//! ([`bounded`]).

mod choice;
mod edit;
mod parts;
mod walk;

pub use choice::Choice;
pub use edit::{Edit, edited};
pub use walk::{LIMIT, opening_takes, unpacking_takes, walk};

/// Memory that a decoder may take for every byte it was given; see `protocol/tests/allocations.rs`
/// for where the figure comes from.
pub const PER_BYTE: u64 = 64;
/// Memory that a decoder may take for no bytes at all.
pub const BASE: u64 = 8 * 1024;

/// Runs `work`, which may hold no more than `most` bytes at any moment.
pub fn bounded<T>(most: u64, work: impl FnOnce() -> T) -> T {
    let (result, peak) = measured(work);
    assert!(
        peak <= most,
        "{peak} bytes were taken, and {most} are allowed"
    );
    result
}

/// Runs `work`, and says how many bytes it held at most.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let mut result = None;
    let took = allocation_counter::measure(|| result = Some(work()));
    (result.expect("the work was done"), took.bytes_max)
}
