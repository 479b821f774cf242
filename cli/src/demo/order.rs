//! One order: what is in the file, and what is added to it.

use serde_json::{Value, json};

/// A country: its code and name.
const COUNTRIES: &[(&str, &str)] = &[
    ("AT", "Austria"),
    ("BE", "Belgium"),
    ("CH", "Switzerland"),
    ("CZ", "Czechia"),
    ("DE", "Germany"),
    ("DK", "Denmark"),
    ("ES", "Spain"),
    ("FR", "France"),
    ("GB", "United Kingdom"),
    ("HU", "Hungary"),
    ("IT", "Italy"),
    ("JP", "Japan"),
    ("NL", "Netherlands"),
    ("NO", "Norway"),
    ("PL", "Poland"),
    ("SE", "Sweden"),
    ("US", "United States"),
];

/// The first part of an article number, and what such articles are.
const CATEGORIES: &[(&str, &str)] = &[
    ("BIS", "sweets"),
    ("BOK", "books"),
    ("CHO", "sweets"),
    ("COF", "coffee"),
    ("FLT", "equipment"),
    ("GRD", "equipment"),
    ("KET", "equipment"),
    ("MUG", "tableware"),
    ("POT", "tableware"),
    ("SCL", "equipment"),
    ("TEA", "tea"),
];

/// A currency, and what a million of it is worth in euro.
const RATES: &[(&str, i64)] = &[
    ("CHF", 1_050_000),
    ("CZK", 40_200),
    ("DKK", 134_000),
    ("EUR", 1_000_000),
    ("GBP", 1_153_000),
    ("HUF", 2_600),
    ("JPY", 5_500),
    ("NOK", 86_600),
    ("PLN", 236_300),
    ("SEK", 91_700),
    ("USD", 861_200),
];

/// Adds the country's name, the category and the amount in euro to an order.
///
/// # Errors
/// Says which field is missing or holds what is not known.
pub(super) fn enrich(line: &[u8]) -> Result<Value, String> {
    let mut order: Value = serde_json::from_slice(line).map_err(|e| format!("no JSON: {e}"))?;
    let country = look_up(COUNTRIES, text(&order, "country")?)?;
    let article = text(&order, "sku")?;
    let category = look_up(
        CATEGORIES,
        article.split_once('-').map_or(article, |(group, _)| group),
    )?;
    let cents = cents_in_euro(&order)?;
    order["country_name"] = json!(country);
    order["category"] = json!(category);
    order["amount_eur"] = json!(cents as f64 / 100.0);
    Ok(order)
}

/// The customer an order is of, which keeps its orders in sequence.
pub(super) fn customer(line: &[u8]) -> Result<String, String> {
    let order: Value = serde_json::from_slice(line).map_err(|e| format!("no JSON: {e}"))?;
    text(&order, "customer").map(str::to_owned)
}

pub(super) fn text<'a>(order: &'a Value, field: &str) -> Result<&'a str, String> {
    order[field]
        .as_str()
        .ok_or_else(|| format!("there is no {field} in {order}"))
}

pub(super) fn number(order: &Value, field: &str) -> Result<i64, String> {
    order[field]
        .as_i64()
        .ok_or_else(|| format!("there is no {field} in {order}"))
}

/// An amount of money, in hundredths.
pub(super) fn hundredths(order: &Value, field: &str) -> Result<i64, String> {
    let amount = order[field].as_f64();
    let amount = amount.ok_or_else(|| format!("there is no {field} in {order}"))?;
    Ok((amount * 100.0).round() as i64)
}

fn look_up<T: Copy>(table: &[(&str, T)], name: &str) -> Result<T, String> {
    let found = table.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, found)| *found)
        .ok_or_else(|| format!("{name} is not in the tables"))
}

/// Price times quantity, rounded to a cent.
fn cents_in_euro(order: &Value) -> Result<i64, String> {
    let rate = look_up(RATES, text(order, "currency")?)?;
    let price = hundredths(order, "price")?;
    let amount = price
        .checked_mul(number(order, "quantity")?)
        .and_then(|a| a.checked_mul(rate));
    let amount = amount.ok_or_else(|| format!("the amount of {order} is out of range"))?;
    Ok((amount + 500_000) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{"order":7,"customer":"C1","country":"CH","sku":"MUG-BLU",
        "quantity":3,"price":12.35,"currency":"CHF"}"#;

    #[test]
    fn an_order_keeps_what_it_has_and_gets_what_it_lacks() {
        let order = enrich(ORDER.as_bytes()).expect("it is complete");
        assert_eq!(order["country_name"], "Switzerland");
        assert_eq!(order["category"], "tableware");
        // 37.05 francs are 38.9025 euro.
        assert_eq!(order["amount_eur"], 38.90);
        assert_eq!(order["sku"], "MUG-BLU");
        assert_eq!(customer(ORDER.as_bytes()), Ok("C1".to_owned()));
    }

    #[test]
    fn what_an_order_lacks_is_named() {
        for (whole, damaged, named) in [
            ("CH\"", "XX\"", "XX"),
            ("quantity", "number", "quantity"),
            ("MUG", "JUG", "JUG"),
            ("12.35", "\"12\"", "price"),
            ("{", "", "JSON"),
            ("12.35", "1e300", "out of range"),
        ] {
            let error = enrich(ORDER.replace(whole, damaged).as_bytes()).expect_err(damaged);
            assert!(error.contains(named), "{damaged}: {error}");
        }
    }
}
