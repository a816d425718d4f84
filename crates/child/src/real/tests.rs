//! Real forks: what a child inherits, how it ends, what its parent sees of it.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests of real children and their files")]

use super::*;
use crate::{ChildEnv, Failure, Received, Step};

/// A task made of a closure. Only for tasks that allocate nothing.
struct Run<F: FnMut(&mut dyn ChildEnv) -> Step>(F);

impl<F: FnMut(&mut dyn ChildEnv) -> Step> Task for Run<F> {
    fn step(&mut self, env: &mut dyn ChildEnv) -> Step {
        (self.0)(env)
    }
}

fn spawn(keep: &[i32], f: impl FnMut(&mut dyn ChildEnv) -> Step) -> Box<dyn Handle> {
    let spec = Spec { title: "test-child", keep };
    ForkSpawner::new(Box::new(|_| {}))
        .spawn(&spec, &mut Run(f), &mut || unreachable!("a real child needs no copy"))
        .unwrap()
}

fn end(child: &mut dyn Handle) -> Exit {
    child.wait(10_000).expect("the child ends within ten seconds")
}

fn infos(child: &mut dyn Handle) -> Vec<Info> {
    std::iter::from_fn(|| child.next_info()).collect()
}

#[test]
fn the_exit_code_arrives_and_stays() {
    let mut child = spawn(&[], |_| Step::Exit(3));
    assert_eq!(end(&mut *child), Exit::Code(3));
    assert_eq!(child.try_reap(), Some(Exit::Code(3)));
}

#[test]
fn a_living_child_is_not_waited_for() {
    let mut child = spawn(&[], |_| Step::WaitData { ms: 1_000 });
    assert_eq!(child.try_reap(), None);
    child.kill(Kill::Polite);
    assert_eq!(end(&mut *child), Exit::Signal(libc::SIGUSR1));
}

#[test]
fn bytes_go_down_the_data_pipe_and_the_handshake_goes_round() {
    let mut sum = 0_u64;
    let mut asked = false;
    let mut child = spawn(&[], move |env| {
        let mut buf = [0; 100];
        if let Ok(Received::Bytes(n)) = env.read_data(&mut buf) {
            sum += buf[..n].iter().map(|b| u64::from(*b)).sum::<u64>();
            return Step::Again;
        }
        if !asked && sum == 600 {
            asked = true;
            return if env.ask_stop().is_ok() { Step::Again } else { Step::Exit(9) };
        }
        let mut byte = 0;
        match env.read_ack(&mut byte) {
            Ok(Received::Bytes(1)) if byte == b'!' => Step::Exit(0),
            Ok(Received::Closed) => Step::Exit(8),
            _ if asked => Step::WaitAck { ms: 1_000 },
            _ => Step::WaitData { ms: 1_000 },
        }
    });
    assert_eq!(child.send(&[3; 200]).unwrap(), 200);
    while !child.take_stop_request() {
        assert_eq!(child.try_reap(), None);
        sys::pause_ms(1);
    }
    child.acknowledge_stop().unwrap();
    assert_eq!(end(&mut *child), Exit::Code(0));
}

#[test]
fn a_full_data_pipe_takes_nothing_and_does_not_block() {
    let mut child = spawn(&[], |_| Step::WaitAck { ms: 1_000 });
    let block = vec![0; 1 << 16];
    while child.send(&block).unwrap() > 0 {}
    assert_eq!(child.send(b"x").unwrap(), 0);
    child.kill(Kill::Hard);
    assert_eq!(end(&mut *child), Exit::Signal(libc::SIGKILL));
    assert_eq!(child.send(b"x").unwrap_err().raw_os_error(), Some(libc::EPIPE));
}

#[test]
fn reports_can_be_read_after_the_end() {
    let failure = Failure { step: 4, errno: libc::ENOSPC };
    let mut child = spawn(&[], move |env| {
        let cow_bytes = env.cow_bytes();
        env.report(&Info { written_bytes: 1, cow_bytes, ..Info::default() });
        env.report_last(&Info { failure: Some(failure), ..Info::default() });
        Step::Exit(1)
    });
    assert_eq!(end(&mut *child), Exit::Code(1));
    let infos = infos(&mut *child);
    assert!(infos[0].cow_bytes > 0, "a child that runs has touched memory");
    assert_eq!(infos[1].failure, Some(failure));
    assert_eq!(infos.len(), 2);
}

#[test]
fn a_panic_in_a_child_ends_in_exit_code_one() {
    let mut child = spawn(&[], |_| panic!("in the child"));
    assert_eq!(end(&mut *child), Exit::Code(1));
}

#[test]
fn a_child_knows_that_it_is_one_and_its_parent_that_it_is_none() {
    let mut child = spawn(&[], |_| Step::Exit(if in_child() { 0 } else { 1 }));
    assert_eq!(end(&mut *child), Exit::Code(0));
    assert!(!in_child());
}

#[test]
fn a_child_keeps_the_descriptors_it_was_told_to_and_no_other() {
    use std::os::fd::AsRawFd as _;
    let kept = std::fs::File::open("/dev/null").unwrap();
    let other = std::fs::File::open("/dev/null").unwrap();
    let (kept_fd, other_fd) = (kept.as_raw_fd(), other.as_raw_fd());
    let mut child = spawn(&[kept_fd], move |_| {
        // Opening takes the lowest free number: `other`'s or one below, unless the child still has it.
        let kept_is_open = sys::is_open(kept_fd);
        let other_is_open = sys::is_open(other_fd);
        Step::Exit(i32::from(!kept_is_open) + 2 * i32::from(other_is_open))
    });
    assert_eq!(end(&mut *child), Exit::Code(0));
    drop((kept, other));
}

#[test]
fn a_child_dies_with_its_parent() {
    let mut child = spawn(&[], |_| Step::Exit(sys::parent_death_signal()));
    assert_eq!(end(&mut *child), Exit::Code(libc::SIGKILL));
}

#[test]
fn a_child_sees_its_parent_close_the_pipe() {
    let mut child = spawn(&[], |env| match env.read_data(&mut [0; 8]) {
        Ok(Received::Closed) => Step::Exit(5),
        _ => Step::WaitData { ms: 1_000 },
    });
    assert_eq!(child.try_reap(), None);
    // Dropping the handle closes the pipes and kills; either way the child is gone and reaped when drop returns.
    let pid = child.pid();
    drop(child);
    assert_eq!(waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)), Err(nix::Error::ECHILD));
}

#[test]
fn signals_meant_for_the_server_do_not_end_the_child() {
    let mut child = spawn(&[], |env| {
        env.report(&Info { phase: 1, ..Info::default() });
        Step::WaitData { ms: 1_000 }
    });
    while child.next_info().is_none() {
        sys::pause_ms(1);
    }
    kill(Pid::from_raw(child.pid()), Signal::SIGTERM).unwrap();
    kill(Pid::from_raw(child.pid()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait(20), None);
    child.kill(Kill::Polite);
    assert_eq!(end(&mut *child), Exit::Signal(libc::SIGUSR1));
}
