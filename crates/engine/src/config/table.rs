//! The directives that have an effect here: one row each.

use super::MAX_STRING_BYTES;
use super::directives::{ConfigError, Directive, aliased, at_start, live};
use super::values::{
    FSYNC_NAMES, debug_command, integer, integer_from, integer_u32, level, memory, memory_between, name_in_dir,
    percentiles, set_output_limits, show_bool, show_debug_command, show_level, show_output_limits, show_percentiles,
    size, size_bytes, yes_no,
};

macro_rules! yes_no_directive {
    ($kind:ident $name:literal $field:ident) => {
        $kind($name, |c| show_bool(c.$field), |c, v| yes_no(v).map(|v| c.$field = v))
    };
}

/// A name in the directory of the persistence files.
macro_rules! name_directive {
    ($name:literal $field:ident $what:literal) => {
        at_start(
            $name,
            |c| c.$field.clone(),
            |c, v| name_in_dir(v, concat!($name, " can't be a path, just a ", $what)).map(|v| c.$field = v),
        )
    };
}

/// A threshold of a compact form: a number, or a number of bytes with a unit.
macro_rules! threshold {
    ($read:ident $name:literal $field:ident) => {
        live($name, |c| c.thresholds.$field.to_string(), |c, v| $read(v).map(|v| c.thresholds.$field = v))
    };
}

/// Every directive that has an effect.
pub(super) static IN_EFFECT: &[Directive] = &[
    // Network.
    at_start(
        "bind",
        |c| c.bind.join(" "),
        |c, v| {
            c.bind = v.split_ascii_whitespace().map(str::to_owned).collect();
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
        |c, v| memory_between(v, 1 << 20, MAX_STRING_BYTES).map(|v| c.proto_max_bulk_len_bytes = v),
    ),
    at_start(
        "enable-debug-command",
        |c| show_debug_command(c.enable_debug_command),
        |c, v| debug_command(v).map(|v| c.enable_debug_command = v),
    ),
    // General.
    at_start("databases", |c| c.databases.to_string(), |c, v| integer_u32(v, 1, 1 << 20).map(|v| c.databases = v)),
    live("hz", |c| c.hz.to_string(), |c, v| integer_u32(v, 0, i32::MAX.unsigned_abs()).map(|v| c.hz = v.clamp(1, 500))),
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
    name_directive!("appendfilename" appendfilename "filename"),
    name_directive!("appenddirname" appenddirname "dirname"),
    name_directive!("dbfilename" dbfilename "filename"),
    yes_no_directive!(at_start "rdbchecksum" rdbchecksum),
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
    yes_no_directive!(live "aof-use-rdb-preamble" aof_use_rdb_preamble),
    yes_no_directive!(live "rdbcompression" rdbcompression),
    // Snapshots.
    live("save", |c| c.save.show(), |c, v| c.save.set(v)),
    yes_no_directive!(live "stop-writes-on-bgsave-error" stop_writes_on_bgsave_error),
    yes_no_directive!(live "rdb-save-incremental-fsync" rdb_save_incremental_fsync),
    // What takes long.
    live(
        "slowlog-log-slower-than",
        |c| c.slowlog_log_slower_than_us.to_string(),
        |c, v| integer_from(v, -1, i64::MAX).map(|v| c.slowlog_log_slower_than_us = v),
    ),
    live(
        "slowlog-max-len",
        |c| c.slowlog_max_len.to_string(),
        |c, v| {
            integer(v, 0, i64::MAX.unsigned_abs()).map(|v| c.slowlog_max_len = usize::try_from(v).unwrap_or(usize::MAX))
        },
    ),
    live(
        "latency-monitor-threshold",
        |c| c.latency_monitor_threshold_ms.to_string(),
        |c, v| integer(v, 0, i64::MAX.unsigned_abs()).map(|v| c.latency_monitor_threshold_ms = v),
    ),
    yes_no_directive!(live "latency-tracking" latency_tracking),
    live(
        "latency-tracking-info-percentiles",
        |c| show_percentiles(&c.latency_percentiles),
        |c, v| percentiles(v).map(|v| c.latency_percentiles = v),
    ),
    // Compact encodings.
    aliased(
        "list-max-ziplist-size",
        live(
            "list-max-listpack-size",
            |c| c.thresholds.list_max_listpack_size.to_string(),
            |c, v| {
                let size = integer_from(v, i32::MIN.into(), i32::MAX.into())?;
                c.thresholds.list_max_listpack_size = i32::try_from(size).expect("bounded by an i32");
                Ok(())
            },
        ),
    ),
    aliased("hash-max-ziplist-entries", threshold!(size "hash-max-listpack-entries" hash_max_listpack_entries)),
    aliased("hash-max-ziplist-value", threshold!(size_bytes "hash-max-listpack-value" hash_max_listpack_value)),
    aliased("zset-max-ziplist-entries", threshold!(size "zset-max-listpack-entries" zset_max_listpack_entries)),
    aliased("zset-max-ziplist-value", threshold!(size_bytes "zset-max-listpack-value" zset_max_listpack_value)),
    threshold!(size "set-max-intset-entries" set_max_intset_entries),
    threshold!(size "set-max-listpack-entries" set_max_listpack_entries),
    threshold!(size "set-max-listpack-value" set_max_listpack_value),
];
