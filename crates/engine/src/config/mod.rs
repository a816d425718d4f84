//! The configuration: typed values of every directive that has an effect here.
//!
//! `directives` knows every directive by name (one table), `file` reads redis.conf syntax and arguments; both end in this
//! struct, from which `rewrite` makes a file again. Values are validated where they are set, so the rest of the engine reads plain fields.

mod directives;
pub mod file;
mod inert;
pub mod rewrite;
mod save_points;
mod table;
mod values;

use aof_buffer::AppendFsync;
use keyspace::Thresholds;

pub use directives::{ConfigError, Directive};
pub use save_points::SavePoints;

use crate::log::Level;

/// `client-output-buffer-limit` of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Closed at once above this many bytes; 0 is no limit.
    pub hard_bytes: u64,
    /// Closed when above this for `soft_seconds`; 0 is no limit.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_seconds: u64,
}

/// `enable-debug-command`: who may use DEBUG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DebugCommand {
    /// Nobody.
    No,
    /// Connections from the loopback interface or the Unix socket. Redis's own default is `no`: there DEBUG can crash the
    /// server.
    #[default]
    Local,
    /// Everybody.
    Yes,
}

/// Every setting in effect, typed. [`Config::default`] is what the server runs with when told nothing.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "the directives are what they are")]
pub struct Config {
    /// `bind`: addresses; a leading `-` allows one to be missing.
    pub bind: Vec<String>,
    /// `port`: 0 listens on no TCP port.
    pub port: u16,
    /// `unixsocket`: path, empty for none.
    pub unixsocket: String,
    /// `unixsocketperm`: mode bits, 0 leaves the umask's.
    pub unixsocketperm: u32,
    /// `tcp-backlog`.
    pub tcp_backlog: u32,
    /// `tcp-keepalive`, seconds, 0 for none.
    pub tcp_keepalive_s: u32,
    /// `timeout`: idle clients are closed after this many seconds, 0 for never.
    pub timeout_s: u32,
    /// `maxclients`.
    pub maxclients: u32,
    /// `protected-mode`.
    pub protected_mode: bool,
    /// `requirepass`, empty for none.
    pub requirepass: String,
    /// `enable-debug-command`.
    pub enable_debug_command: DebugCommand,
    /// `databases`.
    pub databases: u32,
    /// `hz`: runs of the cron a second.
    pub hz: u32,
    /// `dir`: as given; the persistence files stand there.
    pub dir: String,
    /// `loglevel`.
    pub loglevel: Level,
    /// `logfile`: empty for standard output.
    pub logfile: String,
    /// `pidfile`: empty for none.
    pub pidfile: String,
    /// `set-proc-title`.
    pub set_proc_title: bool,
    /// `appendonly`.
    pub appendonly: bool,
    /// `appendfilename`.
    pub appendfilename: String,
    /// `appenddirname`: where Redis 7 and Valkey keep a log in several files. Read, never written.
    pub appenddirname: String,
    /// `dbfilename`: the snapshot.
    pub dbfilename: String,
    /// `save`: when a snapshot is made by itself.
    pub save: SavePoints,
    /// `stop-writes-on-bgsave-error`.
    pub stop_writes_on_bgsave_error: bool,
    /// `rdb-save-incremental-fsync`.
    pub rdb_save_incremental_fsync: bool,
    /// `appendfsync`.
    pub appendfsync: AppendFsync,
    /// `no-appendfsync-on-rewrite`.
    pub no_appendfsync_on_rewrite: bool,
    /// `auto-aof-rewrite-percentage`, 0 turns automatic rewrites off.
    pub auto_aof_rewrite_percentage: u32,
    /// `auto-aof-rewrite-min-size`, bytes.
    pub auto_aof_rewrite_min_size_bytes: u64,
    /// `aof-load-truncated`.
    pub aof_load_truncated: bool,
    /// `rdbchecksum`: whether a snapshot gets a checksum when it is written, and whether it is compared when it is read.
    pub rdbchecksum: bool,
    /// `aof-load-without-side-file`: `yes` lets a torn tail be cut even if its copy cannot be written. Ours.
    pub aof_load_without_side_file: bool,
    /// `aof-load-ambiguous-tail`: what to do with a tail that reads two ways. Ours.
    pub aof_ambiguous_tail_cut: bool,
    /// `aof-rewrite-incremental-fsync`.
    pub aof_rewrite_incremental_fsync: bool,
    /// `aof-use-rdb-preamble`: rewrites write an RDB snapshot instead of commands.
    pub aof_use_rdb_preamble: bool,
    /// `rdbcompression`.
    pub rdbcompression: bool,
    /// `proto-max-bulk-len`, bytes.
    pub proto_max_bulk_len_bytes: u64,
    /// `client-query-buffer-limit`, bytes.
    pub client_query_buffer_limit_bytes: u64,
    /// `client-output-buffer-limit normal`.
    pub output_limit_normal: OutputLimit,
    /// `client-output-buffer-limit replica`.
    pub output_limit_replica: OutputLimit,
    /// `client-output-buffer-limit pubsub`.
    pub output_limit_pubsub: OutputLimit,
    /// `slowlog-log-slower-than`, microseconds; negative for off.
    pub slowlog_log_slower_than_us: i64,
    /// `slowlog-max-len`, entries.
    pub slowlog_max_len: usize,
    /// `latency-monitor-threshold`, milliseconds; 0 for off.
    pub latency_monitor_threshold_ms: u64,
    /// `latency-tracking`.
    pub latency_tracking: bool,
    /// `latency-tracking-info-percentiles`, each from 0 to 100.
    pub latency_percentiles: Vec<f64>,
    /// The thresholds of the compact encodings.
    pub thresholds: Thresholds,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: vec!["127.0.0.1".to_owned()],
            port: 6379,
            unixsocket: String::new(),
            unixsocketperm: 0,
            tcp_backlog: 511,
            tcp_keepalive_s: 300,
            timeout_s: 0,
            maxclients: 10_000,
            protected_mode: true,
            requirepass: String::new(),
            enable_debug_command: DebugCommand::default(),
            databases: 16,
            hz: 10,
            dir: ".".to_owned(),
            loglevel: Level::Notice,
            logfile: String::new(),
            pidfile: String::new(),
            set_proc_title: true,
            appendonly: true,
            appendfilename: "appendonly.aof".to_owned(),
            appenddirname: "appendonlydir".to_owned(),
            dbfilename: "dump.rdb".to_owned(),
            save: SavePoints::default(),
            stop_writes_on_bgsave_error: true,
            rdb_save_incremental_fsync: true,
            appendfsync: AppendFsync::EverySec,
            no_appendfsync_on_rewrite: false,
            auto_aof_rewrite_percentage: 100,
            auto_aof_rewrite_min_size_bytes: 64 << 20,
            aof_load_truncated: true,
            rdbchecksum: true,
            aof_load_without_side_file: false,
            aof_ambiguous_tail_cut: false,
            aof_rewrite_incremental_fsync: true,
            aof_use_rdb_preamble: true,
            rdbcompression: true,
            proto_max_bulk_len_bytes: 512 << 20,
            client_query_buffer_limit_bytes: 1 << 30,
            output_limit_normal: OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 },
            output_limit_replica: OutputLimit { hard_bytes: 256 << 20, soft_bytes: 64 << 20, soft_seconds: 60 },
            output_limit_pubsub: OutputLimit { hard_bytes: 32 << 20, soft_bytes: 8 << 20, soft_seconds: 60 },
            slowlog_log_slower_than_us: 10_000,
            slowlog_max_len: 128,
            latency_monitor_threshold_ms: 0,
            latency_tracking: true,
            latency_percentiles: vec![50.0, 99.0, 99.9],
            thresholds: Thresholds::default(),
        }
    }
}

impl Config {
    /// Whether fsyncs are to be held back beside a rewrite that the policy demands: they are not.
    pub(crate) fn contradicts_always(&self) -> bool {
        self.appendfsync == AppendFsync::Always && self.no_appendfsync_on_rewrite
    }
}

/// The most that `proto-max-bulk-len` may be, in bytes. An argument's place in a request is a 32-bit offset, so this is below
/// 4 GB, where Redis takes any long.
const MAX_STRING_BYTES: u64 = 2 << 30;

/// The settings that replayed commands obey: a log may have been written under a larger `proto-max-bulk-len`.
/// Source: mustObeyClient of Redis 7.2.
pub(crate) fn replay_limits(limits: &commands::CommandLimits) -> commands::CommandLimits {
    commands::CommandLimits { max_string_bytes: usize::try_from(MAX_STRING_BYTES).unwrap_or(usize::MAX), ..*limits }
}

/// From what duration on a command is worth a second look, in nanoseconds: the lesser of what the slow log and the latency
/// monitor are set to.
pub(crate) fn slow_after_ns(config: &Config) -> u64 {
    let slowlog_ns = u64::try_from(config.slowlog_log_slower_than_us).map_or(u64::MAX, |us| us.saturating_mul(1_000));
    let monitor_ns = match config.latency_monitor_threshold_ms {
        0 => u64::MAX,
        ms => ms.saturating_mul(1_000_000),
    };
    slowlog_ns.min(monitor_ns)
}

/// The settings that data commands obey.
pub(crate) fn command_limits(config: &Config) -> commands::CommandLimits {
    commands::CommandLimits {
        max_string_bytes: usize::try_from(config.proto_max_bulk_len_bytes).unwrap_or(usize::MAX),
        thresholds: config.thresholds,
        compress_dumps: config.rdbcompression,
    }
}
