//! A producer beside a broker that loses requests and answers, runs out of time and restarts, by seed.

use super::*;

/// A broker that keeps what Kafka keeps: the next sequence it takes, and what it took.
#[derive(Default)]
struct Log {
    epoch: i16,
    next: Option<i32>,
    taken: Vec<(i16, i32, u32)>,
    payloads: Vec<u64>,
}

impl Log {
    /// A broker that restarts reads the last batch of each producer from its snapshot.
    fn restart(&mut self) {
        self.taken.drain(..self.taken.len().saturating_sub(1));
    }

    fn append(&mut self, sent: &Sent, count: u32) -> ErrorCode {
        let (epoch, sequence) = (sent.stamp.epoch, sent.stamp.sequence);
        if self
            .taken
            .iter()
            .rev()
            .take(5)
            .any(|t| (t.0, t.1) == (epoch, sequence))
        {
            return ErrorCode::NONE;
        }
        if epoch < self.epoch {
            return ErrorCode::INVALID_PRODUCER_EPOCH;
        }
        let expected = if epoch > self.epoch {
            Some(0)
        } else {
            self.next
        };
        if expected.is_some_and(|next| next != sequence) {
            return ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
        }
        self.epoch = epoch;
        self.next = Some(partition::advance(sequence, count));
        self.taken.push((epoch, sequence, count));
        self.payloads.push(sent.batch);
        ErrorCode::NONE
    }
}

#[test]
fn whatever_is_lost_or_refused_on_the_way_each_batch_is_written_once_and_in_order() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut s = Script::with_id();
        let mut log = Log::default();
        let mut flying: VecDeque<(Request, bool)> = VecDeque::new();
        let mut made = 0;
        for _ in 0..400 {
            s.now += Duration::from_millis(20);
            if made < 60 && random.below(3) == 0 {
                s.batch(P, 'x', 10);
                made += 1;
            }
            if let Some(request) = s.send() {
                // Connections keep order: behind a request that did not arrive, none does.
                let cut = flying.iter().any(|(_, arrives)| !arrives);
                flying.push_back((request, !cut && random.below(12) != 0));
            }
            if random.below(2) == 0
                && let Some((request, arrives)) = flying.pop_front()
            {
                play(&mut s, &mut log, &mut random, &request, arrives);
            }
        }
        while !s.machine.is_idle() || !flying.is_empty() {
            s.now += SECOND / 2;
            while let Some((request, arrives)) = flying.pop_front() {
                play(&mut s, &mut log, &mut random, &request, arrives);
            }
            flying.extend(s.send().map(|r| (r, true)));
            s.finished();
        }
        assert_eq!(log.payloads, (0..made).collect::<Vec<_>>(), "seed {seed}");
    }
}

fn play(s: &mut Script, log: &mut Log, random: &mut Random, request: &Request, arrives: bool) {
    if !arrives {
        return s.machine.handle_lost(s.now, request.id, true);
    }
    if random.below(15) == 0 {
        return s.answer(request, ErrorCode::NOT_ENOUGH_REPLICAS, -1);
    }
    if random.below(30) == 0 {
        log.restart();
    }
    let error = log.append(&request.batches[0], 10);
    if error == ErrorCode::NONE && random.below(10) == 0 {
        return s.answer(request, ErrorCode::REQUEST_TIMED_OUT, -1);
    }
    if random.below(10) == 0 {
        return s.machine.handle_lost(s.now, request.id, true);
    }
    s.answer(request, error, 0);
}
