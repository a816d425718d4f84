//! Rows of the commands that the engine performs: connections, transactions, the server itself.

use crate::command::{EngineOp, Flags, Group, Keys, Row};

const NOSCRIPT: u32 = Flags::NOSCRIPT;
/// May run while a log is loading, and on a stale replica.
const ANYTIME: u32 = Flags::LOADING | Flags::STALE;
const FAST: u32 = Flags::FAST;
const ADMIN: u32 = Flags::ADMIN | Flags::NOSCRIPT | Flags::LOADING | Flags::STALE;
const CONNECTION: u32 = Flags::NOSCRIPT | Flags::LOADING | Flags::STALE;

/// A row that the engine runs.
macro_rules! row {
    ($group:ident $name:literal $arity:literal $flags:expr, $op:ident, $syntax:literal;
     $since:literal $cost:literal $summary:literal) => {
        row!($group $name $arity $flags, Keys::None, $op, $syntax; $since $cost $summary)
    };
    ($group:ident $name:literal $arity:literal $flags:expr, $keys:expr, $op:ident, $syntax:literal;
     $since:literal $cost:literal $summary:literal) => {
        Row::engine($name, $arity, $flags, $keys, EngineOp::$op)
            .doc(Group::$group, $since, $cost, $summary)
            .takes($syntax)
    };
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row!(Connection "auth" -2 CONNECTION | FAST | Flags::NO_AUTH | Flags::ALLOW_BUSY, Auth, "[username] password";
        "1.0.0" "O(N) by the passwords of the user" "Authenticates the connection."),
    Row::engine("client", -2, Flags::CONTAINER, Keys::None, EngineOp::Client).doc(Group::Connection, "2.4.0", "", "Answers and changes what is known of connections."),
    row!(Connection "client|getname" 2 CONNECTION, Client, "";
        "2.6.9" "O(1)" "Answers the name of the connection."),
    row!(Connection "client|help" 2 ANYTIME, Client, "";
        "5.0.0" "O(1)" "Answers how CLIENT is used."),
    row!(Connection "client|id" 2 CONNECTION, Client, "";
        "5.0.0" "O(1)" "Answers the number of the connection."),
    row!(Connection "client|info" 2 CONNECTION, Client, "";
        "6.2.0" "O(1)" "Answers what is known of the connection."),
    row!(Connection "client|kill" -3 ADMIN, Client,
        "filter:(old-format:<ip:port> | new-format:([ID client-id] \
            | [TYPE client-type:(NORMAL | MASTER | SLAVE | REPLICA | PUBSUB)] | [USER username] \
            | [ADDR <ip:port>] | [LADDR <ip:port>] | [SKIPME (YES | NO)])...)";
        "2.4.0" "O(N) by the connections" "Closes connections."),
    row!(Connection "client|list" -2 ADMIN, Client,
        "[TYPE client-type:(NORMAL | MASTER | REPLICA | PUBSUB)] [ID client-id...]";
        "2.4.0" "O(N) by the connections" "Answers what is known of all connections."),
    row!(Connection "client|no-evict" 3 ADMIN, Client, "enabled:(ON | OFF)";
        "7.0.0" "O(1)" "Spares the connection when memory for connections runs out."),
    row!(Connection "client|no-touch" 3 CONNECTION, Client, "enabled:(ON | OFF)";
        "7.2.0" "O(1)" "Says whether the connection's commands count as use of their keys."),
    row!(Connection "client|pause" -3 ADMIN, Client, "timeout mode:[WRITE | ALL]";
        "3.0.0" "O(1)" "Makes the requests of all connections wait for a time."),
    row!(Connection "client|reply" 3 CONNECTION, Client, "action:(ON | OFF | SKIP)";
        "3.2.0" "O(1)" "Says whether the connection wants replies."),
    row!(Connection "client|setinfo" 4 CONNECTION, Client, "attr:(LIB-NAME libname | LIB-VER libver)";
        "7.2.0" "O(1)" "Says which library the connection is used by."),
    row!(Connection "client|setname" 3 CONNECTION, Client, "connection-name";
        "2.6.9" "O(1)" "Names the connection."),
    row!(Connection "client|unblock" -3 ADMIN, Client, "client-id unblock-type:[TIMEOUT | ERROR]";
        "5.0.0" "O(N) by the connections" "Ends the wait of a connection in WAIT or WAITAOF."),
    row!(Connection "client|unpause" 2 ADMIN, Client, "";
        "6.2.0" "O(N) by the connections that wait" "Ends CLIENT PAUSE."),
    row!(Connection "hello" -1 CONNECTION | FAST | Flags::NO_AUTH | Flags::ALLOW_BUSY, Hello,
        "arguments:[protover [AUTH username password] [SETNAME clientname]]";
        "6.0.0" "O(1)" "Negotiates the protocol and answers what the server is."),
    row!(Connection "ping" -1 FAST, Ping, "[message]";
        "1.0.0" "O(1)" "Answers PONG, or the argument."),
    row!(Connection "quit" -1 CONNECTION | FAST | Flags::NO_AUTH | Flags::ALLOW_BUSY, Quit, "";
        "1.0.0" "O(1)" "Closes the connection."),
    row!(Connection "reset" 1 CONNECTION | FAST | Flags::NO_AUTH | Flags::ALLOW_BUSY, Reset, "";
        "6.2.0" "O(1)" "Makes the connection as it was when new."),
    row!(Connection "select" 2 ANYTIME | FAST, Select, "index";
        "1.0.0" "O(1)" "Changes the database of the connection."),
    row!(Transactions "discard" 1 CONNECTION | FAST | Flags::ALLOW_BUSY, Discard, "";
        "2.0.0" "O(N) by the queued commands" "Ends a transaction without running it."),
    row!(Transactions "exec" 1 CONNECTION | Flags::SKIP_SLOWLOG, Exec, "";
        "1.2.0" "As the commands queued" "Runs the commands of a transaction."),
    row!(Transactions "multi" 1 CONNECTION | FAST | Flags::ALLOW_BUSY, Multi, "";
        "1.2.0" "O(1)" "Begins a transaction."),
    row!(Transactions "unwatch" 1 CONNECTION | FAST | Flags::ALLOW_BUSY, Unwatch, "";
        "2.2.0" "O(1)" "Forgets all watched keys."),
    row!(Transactions "watch" -2 CONNECTION | FAST | Flags::ALLOW_BUSY, Keys::ALL, Watch, "key...";
        "2.2.0" "O(1) for each key" "Makes the next transaction depend on keys not changing."),
    row!(Server "bgrewriteaof" 1 Flags::ADMIN | NOSCRIPT | Flags::NO_ASYNC_LOADING, BgRewriteAof, "";
        "1.0.0" "O(1)" "Rewrites the append-only file in the background."),
    row!(Server "bgsave" -1 Flags::ADMIN | NOSCRIPT | Flags::NO_ASYNC_LOADING, BgSave, "[SCHEDULE]";
        "1.0.0" "O(1)" "Makes a snapshot of all databases in the background."),
    Row::engine("config", -2, Flags::CONTAINER, Keys::None, EngineOp::Config).doc(Group::Server, "2.0.0", "", "Answers and changes the configuration."),
    row!(Server "config|get" -3 ADMIN, Config, "parameter...";
        "2.0.0" "O(N) by the parameters given" "Answers the values of parameters."),
    row!(Server "config|help" 2 ANYTIME, Config, "";
        "5.0.0" "O(1)" "Answers how CONFIG is used."),
    row!(Server "config|resetstat" 2 ADMIN, Config, "";
        "2.0.0" "O(1)" "Sets the statistics to zero."),
    row!(Server "config|rewrite" 2 ADMIN, Config, "";
        "2.8.0" "O(1)" "Writes the configuration to its file."),
    row!(Server "config|set" -4 ADMIN, Config, "data:(parameter value)...";
        "2.0.0" "O(N) by the parameters given" "Changes parameters while the server runs."),
    row!(Server "debug" -2 ADMIN, Debug, "";
        "1.0.0" "By subcommand" "Helps to test and examine the server."),
    row!(Server "info" -1 ANYTIME | Flags::DANGEROUS, Info, "[section...]";
        "1.0.0" "O(1)" "Answers what is known of the server, and its statistics."),
    row!(Server "lastsave" 1 ANYTIME | FAST | Flags::ADMIN_CATEGORY | Flags::DANGEROUS, LastSave, "";
        "1.0.0" "O(1)" "Answers when the data was last saved, in seconds since the epoch."),
    Row::engine("latency", -2, Flags::CONTAINER, Keys::None, EngineOp::Latency).doc(Group::Server, "2.8.13", "", "Answers what took long, and how long commands take."),
    row!(Server "latency|doctor" 2 ADMIN, Latency, "";
        "2.8.13" "O(1)" "Answers what took long, and what may help."),
    row!(Server "latency|graph" 3 ADMIN, Latency, "event";
        "2.8.13" "O(1)" "Draws the samples of an event."),
    row!(Server "latency|help" 2 ANYTIME, Latency, "";
        "2.8.13" "O(1)" "Answers how LATENCY is used."),
    row!(Server "latency|histogram" -2 ADMIN, Latency, "[command...]";
        "7.0.0" "O(N) by the commands asked for" "Answers how often commands took how long."),
    row!(Server "latency|history" 3 ADMIN, Latency, "event";
        "2.8.13" "O(1)" "Answers the samples of an event."),
    row!(Server "latency|latest" 2 ADMIN, Latency, "";
        "2.8.13" "O(1)" "Answers the latest sample of every event."),
    row!(Server "latency|reset" -2 ADMIN, Latency, "[event...]";
        "2.8.13" "O(1)" "Forgets the samples of events."),
    Row::engine("memory", -2, Flags::CONTAINER, Keys::None, EngineOp::Memory).doc(Group::Server, "4.0.0", "", "Answers what memory is used for."),
    row!(Server "memory|doctor" 2 0, Memory, "";
        "4.0.0" "O(1)" "Answers which problems with memory there are."),
    row!(Server "memory|help" 2 ANYTIME, Memory, "";
        "4.0.0" "O(1)" "Answers how MEMORY is used."),
    row!(Server "memory|malloc-stats" 2 0, Memory, "";
        "4.0.0" "By the allocator" "Answers what the allocator knows of itself."),
    row!(Server "memory|purge" 2 0, Memory, "";
        "4.0.0" "By the allocator" "Gives free memory back to the system."),
    row!(Server "memory|stats" 2 0, Memory, "";
        "4.0.0" "O(N) by the parts of the table of keys" "Answers what memory is used for, in numbers."),
    row!(Server "role" 1 CONNECTION | FAST | Flags::ADMIN_CATEGORY | Flags::DANGEROUS, Role, "";
        "2.8.12" "O(1)" "Answers what the server is in a replication, and to whom."),
    row!(Server "save" 1 Flags::ADMIN | NOSCRIPT | Flags::NO_ASYNC_LOADING | Flags::NO_MULTI, Save, "";
        "1.0.0" "O(N) by all keys" "Makes a snapshot of all databases, and nothing else meanwhile."),
    row!(Server "shutdown" -1 ADMIN | Flags::NO_MULTI | Flags::ALLOW_BUSY, Shutdown,
        "save-selector:[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]";
        "1.0.0" "O(N) by all keys when saving" "Brings the log to disk and ends the server."),
    Row::engine("slowlog", -2, Flags::CONTAINER, Keys::None, EngineOp::SlowLog).doc(Group::Server, "2.2.12", "", "Answers which commands took long."),
    row!(Server "slowlog|get" -2 Flags::ADMIN | ANYTIME, SlowLog, "[count]";
        "2.2.12" "O(N) by the entries answered" "Answers the latest entries of the slow log."),
    row!(Server "slowlog|help" 2 ANYTIME, SlowLog, "";
        "6.2.0" "O(1)" "Answers how SLOWLOG is used."),
    row!(Server "slowlog|len" 2 Flags::ADMIN | ANYTIME, SlowLog, "";
        "2.2.12" "O(1)" "Counts the entries of the slow log."),
    row!(Server "slowlog|reset" 2 Flags::ADMIN | ANYTIME, SlowLog, "";
        "2.2.12" "O(N) by the entries" "Forgets the entries of the slow log."),
    row!(Generic "wait" 3 Flags::CONNECTION_CATEGORY, Wait, "numreplicas timeout";
        "3.0.0" "O(1)" "Waits until so many replicas have the connection's writes; there are none here."),
    row!(Generic "waitaof" 4 NOSCRIPT | Flags::CONNECTION_CATEGORY, WaitAof, "numlocal numreplicas timeout";
        "7.2.0" "O(log N) by the connections that wait" "Waits until the connection's writes are on stable storage."),
];
