//! The table of directives: every name that Redis 7.2 knows, what it means here, and how its value is read and shown.
//!
//! Three kinds: in effect; known but without effect here, accepted at its Redis default only (so that nobody believes a
//! setting works that does not); and refused by name. An unknown name is an error with Redis's own message.

use std::fmt;

use super::{Config, OutputLimit};
use crate::log::Level;

/// Why a directive could not be set. `Display` is the text Redis gives after `CONFIG SET failed … - `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No directive of that name.
    #[error("Bad directive or wrong number of arguments")]
    Unknown,
    /// It can only be given at start.
    #[error("can't set immutable config")]
    Immutable,
    /// Not a whole number.
    #[error("argument couldn't be parsed into an integer")]
    NotAnInteger,
    /// Not a number of bytes with an optional unit.
    #[error("argument must be a memory value")]
    NotMemory,
    /// Out of range.
    #[error("argument must be between {min} and {max} inclusive")]
    OutOfRange {
        /// The smallest accepted value.
        min: u64,
        /// The largest accepted value.
        max: u64,
    },
    /// Neither yes nor no.
    #[error("argument must be 'yes' or 'no'")]
    NotYesNo,
    /// Not one of the names of an enumeration.
    #[error("argument(s) must be one of the following: {names}")]
    NotOneOf {
        /// The accepted names.
        names: &'static str,
    },
    /// It has a value that is malformed in a way of its own.
    #[error("{reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// Known to Redis, without effect here, and given a value other than its default.
    #[error("'{name}' has no effect in this server and is only accepted at its default, '{default}'")]
    OnlyDefault {
        /// The directive.
        name: &'static str,
        /// Its default.
        default: &'static str,
    },
}

type Get = fn(&Config) -> String;
type Set = fn(&mut Config, &str) -> Result<(), ConfigError>;

#[derive(Clone, Copy)]
enum Access {
    /// Read and changed at run time.
    Live(Get, Set),
    /// Given at start only.
    AtStart(Get, Set),
    /// Known, without effect; accepted at these values only, the first of which is the default.
    Inert(&'static [&'static str]),
}

/// One directive.
#[derive(Clone, Copy)]
pub struct Directive {
    /// Its name.
    pub name: &'static str,
    /// An older name for it.
    pub alias: Option<&'static str>,
    access: Access,
}

impl fmt::Debug for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Directive {
    /// Finds a directive by name or alias, in any case.
    pub fn find(name: &str) -> Option<&'static Self> {
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        TABLE.iter().find(|d| is(d.name) || d.alias.is_some_and(is))
    }

    /// All directives, in the order of the table.
    pub fn all() -> &'static [Self] {
        TABLE
    }

    /// Its value, as CONFIG GET shows it.
    pub fn show(&self, config: &Config) -> String {
        match self.access {
            Access::Live(get, _) | Access::AtStart(get, _) => get(config),
            Access::Inert(values) => values[0].to_owned(),
        }
    }

    /// Sets it, at start.
    ///
    /// # Errors
    /// If the value is malformed, out of range, or not the default of a directive without effect.
    pub fn set(&self, config: &mut Config, value: &str) -> Result<(), ConfigError> {
        match self.access {
            Access::Live(_, set) | Access::AtStart(_, set) => set(config, value),
            Access::Inert(values) if values.iter().any(|v| same_text(v, value)) => Ok(()),
            Access::Inert(values) => Err(ConfigError::OnlyDefault { name: self.name, default: values[0] }),
        }
    }

    /// Sets it at run time.
    ///
    /// # Errors
    /// As [`Directive::set`], and if it can only be given at start.
    pub fn set_live(&self, config: &mut Config, value: &str) -> Result<(), ConfigError> {
        match self.access {
            Access::AtStart(..) => Err(ConfigError::Immutable),
            _ => self.set(config, value),
        }
    }

    /// Whether a configuration file may give it more than one argument.
    pub fn takes_several(&self) -> bool {
        matches!(
            self.name,
            "bind"
                | "save"
                | "client-output-buffer-limit"
                | "oom-score-adj-values"
                | "latency-tracking-info-percentiles"
                | "replicaof"
        )
    }

    /// Whether it has no effect here.
    pub fn is_inert(&self) -> bool {
        matches!(self.access, Access::Inert(_))
    }
}

fn same_text(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || matches!((memory(a), memory(b)), (Ok(x), Ok(y)) if x == y)
}

fn yes_no(value: &str) -> Result<bool, ConfigError> {
    match value {
        v if v.eq_ignore_ascii_case("yes") => Ok(true),
        v if v.eq_ignore_ascii_case("no") => Ok(false),
        _ => Err(ConfigError::NotYesNo),
    }
}

fn show_bool(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn integer(value: &str, min: u64, max: u64) -> Result<u64, ConfigError> {
    let n = numeric::parse_i64(value.as_bytes()).ok_or(ConfigError::NotAnInteger)?;
    u64::try_from(n).ok().filter(|n| (min..=max).contains(n)).ok_or(ConfigError::OutOfRange { min, max })
}

fn integer_u32(value: &str, min: u32, max: u32) -> Result<u32, ConfigError> {
    integer(value, min.into(), max.into()).map(|n| u32::try_from(n).expect("bounded by a u32"))
}

/// Reads a number of bytes: `1k` is 1000, `1kb` is 1024, and so on. Source: memtoull of Redis.
pub(crate) fn memory(value: &str) -> Result<u64, ConfigError> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let unit: u64 = match value[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return Err(ConfigError::NotMemory),
    };
    value[..digits].parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).ok_or(ConfigError::NotMemory)
}

fn memory_between(value: &str, min: u64, max: u64) -> Result<u64, ConfigError> {
    let n = memory(value)?;
    if (min..=max).contains(&n) { Ok(n) } else { Err(ConfigError::OutOfRange { min, max }) }
}

const FSYNC_NAMES: &str = "everysec, always, no";
const LEVEL_NAMES: &str = "debug, verbose, notice, warning, nothing";

fn level(value: &str) -> Result<Level, ConfigError> {
    match value.to_ascii_lowercase().as_str() {
        "debug" => Ok(Level::Debug),
        "verbose" => Ok(Level::Verbose),
        "notice" => Ok(Level::Notice),
        "warning" => Ok(Level::Warning),
        _ => Err(ConfigError::NotOneOf { names: LEVEL_NAMES }),
    }
}

fn show_level(level: Level) -> String {
    match level {
        Level::Debug => "debug",
        Level::Verbose => "verbose",
        Level::Notice => "notice",
        Level::Warning => "warning",
    }
    .to_owned()
}

fn file_name(value: &str) -> Result<String, ConfigError> {
    if value.is_empty() || value.contains('/') || value == "." || value == ".." {
        return Err(ConfigError::Malformed { reason: "appendfilename can't be a path, just a filename" });
    }
    Ok(value.to_owned())
}

fn set_output_limits(c: &mut Config, value: &str) -> Result<(), ConfigError> {
    let words: Vec<&str> = value.split_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err(ConfigError::Malformed { reason: "Wrong number of arguments in buffer limit configuration." });
    }
    for w in words.chunks(4) {
        let wrong = ConfigError::Malformed {
            reason: "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        };
        let bytes = |text| memory(text).map_err(|_| wrong.clone());
        let limit = OutputLimit {
            hard_bytes: bytes(w[1])?,
            soft_bytes: bytes(w[2])?,
            soft_seconds: w[3].parse().map_err(|_| wrong.clone())?,
        };
        match w[0].to_ascii_lowercase().as_str() {
            "normal" => c.output_limit_normal = limit,
            "replica" | "slave" => c.output_limit_replica = limit,
            "pubsub" => c.output_limit_pubsub = limit,
            _ => {
                return Err(ConfigError::Malformed {
                    reason: "Invalid client class specified in buffer limit configuration.",
                });
            }
        }
    }
    Ok(())
}

fn show_output_limits(c: &Config) -> String {
    [("normal", c.output_limit_normal), ("slave", c.output_limit_replica), ("pubsub", c.output_limit_pubsub)]
        .map(|(class, l)| format!("{class} {} {} {}", l.hard_bytes, l.soft_bytes, l.soft_seconds))
        .join(" ")
}

const fn live(name: &'static str, get: Get, set: Set) -> Directive {
    Directive { name, alias: None, access: Access::Live(get, set) }
}

const fn at_start(name: &'static str, get: Get, set: Set) -> Directive {
    Directive { name, alias: None, access: Access::AtStart(get, set) }
}

const fn inert(name: &'static str, values: &'static [&'static str]) -> Directive {
    Directive { name, alias: None, access: Access::Inert(values) }
}

const fn aliased(alias: &'static str, d: Directive) -> Directive {
    Directive { name: d.name, alias: Some(alias), access: d.access }
}

macro_rules! yes_no_directive {
    ($kind:ident $name:literal $field:ident) => {
        $kind($name, |c| show_bool(c.$field), |c, v| yes_no(v).map(|v| c.$field = v))
    };
}

macro_rules! threshold {
    ($name:literal $field:ident) => {
        live(
            $name,
            |c| c.thresholds.$field.to_string(),
            |c, v| integer_u32(v, 0, i32::MAX.unsigned_abs()).map(|v| c.thresholds.$field = v as usize),
        )
    };
}

static TABLE: &[Directive] = &[
    // Network.
    at_start(
        "bind",
        |c| c.bind.join(" "),
        |c, v| {
            c.bind = v.split_whitespace().map(str::to_owned).collect();
            Ok(())
        },
    ),
    at_start(
        "port",
        |c| c.port.to_string(),
        |c, v| integer(v, 0, 65_535).map(|v| c.port = u16::try_from(v).unwrap_or(0)),
    ),
    at_start(
        "unixsocket",
        |c| c.unixsocket.clone(),
        |c, v| {
            v.clone_into(&mut c.unixsocket);
            Ok(())
        },
    ),
    at_start(
        "unixsocketperm",
        |c| format!("{:o}", c.unixsocketperm),
        |c, v| {
            let mode = u32::from_str_radix(v, 8).ok().filter(|m| *m <= 0o777);
            c.unixsocketperm =
                mode.ok_or(ConfigError::Malformed { reason: "argument must be an octal mode between 0 and 777" })?;
            Ok(())
        },
    ),
    at_start("tcp-backlog", |c| c.tcp_backlog.to_string(), |c, v| integer_u32(v, 0, 65_535).map(|v| c.tcp_backlog = v)),
    live(
        "tcp-keepalive",
        |c| c.tcp_keepalive_s.to_string(),
        |c, v| integer_u32(v, 0, 1 << 30).map(|v| c.tcp_keepalive_s = v),
    ),
    live("timeout", |c| c.timeout_s.to_string(), |c, v| integer_u32(v, 0, 1 << 30).map(|v| c.timeout_s = v)),
    live("maxclients", |c| c.maxclients.to_string(), |c, v| integer_u32(v, 1, 1 << 20).map(|v| c.maxclients = v)),
    yes_no_directive!(live "protected-mode" protected_mode),
    live(
        "requirepass",
        |c| c.requirepass.clone(),
        |c, v| {
            v.clone_into(&mut c.requirepass);
            Ok(())
        },
    ),
    live("client-output-buffer-limit", show_output_limits, set_output_limits),
    live(
        "client-query-buffer-limit",
        |c| c.client_query_buffer_limit_bytes.to_string(),
        |c, v| memory_between(v, 1 << 20, i64::MAX.unsigned_abs()).map(|v| c.client_query_buffer_limit_bytes = v),
    ),
    live(
        "proto-max-bulk-len",
        |c| c.proto_max_bulk_len_bytes.to_string(),
        // An argument's place in a request is a 32-bit offset; so the cap is below 4 GB, where Redis takes any long.
        |c, v| memory_between(v, 1 << 20, 2 << 30).map(|v| c.proto_max_bulk_len_bytes = v),
    ),
    // General.
    at_start("databases", |c| c.databases.to_string(), |c, v| integer_u32(v, 1, 1 << 20).map(|v| c.databases = v)),
    live("hz", |c| c.hz.to_string(), |c, v| integer_u32(v, 1, 500).map(|v| c.hz = v)),
    live("loglevel", |c| show_level(c.loglevel), |c, v| level(v).map(|v| c.loglevel = v)),
    at_start(
        "logfile",
        |c| c.logfile.clone(),
        |c, v| {
            v.clone_into(&mut c.logfile);
            Ok(())
        },
    ),
    at_start(
        "pidfile",
        |c| c.pidfile.clone(),
        |c, v| {
            v.clone_into(&mut c.pidfile);
            Ok(())
        },
    ),
    at_start(
        "dir",
        |c| c.dir.clone(),
        |c, v| {
            v.clone_into(&mut c.dir);
            Ok(())
        },
    ),
    yes_no_directive!(at_start "set-proc-title" set_proc_title),
    // Append-only file.
    yes_no_directive!(live "appendonly" appendonly),
    at_start("appendfilename", |c| c.appendfilename.clone(), |c, v| file_name(v).map(|v| c.appendfilename = v)),
    live(
        "appendfsync",
        |c| c.appendfsync.to_string(),
        |c, v| v.parse().map_err(|_| ConfigError::NotOneOf { names: FSYNC_NAMES }).map(|v| c.appendfsync = v),
    ),
    yes_no_directive!(live "no-appendfsync-on-rewrite" no_appendfsync_on_rewrite),
    live(
        "auto-aof-rewrite-percentage",
        |c| c.auto_aof_rewrite_percentage.to_string(),
        |c, v| integer_u32(v, 0, i32::MAX.unsigned_abs()).map(|v| c.auto_aof_rewrite_percentage = v),
    ),
    live(
        "auto-aof-rewrite-min-size",
        |c| c.auto_aof_rewrite_min_size_bytes.to_string(),
        |c, v| memory(v).map(|v| c.auto_aof_rewrite_min_size_bytes = v),
    ),
    yes_no_directive!(live "aof-load-truncated" aof_load_truncated),
    yes_no_directive!(live "aof-load-without-side-file" aof_load_without_side_file),
    live(
        "aof-load-ambiguous-tail",
        |c| if c.aof_ambiguous_tail_cut { "cut" } else { "refuse" }.to_owned(),
        |c, v| {
            c.aof_ambiguous_tail_cut = match v {
                "cut" => true,
                "refuse" => false,
                _ => return Err(ConfigError::NotOneOf { names: "refuse, cut" }),
            };
            Ok(())
        },
    ),
    yes_no_directive!(live "aof-rewrite-incremental-fsync" aof_rewrite_incremental_fsync),
    // Compact encodings.
    aliased("hash-max-ziplist-entries", threshold!("hash-max-listpack-entries" hash_max_listpack_entries)),
    aliased("hash-max-ziplist-value", threshold!("hash-max-listpack-value" hash_max_listpack_value)),
    aliased("zset-max-ziplist-entries", threshold!("zset-max-listpack-entries" zset_max_listpack_entries)),
    aliased("zset-max-ziplist-value", threshold!("zset-max-listpack-value" zset_max_listpack_value)),
    threshold!("set-max-intset-entries" set_max_intset_entries),
    threshold!("set-max-listpack-entries" set_max_listpack_entries),
    threshold!("set-max-listpack-value" set_max_listpack_value),
    // Known to Redis 7.2, without effect here. The first value is the default; others are as good as it.
    inert("save", &["", "3600 1 300 100 60 10000"]),
    inert("aof-use-rdb-preamble", &["no", "yes"]),
    inert("aof-timestamp-enabled", &["no"]),
    inert("appenddirname", &["appendonlydir"]),
    inert("daemonize", &["no"]),
    inert("supervised", &["no", "auto"]),
    inert("maxmemory", &["0"]),
    inert("maxmemory-policy", &["noeviction"]),
    inert("maxmemory-samples", &["5"]),
    inert("maxmemory-eviction-tenacity", &["10"]),
    inert("maxmemory-clients", &["0"]),
    inert("lfu-log-factor", &["10"]),
    inert("lfu-decay-time", &["1"]),
    inert("list-max-listpack-size", &["-2"]),
    inert("list-compress-depth", &["0"]),
    inert("stream-node-max-bytes", &["4096"]),
    inert("stream-node-max-entries", &["100"]),
    inert("hll-sparse-max-bytes", &["3000"]),
    inert("activerehashing", &["yes"]),
    inert("activedefrag", &["no"]),
    inert("active-defrag-ignore-bytes", &["104857600"]),
    inert("active-defrag-threshold-lower", &["10"]),
    inert("active-defrag-threshold-upper", &["100"]),
    inert("active-defrag-cycle-min", &["1"]),
    inert("active-defrag-cycle-max", &["25"]),
    inert("active-defrag-max-scan-fields", &["1000"]),
    inert("active-expire-effort", &["1"]),
    inert("jemalloc-bg-thread", &["yes"]),
    inert("dynamic-hz", &["yes"]),
    inert("lazyfree-lazy-eviction", &["no", "yes"]),
    inert("lazyfree-lazy-expire", &["no", "yes"]),
    inert("lazyfree-lazy-server-del", &["no", "yes"]),
    inert("lazyfree-lazy-user-del", &["no", "yes"]),
    inert("lazyfree-lazy-user-flush", &["no", "yes"]),
    aliased("slave-lazy-flush", inert("replica-lazy-flush", &["no", "yes"])),
    inert("rdbcompression", &["yes", "no"]),
    inert("rdbchecksum", &["yes", "no"]),
    inert("rdb-save-incremental-fsync", &["yes", "no"]),
    inert("rdb-del-sync-files", &["no"]),
    inert("sanitize-dump-payload", &["no"]),
    inert("stop-writes-on-bgsave-error", &["yes", "no"]),
    inert("dbfilename", &["dump.rdb"]),
    inert("slowlog-log-slower-than", &["10000"]),
    inert("slowlog-max-len", &["128"]),
    inert("latency-monitor-threshold", &["0"]),
    inert("latency-tracking", &["yes", "no"]),
    inert("latency-tracking-info-percentiles", &["50 99 99.9"]),
    inert("notify-keyspace-events", &[""]),
    inert("tracking-table-max-keys", &["1000000"]),
    inert("busy-reply-threshold", &["5000"]),
    inert("lua-time-limit", &["5000"]),
    inert("io-threads", &["1"]),
    inert("io-threads-do-reads", &["no"]),
    inert("always-show-logo", &["no"]),
    inert("proc-title-template", &["{title} {listen-addr} {server-mode}"]),
    inert("syslog-enabled", &["no"]),
    inert("syslog-ident", &["redis"]),
    inert("syslog-facility", &["local0"]),
    inert("crash-log-enabled", &["yes", "no"]),
    inert("crash-memcheck-enabled", &["yes", "no"]),
    inert("use-exit-on-panic", &["no", "yes"]),
    inert("disable-thp", &["yes"]),
    inert("oom-score-adj", &["no"]),
    inert("oom-score-adj-values", &["0 200 800"]),
    inert("locale-collate", &[""]),
    inert("enable-protected-configs", &["no"]),
    inert("enable-debug-command", &["no", "local", "yes"]),
    inert("enable-module-command", &["no"]),
    inert("socket-mark-id", &["0"]),
    inert("bind-source-addr", &[""]),
    inert("shutdown-timeout", &["10"]),
    inert("shutdown-on-sigint", &["default"]),
    inert("shutdown-on-sigterm", &["default"]),
    inert("acllog-max-len", &["128"]),
    inert("acl-pubsub-default", &["resetchannels"]),
    inert("aclfile", &[""]),
    inert("aof_rewrite_cpulist", &[""]),
    inert("bgsave_cpulist", &[""]),
    inert("bio_cpulist", &[""]),
    inert("server_cpulist", &[""]),
    inert("ignore-warnings", &[""]),
    inert("aof-disable-auto-gc", &["no"]),
    inert("availability-zone", &[""]),
    // Replication and cluster.
    aliased("slaveof", inert("replicaof", &["", "no one"])),
    inert("masteruser", &[""]),
    inert("masterauth", &[""]),
    aliased("slave-serve-stale-data", inert("replica-serve-stale-data", &["yes"])),
    aliased("slave-read-only", inert("replica-read-only", &["yes"])),
    aliased("slave-priority", inert("replica-priority", &["100"])),
    aliased("slave-announce-ip", inert("replica-announce-ip", &[""])),
    aliased("slave-announce-port", inert("replica-announce-port", &["0"])),
    aliased("slave-ignore-maxmemory", inert("replica-ignore-maxmemory", &["yes"])),
    inert("replica-ignore-disk-write-errors", &["no"]),
    inert("replica-announced", &["yes"]),
    inert("repl-diskless-sync", &["yes", "no"]),
    inert("repl-diskless-sync-delay", &["5"]),
    inert("repl-diskless-sync-max-replicas", &["0"]),
    inert("repl-diskless-load", &["disabled"]),
    inert("repl-disable-tcp-nodelay", &["no"]),
    inert("repl-backlog-size", &["1048576"]),
    inert("repl-backlog-ttl", &["3600"]),
    inert("repl-timeout", &["60"]),
    inert("repl-ping-replica-period", &["10"]),
    aliased("min-slaves-to-write", inert("min-replicas-to-write", &["0"])),
    aliased("min-slaves-max-lag", inert("min-replicas-max-lag", &["10"])),
    inert("propagation-error-behavior", &["ignore"]),
    inert("cluster-enabled", &["no"]),
    inert("cluster-config-file", &["nodes.conf"]),
    inert("cluster-node-timeout", &["15000"]),
    inert("cluster-migration-barrier", &["1"]),
    aliased("cluster-slave-validity-factor", inert("cluster-replica-validity-factor", &["10"])),
    aliased("cluster-slave-no-failover", inert("cluster-replica-no-failover", &["no"])),
    inert("cluster-require-full-coverage", &["yes"]),
    inert("cluster-allow-reads-when-down", &["no"]),
    inert("cluster-allow-pubsubshard-when-down", &["yes"]),
    inert("cluster-allow-replica-migration", &["yes"]),
    inert("cluster-link-sendbuf-limit", &["0"]),
    inert("cluster-announce-ip", &[""]),
    inert("cluster-announce-port", &["0"]),
    inert("cluster-announce-bus-port", &["0"]),
    inert("cluster-announce-tls-port", &["0"]),
    inert("cluster-announce-hostname", &[""]),
    inert("cluster-announce-human-nodename", &[""]),
    inert("cluster-port", &["0"]),
    inert("cluster-preferred-endpoint-type", &["ip"]),
    // TLS.
    inert("tls-port", &["0"]),
    inert("tls-cluster", &["no"]),
    inert("tls-replication", &["no"]),
    inert("tls-auth-clients", &["yes"]),
    inert("tls-session-caching", &["yes"]),
    inert("tls-session-cache-size", &["20480"]),
    inert("tls-session-cache-timeout", &["300"]),
    inert("tls-prefer-server-ciphers", &["no"]),
    inert("tls-protocols", &[""]),
    inert("tls-ciphers", &[""]),
    inert("tls-ciphersuites", &[""]),
    inert("tls-cert-file", &[""]),
    inert("tls-key-file", &[""]),
    inert("tls-key-file-pass", &[""]),
    inert("tls-client-cert-file", &[""]),
    inert("tls-client-key-file", &[""]),
    inert("tls-client-key-file-pass", &[""]),
    inert("tls-dh-params-file", &[""]),
    inert("tls-ca-cert-file", &[""]),
    inert("tls-ca-cert-dir", &[""]),
];
