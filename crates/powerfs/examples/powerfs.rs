//! Mounts a copy of a directory and cuts its power when told to: `powerfs DIRECTORY MOUNTPOINT`.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a tool for hands")]

use std::io::{self, BufRead as _};
use std::path::Path;

use powerfs::{Disk, Handle, Mode, NameRule, PowerFs};

const USAGE: &str = "commands:
  position                        how many operations took effect
  cut MODE NAMES OUT [SEED [N]]   writes into OUT what a power loss would leave now, or after N operations
                                  MODE: killed, strict, torn, holes; NAMES: dir-fsync, any-fsync
  quit                            unmounts";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, mountpoint] = &arguments[..] else {
        return Err("powerfs DIRECTORY MOUNTPOINT".into());
    };
    let mounted = PowerFs::mount(Disk::read_from(directory.as_ref())?, mountpoint.as_ref())?;
    println!("{directory} is shown at {mountpoint}; nothing is written back to it\n{USAGE}");
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match &words[..] {
            [] => {}
            ["quit"] => break,
            ["position"] => println!("{}", mounted.handle().position()),
            ["cut", arguments @ ..] => match cut(mounted.handle(), arguments) {
                Ok(()) => println!("cut"),
                Err(error) => println!("{error}"),
            },
            _ => println!("{USAGE}"),
        }
    }
    mounted.unmount()?;
    Ok(())
}

fn cut(handle: &Handle, arguments: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    let [mode, rule, out, rest @ ..] = arguments else { return Err(USAGE.into()) };
    let mode = Mode::ALL.into_iter().find(|known| known.name() == *mode).ok_or("no such mode")?;
    let rule = NameRule::ALL.into_iter().find(|known| known.name() == *rule).ok_or("no such rule of names")?;
    let seed = rest.first().map_or(Ok(0), |seed| seed.parse())?;
    let operations = rest.get(1).map_or(Ok(usize::MAX), |number| number.parse())?;
    let left = handle.recording().disk_after(operations).cut(mode, rule, &mut fastrand::Rng::with_seed(seed));
    std::fs::create_dir_all(out)?;
    Ok(left.write_to(Path::new(out))?)
}
