//! CLIENT: names, lists, replies and the ends of connections.

use std::collections::HashMap;

use aof_state::LogOffset;
use resp_codec::{Args, Protocol};

use crate::client::{Blocked, Client, ClientId, Closing, ReplyMode};
use crate::engine::Engine;

pub(super) const BAD_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "    * ID <client-id>",
    "      Kill connections by client id.",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are:",
    "    * LIB-NAME: the client lib name.",
    "    * LIB-VER: the client lib version.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
    "HELP",
    "    Print this help.",
];

/// A client name: printable ASCII without spaces. `None` if it is not one. Empty clears the name.
pub(super) fn valid_name(name: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(name).ok()?;
    text.bytes().all(|b| (b'!'..=b'~').contains(&b)).then(|| text.to_owned())
}

/// What CLIENT LIST and CLIENT KILL select by.
#[derive(Debug, Default)]
struct Filter {
    ids: Option<Vec<u64>>,
    addr: Option<String>,
    laddr: Option<String>,
    kind: Option<String>,
    user: Option<String>,
}

impl Filter {
    fn matches(&self, client: &Client) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(&client.id.number))
            && self.addr.as_ref().is_none_or(|a| *a == client.peer.addr)
            && self.laddr.as_ref().is_none_or(|a| *a == client.peer.laddr)
            && self.kind.as_ref().is_none_or(|k| k == "normal")
            && self.user.as_ref().is_none_or(|u| u == "default")
    }
}

fn client_kind(name: &[u8]) -> Result<String, String> {
    let kind = String::from_utf8_lossy(name).to_ascii_lowercase();
    match kind.as_str() {
        "normal" | "master" | "replica" | "slave" | "pubsub" => Ok(kind),
        _ => Err(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(name))),
    }
}

impl Engine {
    pub(super) fn client_command(&mut self, client: &mut Client, args: Args<'_>) {
        let sub = Self::subcommand(args);
        match (sub.as_str(), args.len()) {
            ("id", 2) => {
                let id = i64::try_from(client.id.number).unwrap_or(i64::MAX);
                self.reply(client).integer(id);
                self.end_reply(client, LogOffset(0));
            }
            ("getname", 2) => {
                let name = client.name.clone();
                if name.is_empty() {
                    self.reply(client).null();
                } else {
                    self.reply(client).bulk(name.as_bytes());
                }
                self.end_reply(client, LogOffset(0));
            }
            ("setname", 3) => match valid_name(args.at(2)) {
                Some(name) => {
                    client.name = name;
                    self.answer_ok(client);
                }
                None => self.answer_error(client, BAD_NAME),
            },
            ("setinfo", 4) => self.client_setinfo(client, args),
            ("info", 2) => {
                let line = self.describe(client);
                self.reply(client).verbatim(*b"txt", format!("{line}\n").as_bytes());
                self.end_reply(client, LogOffset(0));
            }
            ("list", _) => self.client_list(client, args),
            ("kill", 3..) => self.client_kill(client, args),
            ("pause", 3 | 4) => self.client_pause(client, args),
            ("unpause", 2) => {
                self.pause = None;
                self.answer_ok(client);
            }
            ("unblock", 3 | 4) => self.client_unblock(client, args),
            ("reply", 3) => self.client_reply(client, args.at(2)),
            ("no-evict" | "no-touch", 3) => self.client_switch(client, &sub, args.at(2)),
            ("help", 2) => self.help(client, HELP),
            _ => self.wrong_subcommand(client, args),
        }
    }

    fn client_setinfo(&mut self, client: &mut Client, args: Args<'_>) {
        let option = String::from_utf8_lossy(args.at(2)).to_ascii_lowercase();
        let at = match option.as_str() {
            "lib-name" => 0,
            "lib-ver" => 1,
            _ => {
                let text = format!("ERR Unrecognized option '{}'", String::from_utf8_lossy(args.at(2)));
                return self.answer_error(client, &text);
            }
        };
        match valid_name(args.at(3)) {
            Some(value) => {
                client.lib[at] = value;
                self.answer_ok(client);
            }
            None => {
                let option = String::from_utf8_lossy(args.at(2));
                let text = format!("ERR {option} cannot contain spaces, newlines or special characters.");
                self.answer_error(client, &text);
            }
        }
    }

    fn client_switch(&mut self, client: &mut Client, sub: &str, value: &[u8]) {
        let on = value.eq_ignore_ascii_case(b"on");
        if !on && !value.eq_ignore_ascii_case(b"off") {
            return self.answer_error(client, "ERR syntax error");
        }
        let switch = if sub == "no-evict" { &mut client.no_evict } else { &mut client.no_touch };
        *switch = on;
        self.answer_ok(client);
    }

    fn client_pause(&mut self, client: &mut Client, args: Args<'_>) {
        let writes_only = match args.get(3) {
            None => false,
            Some(mode) if mode.eq_ignore_ascii_case(b"all") => false,
            Some(mode) if mode.eq_ignore_ascii_case(b"write") => true,
            Some(_) => return self.answer_error(client, "ERR CLIENT PAUSE mode must be WRITE or ALL"),
        };
        match self.timeout_ms(args.at(2)) {
            Err(text) => self.answer_error(client, text),
            Ok(ms) => {
                self.pause(ms, writes_only);
                self.answer_ok(client);
            }
        }
    }

    fn client_unblock(&mut self, client: &mut Client, args: Args<'_>) {
        let with_error = match args.get(3) {
            None => false,
            Some(reason) if reason.eq_ignore_ascii_case(b"timeout") => false,
            Some(reason) if reason.eq_ignore_ascii_case(b"error") => true,
            Some(_) => return self.answer_error(client, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        };
        let Some(number) = numeric::parse_i64(args.at(2)) else {
            return self.answer_error(client, "ERR value is not an integer or out of range");
        };
        let unblocked = self.unblock(number, with_error);
        self.reply(client).integer(i64::from(unblocked));
        self.end_reply(client, LogOffset(0));
    }

    fn client_reply(&mut self, client: &mut Client, mode: &[u8]) {
        if mode.eq_ignore_ascii_case(b"on") {
            client.reply_mode = ReplyMode::On;
            self.answer_ok(client);
        } else if mode.eq_ignore_ascii_case(b"off") {
            client.reply_mode = ReplyMode::Off;
        } else if mode.eq_ignore_ascii_case(b"skip") {
            if client.reply_mode != ReplyMode::Off {
                client.reply_mode = ReplyMode::SkipNext;
            }
        } else {
            self.answer_error(client, "ERR syntax error");
        }
    }

    fn client_list(&mut self, client: &mut Client, args: Args<'_>) {
        let mut filter = Filter::default();
        if args.len() > 3 && args.at(2).eq_ignore_ascii_case(b"id") {
            return self.client_list_ids(client, args);
        }
        if args.len() == 4 && args.at(2).eq_ignore_ascii_case(b"type") {
            match client_kind(args.at(3)) {
                Ok(kind) => filter.kind = Some(kind),
                Err(text) => return self.answer_error(client, &text),
            }
        } else if args.len() != 2 {
            return self.answer_error(client, "ERR syntax error");
        }
        // The client that asks is checked out of the table while its requests run.
        let mut listed: Vec<&Client> =
            self.clients.iter().chain(std::iter::once(&*client)).filter(|c| filter.matches(c)).collect();
        listed.sort_unstable_by_key(|c| c.id.number);
        let text: String = listed.into_iter().map(|c| self.describe(c) + "\n").collect();
        self.reply(client).verbatim(*b"txt", text.as_bytes());
        self.end_reply(client, LogOffset(0));
    }

    /// CLIENT LIST ID: in the order asked for; who is not there is left out.
    fn client_list_ids(&mut self, client: &mut Client, args: Args<'_>) {
        let ids: Option<Vec<i64>> = args.from(3).map(numeric::parse_i64).collect();
        let Some(ids) = ids else { return self.answer_error(client, "ERR Invalid client ID") };
        let by_number: HashMap<u64, &Client> =
            self.clients.iter().chain(std::iter::once(&*client)).map(|c| (c.id.number, c)).collect();
        let listed = ids.iter().filter_map(|id| by_number.get(&u64::try_from(*id).ok()?));
        let text: String = listed.map(|c| self.describe(c) + "\n").collect();
        self.reply(client).verbatim(*b"txt", text.as_bytes());
        self.end_reply(client, LogOffset(0));
    }

    fn client_kill(&mut self, client: &mut Client, args: Args<'_>) {
        let (filter, skip_me, old_form) = match kill_filter(args) {
            Ok(parsed) => parsed,
            Err(text) => return self.answer_error(client, &text),
        };
        let lives = |c: &&Client| c.closing != Closing::Now;
        let victims: Vec<ClientId> =
            self.clients.iter().filter(lives).filter(|c| filter.matches(c)).map(|c| c.id).collect();
        let mut killed = victims.len();
        for id in victims {
            self.close(id, Closing::Now);
        }
        if filter.matches(client) && !skip_me {
            killed += 1;
            client.closing = Closing::AfterReplies;
        }
        match (old_form, killed) {
            (true, 0) => self.answer_error(client, "ERR No such client"),
            (true, _) => self.answer_ok(client),
            (false, n) => {
                self.reply(client).integer(i64::try_from(n).unwrap_or(i64::MAX));
                self.end_reply(client, LogOffset(0));
            }
        }
    }

    /// One line of CLIENT LIST.
    pub(crate) fn describe(&self, c: &Client) -> String {
        let now_ms = self.now.mono_ms();
        let flags: String = [
            ('x', c.transaction.is_some()),
            ('b', c.blocked != Blocked::No),
            ('d', c.watch_broken),
            ('c', c.closing == Closing::AfterReplies),
            ('A', c.closing == Closing::Now),
            ('U', c.peer.unix_socket),
            ('e', c.no_evict),
            ('T', c.no_touch),
        ]
        .into_iter()
        .filter_map(|(letter, set)| set.then_some(letter))
        .collect();
        let flags = if flags.is_empty() { "N" } else { &flags };
        let multi = c.transaction.as_ref().map_or(-1, |t| i64::try_from(t.queue.len()).unwrap_or(i64::MAX));
        format!(
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub=0 psub=0 ssub=0 multi={multi} \
             qbuf={} qbuf-free={} argv-mem=0 multi-mem={} rbs={} rbp={} obl={} oll=0 omem=0 tot-mem={} events=r cmd={} \
             user=default redir=-1 resp={} lib-name={} lib-ver={}",
            c.id.number,
            c.peer.addr,
            c.peer.laddr,
            c.peer.fd,
            c.name,
            (now_ms - c.connected_ms) / 1000,
            (now_ms - c.active_ms) / 1000,
            c.db,
            c.query.len(),
            c.query.memory_bytes() - c.query.len().min(c.query.memory_bytes()),
            c.transaction.as_ref().map_or(0, |t| t.bytes),
            c.out.memory_bytes(),
            c.out.unsent_bytes(),
            c.out.unsent_bytes() + c.out.held_bytes(),
            c.memory_bytes(),
            c.last_command,
            if c.proto == Protocol::Resp3 { 3 } else { 2 },
            c.lib[0],
            c.lib[1],
        )
    }
}

/// The filter of CLIENT KILL, whether to spare the caller, and whether it is the old form with an address alone.
fn kill_filter(args: Args<'_>) -> Result<(Filter, bool, bool), String> {
    let text = |i: usize| String::from_utf8_lossy(args.at(i)).into_owned();
    let mut filter = Filter::default();
    if args.len() == 3 {
        filter.addr = Some(text(2));
        return Ok((filter, false, true));
    }
    let mut skip_me = true;
    for i in (2..args.len()).step_by(2) {
        if i + 1 == args.len() {
            return Err("ERR syntax error".to_owned());
        }
        match text(i).to_ascii_lowercase().as_str() {
            "id" => {
                let id = numeric::parse_u64(args.at(i + 1)).filter(|id| *id > 0);
                filter.ids = Some(vec![id.ok_or("ERR client-id should be greater than 0")?]);
            }
            "addr" => filter.addr = Some(text(i + 1)),
            "laddr" => filter.laddr = Some(text(i + 1)),
            "type" => filter.kind = Some(client_kind(args.at(i + 1))?),
            "user" if args.at(i + 1) == b"default" => filter.user = Some("default".to_owned()),
            "user" => return Err(format!("ERR No such user '{}'", text(i + 1))),
            "skipme" => match text(i + 1).to_ascii_lowercase().as_str() {
                "yes" => skip_me = true,
                "no" => skip_me = false,
                _ => return Err("ERR syntax error".to_owned()),
            },
            _ => return Err("ERR syntax error".to_owned()),
        }
    }
    Ok((filter, skip_me, false))
}
