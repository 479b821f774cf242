//! What came out of the pipeline, and what should have.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::order::{enrich, hundredths, number, text};

/// Orders, and what they are worth.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) orders: u64,
    pub(super) cents: i64,
}

/// Enriched orders, counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) all: Sum,
    pub(super) by_country: BTreeMap<String, Sum>,
    pub(super) by_category: BTreeMap<String, Sum>,
    /// The last order of each customer: their numbers go up.
    pub(super) last: HashMap<String, i64>,
}

impl Sum {
    const fn add(&mut self, cents: i64) {
        self.orders += 1;
        self.cents += cents;
    }
}

impl Tally {
    /// What should come out for these orders, found without any Kafka.
    ///
    /// # Errors
    /// When an order is not as it should be.
    pub(super) fn of(orders: &str) -> Result<Self, String> {
        let mut tally = Self::default();
        for line in orders.lines() {
            let order = enrich(line.as_bytes())?;
            tally.add(text(&order, "customer")?.as_bytes(), &order)?;
        }
        Ok(tally)
    }

    /// Counts an enriched order that came with this key.
    ///
    /// # Errors
    /// When it does not belong to the key, or came out of sequence, or again.
    pub(super) fn add(&mut self, key: &[u8], order: &Value) -> Result<(), String> {
        let customer = text(order, "customer")?;
        if customer.as_bytes() != key {
            return Err(format!(
                "an order of customer {customer} came under another key"
            ));
        }
        let this = number(order, "order")?;
        if let Some(last) = self.last.insert(customer.to_owned(), this)
            && last >= this
        {
            return Err(format!(
                "order {this} of customer {customer} came after order {last}"
            ));
        }
        let cents = hundredths(order, "amount_eur")?;
        self.all.add(cents);
        for (sums, field) in [
            (&mut self.by_country, "country_name"),
            (&mut self.by_category, "category"),
        ] {
            sums.entry(text(order, field)?.to_owned())
                .or_default()
                .add(cents);
        }
        Ok(())
    }

    /// Compares with what should have come out.
    ///
    /// # Errors
    /// Says what differs.
    pub(super) fn check(&self, expected: &Self) -> Result<(), String> {
        let differs = if self.all.orders != expected.all.orders {
            format!(
                "{} orders came out, not {}",
                self.all.orders, expected.all.orders
            )
        } else if self.by_country != expected.by_country {
            "the totals by country are not those of the file".to_owned()
        } else if self.by_category != expected.by_category {
            "the totals by category are not those of the file".to_owned()
        } else if self.last != expected.last {
            "the last orders of the customers are not those of the file".to_owned()
        } else {
            return Ok(());
        };
        Err(differs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Vec<Value> {
        let lines = super::super::ORDERS.lines().take(50);
        let enriched = lines.map(|line| enrich(line.as_bytes()));
        enriched
            .collect::<Result<_, _>>()
            .expect("the bundled orders are complete")
    }

    fn tally(orders: &[Value]) -> Result<Tally, String> {
        let mut tally = Tally::default();
        for order in orders {
            tally.add(text(order, "customer")?.as_bytes(), order)?;
        }
        Ok(tally)
    }

    #[test]
    fn the_bundled_orders_are_complete() {
        let tally = Tally::of(super::super::ORDERS).expect("the bundled orders are complete");
        assert_eq!(tally.all.orders, 1800);
        let sum: i64 = tally.by_country.values().map(|sum| sum.cents).sum();
        assert_eq!(tally.all.cents, sum);
    }

    #[test]
    fn what_is_lost_changed_twice_or_out_of_sequence_is_noticed() {
        let orders = orders();
        let expected = tally(&orders).expect("all is well");
        assert_eq!(expected.check(&expected), Ok(()));
        let lost = tally(&orders[1..]).expect("nothing is out of sequence");
        assert!(
            lost.check(&expected)
                .is_err_and(|e| e.contains("49 orders"))
        );
        let twice = [orders.clone(), vec![orders[49].clone()]].concat();
        assert!(tally(&twice).is_err_and(|e| e.contains("came after")));
        let mut changed = orders;
        changed[7]["amount_eur"] = 0.01.into();
        let changed = tally(&changed).expect("nothing is out of sequence");
        assert!(
            changed
                .check(&expected)
                .is_err_and(|e| e.contains("by country"))
        );
    }

    #[test]
    fn an_order_under_another_key_is_noticed() {
        let mut tally = Tally::default();
        assert!(
            tally
                .add(b"somebody", &orders()[0])
                .is_err_and(|e| e.contains("another key"))
        );
    }
}
