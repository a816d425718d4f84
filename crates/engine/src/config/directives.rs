//! What a directive is: its name, what it means here, and how it is set and shown. `table` holds those in effect, `inert`
//! those that Redis 7.2 knows and that have no effect here.
//!
//! Three kinds: in effect; known but without effect here, accepted at its Redis default only (so that nobody believes a
//! setting works that does not); and refused by name. An unknown name is an error with Redis's own message.

use std::fmt;

use super::Config;
use super::values::memory;

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
    /// Redis protects it against clients unless `enable-protected-configs` says otherwise, which here it cannot.
    #[error("can't set protected config")]
    Protected,
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
    /// Out of a range that begins below zero.
    #[error("argument must be between {min} and {max} inclusive")]
    OutOfSignedRange {
        /// The smallest accepted value.
        min: i64,
        /// The largest accepted value.
        max: i64,
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

pub(super) type Get = fn(&Config) -> String;
pub(super) type Set = fn(&mut Config, &str) -> Result<(), ConfigError>;

#[derive(Clone, Copy)]
pub(super) enum Access {
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
    pub(super) access: Access,
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
        Self::all().find(|d| is(d.name) || d.alias.is_some_and(is))
    }

    /// All directives: those in effect, then those without.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        super::table::IN_EFFECT.iter().chain(super::inert::INERT)
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
    /// As [`Directive::set`] and [`Directive::is_live`].
    pub fn set_live(&self, config: &mut Config, value: &str) -> Result<(), ConfigError> {
        self.is_live()?;
        if self.name == "save" {
            // What is said here replaces what is in force, where a line of a file adds to the line before.
            config.save.forget();
        }
        self.set(config, value)
    }

    /// Whether it may be set at run time.
    ///
    /// # Errors
    /// If it can only be given at start.
    pub fn is_live(&self) -> Result<(), ConfigError> {
        match self.access {
            Access::AtStart(..) if matches!(self.name, "dir" | "dbfilename") => Err(ConfigError::Protected),
            Access::AtStart(..) => Err(ConfigError::Immutable),
            Access::Live(..) | Access::Inert(_) => Ok(()),
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
        ) || self.is_statement()
    }

    /// Whether it is a number of bytes, for which a file has units.
    pub(super) fn is_memory(&self) -> bool {
        matches!(
            self.name,
            "auto-aof-rewrite-min-size"
                | "client-query-buffer-limit"
                | "hash-max-listpack-value"
                | "proto-max-bulk-len"
                | "zset-max-listpack-value"
        )
    }

    /// Whether it is a statement of configuration files rather than a setting: CONFIG does not know it.
    pub fn is_statement(&self) -> bool {
        matches!(self.name, "rename-command" | "user" | "loadmodule")
    }

    /// Whether it has no effect here.
    pub fn is_inert(&self) -> bool {
        matches!(self.access, Access::Inert(_))
    }
}

fn same_text(a: &str, b: &str) -> bool {
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let same_number = is_number(a) && is_number(b) && matches!((memory(a), memory(b)), (Ok(x), Ok(y)) if x == y);
    a.eq_ignore_ascii_case(b) || same_number
}

/// A directive that may change at run time.
pub(super) const fn live(name: &'static str, get: Get, set: Set) -> Directive {
    Directive { name, alias: None, access: Access::Live(get, set) }
}

/// A directive that is given at start only.
pub(super) const fn at_start(name: &'static str, get: Get, set: Set) -> Directive {
    Directive { name, alias: None, access: Access::AtStart(get, set) }
}

/// A directive without effect here; the first value is the default, others are as good.
pub(super) const fn inert(name: &'static str, values: &'static [&'static str]) -> Directive {
    Directive { name, alias: None, access: Access::Inert(values) }
}

/// The same directive under a second name.
pub(super) const fn aliased(alias: &'static str, d: Directive) -> Directive {
    Directive { name: d.name, alias: Some(alias), access: d.access }
}
