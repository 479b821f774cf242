//! What the tests share: clusters to run on, and records to send.
//!
//! A behaviour is an `async fn(Target)`. [`on_every_cluster!`] makes three tests of it: on an
//! embedded cluster over TCP, on one in memory, and on real Kafka where `OTTLA_TEST_KAFKA` names the
//! folder of a running one (see `kafka/README.md`); without it that test says that it was skipped.

mod distance;
mod kafka;
mod records;
mod target;

pub use distance::distant;
pub use kafka::Kafka;
pub use records::{OwnRecord, expect_records, read, send_all};
pub use target::{Target, create, delete, patient, recreate};

/// Makes a test of each behaviour on every kind of cluster.
#[macro_export]
macro_rules! on_every_cluster {
    ($($behaviour:ident)*) => { $(
        mod $behaviour {
            use $crate::Target;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                $crate::patient(super::$behaviour(Target::embedded(3).await)).await;
            }

            #[tokio::test]
            async fn in_memory() {
                $crate::patient(super::$behaviour(Target::in_memory(1).await)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn real() {
                if let Some(target) = Target::real() {
                    $crate::patient(super::$behaviour(target)).await;
                }
            }
        }
    )* };
}
