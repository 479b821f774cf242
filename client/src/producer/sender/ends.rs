//! Batches that leave the machine: cut in two, finished, or given up.

use std::{sync::Arc, time::Instant as StdInstant};

use ottla_core::{
    failure::Failure,
    producer::{Batch, Outcome, Slot},
};
use ottla_protocol::ErrorCode;
use rustc_hash::FxHashMap;

use super::{
    Sender,
    answers::{ABORTED, SPOILT},
};
use crate::producer::{
    batch::Held,
    packing::Coming,
    record::{BatchOutcome, Refusal},
};

impl Sender {
    /// Cuts what was too large, and ends what is done with.
    pub(super) fn finish_all(&mut self, refusals: &FxHashMap<Slot, Arc<Refusal>>) {
        while let Some((slot, held)) = self.machine.poll_split() {
            self.split(slot, held);
        }
        while let Some((slot, held, outcome)) = self.machine.poll_finished() {
            self.finish(held, outcome, refusals.get(&slot));
        }
    }

    fn split(&mut self, slot: Slot, held: Held) {
        tracing::info!(
            doing = held.doing(),
            bytes = held.size(),
            "too large, sent in two parts"
        );
        let number = held.number;
        let parts = match held.split() {
            Ok(parts) => parts,
            Err(held) => {
                let refused = Outcome::Refused {
                    error: Failure::Broker(ErrorCode::MESSAGE_TOO_LARGE),
                    possibly_written: false,
                };
                self.machine.handle_split(slot, Vec::new());
                return self.finish(*held, refused, None);
            }
        };
        self.flushes.split(number, parts.len() as u32 - 1);
        let created = StdInstant::now();
        let parts = parts.into_iter().map(|(mut payload, count)| {
            self.packing.pack(&mut payload);
            Batch {
                count,
                size: payload.size(),
                payload,
                created,
            }
        });
        let parts: Vec<_> = parts.collect();
        if parts.iter().any(|part| part.payload.is_spoilt()) {
            self.machine.handle_split(slot, Vec::new());
            parts
                .into_iter()
                .for_each(|part| self.finish(part.payload, SPOILT, None));
        } else {
            self.machine.handle_split(slot, parts);
        }
    }

    pub(super) fn abort(&mut self) {
        let (held, coming) = self.packing.abort();
        for held in held {
            self.finish(held.payload, ABORTED, None);
        }
        // No thread may have taken them up yet, and none may for long.
        for Coming {
            completion,
            number,
            count,
        } in coming
        {
            let error = completion.given_up();
            self.flushes.failures.add(count, &error);
            completion.finish(BatchOutcome::Failed(error));
            self.flushes.end(number);
        }
        self.machine.abort();
        self.finish_all(&FxHashMap::default());
    }
}
