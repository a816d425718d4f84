//! How what such a child does is told to the operator, by the parent: a child does not log.

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// In the normal course of things.
    Notice,
    /// Something failed.
    Warning,
}

/// On whose behalf it is logged: the role letter of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The server itself.
    Parent,
    /// The child, which does not log: its parent does, from its reports.
    Child,
}
