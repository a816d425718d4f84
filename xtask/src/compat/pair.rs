//! Sends a sequence to two servers and has every reply compared.
//!
//! Requests go out in batches, to both servers at once. A batch ends where the next request needs an answer first: another
//! client's turn, an iteration that is followed to its end, members that chance takes out of a set.

use std::time::Instant;

use anyhow::{Context as _, Result};
use testkit::{Client, Pipeline, Value};

use super::judge::{Difference, Judge};
use super::manner::{cursor_at, sorted, wrong_choice};
use super::sequence::CLIENTS;
use super::step::{Request, Step};

/// How many requests go out together.
const BATCH: usize = 128;
/// How many calls an iteration may take.
const MAX_SCAN_CALLS: usize = 10_000;
/// What the clocks of two servers add to the time that a batch takes, in milliseconds.
const CLOCK_GRAIN_MS: i64 = 5;

/// The key under which what a random pop left stays in our server. It is represented as ours did it, not as the reference.
pub(super) const POPPED: &[u8] = b"popped";

/// The key under which each server has what the other dumped. It is represented as that one's form is read.
pub(super) const DUMPED: &[u8] = b"dumped";

/// The connections of all clients to one server.
pub(super) type Clients = [Client; CLIENTS];

/// Both servers.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) ours: Clients,
    pub(super) theirs: Clients,
}

/// The first step whose replies differ.
#[derive(Debug)]
pub(super) struct Found {
    /// Which step.
    pub(super) index: usize,
    pub(super) difference: Box<Difference>,
}

impl Pair {
    /// Sends all steps; stops at the first that differs. `before` is told of each step before it is sent.
    pub(super) fn run(
        &mut self,
        steps: &[Step],
        judge: &mut Judge<'_>,
        mut before: impl FnMut(usize) -> Result<()>,
    ) -> Result<Option<Found>> {
        let mut at = 0;
        while at < steps.len() {
            before(at)?;
            let found = if is_followed(&steps[at]) && !judge.in_multi(steps[at].client) {
                let difference = self.followed(&steps[at], judge)?;
                at += 1;
                difference.map(|difference| Found { index: at - 1, difference })
            } else {
                let end = at + batch_len(&steps[at..]);
                let found = self.batch(&steps[at..end], judge).with_context(|| format!("steps {at} to {end}"))?;
                let found = found.map(|(index, difference)| Found { index: at + index, difference });
                at = end;
                found
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Sends steps of one client to both servers, then compares.
    fn batch(&mut self, steps: &[Step], judge: &mut Judge<'_>) -> Result<Option<(usize, Box<Difference>)>> {
        let client = steps[0].client;
        let mut pipeline = Pipeline::default();
        for step in steps {
            pipeline.push(&step.request.argv);
        }
        let [ours, theirs] = self.both(client, &pipeline, judge)?;
        for (i, ((step, ours), theirs)) in steps.iter().zip(&ours).zip(&theirs).enumerate() {
            if let Err(difference) = judge.compare(step, ours, theirs) {
                return Ok(Some((i, difference)));
            }
        }
        Ok(None)
    }

    /// The replies of both servers. How long that takes bounds how far apart they did the same thing.
    fn both(&mut self, client: usize, pipeline: &Pipeline, judge: &mut Judge<'_>) -> Result<[Vec<Value>; 2]> {
        let started = Instant::now();
        let (ours, theirs) = (&mut self.ours[client], &mut self.theirs[client]);
        ours.send(pipeline).context("our server")?;
        theirs.send(pipeline).context("the reference")?;
        let receive = |from: &mut Client| (0..pipeline.len()).map(|_| from.receive()).collect::<Result<Vec<_>>>();
        let our_replies = receive(ours).context("our server")?;
        let their_replies = receive(theirs).context("the reference")?;
        let took_ms = i64::try_from(started.elapsed().as_millis())?;
        // A deadline may have been set by one batch and be read by another.
        judge.skew_ms = judge.skew_ms.max(2 * took_ms + CLOCK_GRAIN_MS);
        Ok([our_replies, their_replies])
    }

    fn both_once(&mut self, client: usize, words: &[&[u8]], judge: &mut Judge<'_>) -> Result<[Value; 2]> {
        let mut pipeline = Pipeline::default();
        pipeline.push(words);
        let [mut ours, mut theirs] = self.both(client, &pipeline, judge)?;
        Ok([ours.remove(0), theirs.remove(0)])
    }

    /// A step whose reply decides what is asked next.
    fn followed(&mut self, step: &Step, judge: &mut Judge<'_>) -> Result<Option<Box<Difference>>> {
        match step.request.command.name {
            "spop" => self.random_pop(step, judge),
            "dump" => self.exchange(step, judge),
            _ => self.iteration(step, judge),
        }
    }

    /// Follows an iteration to its end on each server and compares what they answered in all.
    fn iteration(&mut self, step: &Step, judge: &mut Judge<'_>) -> Result<Option<Box<Difference>>> {
        let ours = iterate(&mut self.ours[step.client], &step.request).context("our server")?;
        let theirs = iterate(&mut self.theirs[step.client], &step.request).context("the reference")?;
        Ok(judge.compare(step, &ours, &theirs).err())
    }

    /// Members that chance takes are checked against the set as it was; then both servers get the same sets.
    fn random_pop(&mut self, step: &Step, judge: &mut Judge<'_>) -> Result<Option<Box<Difference>>> {
        let client = step.client;
        let key = step.request.word(1);
        let whole = self.both_once(client, &[b"SMEMBERS", key], judge)?;
        let words: Vec<&[u8]> = step.request.argv.iter().map(Vec::as_slice).collect();
        let [ours, theirs] = self.both_once(client, &words, judge)?;
        let members = whole[1].as_items().map_or(0, <[Value]>::len);
        let popped = theirs.as_items().map_or(usize::from(theirs.as_bytes().is_some()), <[Value]>::len);
        if theirs.as_error().is_some() || popped == 0 || popped == members {
            return Ok(judge.compare(step, &ours, &theirs).err());
        }
        if let Some(note) = wrong_pop(&step.request, &ours, &theirs, &whole[0]) {
            return Ok(Some(Box::new(Difference { request: step.request.clone(), ours, theirs, note: Some(note) })));
        }
        judge.compare(step, &theirs, &theirs).expect("a reply is what it is");
        let left = self.both_once(client, &[b"SMEMBERS", key], judge)?;
        if left.iter().any(|left| left.as_items().map(<[Value]>::len) != Some(members - popped)) {
            let [ours, theirs] = left;
            let note = Some("what is left of the set".to_owned());
            return Ok(Some(Box::new(Difference { request: step.request.clone(), ours, theirs, note })));
        }
        let encodings = self.both_once(client, &[b"OBJECT", b"ENCODING", key], judge)?;
        self.make_equal(client, key, &left, judge)?;
        if are_alike(&whole[0]) {
            let request = Request::of(&[b"OBJECT".as_slice(), b"ENCODING", key]);
            return Ok(judge.compare(&Step { client, request }, &encodings[0], &encodings[1]).err());
        }
        Ok(None)
    }

    /// Each server restores what the other dumped, with the deadline; what they then dump is the same once more. The key stays, so
    /// that our log must have it right.
    fn exchange(&mut self, step: &Step, judge: &mut Judge<'_>) -> Result<Option<Box<Difference>>> {
        let (client, key) = (step.client, step.request.word(1));
        let words: Vec<&[u8]> = step.request.argv.iter().map(Vec::as_slice).collect();
        let dumped = self.both_once(client, &words, judge)?;
        let found = judge.compare(step, &dumped[0], &dumped[1]).err();
        let [Some(ours), Some(theirs)] = [dumped[0].as_bytes(), dumped[1].as_bytes()] else { return Ok(found) };
        if found.is_some() {
            return Ok(found);
        }
        let deadlines = self.both_once(client, &[b"PEXPIRETIME", key], judge)?;
        let at = deadlines[1].as_integer().unwrap_or_default().max(0).to_string();
        let words = |payload| [b"RESTORE", DUMPED, at.as_bytes(), payload, b"REPLACE", b"ABSTTL"];
        let request = Request::of(&words(theirs));
        let restored = [self.ours[client].call(&words(theirs))?, self.theirs[client].call(&words(ours))?];
        if let Err(difference) = judge.compare(&Step { client, request }, &restored[0], &restored[1]) {
            return Ok(Some(difference));
        }
        let request = Request::of(&[b"DUMP", DUMPED]);
        let again = self.both_once(client, &[b"DUMP", DUMPED], judge)?;
        for reply in &again {
            if let Err(difference) = judge.compare(&Step { client, request: request.clone() }, reply, &dumped[0]) {
                return Ok(Some(difference));
            }
        }
        Ok(None)
    }

    /// Brings both servers in step after a random pop. What it left in ours stays under another name, so that our log must
    /// have it right, and the reference gets the same there; under its own name both get what is left in the reference.
    fn make_equal(&mut self, client: usize, key: &[u8], left: &[Value; 2], judge: &mut Judge<'_>) -> Result<()> {
        let deadlines = self.both_once(client, &[b"PEXPIRETIME", key], judge)?;
        let (ours, theirs) = (&mut self.ours[client], &mut self.theirs[client]);
        ours.expect(&[b"RENAME", key, POPPED])?;
        theirs.expect(&[b"DEL", key, POPPED])?;
        put_set(theirs, POPPED, &left[0], &deadlines[1])?;
        put_set(ours, key, &left[1], &deadlines[0])?;
        put_set(theirs, key, &left[1], &deadlines[1])
    }
}

/// Makes a set of these members, with a deadline unless it is negative.
fn put_set(client: &mut Client, key: &[u8], members: &Value, deadline: &Value) -> Result<()> {
    let mut add: Vec<&[u8]> = vec![b"SADD", key];
    add.extend(members.as_items().unwrap_or_default().iter().filter_map(Value::as_bytes));
    client.expect(&add)?;
    if let Some(at_ms) = deadline.as_integer().filter(|at_ms| *at_ms > 0) {
        client.expect(&[b"PEXPIREAT", key, at_ms.to_string().as_bytes()])?;
    }
    Ok(())
}

/// Whether it does not matter to the representation of a set which of these members are left in it.
fn are_alike(members: &Value) -> bool {
    let members = members.as_items().unwrap_or_default();
    let is_integer = |member: &Value| {
        let text = member.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.is_some_and(|text| text.parse::<i64>().is_ok_and(|number| number.to_string() == text))
    };
    let len = |member: &Value| member.as_bytes().map(<[u8]>::len);
    members.iter().all(is_integer)
        || members.iter().all(|member| !is_integer(member) && len(member) == len(&members[0]))
}

/// What is wrong with members that were popped.
fn wrong_pop(request: &Request, ours: &Value, theirs: &Value, whole: &Value) -> Option<String> {
    let len = |reply: &Value| reply.as_items().map(<[Value]>::len);
    if len(ours) != len(theirs) || std::mem::discriminant(ours) != std::mem::discriminant(theirs) {
        return Some("another number or type".to_owned());
    }
    wrong_choice(request, ours, Some(whole))
}

/// Whether the step's reply decides what is asked next.
fn is_followed(step: &Step) -> bool {
    let request = &step.request;
    match request.command.name {
        "spop" => matches!(request.argv.len(), 2 | 3) && request.word(2) != b"1000",
        "dump" => request.argv.len() == 2,
        "scan" | "sscan" | "hscan" | "zscan" => request.word(cursor_at(request)) == b"0",
        _ => false,
    }
}

/// How many steps go out together, from the first on: one client's, up to what is followed.
fn batch_len(steps: &[Step]) -> usize {
    let client = steps[0].client;
    if steps[0].request.word(1) == b"somebody" {
        return 1;
    }
    let more = steps[1..].iter().take_while(|step| step.client == client && !is_followed(step));
    (1 + more.count()).min(BATCH)
}

/// All items of an iteration, as the reply of its last call; the first reply if that is no part of an iteration.
fn iterate(client: &mut Client, request: &Request) -> Result<Value> {
    let mut argv = request.argv.clone();
    let mut all: Vec<Vec<Value>> = Vec::new();
    let width = if matches!(request.command.name, "hscan" | "zscan") { 2 } else { 1 };
    for _ in 0..MAX_SCAN_CALLS {
        let reply = client.call(&argv)?;
        let Some([cursor, Value::Array(items)]) = reply.as_items() else { return Ok(reply) };
        all.extend(items.chunks(width).map(<[Value]>::to_vec));
        let Some(next) = cursor.as_bytes() else { return Ok(reply) };
        if next == b"0" {
            all.sort_by_cached_key(|row| format!("{row:?}"));
            all.dedup();
            return Ok(Value::Array(vec![Value::Bulk(b"0".to_vec()), sorted_rows(&all, width)]));
        }
        argv[cursor_at(request)] = next.to_vec();
    }
    anyhow::bail!("{request} does not end after {MAX_SCAN_CALLS} calls")
}

fn sorted_rows(rows: &[Vec<Value>], width: usize) -> Value {
    let flat = Value::Array(rows.concat());
    if width == 1 { sorted(flat) } else { flat }
}
