//! What both executors promise, as one set of properties, and what only threads can show. No sleeps: jobs are held and
//! released by channels.
#![expect(clippy::disallowed_methods, reason = "tests of real threads")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use bio::{Bio, Completion, InlineBio, JobId, JobPanicked, Kind, ThreadBio};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};

/// What a submitted job does.
#[derive(Clone, Copy, Debug)]
enum Does {
    Returns(u64),
    Fails(i32),
    Panics,
}

fn job(does: Does, ran: &Arc<AtomicUsize>) -> bio::Job {
    let ran = Arc::clone(ran);
    Box::new(move || {
        ran.fetch_add(1, Ordering::SeqCst);
        match does {
            Does::Returns(count) => Ok(count),
            Does::Fails(code) => Err(std::io::Error::from_raw_os_error(code)),
            // Unwinds without the panic hook, so that the test's output stays readable.
            Does::Panics => std::panic::resume_unwind(Box::new("planned")),
        }
    })
}

fn assert_outcome(does: Does, done: &Completion) {
    match (does, &done.outcome) {
        (Does::Returns(count), Ok(got)) => assert_eq!(count, *got),
        (Does::Fails(code), Err(error)) => assert_eq!(error.raw_os_error(), Some(code)),
        (Does::Panics, Err(error)) => {
            assert_eq!(error.kind(), std::io::ErrorKind::Other);
            assert!(error.get_ref().is_some_and(|inner| inner.is::<JobPanicked>()));
        }
        other => panic!("wrong outcome: {other:?}"),
    }
}

fn step() -> impl Strategy<Value = (Kind, Option<Does>)> {
    let kind = (0..Kind::COUNT).prop_map(|at| Kind::ALL[at]);
    let does = prop_oneof![
        6 => (0..100_u64).prop_map(Does::Returns),
        2 => (1..30).prop_map(Does::Fails),
        1 => Just(Does::Panics),
    ];
    // `None` polls instead of submitting.
    (kind, prop::option::weighted(0.8, does))
}

/// Submits and polls as `steps` say, then settles; every job must be handed back once, per kind in order of submission.
fn check<B: Bio>(bio: &mut B, steps: &[(Kind, Option<Does>)], mut between: impl FnMut(&mut B)) {
    let ran = Arc::new(AtomicUsize::new(0));
    let mut submitted: HashMap<Kind, Vec<(JobId, Does)>> = HashMap::new();
    let mut handed_back = Vec::new();
    let mut last_id = None;
    let mut count = 0;
    for &(kind, does) in steps {
        if let Some(does) = does {
            let id = bio.submit(kind, job(does, &ran));
            assert!(last_id < Some(id), "ids grow");
            last_id = Some(id);
            submitted.entry(kind).or_default().push((id, does));
            count += 1;
        } else {
            bio.poll(&mut handed_back);
        }
        let pending: usize = Kind::ALL.iter().map(|&kind| bio.pending(kind)).sum();
        assert_eq!(pending, count - handed_back.len());
        between(bio);
    }
    for kind in Kind::ALL {
        bio.drain(kind);
    }
    assert_eq!(ran.load(Ordering::SeqCst), count, "drained means run, once");
    bio.poll(&mut handed_back);
    assert_eq!(handed_back.len(), count);
    for kind in Kind::ALL {
        assert_eq!(bio.pending(kind), 0);
        let expected = submitted.remove(&kind).unwrap_or_default();
        let got: Vec<&Completion> = handed_back.iter().filter(|done| done.kind == kind).collect();
        assert_eq!(got.len(), expected.len());
        for (done, (id, does)) in got.into_iter().zip(expected) {
            assert_eq!(done.id, id);
            assert_outcome(does, done);
        }
    }
}

proptest! {
    #[test]
    fn inline_hands_back_each_job_once_in_order(steps in prop::collection::vec(step(), 0..60), seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        check(&mut InlineBio::new(), &steps, |bio| {
            for _ in 0..rng.usize(..3) {
                bio.run_chosen(&mut rng);
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn threads_hand_back_each_job_once_in_order(steps in prop::collection::vec(step(), 0..60)) {
        check(&mut ThreadBio::new(Arc::new(|| {})), &steps, |_| {});
    }
}

/// An executor in threads and the channel its wakes arrive on.
fn threads() -> (ThreadBio, mpsc::Receiver<()>) {
    let (send, receive) = mpsc::channel();
    (ThreadBio::new(Arc::new(move || send.send(()).unwrap_or_default())), receive)
}

/// A job that reports that it started and ends when told to.
fn held(id: u64, started: &mpsc::Sender<u64>) -> (bio::Job, mpsc::Sender<()>) {
    let (release, wait) = mpsc::channel::<()>();
    let started = started.clone();
    let job = move || {
        started.send(id).unwrap();
        wait.recv().unwrap();
        Ok(id)
    };
    (Box::new(job), release)
}

#[test]
fn four_fsyncs_overlap_and_a_fifth_waits() {
    let (mut bio, _wakes) = threads();
    let (send, started) = mpsc::channel();
    let mut releases = Vec::new();
    for id in 0..5 {
        let (job, release) = held(id, &send);
        bio.submit(Kind::Fsync, job);
        releases.push(release);
    }
    let mut running: Vec<u64> = (0..4).map(|_| started.recv().unwrap()).collect();
    running.sort_unstable();
    assert_eq!(running, [0, 1, 2, 3]);
    assert!(started.try_recv().is_err());
    releases[2].send(()).unwrap();
    assert_eq!(started.recv().unwrap(), 4);
    for at in [0, 1, 3, 4] {
        releases[at].send(()).unwrap();
    }
    bio.drain(Kind::Fsync);
    let mut done = Vec::new();
    bio.poll(&mut done);
    assert_eq!(done.iter().map(|done| done.id.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn one_write_runs_at_a_time() {
    let (mut bio, _wakes) = threads();
    let (send, started) = mpsc::channel();
    let (first, release_first) = held(0, &send);
    let (second, release_second) = held(1, &send);
    bio.submit(Kind::Write, first);
    bio.submit(Kind::Write, second);
    assert_eq!(started.recv().unwrap(), 0);
    assert!(started.try_recv().is_err());
    release_first.send(()).unwrap();
    assert_eq!(started.recv().unwrap(), 1);
    release_second.send(()).unwrap();
}

#[test]
fn the_loop_is_woken_once_for_what_it_can_poll_and_not_for_what_it_cannot() {
    let (mut bio, wakes) = threads();
    let (send, started) = mpsc::channel();
    let (first, release_first) = held(0, &send);
    let (second, release_second) = held(1, &send);
    bio.submit(Kind::Fsync, first);
    bio.submit(Kind::Fsync, second);
    started.recv().unwrap();
    started.recv().unwrap();
    release_second.send(()).unwrap();
    // The close runs in another thread; its wake is the first one there is.
    bio.submit(Kind::Close, Box::new(|| Ok(0)));
    wakes.recv().unwrap();
    let mut done = Vec::new();
    bio.poll(&mut done);
    assert_eq!(done.iter().map(|done| done.kind).collect::<Vec<_>>(), [Kind::Close]);
    release_first.send(()).unwrap();
    wakes.recv().unwrap();
    bio.drain(Kind::Fsync);
    bio.poll(&mut done);
    assert_eq!(done.iter().map(|done| done.id.0).collect::<Vec<_>>(), [2, 0, 1]);
}

#[test]
fn a_woken_loop_finds_every_completion() {
    let (mut bio, wakes) = threads();
    let mut done = Vec::new();
    for round in 0..2_000_u64 {
        bio.submit(Kind::Fsync, Box::new(move || Ok(round)));
        if round % 3 == 0 {
            bio.submit(Kind::Write, Box::new(move || Ok(round)));
        }
        while bio.pending(Kind::Fsync) + bio.pending(Kind::Write) > 0 {
            wakes.recv().expect("a pending completion always wakes");
            bio.poll(&mut done);
        }
    }
    assert_eq!(done.len(), 2_000 + 667);
}

#[test]
fn dropping_the_executor_runs_what_is_queued_first() {
    let (mut bio, _wakes) = threads();
    let ran = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new(Barrier::new(2));
    let held = Arc::clone(&gate);
    bio.submit(
        Kind::Close,
        Box::new(move || {
            held.wait();
            Ok(0)
        }),
    );
    for _ in 0..10 {
        bio.submit(Kind::Close, job(Does::Returns(0), &ran));
    }
    gate.wait();
    drop(bio);
    assert_eq!(ran.load(Ordering::SeqCst), 10);
}

#[test]
fn threads_start_with_the_first_job_bear_their_kind_and_take_no_signals() {
    let (mut bio, _wakes) = threads();
    let (send, receive) = mpsc::channel();
    bio.submit(
        Kind::DirFsync,
        Box::new(move || {
            let name = std::thread::current().name().map(str::to_owned);
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
            send.send((name, status)).unwrap();
            Ok(0)
        }),
    );
    let (name, status) = receive.recv().unwrap();
    assert_eq!(name.as_deref(), Some("bio_dir_fsync"));
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
    let blocked = u64::from_str_radix(blocked, 16).unwrap();
    // Bit n - 1 is signal n: SIGTERM is 15 and blocked, SIGSEGV is 11 and not.
    assert_eq!((blocked >> 14 & 1, blocked >> 10 & 1), (1, 0));
}

#[test]
fn the_inline_executor_lets_no_write_overtake_another() {
    let mut bio = InlineBio::new();
    bio.submit(Kind::Write, Box::new(|| Ok(0)));
    bio.submit(Kind::Write, Box::new(|| Ok(1)));
    assert_eq!(bio.runnable(Kind::Write), 1);
    assert!(!bio.run_nth(Kind::Write, 1));
    assert!(bio.run_next(Kind::Write));
    assert!(bio.run_next(Kind::Write));
    assert!(!bio.run_next(Kind::Write));
}

/// Four jobs of a kind that hang and were released.
fn four_that_hang(bio: &mut ThreadBio) -> Vec<mpsc::Sender<()>> {
    let (send, started) = mpsc::channel();
    let mut releases = Vec::new();
    for id in 0..4 {
        let (job, release) = held(id, &send);
        let id = bio.submit(Kind::Fsync, job);
        started.recv().unwrap();
        bio.release(Kind::Fsync, id);
        releases.push(release);
    }
    releases
}

/// An fsync that hung of a file that had been given up kept CONFIG SET appendonly no and SHUTDOWN waiting.
#[test]
fn a_drain_waits_for_nothing_that_was_released() {
    let (mut bio, _wakes) = threads();
    let releases = four_that_hang(&mut bio);
    let ran = Arc::new(AtomicUsize::new(0));
    bio.submit(Kind::Fsync, job(Does::Returns(0), &ran));
    bio.drain(Kind::Fsync);
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    releases.iter().for_each(|release| release.send(()).unwrap());
}

/// Four of them took every thread, and no file could be fsynced any more.
#[test]
fn what_was_released_and_hangs_takes_no_thread_from_others_and_leaves_none_behind() {
    let (mut bio, _wakes) = threads();
    let (send, started) = mpsc::channel();
    let (queued, release_queued) = held(4, &send);
    let mut releases = Vec::new();
    let mut ids = Vec::new();
    for id in 0..4 {
        let (job, release) = held(id, &send);
        ids.push(bio.submit(Kind::Fsync, job));
        releases.push(release);
        started.recv().unwrap();
    }
    bio.submit(Kind::Fsync, queued);
    assert!(started.try_recv().is_err());
    bio.release(Kind::Fsync, ids[0]);
    assert_eq!(started.recv().unwrap(), 4, "one that was queued before");
    releases[0].send(()).unwrap();
    let mut done = Vec::new();
    while done.is_empty() {
        bio.poll(&mut done);
        std::thread::yield_now();
    }
    let (late, release_late) = held(5, &send);
    bio.submit(Kind::Fsync, late);
    assert!(started.try_recv().is_err(), "four at a time again");
    releases[1].send(()).unwrap();
    assert_eq!(started.recv().unwrap(), 5);
    for release in [&releases[2], &releases[3], &release_queued, &release_late] {
        release.send(()).unwrap();
    }
}

/// The process did not end.
#[test]
fn the_executor_is_dropped_beside_what_was_released_and_hangs() {
    let (mut bio, _wakes) = threads();
    let releases = four_that_hang(&mut bio);
    let ran = Arc::new(AtomicUsize::new(0));
    bio.submit(Kind::Fsync, job(Does::Returns(0), &ran));
    drop(bio);
    assert_eq!(ran.load(Ordering::SeqCst), 1, "what is queued still runs");
    releases.iter().for_each(|release| release.send(()).unwrap());
}

#[test]
fn the_inline_executor_lets_everything_pass_what_was_released() {
    let mut bio = InlineBio::new();
    let ids: Vec<JobId> = (0..6).map(|n| bio.submit(Kind::Fsync, Box::new(move || Ok(n)))).collect();
    assert_eq!(bio.runnable(Kind::Fsync), 4);
    bio.release(Kind::Fsync, ids[1]);
    assert_eq!(bio.runnable(Kind::Fsync), 5);
    bio.drain(Kind::Fsync);
    let mut done = Vec::new();
    bio.poll(&mut done);
    assert_eq!(done.iter().map(|done| done.id).collect::<Vec<_>>(), [ids[0], ids[2], ids[3], ids[4], ids[5]]);
    assert_eq!((bio.runnable(Kind::Fsync), bio.pending(Kind::Fsync)), (1, 1));
    bio.run_all();
    assert_eq!(bio.runnable(Kind::Fsync), 0);
}
