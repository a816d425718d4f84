//! INFO as a client sees it: fields by name.

use std::collections::BTreeMap;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::client::Client;

/// How long a rewrite may take, under strace too.
const REWRITE_BOUND: Duration = Duration::from_secs(60);

/// Waits until no rewrite runs, is scheduled or switches files.
///
/// # Errors
/// If that takes too long, the last rewrite failed, or the connection breaks.
pub fn wait_rewritten(client: &mut Client) -> Result<()> {
    let deadline = Instant::now() + REWRITE_BOUND;
    loop {
        let info = Info::fetch(client, "persistence")?;
        let running = info.is_set("aof_rewrite_in_progress") || info.is_set("aof_rewrite_scheduled");
        let switching = info.text("aof_rewrite_phase").is_some_and(|phase| phase != "idle");
        if !running && !switching {
            let status = info.text("aof_last_bgrewrite_status").context("aof_last_bgrewrite_status")?;
            ensure!(status == "ok", "the rewrite ended with status {status}");
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the rewrite did not end in {REWRITE_BOUND:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The fields of one INFO reply.
#[derive(Clone, Debug, Default)]
pub struct Info(BTreeMap<String, String>);

impl Info {
    /// Asks for one section.
    ///
    /// # Errors
    /// If the connection breaks or the server answers with an error.
    pub fn fetch(client: &mut Client, section: &str) -> Result<Self> {
        let reply = client.expect(&["INFO", section])?;
        let text = reply.as_bytes().context("INFO did not answer with a string")?;
        Ok(Self::parse(&String::from_utf8_lossy(text)))
    }

    /// Reads the text of an INFO reply.
    pub fn parse(text: &str) -> Self {
        let fields = text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once(':'));
        Self(fields.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect())
    }

    /// The text of a field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// A field as a number; none if it is missing or no number.
    pub fn number(&self, field: &str) -> Option<i64> {
        self.text(field)?.parse().ok()
    }

    /// Whether a field is there and not 0.
    pub fn is_set(&self, field: &str) -> bool {
        self.number(field).is_some_and(|n| n != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name_and_headings_are_not() {
        let info = Info::parse("# Persistence\r\nloading:0\r\naof_enabled:1\r\naof_last_write_status:ok\r\n");
        assert!(info.is_set("aof_enabled") && !info.is_set("loading") && !info.is_set("absent"));
        assert_eq!(info.text("aof_last_write_status"), Some("ok"));
    }
}
