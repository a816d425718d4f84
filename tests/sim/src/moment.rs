//! What a process was in the middle of when it crashed, and when a crash is to come.
//!
//! The states are those in which a mistake of the past would have shown. A run of many seeds must have crashed in each.

use crate::client::Client;
use crate::server::Server;

/// A state that a crash may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nothing special.
    Calm,
    /// A rewrite child writes its snapshot.
    Child,
    /// The child has asked the parent to stop sending.
    Handshake,
    /// The residual diff goes to the new file.
    Residual,
    /// Both files get every byte.
    BothFiles,
    /// The new file has the log's name, perhaps not durably.
    Renamed,
    /// A snapshot is written.
    Saving,
    /// An fsync of the log has failed.
    Healing,
    /// A reply to a read waits for the log.
    HeldRead,
    /// The log is off.
    Off,
    /// The log was turned on, and its first rewrite is not done.
    FirstRewrite,
    /// What the crash left ended in the middle of something, and was cut.
    TornTail,
    /// A crash while a torn tail is copied, cut or proven.
    TornTailRepair,
    /// A crash while the server starts.
    SecondCrash,
    /// A call failed while the server started.
    SecondFault,
    /// In the middle of a SHUTDOWN.
    Ending,
    /// It had ended in order before the crash, which is a cut of the power or nothing.
    Ended,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 17] = [
        Self::Calm,
        Self::Child,
        Self::Handshake,
        Self::Residual,
        Self::BothFiles,
        Self::Renamed,
        Self::Saving,
        Self::Healing,
        Self::HeldRead,
        Self::Off,
        Self::FirstRewrite,
        Self::TornTail,
        Self::TornTailRepair,
        Self::SecondCrash,
        Self::SecondFault,
        Self::Ending,
        Self::Ended,
    ];

    /// Those that a crash is aimed at: they are short, or rare.
    pub const AIMED_AT: [Self; 8] = [
        Self::Handshake,
        Self::Residual,
        Self::BothFiles,
        Self::Renamed,
        Self::Saving,
        Self::Healing,
        Self::HeldRead,
        Self::FirstRewrite,
    ];

    /// In a few words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Child => "a child writes",
            Self::Handshake => "handshake",
            Self::Residual => "residual diff",
            Self::BothFiles => "both files written",
            Self::Renamed => "renamed, name not durable",
            Self::Saving => "a snapshot is written",
            Self::Healing => "healing",
            Self::HeldRead => "held read",
            Self::Off => "log off",
            Self::FirstRewrite => "first rewrite",
            Self::TornTail => "torn tail",
            Self::TornTailRepair => "torn tail being cut",
            Self::SecondCrash => "second fault: crash while starting",
            Self::SecondFault => "second fault: error while starting",
            Self::Ending => "ending",
            Self::Ended => "ended in order",
        }
    }

    /// The states that a process is in, at the end of a turn.
    pub fn of(server: &mut Server, clients: &[Client]) -> Vec<Self> {
        let status = server.engine.log_status();
        let mut states = Vec::new();
        match status.rewrite_phase {
            "child" => states.push(if server.children.in_handshake() { Self::Handshake } else { Self::Child }),
            "residual" => states.push(Self::Residual),
            "fsync" | "state" | "rename" => states.push(Self::BothFiles),
            "dirsync" => states.extend([Self::BothFiles, Self::Renamed]),
            _ => {}
        }
        match status.state {
            "off" => states.push(Self::Off),
            "wait_rewrite" => states.push(Self::FirstRewrite),
            _ => {}
        }
        if status.saving {
            states.push(State::Saving);
        }
        if status.must_heal {
            states.push(Self::Healing);
        }
        if clients.iter().any(|client| client.has_held_read(server)) {
            states.push(Self::HeldRead);
        }
        if states.is_empty() {
            states.push(Self::Calm);
        }
        states
    }
}

/// When a life is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// When its turns are over.
    AfterTurns,
    /// At the disk's call of this number, counted from the life's first.
    AtCall(u64),
    /// So many calls after the end of a turn in this state, the first so many such turns passed over; at once for no call.
    In {
        /// The state.
        state: State,
        /// How many turns in it pass.
        skip: u32,
        /// How many calls pass then.
        calls: u64,
    },
}

impl Plan {
    /// Draws one for a life of so many turns.
    pub fn draw(rng: &mut fastrand::Rng, turns: u32) -> Self {
        match rng.u8(..10) {
            0..3 => Self::AfterTurns,
            3 => Self::AtCall(rng.u64(..16)),
            4..6 => Self::AtCall(rng.u64(..u64::from(turns) * 4)),
            _ => {
                let state = State::AIMED_AT[rng.usize(..State::AIMED_AT.len())];
                Self::In { state, skip: rng.u32(..4), calls: rng.u64(..12) }
            }
        }
    }
}
