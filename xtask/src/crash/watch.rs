//! Reads from INFO persistence what a server is doing, and decides whether that is what a kill aims at.

use testkit::Info;

use super::plan::Target;

/// The steps of the switch, as `aof_rewrite_phase` names them.
pub(crate) const SWITCH_PHASES: [&str; 5] = ["residual", "fsync", "state", "rename", "dirsync"];

/// Where a rewrite stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// None runs.
    #[default]
    Idle,
    /// The child writes.
    Child,
    /// The files are being switched: the index in [`SWITCH_PHASES`].
    Switch(usize),
}

/// What was last seen of a server before its kill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) phase: Phase,
    /// Bytes wait behind a write or an fsync in flight.
    pub(crate) flush_waits: bool,
}

impl Sight {
    /// Reads it from the fields of INFO persistence.
    pub(crate) fn of(info: &Info) -> Self {
        let phase = match info.text("aof_rewrite_phase") {
            Some("child") => Phase::Child,
            Some(name) => SWITCH_PHASES.iter().position(|p| *p == name).map_or(Phase::Idle, Phase::Switch),
            // A server without the field: its child is all that can be seen.
            None if info.is_set("aof_rewrite_in_progress") => Phase::Child,
            None => Phase::Idle,
        };
        let flush_waits = match info.number("aof_flush_pending") {
            Some(n) => n != 0,
            None => info.is_set("aof_buffer_length") && info.is_set("aof_pending_bio_fsync"),
        };
        Self { phase, flush_waits }
    }

    /// Whether this is the moment that `target` asks for.
    pub(crate) fn hits(self, target: Target) -> bool {
        match (target, self.phase) {
            (Target::Moment, _) => true,
            (Target::Child, phase) => phase == Phase::Child,
            (Target::Switch { phase: wanted }, Phase::Switch(at)) => at == wanted % SWITCH_PHASES.len(),
            (Target::Switch { .. }, _) => false,
            (Target::FlushWait, _) => self.flush_waits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(text: &str) -> Sight {
        Sight::of(&Info::parse(text))
    }

    #[test]
    fn every_phase_is_told_apart() {
        assert_eq!(sight("aof_rewrite_phase:idle").phase, Phase::Idle);
        assert_eq!(sight("aof_rewrite_phase:child").phase, Phase::Child);
        assert_eq!(sight("aof_rewrite_phase:dirsync").phase, Phase::Switch(4));
    }

    #[test]
    fn a_server_without_the_field_shows_its_child() {
        assert_eq!(sight("aof_rewrite_in_progress:1").phase, Phase::Child);
        assert_eq!(sight("aof_rewrite_in_progress:0").phase, Phase::Idle);
    }

    #[test]
    fn a_flush_waits_when_bytes_stand_behind_an_fsync() {
        assert!(sight("aof_flush_pending:1").flush_waits);
        assert!(sight("aof_buffer_length:9\naof_pending_bio_fsync:1").flush_waits);
        assert!(!sight("aof_buffer_length:9\naof_pending_bio_fsync:0").flush_waits);
    }

    #[test]
    fn a_switch_is_hit_in_the_wanted_phase_only() {
        let rename = sight("aof_rewrite_phase:rename");
        assert!(rename.hits(Target::Switch { phase: 3 }) && rename.hits(Target::Switch { phase: 8 }));
        assert!(!rename.hits(Target::Switch { phase: 1 }) && !rename.hits(Target::Child));
    }
}
