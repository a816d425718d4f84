//! The words that operators search for.

use aof_rewrite::{Level, Notice, Role};

#[test]
fn notices_have_the_wording_of_redis() {
    let all = [
        Notice::Started { pid: 7 },
        Notice::Scheduled,
        Notice::Automatic { growth_percent: 100 },
        Notice::CannotStart { step: "fork", errno: libc::ENOMEM },
        Notice::MovedAside { to: "appendonly.aof.old-1".into() },
        Notice::AskedToStop,
        Notice::CannotAcknowledge { errno: libc::EPIPE },
        Notice::Agreed,
        Notice::Concatenating { bytes: 1_572_864 },
        Notice::FilePerformed,
        Notice::CopyOnWrite { bytes: 5 << 20 },
        Notice::ChildSucceeded,
        Notice::ChildFailed,
        Notice::ChildError { step: "write", errno: libc::ENOSPC },
        Notice::ChildError { step: "the server is gone", errno: 0 },
        Notice::ChildKilled { signal: 9 },
        Notice::ChildStalled { stalled_ms: 60_000 },
        Notice::Mismatch { what: "the new file", expected: 2, found: 1 },
        Notice::ResidualWritten { bytes: 1 << 20, in_loop_bytes: 1000 },
        Notice::SwitchFailed { step: "rename", errno: libc::EIO },
        Notice::SwitchNotDurable { errno: libc::EIO },
        Notice::CleanupFailed { step: "removing a file that was given up", errno: libc::EIO },
        Notice::Finished,
        Notice::Aborted,
        Notice::BackedOff { failures: 3, wait_ms: 60_000 },
    ];
    let lines: Vec<String> = all
        .iter()
        .map(|n| {
            let role = if n.role() == Role::Child { 'C' } else { 'M' };
            let level = if n.level() == Level::Warning { '#' } else { '*' };
            format!("{role} {level} {n}")
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
