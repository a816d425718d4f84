//! Rows of the commands that the engine performs.

use crate::command::{Command, EngineOp, Flags, Group, Keys};

pub(crate) const ROWS: &[Command] = &[Command::engine(
    "multi",
    1,
    Flags::NOSCRIPT | Flags::LOADING | Flags::STALE | Flags::FAST | Flags::ALLOW_BUSY,
    Keys::None,
    EngineOp::Multi,
)
.doc(Group::Transactions, "1.2.0", "O(1)", "Starts a transaction.")];
