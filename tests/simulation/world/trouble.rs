//! What goes wrong with the cluster while the storm lasts: leaders move, replicas are new, followers
//! lag, brokers crash.

use tokio::time::sleep;

use super::{World, place, with};

impl World {
    /// Does to the cluster what the weather wants, while the storm lasts.
    pub(super) async fn chaos(self) {
        tokio::join!(self.moves(), self.renewals(), self.stalls(), self.crashes());
    }

    async fn crashes(&self) {
        let Some(pause) = self.faults.weather.crashes else {
            return;
        };
        let mut down: Vec<i32> = Vec::new();
        while self.faults.storm() {
            sleep(self.faults.up_to(pause)).await;
            let broker = self.any_broker();
            if let Some(at) = down.iter().position(|b| *b == broker) {
                down.swap_remove(at);
                self.start(broker).await;
            } else {
                down.push(broker);
                self.faults.note(format!("broker {broker} crashes"));
                let stopped = self.cluster.stop_broker(broker).await;
                stopped.expect("it runs");
            }
        }
        for broker in down {
            self.start(broker).await;
        }
    }

    /// Now and then a broker comes back at another address. The first never does: a client that knows no
    /// address any more is lost.
    async fn start(&self, broker: i32) {
        let elsewhere = broker > 1 && self.faults.below(2) == 0;
        let started = if elsewhere {
            self.faults
                .note(format!("broker {broker} starts elsewhere"));
            self.cluster.start_broker_elsewhere(broker).await
        } else {
            self.faults.note(format!("broker {broker} starts"));
            self.cluster.start_broker(broker).await
        };
        started.expect("it is down");
    }

    async fn moves(&self) {
        let Some(pause) = self.faults.weather.moves else {
            return;
        };
        while self.faults.storm() {
            sleep(self.faults.up_to(pause)).await;
            let (partition, to) = (self.any_partition(), self.any_broker());
            let is_new = with(&self.history, |h| !h.led.contains(&(partition, to)));
            if self.faults.weather.renewals.is_none() || !is_new {
                self.lead(partition, to);
            }
        }
    }

    /// Makes replicas leaders that know nothing of the producers, once each: a producer that comes
    /// back to a broker cannot know that it forgot.
    async fn renewals(&self) {
        let Some(pause) = self.faults.weather.renewals else {
            return;
        };
        for partition in 0..self.plan.partitions {
            let (topic, of_it) = place(partition);
            let (leader, _) = self.cluster.leader(topic, of_it).expect("it is there");
            with(&self.history, |h| h.led.insert((partition, leader)));
        }
        while self.faults.storm() {
            sleep(self.faults.up_to(pause)).await;
            let (partition, to) = (self.any_partition(), self.any_broker());
            if with(&self.history, |h| h.led.contains(&(partition, to))) {
                continue;
            }
            self.keep_log(partition);
            let read = self.position(partition).min(self.told(partition));
            let deleted = self
                .cluster
                .delete_records(place(partition).0, place(partition).1, read);
            deleted.expect("it is there");
            let replaced =
                self.cluster
                    .replace_follower(place(partition).0, place(partition).1, to);
            replaced.expect("it follows");
            self.faults.note(format!(
                "{partition} begins at {read}, and its replica on {to} is new"
            ));
            self.lead(partition, to);
        }
    }

    /// Lets followers fall behind, so that what a leader has may get lost.
    async fn stalls(&self) {
        let Some(longest) = self.faults.weather.stalls else {
            return;
        };
        while self.faults.storm() {
            sleep(self.faults.up_to(longest)).await;
            let partition = self.any_partition();
            let lagging = match self.faults.below(2) {
                0 => self.any_broker()..=self.plan.brokers,
                _ => 1..=self.plan.brokers,
            };
            self.faults
                .note(format!("{partition} is not copied to {lagging:?}"));
            // Those that are down lag anyway.
            for broker in lagging.clone() {
                let _: Result<(), _> =
                    self.cluster
                        .stall_follower(place(partition).0, place(partition).1, broker);
            }
            sleep(self.faults.up_to(longest)).await;
            for broker in lagging {
                let _: Result<(), _> =
                    self.cluster
                        .resume_follower(place(partition).0, place(partition).1, broker);
            }
        }
    }

    /// Moves a leader, unless to a broker that is down.
    fn lead(&self, partition: i32, to: i32) {
        if self
            .cluster
            .move_leader(place(partition).0, place(partition).1, to)
            .is_ok()
        {
            self.faults.note(format!("{partition} moves to {to}"));
            with(&self.history, |h| h.led.insert((partition, to)));
        }
    }

    fn any_partition(&self) -> i32 {
        self.faults.below(self.plan.partitions as usize) as i32
    }

    fn any_broker(&self) -> i32 {
        1 + self.faults.below(self.plan.brokers as usize) as i32
    }
}
