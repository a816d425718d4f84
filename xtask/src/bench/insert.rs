//! The longest single insertion: runs the measurement of the `benches` package and shows what it found.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value as Json;

use super::Options;
use super::record::{Section, Table};

/// What the longest single insertion into a database or a large collection may take, in milliseconds of processor time.
const LIMIT_MS: f64 = 5.0;

/// Measures.
///
/// # Errors
/// If the measurement cannot be built or run.
pub(crate) fn measure(options: &Options) -> Result<Section> {
    section(super::measured_by("longest_insert", &[&options.insertions.to_string(), "--json"])?)
}

fn section(json: Json) -> Result<Section> {
    let mut table = Table::new(
        ["insertion into", "how many", "each, ns", "99.99 %, ms", "in every round, ms", "in one, ms"]
            .map(str::to_owned),
    );
    let shapes = json.as_array().context("longest_insert printed no array")?;
    ensure!(!shapes.is_empty(), "longest_insert measured nothing");
    for shape in shapes {
        let ms =
            |field: &str| shape[field].as_f64().map_or_else(|| "?".to_owned(), |us| format!("{:.3}", us / 1_000.0));
        table.rows.push(vec![
            shape["into"].as_str().unwrap_or_default().to_owned(),
            shape["insertions"].to_string(),
            shape["each_ns"].as_f64().map_or_else(|| "?".to_owned(), |ns| format!("{ns:.0}")),
            ms("within_9999_us"),
            ms("longest_again_us"),
            ms("longest_us"),
        ]);
    }
    let longest_ms = shapes.iter().filter_map(|shape| shape["longest_again_us"].as_f64()).fold(0.0, f64::max) / 1_000.0;
    let verdict = if longest_ms <= LIMIT_MS { "within" } else { "ABOVE" };
    let notes = vec![format!(
        "Processor time of the thread. The longest took {longest_ms:.2} ms, {verdict} the limit of {LIMIT_MS} ms. The same \
         operations run in several rounds: a pause that is in the work comes back in every one of them, at the same \
         operation. `in one` is the longest of any round: on a shared machine the processor time of a thread counts \
         interrupts and what other machines took, up to 10 ms for an operation that does next to nothing."
    )];
    Ok(Section { title: "The longest single insertion".to_owned(), key: "insert", notes, table, json })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pause_above_the_limit_is_called_so() {
        let found = |us: f64| {
            section(json!([{ "longest_again_us": 1.0 }, { "longest_again_us": us }])).unwrap().notes[0].clone()
        };
        assert!(found(300.0).contains("0.30 ms, within"));
        assert!(found(5_100.0).contains("5.10 ms, ABOVE"));
    }
}
