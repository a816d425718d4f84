//! Command tips: what clients in front of several servers may want to know of a command.

use crate::command::Command;

/// Tips, and the commands of which they are true. Source: Redis 7.2.
const TIPS: &[(&[&str], &str)] = &[
    (
        &["nondeterministic_output"],
        "client|info client|list dump hrandfield hscan lastsave object|encoding object|freq object|idletime \
         object|refcount pttl spop srandmember sscan time ttl zrandmember zscan",
    ),
    (
        &["nondeterministic_output_order"],
        "command command|docs command|info command|list hgetall hkeys hvals sdiff sinter smembers sunion",
    ),
    (&["request_policy:multi_shard"], "mget"),
    (&["request_policy:multi_shard", "response_policy:agg_sum"], "del exists touch unlink"),
    (&["request_policy:multi_shard", "response_policy:all_succeeded"], "mset"),
    (&["request_policy:all_shards", "response_policy:agg_sum"], "dbsize"),
    (&["request_policy:all_shards", "nondeterministic_output_order"], "keys"),
    (&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"], "randomkey"),
    (
        &["request_policy:all_nodes", "response_policy:all_succeeded"],
        "client|setinfo client|setname config|resetstat config|rewrite config|set slowlog|reset",
    ),
    (&["request_policy:all_shards", "response_policy:all_succeeded"], "flushall flushdb memory|purge ping"),
    (&["request_policy:all_shards", "response_policy:agg_min"], "wait waitaof"),
    (&["request_policy:all_nodes", "response_policy:agg_sum"], "latency|reset"),
    (&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"], "slowlog|len"),
    (&["request_policy:all_nodes", "nondeterministic_output"], "slowlog|get"),
    (
        &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        "latency|doctor latency|graph latency|histogram latency|history latency|latest",
    ),
    (
        &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        "info memory|doctor memory|malloc-stats memory|stats",
    ),
    (&["nondeterministic_output", "request_policy:special", "response_policy:special"], "scan"),
];

/// The tips of a command.
pub fn tips(command: &Command) -> &'static [&'static str] {
    let listed = TIPS.iter().find(|(_, commands)| commands.split(' ').any(|name| name == command.name));
    listed.map_or(&[], |(tips, _)| tips)
}
