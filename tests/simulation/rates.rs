//! How often clients may ask for something when there is nothing left to do.

use std::time::Duration;

use crate::plan::Plan;

/// What clients did.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) connects: u32,
    pub(crate) metadata: u32,
    pub(crate) fetches: u32,
}

/// How many clients a run has. One of them has a consumer in the end.
const CLIENTS: f64 = 2.0;

/// Says what happened more often between two counts than it may.
pub(crate) fn broken(
    plan: &Plan,
    before: &Counts,
    after: &Counts,
    passed: Duration,
) -> Vec<String> {
    let times = |pause: Duration| passed.as_secs_f64() / pause.as_secs_f64();
    let fetches = times(plan.reading.max_wait) * f64::from(plan.brokers);
    let limits = [
        // Each client refreshes its metadata, and asks again once in a while for a reason of its own.
        (
            "metadata",
            before.metadata,
            after.metadata,
            times(plan.metadata_max_age) * CLIENTS + 4.0,
        ),
        // A fetch waits at the broker for as long as it may.
        ("fetch", before.fetches, after.fetches, fetches + 10.0),
        ("connect", before.connects, after.connects, 6.0),
    ];
    let over = limits
        .iter()
        .filter(|(_, before, after, limit)| f64::from(after - before) > *limit);
    over.map(|(what, before, after, limit)| {
        format!(
            "{} times {what} in {passed:?} of quiet, not {limit:.0}",
            after - before
        )
    })
    .collect()
}
