//! A broken promise, with what is needed to understand and repeat it.

use std::fmt;

use vfs::sim::SimDisk;

use crate::campaign::Campaign;
use crate::client::{Wrong, WrongReply};
use crate::life::{End, Life};
use crate::server::{DIR, Refusal};
use crate::verdict::{Crash, Violation};

/// What went wrong.
#[derive(Debug)]
pub enum Problem {
    /// The server does not start on an empty disk.
    FirstStart(Refusal),
    /// A client got a wrong reply.
    WrongReply(WrongReply),
    /// The server ended by itself, with this status.
    Ended(i32),
    /// A crash broke a promise.
    Crash {
        /// Which crash.
        crash: Crash,
        /// How the life before it ended.
        end: End,
        /// Which promise.
        violation: Violation,
    },
    /// The program itself stopped, with this message.
    Panicked(String),
}

impl Problem {
    /// In a word: a campaign made smaller must fail with the same.
    pub fn name(&self) -> &'static str {
        match self {
            Self::FirstStart(_) => "first start",
            Self::WrongReply(reply) => match reply.wrong {
                Wrong::Content => "wrong reply",
                Wrong::AckAfterFailure => "ack after failure",
                Wrong::ErrorWithoutReason => "error without reason",
                Wrong::RefusalWithoutReason => "refusal without reason",
                Wrong::NeverHeals => "never heals",
                Wrong::Missing => "old log gone",
                Wrong::TwoChildren => "two children",
                Wrong::GoesOn => "refuses to end",
            },
            Self::Ended(_) => "server ended",
            Self::Panicked(_) => "panic",
            Self::Crash { violation, .. } => match violation {
                Violation::DoesNotStart(_) => "does not start",
                Violation::NoPrefix { .. } => "no prefix",
                Violation::SplitTransaction { .. } => "split transaction",
                Violation::Damaged { .. } => "damaged value",
                Violation::Lost { .. } => "lost",
                Violation::Unstable { .. } => "unstable",
                Violation::BrokenWord { .. } => "broken word",
                Violation::LeftOver(_) => "file left over",
                Violation::TailGone(_) => "tail gone",
                Violation::Snapshot(_) => "snapshot",
                Violation::TakesNoWrites(_) => "takes no writes",
            },
        }
    }
}

#[cfg(feature = "mutants")]
impl Problem {
    /// The kind of broken promise that it is. `None`: no promise of the server's, and no sign of any mutant.
    pub fn sign(&self) -> Option<mutants::Sign> {
        use mutants::Sign;
        Some(match self.name() {
            "lost" | "damaged value" | "broken word" => Sign::Loss,
            "ack after failure" => Sign::EarlyAck,
            "no prefix" | "wrong reply" => Sign::Content,
            "split transaction" => Sign::Split,
            "first start" | "does not start" => Sign::Refusal,
            "unstable" => Sign::Unstable,
            "file left over" => Sign::LeftOver,
            "tail gone" => Sign::TailGone,
            "takes no writes"
            | "error without reason"
            | "refusal without reason"
            | "never heals"
            | "refuses to end" => Sign::Stuck,
            "old log gone" => Sign::SetAsideGone,
            "snapshot" => Sign::Snapshot,
            "two children" => Sign::TwoChildren,
            _ => return None,
        })
    }
}

/// A failed campaign.
#[derive(Debug)]
pub struct Failure {
    /// The campaign: it repeats the failure to the byte.
    pub campaign: Campaign,
    /// The life, from 0.
    pub life: u32,
    /// What went wrong.
    pub problem: Problem,
    /// The last calls to the disk.
    pub calls: Vec<String>,
    /// The operations of the life, the settings changed, and the fsyncs of the log.
    pub history: Vec<String>,
    /// The calls of the starts after it.
    pub starts: Vec<String>,
    /// The server's log.
    pub log: Vec<String>,
    /// The files that the recovery found or left.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Failure {
    /// What is known of a failure, in a life or before any.
    pub fn of(campaign: &Campaign, life: u32, problem: Problem, disk: &SimDisk, played: Option<&Life>) -> Box<Self> {
        let calls = played.map(|played| played.server.disk.trace()).unwrap_or_default();
        let calls = calls.iter().rev().take(60).rev().map(ToString::to_string).collect();
        let log = played.map(|played| played.server.log.0.borrow().iter().map(|(_, line)| line.clone()).collect());
        let files = disk.names(DIR).into_iter().map(|name| {
            let content = disk.content(DIR, &name).unwrap_or_default();
            (name, content)
        });
        let files = files.collect();
        let history = played.map(history_of).unwrap_or_default();
        Box::new(Self {
            campaign: campaign.clone(),
            life,
            problem,
            calls,
            starts: Vec::new(),
            history,
            log: log.unwrap_or_default(),
            files,
        })
    }

    /// A failure of which nothing is known but that the program stopped.
    pub fn of_panic(campaign: &Campaign, message: String) -> Box<Self> {
        Self::of(campaign, 0, Problem::Panicked(message), &SimDisk::new(), None)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {:#x} (life {}): {:#?}", self.campaign.seed, self.life, self.problem)?;
        writeln!(f, "what was executed, and when it was acknowledged:")?;
        for line in &self.history {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "the last calls to the disk:")?;
        for call in &self.calls {
            writeln!(f, "  {call}")?;
        }
        for call in &self.starts {
            writeln!(f, "  {call}")?;
        }
        writeln!(f, "the server's log:")?;
        for line in &self.log {
            writeln!(f, "  {line}")?;
        }
        for (name, content) in &self.files {
            let tail = &content[content.len().saturating_sub(2_000)..];
            writeln!(f, "{name}, {} bytes, ends with: {}", content.len(), tail.escape_ascii())?;
        }
        Ok(())
    }
}

fn history_of(played: &Life) -> Vec<String> {
    let executed = played.history.executed.iter().enumerate().map(|(nth, done)| {
        let crate::history::Executed { db, op, unix_ms, needs, acked_ms, promise, .. } = done;
        let mut op = format!("{op:?}");
        op.truncate(100);
        format!("{} db {db} {op} at {unix_ms}, needs {needs}, acked {acked_ms:?} under {promise:?}", nth + 1)
    });
    let fsyncs = played.server.bio.fsyncs();
    let fsyncs = fsyncs.iter().map(|run| format!("fsync of the log from {} to {:?}", run.start_ms, run.end_ms));
    let settings = played.settings.iter().cloned();
    executed.chain(settings).chain(fsyncs).chain([format!("crashed at {}", played.server.now.mono_ms())]).collect()
}
