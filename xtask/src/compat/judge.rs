//! Compares two servers' replies, request by request: follows transactions, so that each reply inside EXEC is compared in
//! the manner of its own command.

use std::collections::{BTreeMap, BTreeSet};

use testkit::Value;

use super::known::{Case, Circumstances, explain};
use super::manner::{Manner, is_complete, random_shape, scan_shape, wrong_choice};
use super::sequence::CLIENTS;
use super::sorting;
use super::step::{Request, Step};

/// How often a command was sent, and how often it succeeded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) drawn: u64,
    pub(super) succeeded: u64,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// By command.
    pub(super) commands: BTreeMap<&'static str, Tally>,
    /// By known difference.
    pub(super) known: BTreeMap<&'static str, u64>,
    /// Replies that were compared.
    pub(super) replies: u64,
}

impl Counts {
    /// Adds what was counted elsewhere.
    pub(super) fn add(&mut self, other: &Self) {
        for (name, tally) in &other.commands {
            let sum = self.commands.entry(name).or_default();
            sum.drawn += tally.drawn;
            sum.succeeded += tally.succeeded;
        }
        for (name, count) in &other.known {
            *self.known.entry(name).or_default() += count;
        }
        self.replies += other.replies;
    }
}

/// Two replies that differ, and nothing explains it.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    pub(super) request: Request,
    pub(super) ours: Value,
    pub(super) theirs: Value,
    /// What differs, if that is not the reply itself.
    pub(super) note: Option<String>,
}

/// A request and both replies to it.
#[derive(Clone, Debug)]
struct Answered {
    request: Request,
    ours: Value,
    theirs: Value,
}

/// What is known of one client of both servers.
#[derive(Debug, Default)]
struct Connection {
    /// The requests that wait for EXEC.
    queue: Option<Vec<Request>>,
    /// The request before, which a random command's reply is compared with.
    before: Option<Answered>,
}

/// Judges one sequence.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    connections: [Connection; CLIENTS],
    absolute_ms: &'a BTreeSet<i64>,
    pub(super) circumstances: Circumstances,
    /// How far the servers' clocks may have been apart when they did the same.
    pub(super) skew_ms: i64,
    pub(super) counts: Counts,
}

impl<'a> Judge<'a> {
    pub(super) fn new(absolute_ms: &'a BTreeSet<i64>, circumstances: Circumstances) -> Self {
        let connections = Default::default();
        Self { connections, absolute_ms, circumstances, skew_ms: 0, counts: Counts::default() }
    }

    /// Whether a known difference explains two replies, which it then counts.
    pub(super) fn is_known(
        &mut self,
        request: &Request,
        ours: &Value,
        theirs: &Value,
        key_type: Option<&[u8]>,
    ) -> bool {
        let case = Case { request, ours, theirs, key_type, circumstances: self.circumstances };
        let known = explain(&case);
        if let Some(known) = known {
            *self.counts.known.entry(known.name).or_default() += 1;
        }
        known.is_some()
    }

    /// Whether the client is inside MULTI.
    pub(super) fn in_multi(&self, client: usize) -> bool {
        self.connections[client].queue.is_some()
    }

    /// Compares the replies to a step.
    pub(super) fn compare(&mut self, step: &Step, ours: &Value, theirs: &Value) -> Result<(), Box<Difference>> {
        let Step { client, request } = step;
        self.counts.commands.entry(request.command.name).or_default().drawn += 1;
        let queued = Value::Status(b"QUEUED".to_vec());
        if *ours == queued && *theirs == queued {
            if let Some(queue) = &mut self.connections[*client].queue {
                queue.push(request.clone());
            }
            return Ok(());
        }
        let before = self.connections[*client].before.take();
        let done = match (request.command.name, ours, theirs) {
            ("exec", Value::Array(ours), Value::Array(theirs)) => self.compare_transaction(*client, ours, theirs),
            _ => self.compare_one(request, ours, theirs, before.as_ref()),
        };
        self.follow(*client, request, theirs);
        self.connections[*client].before =
            Some(Answered { request: request.clone(), ours: ours.clone(), theirs: theirs.clone() });
        done
    }

    /// Keeps up with what the request did to its connection.
    fn follow(&mut self, client: usize, request: &Request, theirs: &Value) {
        let queue = &mut self.connections[client].queue;
        let failed = theirs.as_error();
        match request.command.name {
            "hello" if failed.is_some() && request.has_word("SETNAME") => self.circumstances.named_by_refused = true,
            "multi" if failed.is_none() => *queue = Some(Vec::new()),
            "exec" | "discard" | "reset" if failed.is_none_or(|text| text.starts_with(b"EXECABORT")) => *queue = None,
            _ => {}
        }
    }

    fn compare_transaction(&mut self, client: usize, ours: &[Value], theirs: &[Value]) -> Result<(), Box<Difference>> {
        let queue = self.connections[client].queue.take().unwrap_or_default();
        self.counts.commands.entry("exec").or_default().succeeded += 1;
        if ours.len() != theirs.len() || ours.len() != queue.len() {
            let [ours, theirs] = [ours, theirs].map(|items| Value::Array(items.to_vec()));
            return self.compare_one(&Request::of(&["EXEC"]), &ours, &theirs, None);
        }
        let mut before: Option<Answered> = None;
        for ((request, ours), theirs) in queue.into_iter().zip(ours).zip(theirs) {
            self.compare_one(&request, ours, theirs, before.as_ref())?;
            before = Some(Answered { request, ours: ours.clone(), theirs: theirs.clone() });
        }
        Ok(())
    }

    fn compare_one(
        &mut self,
        request: &Request,
        ours: &Value,
        theirs: &Value,
        before: Option<&Answered>,
    ) -> Result<(), Box<Difference>> {
        self.counts.replies += 1;
        if ours.as_error().is_none() {
            self.counts.commands.entry(request.command.name).or_default().succeeded += 1;
        }
        let manner = Manner::of(request.command);
        let before = before.filter(|answered| answered.request.first_key() == request.first_key());
        let note = match manner {
            Manner::Clock(unit_ms) if self.near(ours, theirs, unit_ms) => return Ok(()),
            Manner::Random if ours.as_error().is_none() && theirs.as_error().is_none() => {
                let wrong = |reply, witness| wrong_choice(request, reply, witness);
                let [our_witness, their_witness] =
                    [before.map(|answered| &answered.ours), before.map(|answered| &answered.theirs)];
                let wrong = wrong(ours, our_witness)
                    .or_else(|| wrong(theirs, their_witness).map(|text| format!("the reference: {text}")));
                if wrong.is_none() && same(&random_shape(ours), &random_shape(theirs)) {
                    return Ok(());
                }
                wrong
            }
            _ => None,
        };
        self.compare_values(request, ours, theirs, before, note)
    }

    fn compare_values(
        &mut self,
        request: &Request,
        ours: &Value,
        theirs: &Value,
        before: Option<&Answered>,
        note: Option<String>,
    ) -> Result<(), Box<Difference>> {
        let manner = Manner::of(request.command);
        let whole = is_complete(ours) && is_complete(theirs);
        let typed = before.filter(|answered| answered.request.command.name == "type");
        let key_type = typed.and_then(|answered| answered.theirs.as_bytes());
        let form = |reply| match manner {
            Manner::Scan if !whole => scan_shape(reply),
            Manner::Sorted => sorting::form(request, reply, key_type),
            _ => manner.canonical(request, reply),
        };
        let [our_form, their_form] = [form(ours), form(theirs)];
        if note.is_none() && same(&our_form, &their_form) {
            return Ok(());
        }
        if self.is_known(request, &our_form, &their_form, key_type) {
            return Ok(());
        }
        Err(Box::new(Difference { request: request.clone(), ours: ours.clone(), theirs: theirs.clone(), note }))
    }

    /// Whether two times differ by no more than the servers' clocks did.
    fn near(&self, ours: &Value, theirs: &Value, unit_ms: i64) -> bool {
        match (ours.as_integer(), theirs.as_integer()) {
            (Some(ours), Some(theirs)) if ours >= 0 && theirs >= 0 => {
                self.near_ms(ours.saturating_mul(unit_ms), theirs.saturating_mul(unit_ms), unit_ms)
            }
            (ours, theirs) => ours.is_some() && ours == theirs,
        }
    }

    /// Whether two deadlines, or times to live, in units of so many milliseconds, are the same but for the clocks. A
    /// deadline that was given as such is the same in both.
    pub(super) fn near_ms(&self, ours: i64, theirs: i64, unit_ms: i64) -> bool {
        let half = unit_ms / 2;
        let given = self.absolute_ms.range(theirs.saturating_sub(half)..=theirs.saturating_add(half)).next().is_some();
        let rounding = if unit_ms > 1 { unit_ms } else { 0 };
        ours == theirs || !given && ours.abs_diff(theirs) <= (self.skew_ms + rounding).unsigned_abs()
    }
}

/// Equality that tells 0 from -0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(x), Value::Double(y)) => x.to_bits() == y.to_bits(),
        (Value::Array(x), Value::Array(y)) | (Value::Set(x), Value::Set(y)) | (Value::Push(x), Value::Push(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y))
        }
        _ => a == b,
    }
}
