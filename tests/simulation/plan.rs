//! What a seed decides: the settings of everything, and the weather.

use std::time::Duration;

use ottla::protocol::records::Compression;
use ottla_core::backoff::Random;

use crate::faults::Fault;

/// Longer than any storm: a producer that has so much time writes everything.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// What is promised, and so what may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Idempotent producers, on brokers that say nothing untrue: exactly once, in order.
    Idempotent,
    /// Idempotent producers that are told in time what became of every request, on brokers that may
    /// know nothing of them: such a producer makes no mistake that the brokers would have to find.
    Answered,
    /// Idempotent producers, on brokers that now and then forget a producer after they wrote for
    /// it. Kafka lets those send again under a new epoch, so records may come twice.
    Forgetful,
    /// Without idempotence: what is acknowledged is there.
    AtLeastOnce,
}

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) family: Family,
    pub(crate) brokers: i32,
    pub(crate) partitions: i32,
    pub(crate) min_insync_replicas: i32,
    pub(crate) producers: Vec<Sending>,
    pub(crate) request_timeout: Duration,
    pub(crate) metadata_max_age: Duration,
    /// Topics are forgotten in the middle of a run, and known again.
    pub(crate) metadata_max_idle: Duration,
    pub(crate) reading: Reading,
    pub(crate) weather: Weather,
}

/// How one producer behaves.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) records: usize,
    /// So many are sent without a pause in between.
    pub(crate) burst: usize,
    pub(crate) pause: Duration,
    pub(crate) value_size: usize,
    pub(crate) linger: Duration,
    pub(crate) batch_size: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) max_request_size: usize,
    pub(crate) pages: usize,
    pub(crate) delivery_timeout: Duration,
    pub(crate) compression: Compression,
    pub(crate) ending: Ending,
}

/// How a producer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is closed when the storm is over and everything is written.
    Calm,
    /// It is closed in the middle of the storm, with little time left to write.
    Abrupt,
}

/// How the consumer behaves.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) max_wait: Duration,
    pub(crate) partition_bytes: usize,
    pub(crate) queue_kib: usize,
    /// It takes this long over every so many records.
    pub(crate) dawdles: Option<(usize, Duration)>,
}

/// How often what goes wrong, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    pub(crate) storm: Duration,
    /// How often each fault strikes a request, in thousandths.
    pub(crate) faults: Vec<(Fault, u32)>,
    /// The longest delay.
    pub(crate) delay: Duration,
    /// How often a write to a broker is cut off, or a connection turned deaf, in thousandths.
    pub(crate) cuts: u32,
    pub(crate) deaf: u32,
    /// How often a connection is refused, in thousandths.
    pub(crate) refused: u32,
    /// The longest round trip.
    pub(crate) latency: Duration,
    /// The longest time between two leader moves.
    pub(crate) moves: Option<Duration>,
    /// The longest time between two moves to a replica that is new, after the records that it would
    /// know producers from were deleted.
    pub(crate) renewals: Option<Duration>,
    /// The longest time in which a follower copies nothing, or all do.
    pub(crate) stalls: Option<Duration>,
    /// The longest time between two crashes or restarts of a broker.
    pub(crate) crashes: Option<Duration>,
}

impl Plan {
    pub(crate) fn new(seed: u64, family: Family) -> Self {
        let mut random = Random(seed);
        let draw = &mut random;
        let producers = (0..=draw.below(2)).map(|_| Sending::new(family, draw));
        let plan = Self {
            seed,
            family,
            brokers: 3,
            producers: producers.collect(),
            partitions: 1 + draw.below(5) as i32,
            min_insync_replicas: 1 + draw.below(2) as i32,
            request_timeout: ms(draw, 400, 3000),
            metadata_max_age: ms(draw, 1000, 60_000),
            reading: Reading::new(draw),
            weather: Weather::new(family, draw),
            metadata_max_idle: ms(draw, 200, 40_000),
        };
        let plan = plan.with_delays();
        if family == Family::Answered {
            plan.answered(draw)
        } else {
            plan
        }
    }

    /// Requests may wait longer than clients do.
    fn with_delays(mut self) -> Self {
        self.weather.delay = self.request_timeout * 2;
        self
    }

    /// Clients wait longer for an answer than all that is before it on a connection can take. Some
    /// records are out of time before. There are brokers enough for replicas that are new to a
    /// partition to come to lead it.
    fn answered(mut self, draw: &mut Random) -> Self {
        self.brokers = 6;
        self.request_timeout = Duration::from_secs(60);
        self.weather.delay = ms(draw, 1, 1500);
        let one_by_one = draw.below(2) == 0;
        for producer in &mut self.producers {
            if one_by_one {
                producer.max_in_flight = 1;
            }
            if producer.delivery_timeout != LONG {
                producer.delivery_timeout /= 4;
            }
            // A request has a third of it, in which five delays and some latency must fit.
            let most = producer.delivery_timeout / 30;
            self.weather.delay = self.weather.delay.min(most);
            self.weather.latency = self.weather.latency.min(most);
        }
        self
    }

    /// Whether no producer has more than one request in flight.
    pub(crate) fn is_one_by_one(&self) -> bool {
        self.producers.iter().all(|p| p.max_in_flight == 1)
    }
}

impl Sending {
    fn new(family: Family, draw: &mut Random) -> Self {
        let most = if family == Family::AtLeastOnce { 8 } else { 5 };
        let compressions = [Compression::None, Compression::None, Compression::Lz4];
        Self {
            records: 50 + draw.below(400),
            burst: 1 + draw.below(30),
            pause: ms(draw, 1, 800),
            value_size: 8 + draw.below(600),
            linger: ms(draw, 0, 40),
            batch_size: 200 + draw.below(4000),
            max_in_flight: 1 + draw.below(most),
            max_request_size: 6000 + draw.below(20_000),
            pages: 2 + draw.below(14),
            delivery_timeout: match draw.below(3) {
                0 => LONG,
                _ => ms(draw, 1000, 12_000),
            },
            compression: compressions[draw.below(3)],
            ending: if draw.below(4) == 0 {
                Ending::Abrupt
            } else {
                Ending::Calm
            },
        }
    }
}

impl Reading {
    fn new(draw: &mut Random) -> Self {
        let slow = draw.below(3) == 0;
        Self {
            max_wait: ms(draw, 10, 500),
            partition_bytes: 500 + draw.below(20_000),
            queue_kib: 1 + draw.below(100),
            dawdles: slow.then(|| (1 + draw.below(20), ms(draw, 1, 300))),
        }
    }
}

impl Weather {
    /// Half of what may go wrong does, some of it often.
    fn new(family: Family, draw: &mut Random) -> Self {
        let mut sometimes = |most: usize| match draw.below(2) {
            0 => 0,
            _ => 1 + draw.below(most) as u32,
        };
        let rate = |fault: &Fault| (*fault, sometimes(fault.most_in_a_thousand()));
        let weather = Self {
            faults: Fault::ALL
                .iter()
                .filter(|f| family.allows(**f))
                .map(rate)
                .collect(),
            delay: Duration::ZERO,
            cuts: sometimes(20),
            deaf: sometimes(15),
            refused: sometimes(200),
            storm: ms(draw, 3000, 25_000),
            latency: ms(draw, 0, 120),
            moves: (draw.below(2) == 0).then(|| ms(draw, 50, 3000)),
            crashes: (draw.below(3) == 0).then(|| ms(draw, 300, 6000)),
            renewals: (draw.below(2) == 0).then(|| ms(draw, 300, 4000)),
            stalls: (draw.below(2) == 0).then(|| ms(draw, 10, 3000)),
        };
        match family {
            Family::Answered => weather.answered(),
            // Such replicas would write again what they have written, and no producer could prevent it.
            Family::Idempotent | Family::Forgetful => Self {
                renewals: None,
                ..weather
            },
            // A producer with acks=1 loses what only the leader has.
            Family::AtLeastOnce => Self {
                renewals: None,
                stalls: None,
                ..weather
            },
        }
    }

    fn answered(self) -> Self {
        Self {
            cuts: 0,
            deaf: 0,
            refused: 0,
            crashes: None,
            stalls: None,
            ..self
        }
    }
}

impl Family {
    fn allows(self, fault: Fault) -> bool {
        match self {
            Self::Answered => fault.is_answered(),
            Self::Forgetful => true,
            Self::Idempotent | Self::AtLeastOnce => fault != Fault::Forget,
        }
    }
}

fn ms(draw: &mut Random, from: usize, to: usize) -> Duration {
    Duration::from_millis((from + draw.below(to - from)) as u64)
}
