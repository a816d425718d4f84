//! What a server must show that starts over the files of one that was killed.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::history::{self, ClientRecord, Violation};
use testkit::workload::{is_workload_key, read_back};
use testkit::{Client, Dataset, ServerBuilder, compare, dump_dataset};

use crate::leftovers::{still_there, temp_files};

/// How many differences of a dataset are named.
const NAMED: usize = 3;

/// What two starts showed.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// What is wrong, in words.
    pub(crate) findings: Vec<String>,
    /// Acknowledged transactions that are gone.
    pub(crate) lost: u64,
    /// The longer one of the starts, until the first PONG.
    pub(crate) longest_start: Duration,
}

/// Starts a server, judges what it shows, kills it, and starts it again: it must show the same.
///
/// `clients` is what each client recorded, `others` are the keys that no client wrote.
///
/// # Errors
/// If a server does not start, or a connection breaks.
pub(crate) fn recover_twice(builder: &ServerBuilder, clients: &[ClientRecord], others: &Dataset) -> Result<Recovery> {
    let mut recovery = Recovery::default();
    let mut first: Option<Dataset> = None;
    for round in ["the first start", "the second start"] {
        let before = temp_files(&builder.data_dir())?;
        let started = Instant::now();
        let mut server = builder.start().context(round)?;
        recovery.longest_start = recovery.longest_start.max(started.elapsed());
        let mut control = server.client()?;
        let shown = dump_dataset(&mut control)?;
        let left = still_there(server.data_dir(), &before)?;
        recovery.findings.extend(left.into_iter().map(|what| format!("{round}: {what}")));
        match &first {
            None => recovery.judge(&mut control, clients, others, &shown)?,
            Some(first) => recovery.compare("the second start shows other data", first, &shown),
        }
        first.get_or_insert(shown);
        server.kill_9()?;
    }
    Ok(recovery)
}

/// The keys of a dataset that no client of the workload wrote.
pub(crate) fn others(mut dataset: Dataset) -> Dataset {
    dataset.entries.retain(|(db, key), _| *db != 0 || !is_workload_key(key));
    dataset
}

impl Recovery {
    fn judge(
        &mut self,
        control: &mut Client,
        clients: &[ClientRecord],
        expected: &Dataset,
        shown: &Dataset,
    ) -> Result<()> {
        for (client, record) in clients.iter().enumerate() {
            for violation in history::check(record, &read_back(control, client)?).err().unwrap_or_default() {
                if let Violation::LostAck { acked, recovered } = violation {
                    self.lost += acked - recovered;
                }
                self.findings.push(format!("client {client}: {violation}"));
            }
        }
        self.compare("the first start shows other data", expected, &others(shown.clone()));
        Ok(())
    }

    fn compare(&mut self, what: &str, expected: &Dataset, shown: &Dataset) {
        let differences = compare(expected, shown, DEADLINE_TOLERANCE_MS);
        self.findings.extend(differences.iter().take(NAMED).map(|difference| format!("{what}: {difference}")));
    }
}
