//! Many seeds through lives, crashes and recoveries.
//!
//! `LEDGERSTONE_SIM_SEEDS=n` runs n seeds instead of a few hundred, `LEDGERSTONE_SIM_SEED=s` begins with seed s.

use tests_sim::campaign::Campaign;
use tests_sim::moment::State;
use tests_sim::report::Report;
use tests_sim::server::Policy;
use tests_sim::verdict::Crash;
use vfs::sim::{CrashMode, NameMode};

/// The seeds of a test.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("LEDGERSTONE_SIM_SEED").unwrap_or(0);
    first..first + number("LEDGERSTONE_SIM_SEEDS").unwrap_or(usual)
}

fn run(campaign: &Campaign) -> Report {
    campaign.run().unwrap_or_else(|failure| panic!("{failure}"))
}

/// Runs the campaigns of many seeds; what they went through together, to see that they went through something.
fn run_all(seeds: std::ops::Range<u64>, change: impl Fn(&mut Campaign)) -> Report {
    let mut all = Report::default();
    for seed in seeds {
        let mut campaign = Campaign::new(seed);
        change(&mut campaign);
        all.absorb(&run(&campaign));
    }
    println!("{all:?}");
    all
}

#[test]
fn whatever_crashes_what_was_promised_is_there() {
    let all = run_all(seeds(100), |_| {});
    assert!(all.rewrites > all.recoveries / 4, "rewrites were crashed into: {all:?}");
    assert!(all.acked > all.executed / 2, "most operations were acknowledged: {all:?}");
    assert!(all.promises > 1_000, "WAITAOF was answered: {all:?}");
}

#[test]
fn a_failing_disk_breaks_no_promise_either() {
    let all = run_all(seeds(60), |campaign| campaign.shape.fault_every = 25);
    assert!(all.failed > 0, "some operations met the error: {all:?}");
}

fn kill(policy: Policy) {
    let all = run_all(seeds(30), |campaign| {
        campaign.policies = vec![policy];
        campaign.crashes = vec![Crash::Kill];
    });
    assert_eq!(all.holes, 0);
}

#[test]
fn a_killed_process_loses_nothing_acknowledged_under_always() {
    kill(Policy::Always);
}

#[test]
fn a_killed_process_loses_nothing_acknowledged_under_everysec() {
    kill(Policy::EverySec);
}

#[test]
fn a_killed_process_loses_nothing_acknowledged_under_no() {
    kill(Policy::No);
}

#[test]
fn without_holes_every_start_after_a_power_cut_succeeds() {
    let whole = |mode| NameMode::ALL.map(|names| Crash::Power(mode, names));
    let crashes = [CrashMode::Strict, CrashMode::TornAnyByte].map(whole).concat();
    let all = run_all(seeds(20), |campaign| campaign.crashes.clone_from(&crashes));
    assert_eq!(all.holes, 0);
}

#[test]
fn a_seed_repeats_a_campaign_to_the_byte() {
    for seed in seeds(2) {
        let campaign = Campaign::new(seed);
        let (first, second) = (run(&campaign), run(&campaign));
        assert_eq!(first, second, "seed {seed}");
        assert_ne!(first.digest, run(&Campaign::new(seed + 1)).digest, "the digest is of the calls");
    }
}

/// Seeds of [`Campaign::hard`] that once found something, in the server or in the judge. What they draw has changed since with the kinds
/// of faults: a sample like any other, which stays.
const FOUND: [u64; 14] =
    [0x1, 0x6, 0x3d, 0xf0, 0x100, 0x105, 0x499, 0x581, 0x615, 0x76d, 0x11c5, 0x252a, 0x350c, 0x1b59];

#[test]
fn what_hard_seeds_once_found_stays_mended() {
    let mut all = Report::default();
    for seed in FOUND.into_iter().chain(seeds(12)) {
        all.absorb(&run(&Campaign::hard(seed)));
    }
    assert!(all.saved > 0 && all.healed > 0, "snapshots and healing are among them: {all:?}");
    let ends = [State::Ending, State::Ended].iter().all(|state| all.states.contains_key(state));
    assert!(ends, "ends by SHUTDOWN are among them: {all:?}");
}
