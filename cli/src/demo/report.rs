//! What the demo says about what it did.

use std::io::Write;

use super::{DemoTopic, pipeline::Outcome, tally::Tally};
use crate::{failure::Failure, output::Output};

/// Says on standard output what happened, as it happens.
#[derive(Debug)]
pub(super) struct Report(Output);

impl Report {
    pub(super) const fn new(out: Output) -> Self {
        Self(out)
    }

    pub(super) fn finish(self, done: Result<(), Failure>) -> Result<(), Failure> {
        self.0.finish(done)
    }

    pub(super) fn cluster(&mut self, bootstrap: &str) -> Result<(), Failure> {
        self.line(format_args!("using     the cluster at {bootstrap}"))
    }

    pub(super) fn own_cluster(&mut self, brokers: i32, bootstrap: &str) -> Result<(), Failure> {
        self.line(format_args!(
            "started   {brokers} brokers in this process: {bootstrap}"
        ))
    }

    pub(super) fn read(&mut self, tally: &Tally) -> Result<(), Failure> {
        let (orders, customers) = (tally.all.orders, tally.last.len());
        self.line(format_args!(
            "read      {orders} orders of {customers} customers"
        ))
    }

    pub(super) fn moved(
        &mut self,
        [orders, enriched]: &[DemoTopic; 2],
        outcome: &Outcome,
    ) -> Result<(), Failure> {
        let (name, partitions) = (&orders.name, orders.partitions);
        self.line(format_args!(
            "produced  them to {name} ({partitions} partitions)"
        ))?;
        let (name, partitions) = (&enriched.name, enriched.partitions);
        self.line(format_args!(
            "enriched  them into {name} ({partitions} partitions), such as"
        ))?;
        let mut examples = outcome.examples.iter();
        examples.try_for_each(|example| self.line(format_args!("          {example}")))
    }

    pub(super) fn checked(&mut self, outcome: &Outcome) -> Result<(), Failure> {
        self.line(format_args!(
            "checked   nothing is lost, nothing came twice, every customer's orders are in \
             sequence, and the totals are those of the file"
        ))?;
        self.totals(&outcome.tally)?;
        let moved = 2 * outcome.tally.all.orders;
        let rate = moved as f64 / outcome.took.as_secs_f64();
        let millis = outcome.took.as_millis();
        self.line(format_args!(
            "\n{moved} records written and read in {millis} ms, {rate:.0} records/s"
        ))
    }

    fn totals(&mut self, tally: &Tally) -> Result<(), Failure> {
        let total = [("total".to_owned(), tally.all)].into();
        let blocks = [
            ("country", &tally.by_country),
            ("category", &tally.by_category),
            ("", &total),
        ];
        for (title, sums) in blocks {
            self.line(format_args!("\n{title:<16}{:>8}{:>12}", "orders", "EUR"))?;
            for (name, sum) in sums {
                let (euro, cents) = (sum.cents / 100, sum.cents % 100);
                let orders = sum.orders;
                self.line(format_args!("{name:<16}{orders:>8}{euro:>9}.{cents:02}"))?;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        self.0.put(|out| writeln!(out, "{line}"))?;
        self.0.flush()
    }
}
