//! WAIT and WAITAOF: clients that are answered when the log has come far enough, or when their time is over.
//!
//! Such a client is not read, and what it sent behind the request stays in its query buffer. There are no replicas: whoever
//! waits for some waits for its time alone. Source of replies and errors: replication.c and blocked.c of Redis.
//!
//! WAITAOF promises more than the policy may: what the client wrote before a `1` outlives a power cut. So it is judged by what is
//! on stable storage under the log's name, and starts an fsync where the policy would not.
//!
//! Invariant: a client stands in the tables here exactly while it is [`Blocked::Waiting`].

use std::collections::BTreeSet;

use aof_state::LogOffset;
use mutants::{Mutant, planted};
use resp_codec::Args;

use crate::client::{Blocked, Client, ClientId, Wait, WaitFor};
use crate::engine::Engine;

const LOG_OFF: &str = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";

/// The clients that wait.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// Those that an fsync answers, by what it must cover.
    by_offset: BTreeSet<(LogOffset, ClientId)>,
    /// Those that time answers, by monotonic microseconds.
    by_deadline: BTreeSet<(u64, ClientId)>,
    /// Those that were answered, whose next requests are run when the turn ends.
    answered: Vec<ClientId>,
}

impl Waiters {
    fn insert(&mut self, id: ClientId, wait: Wait) {
        if wait.is_answered_by_log() {
            self.by_offset.insert((wait.upto, id));
        }
        self.by_deadline.extend(wait.until_us.map(|at_us| (at_us, id)));
    }

    /// Forgets a client that leaves, or was answered.
    pub(crate) fn remove(&mut self, id: ClientId, wait: Wait) {
        self.by_offset.remove(&(wait.upto, id));
        if let Some(at_us) = wait.until_us {
            self.by_deadline.remove(&(at_us, id));
        }
    }

    /// When the first of them is answered at the latest, monotonic microseconds.
    pub(crate) fn next_deadline_us(&self) -> Option<u64> {
        self.by_deadline.first().map(|&(at_us, _)| at_us)
    }

    /// How many wait for a time that ends.
    pub(crate) fn with_deadline(&self) -> usize {
        self.by_deadline.len()
    }

    /// Takes out somebody whom the log answers, now that it is durable up to `mark`, or whose time is over.
    fn take_due(&mut self, mark: Option<LogOffset>, now_us: u64) -> Option<ClientId> {
        if self.by_offset.first().is_some_and(|&(upto, _)| mark.is_some_and(|mark| mark >= upto)) {
            return self.by_offset.pop_first().map(|(_, id)| id);
        }
        if self.by_deadline.first().is_some_and(|&(at_us, _)| at_us <= now_us) {
            return self.by_deadline.pop_first().map(|(_, id)| id);
        }
        None
    }
}

impl Engine {
    /// `WAIT numreplicas timeout`.
    pub(crate) fn wait_command(&mut self, client: &mut Client, args: Args<'_>) {
        let Some(replicas) = numeric::parse_i64(args.at(1)) else {
            return self.answer_error(client, "ERR value is not an integer or out of range");
        };
        let until_us = match self.deadline_us(args.at(2)) {
            Ok(until_us) => until_us,
            Err(text) => return self.answer_error(client, text),
        };
        let wait = Wait { what: WaitFor::Replicas, upto: client.fed_upto, until_us };
        self.wait_or_answer(client, wait, replicas <= 0);
    }

    /// `WAITAOF numlocal numreplicas timeout`.
    pub(crate) fn waitaof_command(&mut self, client: &mut Client, args: Args<'_>) {
        let (local, replicas, until_us) = match self.waitaof_arguments(args) {
            Ok(parsed) => parsed,
            Err(text) => return self.answer_error(client, text),
        };
        if local && !self.persistence.is_fed() {
            return self.answer_error(client, LOG_OFF);
        }
        let wait = Wait { what: WaitFor::Files { local, replicas }, upto: client.fed_upto, until_us };
        let met = !replicas && (!local || self.is_durable(wait.upto));
        self.wait_or_answer(client, wait, met);
    }

    /// Whether our log is waited for, whether those of replicas are, and until when.
    fn waitaof_arguments(&self, args: Args<'_>) -> Result<(bool, bool, Option<u64>), &'static str> {
        let local = match numeric::parse_i64(args.at(1)) {
            None => return Err("ERR value is not an integer or out of range"),
            Some(0) => false,
            Some(1) => true,
            Some(_) => return Err("ERR value is out of range, value must between 0 and 1"),
        };
        let replicas = numeric::parse_i64(args.at(2)).filter(|replicas| *replicas >= 0);
        let replicas = replicas.ok_or("ERR value is out of range, must be positive")?;
        Ok((local, replicas > 0, self.deadline_us(args.at(3))?))
    }

    /// A timeout in milliseconds as the time of its end; `None` for 0, which is for ever.
    fn deadline_us(&self, timeout: &[u8]) -> Result<Option<u64>, &'static str> {
        let ms = self.timeout_ms(timeout)?;
        Ok((ms > 0).then(|| self.now.mono_us.saturating_add(ms.saturating_mul(1000))))
    }

    /// A timeout in milliseconds. Source: getTimeoutFromObjectOrReply of Redis, its errors too.
    pub(crate) fn timeout_ms(&self, timeout: &[u8]) -> Result<u64, &'static str> {
        match numeric::parse_i64(timeout) {
            None => Err("ERR timeout is not an integer or out of range"),
            Some(ms) if ms < 0 => Err("ERR timeout is negative"),
            Some(ms) if ms.checked_add(self.now.unix().0).is_none() => Err("ERR timeout is out of range"),
            Some(ms) => Ok(ms.unsigned_abs()),
        }
    }

    /// Answers a client whose condition is met, or that may not wait because it is inside EXEC; lets all others wait.
    fn wait_or_answer(&mut self, client: &mut Client, wait: Wait, met: bool) {
        if met || self.unit.is_some() {
            return self.answer_truth(client, wait);
        }
        if wait.is_for_log() {
            self.persistence.aof.want_fsync(wait.upto);
        }
        client.blocked = Blocked::Waiting(wait);
        self.waiters.insert(client.id, wait);
    }

    /// Up to where a power cut takes nothing, if there is anything that it would leave.
    fn durable(&self) -> Option<LogOffset> {
        let aof = &self.persistence.aof;
        if planted(Mutant::WaitaofEarly) {
            return aof.is_open().then(|| aof.marks().written);
        }
        if self.process.hooks.ack_early { aof.is_open().then(|| aof.marks().written) } else { aof.durable() }
    }

    fn is_durable(&self, upto: LogOffset) -> bool {
        self.durable().is_some_and(|mark| mark >= upto)
    }

    /// What is true at this moment: the reply of who is satisfied as of who has waited long enough.
    fn answer_truth(&mut self, client: &mut Client, wait: Wait) {
        let durable = self.is_durable(wait.upto);
        let mut reply = self.reply(client);
        match wait.what {
            WaitFor::Replicas => reply.integer(0),
            WaitFor::Files { .. } => {
                reply.array(2);
                reply.integer(i64::from(durable));
                reply.integer(0);
            }
        }
        self.end_reply(client, LogOffset(0));
    }

    /// Answers the clients that need wait no longer, and runs what they sent behind. After the log's part of the turn.
    pub(crate) fn settle_waits(&mut self) {
        let mark = self.durable();
        while let Some(id) = self.waiters.take_due(mark, self.now.mono_us) {
            self.end_wait(id, None);
        }
        for id in std::mem::take(&mut self.waiters.answered) {
            let Some(mut client) = self.clients.check_out(id) else { continue };
            self.resume(&mut client);
            self.clients.check_in(client);
        }
    }

    /// Answers a client that waits, with an error or with what is true. Its requests go on when the turn ends. Returns whether
    /// it did wait.
    fn end_wait(&mut self, id: ClientId, error: Option<&str>) -> bool {
        let Some(mut client) = self.clients.check_out(id) else { return false };
        // The reply is no part of the transaction that may be running.
        let unit = self.unit.take();
        let waited = if let Blocked::Waiting(wait) = client.blocked {
            self.waiters.remove(id, wait);
            client.blocked = Blocked::No;
            client.active_ms = self.now.mono_ms();
            match error {
                Some(text) => self.answer_error(&mut client, text),
                None => self.answer_truth(&mut client, wait),
            }
            self.waiters.answered.push(id);
            self.turn_wanted = true;
            true
        } else {
            false
        };
        self.unit = unit;
        self.clients.check_in(client);
        waited
    }

    /// The log was turned off: nobody can wait for it any more.
    pub(crate) fn refuse_log_waiters(&mut self) {
        let waits = |c: &&Client| matches!(c.blocked, Blocked::Waiting(wait) if wait.is_for_log());
        let ids: Vec<ClientId> = self.clients.iter().filter(waits).map(|c| c.id).collect();
        for id in ids {
            self.end_wait(id, Some(LOG_OFF));
        }
    }

    /// CLIENT UNBLOCK. One that CLIENT PAUSE keeps waiting is no such client: its request has not begun.
    pub(crate) fn unblock(&mut self, number: i64, with_error: bool) -> bool {
        let id = self.clients.iter().map(|c| c.id).find(|id| i64::try_from(id.number) == Ok(number));
        id.is_some_and(|id| self.end_wait(id, with_error.then_some(UNBLOCKED)))
    }

    /// Whether the client waits, for the end of a pause or in WAIT or WAITAOF. One that leaves meanwhile need not be kept: it is
    /// not read, so nothing else would tell that it left.
    pub fn is_blocked(&self, id: ClientId) -> bool {
        self.clients.get(id).is_some_and(|client| client.blocked != Blocked::No)
    }
}
