//! Commands on keys of any type, and on whole databases: their rows.

mod databases;
mod dump;
mod expire;
mod list;
mod memory;
mod object;
mod relocate;
mod restore;
mod whole;

use crate::command::{Flags, Group, Keys, Row, row};

const READ: u32 = Flags::READONLY;
const READ_FAST: u32 = Flags::READONLY | Flags::FAST;
const WRITE_FAST: u32 = Flags::WRITE | Flags::FAST;
/// Of the commands on databases: documented as the server's, but in the ACL category of keys.
const KEYSPACE: u32 = Flags::KEYSPACE_CATEGORY;
const DANGEROUS_KEYSPACE: u32 = Flags::KEYSPACE_CATEGORY | Flags::DANGEROUS;

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row!(Generic "copy" -3 Flags::WRITE | Flags::DENYOOM, Keys::range(1, 2, 1), relocate::copy,
        "source destination [DB destination-db] [REPLACE]";
        "6.2.0" "O(N) by the elements of a collection" "Copies the value of a key to another key."),
    row!(Generic "del" -2 Flags::WRITE, Keys::ALL, whole::del, "key...";
        "1.0.0" "O(N) by the keys" "Deletes keys."),
    row!(Generic "dump" 2 READ, Keys::FIRST, dump::dump, "key";
        "2.6.0" "O(N) by the elements of a collection and the length of a string" "Answers a value in the form that RESTORE takes."),
    row!(Generic "exists" -2 READ_FAST, Keys::ALL, whole::exists, "key...";
        "1.0.0" "O(N) by the keys" "Counts how many of the keys exist."),
    row!(Generic "expire" -3 WRITE_FAST, Keys::FIRST, expire::expire, "key seconds condition:[NX | XX | GT | LT]";
        "1.0.0" "O(1)" "Sets the time to live of a key, in seconds."),
    row!(Generic "expireat" -3 WRITE_FAST, Keys::FIRST, expire::expireat, "key unix-time-seconds condition:[NX | XX | GT | LT]";
        "1.2.0" "O(1)" "Sets the deadline of a key, in seconds since the epoch."),
    row!(Generic "expiretime" 2 READ_FAST, Keys::FIRST, expire::expiretime, "key";
        "7.0.0" "O(1)" "Answers the deadline of a key, in seconds since the epoch."),
    row!(Generic "keys" 2 READ | Flags::DANGEROUS, Keys::None, list::keys, "pattern";
        "1.0.0" "O(N) by the keys of the database" "Answers all keys that match a pattern."),
    row!(Generic "move" 3 WRITE_FAST, Keys::FIRST, relocate::move_, "key db";
        "1.0.0" "O(1)" "Moves a key to another database."),
    Row::data("object", -2, Flags::CONTAINER, Keys::None, object::help).doc(Group::Generic, "2.2.3", "", "Answers what is known of a value's representation."),
    row!(Generic "object|encoding" 3 READ, Keys::range(2, 2, 1), object::encoding, "key";
        "2.2.3" "O(1)" "Answers how a value is represented."),
    row!(Generic "object|freq" 3 READ, Keys::range(2, 2, 1), object::freq, "key";
        "4.0.0" "O(1)" "Answers how often a value is used."),
    row!(Generic "object|help" 2 Flags::LOADING | Flags::STALE, Keys::None, object::help, "";
        "6.2.0" "O(1)" "Answers how OBJECT is used."),
    row!(Generic "object|idletime" 3 READ, Keys::range(2, 2, 1), object::idletime, "key";
        "2.2.3" "O(1)" "Answers how long a value was not used."),
    row!(Generic "object|refcount" 3 READ, Keys::range(2, 2, 1), object::refcount, "key";
        "2.2.3" "O(1)" "Answers how many refer to a value."),
    row!(Generic "persist" 2 WRITE_FAST, Keys::FIRST, expire::persist, "key";
        "2.2.0" "O(1)" "Removes the deadline of a key."),
    row!(Generic "pexpire" -3 WRITE_FAST, Keys::FIRST, expire::pexpire, "key milliseconds condition:[NX | XX | GT | LT]";
        "2.6.0" "O(1)" "Sets the time to live of a key, in milliseconds."),
    row!(Generic "pexpireat" -3 WRITE_FAST, Keys::FIRST, expire::pexpireat,
        "key unix-time-milliseconds condition:[NX | XX | GT | LT]";
        "2.6.0" "O(1)" "Sets the deadline of a key, in milliseconds since the epoch."),
    row!(Generic "pexpiretime" 2 READ_FAST, Keys::FIRST, expire::pexpiretime, "key";
        "7.0.0" "O(1)" "Answers the deadline of a key, in milliseconds since the epoch."),
    row!(Generic "pttl" 2 READ_FAST, Keys::FIRST, expire::pttl, "key";
        "2.6.0" "O(1)" "Answers the time to live of a key, in milliseconds."),
    row!(Generic "randomkey" 1 READ, Keys::None, list::randomkey, "";
        "1.0.0" "O(1)" "Answers a random key."),
    row!(Generic "rename" 3 Flags::WRITE, Keys::range(1, 2, 1), relocate::rename, "key newkey";
        "1.0.0" "O(1)" "Gives a key another name, replacing the key of that name."),
    row!(Generic "renamenx" 3 WRITE_FAST, Keys::range(1, 2, 1), relocate::renamenx, "key newkey";
        "1.0.0" "O(1)" "Gives a key another name, if no key has it."),
    row!(Generic "restore" -4 Flags::WRITE | Flags::DENYOOM | Flags::DANGEROUS, Keys::FIRST, restore::restore,
        "key ttl:integer serialized-value [replace:REPLACE] [absttl:ABSTTL] [IDLETIME seconds] [FREQ frequency:integer]";
        "2.6.0" "O(N) by the elements of a collection, O(N log N) of a sorted set" "Makes a key with the value that DUMP answered."),
    row!(Generic "scan" -2 READ, Keys::None, list::scan, "cursor [MATCH pattern] [COUNT count] [TYPE type]";
        "2.8.0" "O(1) a call, O(N) for a whole iteration" "Iterates over the keys of a database."),
    row!(Generic "touch" -2 READ_FAST, Keys::ALL, whole::touch, "key...";
        "3.2.1" "O(N) by the keys" "Counts how many of the keys exist, and notes that they were used."),
    row!(Generic "ttl" 2 READ_FAST, Keys::FIRST, expire::ttl, "key";
        "1.0.0" "O(1)" "Answers the time to live of a key, in seconds."),
    row!(Generic "type" 2 READ_FAST, Keys::FIRST, whole::type_, "key";
        "1.0.0" "O(1)" "Answers the type of the value of a key."),
    row!(Generic "unlink" -2 WRITE_FAST, Keys::ALL, whole::del, "key...";
        "4.0.0" "O(N) by the keys" "Deletes keys; large values are freed in the background."),
    row!(Server "dbsize" 1 READ_FAST | KEYSPACE, Keys::None, databases::dbsize, "";
        "1.0.0" "O(1)" "Answers how many keys the database has."),
    row!(Server "flushall" -1 Flags::WRITE | DANGEROUS_KEYSPACE, Keys::None, databases::flushall,
        "flush-type:[ASYNC | SYNC]";
        "1.0.0" "O(N) by all keys" "Removes all keys of all databases."),
    row!(Server "flushdb" -1 Flags::WRITE | DANGEROUS_KEYSPACE, Keys::None, databases::flushdb,
        "flush-type:[ASYNC | SYNC]";
        "1.0.0" "O(N) by the keys of the database" "Removes all keys of the database."),
    row!(Server "memory|usage" -3 READ, Keys::range(2, 2, 1), memory::usage, "key [SAMPLES count]";
        "4.0.0" "O(1)" "Answers how much memory a key takes with its value."),
    row!(Server "restore-asking" -4 Flags::WRITE | Flags::DENYOOM | Flags::ASKING | DANGEROUS_KEYSPACE, Keys::FIRST, restore::restore,
        "key ttl:integer serialized-value [replace:REPLACE] [absttl:ABSTTL] [IDLETIME seconds] [FREQ frequency:integer]";
        "3.0.0" "As RESTORE" "As RESTORE, from a node of a cluster that hands a key over."),
    row!(Server "swapdb" 3 WRITE_FAST | DANGEROUS_KEYSPACE, Keys::None, databases::swapdb, "index1 index2";
        "4.0.0" "O(1)" "Swaps the contents of two databases."),
];

#[cfg(test)]
pub(crate) const FUZZ: &[&str] = &[
    "COPY {k} {k} {|DB_{db}|REPLACE|DB_{db}_REPLACE}",
    "DEL {k} {k}",
    "UNLINK {k} {k}",
    "EXISTS {k} {k}",
    "TOUCH {k}",
    "EXPIRE {k} {sec} {|NX|XX|GT|LT|XX_GT|NX_GT}",
    "PEXPIRE {k} {ms} {|NX|XX|GT|LT|XX_LT|GT_LT}",
    "EXPIREAT {k} {atsec} {|NX|XX|GT|LT}",
    "PEXPIREAT {k} {at} {|NX|XX|GT|LT}",
    "PEXPIREAT {k} {at}",
    "TTL {k}",
    "PTTL {k}",
    "EXPIRETIME {k}",
    "PEXPIRETIME {k}",
    "PERSIST {k}",
    "TYPE {k}",
    "KEYS {s*|*|s[0-2]}",
    "SCAN 0 {|MATCH_s*} {|COUNT_{n}} {|TYPE_string}",
    "RANDOMKEY",
    "DBSIZE",
    "DUMP {k}",
    "RESTORE {k} 0 {p} {|REPLACE|REPLACE_IDLETIME_{n}|FREQ_{n}}",
    "RESTORE {k} {ms} {p} REPLACE",
    "RESTORE {k} {at} {p} {REPLACE_ABSTTL|ABSTTL}",
    "RENAME {k} {k}",
    "RENAMENX {k} {k}",
    "MOVE {k} {db}",
    "OBJECT {ENCODING|REFCOUNT|IDLETIME} {k}",
    "MEMORY USAGE {k} {|SAMPLES_{n}|SAMPLES_{i}}",
    "SWAPDB {db} {db}",
    "FLUSHDB {|ASYNC|SYNC}",
    "FLUSHALL {|ASYNC|SYNC}",
];

#[cfg(test)]
mod tests;
