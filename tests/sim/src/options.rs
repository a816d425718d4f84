//! The command line of the program, read by hand: it is written by `cargo xtask sim`, and by a failure that tells how to repeat it.

use tests_sim::campaign::Campaign;
use tests_sim::trouble::Faults;

/// How many seeds a mutant may need unless said otherwise.
const MUTANT_SEEDS: u64 = 4_000;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Options {
    /// How many seeds.
    pub(crate) seeds: u64,
    /// The first.
    pub(crate) seed: u64,
    /// Runs each seed twice and compares.
    pub(crate) twice: bool,
    /// Threads.
    pub(crate) jobs: usize,
    /// Looks for the planted bugs instead.
    pub(crate) mutants: bool,
    /// One of them alone.
    pub(crate) only: Option<String>,
    /// Tells of a failure as it is.
    pub(crate) whole: bool,
    seeds_given: bool,
    changes: Vec<(String, u32)>,
}

impl Options {
    /// Reads the words of a command line.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            seeds: 1_000,
            seed: 0,
            twice: false,
            jobs: 1,
            mutants: false,
            only: None,
            whole: false,
            seeds_given: false,
            changes: Vec::new(),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--seeds" => {
                    options.seeds = number(&value()?)?;
                    options.seeds_given = true;
                }
                "--seed" => options.seed = number(&value()?)?,
                "--jobs" => options.jobs = usize::try_from(number(&value()?)?).unwrap_or(1).max(1),
                "--twice" => options.twice = true,
                "--mutants" => options.mutants = true,
                "--only" => options.only = Some(value()?),
                "--whole" => options.whole = true,
                "--shape" => options.changes = shape(&value()?)?,
                _ => return Err(format!("unknown: {word}")),
            }
        }
        Ok(options)
    }

    /// How many seeds a mutant may need.
    #[cfg_attr(not(feature = "mutants"), expect(dead_code, reason = "only a build with mutants looks for them"))]
    pub(crate) fn mutant_seeds(&self) -> u64 {
        if self.seeds_given { self.seeds } else { MUTANT_SEEDS }
    }

    /// Changes a campaign as `--shape` says.
    pub(crate) fn change(&self, campaign: &mut Campaign) {
        for (name, value) in &self.changes {
            let value = *value;
            let shape = &mut campaign.shape;
            match name.as_str() {
                "lives" => campaign.lives = value,
                "second" => campaign.second_faults = u8::try_from(value).unwrap_or(1),
                "clients" => shape.clients = value.max(1),
                "turns" => shape.turns = value,
                "rewrite" => shape.rewrite_every = value,
                "fault" => shape.fault_every = value,
                "faults" => shape.faults = Faults::from_bits(value),
                "wait" => shape.wait_every = value,
                "jump" => shape.jump_every = value,
                "config" => shape.config_every = value,
                "save" => shape.save_every = value,
                "end" => shape.end_every = value,
                "nolog" => campaign.without_log = value > 0,
                _ => shape.long_values = value > 0,
            }
        }
    }
}

/// The words that `--shape` knows.
const NAMES: [&str; 14] = [
    "lives", "second", "nolog", "clients", "turns", "rewrite", "fault", "faults", "wait", "jump", "config", "save",
    "end", "long",
];

fn shape(text: &str) -> Result<Vec<(String, u32)>, String> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((NAMES.contains(&name).then(|| name.to_owned())?, value.parse().ok()?))
    };
    text.split(',').map(|part| pair(part).ok_or_else(|| format!("--shape: {part}"))).collect()
}

fn number(text: &str) -> Result<u64, String> {
    let hex = text.strip_prefix("0x").map(|digits| u64::from_str_radix(digits, 16));
    hex.unwrap_or_else(|| text.parse()).map_err(|_| format!("not a number: {text}"))
}

/// The options that run exactly this campaign.
pub(crate) fn line(campaign: &Campaign) -> String {
    let Campaign { seed, lives, second_faults, without_log, shape, .. } = campaign;
    format!(
        "--seed {seed:#x} --shape lives={lives},second={second_faults},nolog={},clients={},turns={},rewrite={},fault={},faults={},wait={},\
         jump={},config={},save={},end={},long={}",
        u8::from(*without_log),
        shape.clients,
        shape.turns,
        shape.rewrite_every,
        shape.fault_every,
        shape.faults.bits(),
        shape.wait_every,
        shape.jump_every,
        shape.config_every,
        shape.save_every,
        shape.end_every,
        u8::from(shape.long_values)
    )
}
