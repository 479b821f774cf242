//! What Ottla does, on the embedded broker and on real Kafka.

mod assigning;
mod batching;
mod cancelling;
mod consuming;
mod counters;
mod errors;
mod faults;
mod hostile;
mod interop;
mod links;
mod metadata;
mod outages;
mod pipelining;
mod positions;
mod producing;
mod records;
mod recovery;
mod refusals;
mod replicas;
mod requests;
mod routing;
mod sequences;
mod settings;
mod spreading;
mod tidy;
