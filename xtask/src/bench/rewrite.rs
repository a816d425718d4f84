//! A rewrite under full load: runs the measurement of the `benches` package and shows what it found.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value as Json;

use super::Options;
use super::record::{Section, Table};

/// What the longest turn may take, its fork aside, in milliseconds of processor time.
const TURN_LIMIT_MS: f64 = 10.0;
/// How much of the residual diff a turn may write, in bytes, where less than half of it is fed in that turn.
const RESIDUAL_LIMIT_BYTES: f64 = 1_048_576.0;

/// Measures.
///
/// # Errors
/// If the measurement cannot be built or run.
pub(crate) fn measure(options: &Options) -> Result<Section> {
    let keys = options.rewrite_keys.to_string();
    let mut arguments = vec!["--json", "--keys", keys.as_str()];
    if let Some(dir) = options.dir.as_ref().and_then(|dir| dir.to_str()) {
        arguments.extend(["--dir", dir]);
    }
    section(super::measured_by("rewrite", &arguments)?)
}

fn section(json: Json) -> Result<Section> {
    let mut table = Table::new(
        ["rewrite", "requests meanwhile", "longest turn, ms", "on the wall, ms", "residual, MB", "in the loop, bytes"]
            .map(str::to_owned),
    );
    let rewrites = json["rewrites"].as_array().context("rewrite printed no rewrites")?;
    ensure!(!rewrites.is_empty(), "rewrite measured nothing");
    let number = |of: &Json, field: &str| of[field].as_f64().with_context(|| format!("rewrite printed no {field}"));
    let (mut longest_ms, mut residual_bytes) = (0.0_f64, 0.0_f64);
    for (n, rewrite) in rewrites.iter().enumerate() {
        let cpu_ms = number(rewrite, "longest_turn_cpu_us")? / 1_000.0;
        let in_loop_bytes = number(rewrite, "residual_in_loop_bytes")?;
        longest_ms = longest_ms.max(cpu_ms);
        residual_bytes = residual_bytes.max(in_loop_bytes);
        table.rows.push(vec![
            (n + 1).to_string(),
            rewrite["requests"].to_string(),
            format!("{cpu_ms:.2}"),
            format!("{:.2}", number(rewrite, "longest_turn_wall_us")? / 1_000.0),
            format!("{:.2}", number(rewrite, "residual_mb")?),
            format!("{in_loop_bytes:.0}"),
        ]);
    }
    let within = |ok: bool| if ok { "within" } else { "ABOVE" };
    let notes = vec![
        format!(
            "{} keys, {} clients with a pipeline of {}, SETs of random keys as fast as turns go round, in one process over \
             real files and a forked child. The longest turn took {longest_ms:.2} ms of processor time, {} the limit of \
             {TURN_LIMIT_MS} ms; without a rewrite {:.2} ms. At most {residual_bytes:.0} bytes of the residual diff were \
             written in one turn, {} the limit.",
            json["keys"],
            json["clients"],
            json["pipeline"],
            within(longest_ms <= TURN_LIMIT_MS),
            number(&json, "longest_quiet_turn_cpu_us")? / 1_000.0,
            within(residual_bytes <= RESIDUAL_LIMIT_BYTES),
        ),
        "On the wall a turn also takes what it waits in system calls, and what the machine runs meanwhile, the child among it."
            .to_owned(),
    ];
    Ok(Section { title: "A rewrite under full load".to_owned(), key: "rewrite", notes, table, json })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_above_a_limit_is_called_so() {
        let found = |cpu_us: u64, in_loop_bytes: u64| {
            let rewrite = json!({
                "requests": 1, "longest_turn_cpu_us": cpu_us, "longest_turn_wall_us": cpu_us, "residual_mb": 0.5,
                "residual_in_loop_bytes": in_loop_bytes,
            });
            let all = json!({ "keys": 1, "clients": 1, "pipeline": 1, "longest_quiet_turn_cpu_us": 1, "rewrites": [rewrite] });
            section(all).unwrap().notes[0].clone()
        };
        let good = found(9_999, 1 << 20);
        assert!(good.contains("10.00 ms of processor time, within") && good.contains("in one turn, within"), "{good}");
        let bad = found(10_500, (1 << 20) + 1);
        assert!(bad.contains("10.50 ms of processor time, ABOVE") && bad.contains("in one turn, ABOVE"), "{bad}");
    }
}
