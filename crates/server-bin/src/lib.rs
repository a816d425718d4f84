#![doc = include_str!("../README.md")]
//!
//! # Invariants
//!
//! Everything that touches the outside other than files stands in this crate: sockets, signals, the clocks, the process.
//! Whatever stops the server from starting is one line on standard error (and in the log file, if there is one) and a non-zero exit status.

mod alloc;
mod arguments;
mod clock;
mod config_file;
mod connections;
mod event_loop;
mod hooks;
mod listen;
mod logger;
mod process;
mod settings;
mod signals;
mod title;

use std::io::Write as _;
use std::process::ExitCode;

pub use alloc::ChildGuard as Allocator;
use anyhow::Context as _;
use arguments::Invocation;
pub use engine::Extension;
use engine::{Extensions, Level, Log as _};
use vfs::error_chain;

/// Runs the server with the program's arguments and these extensions, until it ends.
pub fn main(extensions: &[Extension]) -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    match arguments::parse(&arguments) {
        Invocation::Version => {
            println!("{}", arguments::version_line());
            ExitCode::SUCCESS
        }
        Invocation::Help => {
            println!("{}", arguments::USAGE);
            ExitCode::SUCCESS
        }
        Invocation::Run(run) => match serve(&run, extensions) {
            Ok(status) => ExitCode::from(status),
            Err(error) => {
                eprintln!("ledgerstone-server: {}", error_chain(&*error));
                ExitCode::FAILURE
            }
        },
    }
}

/// Runs the server until it ends. Returns its exit status.
fn serve(run: &arguments::Run, extensions: &[Extension]) -> anyhow::Result<u8> {
    let extensions = Extensions::new(extensions).context("the program's extensions")?;
    let settings = settings::load(run)?;
    let signals = signals::Signals::block()?;
    let mut log = logger::Logger::open(&settings.config.logfile, settings.config.loglevel)?;
    settings.announce(&mut log);
    if log.is_file() && !settings.config.appendonly && settings.config.save.is_empty() {
        eprintln!(
            "ledgerstone-server: appendonly is no, and there are no save points: all data is lost when the server ends"
        );
    }
    let logfile = settings.config.logfile.clone();
    let status = run_loop(settings, signals, log.clone(), &extensions);
    if log.is_file() {
        match &status {
            Err(error) => log.line(Level::Warning, format_args!("{}", error_chain(&**error))),
            Ok(0) => {}
            Ok(status) => {
                // Who started it may be gone, and standard error with them.
                let _ =
                    writeln!(std::io::stderr(), "ledgerstone-server: ends with status {status}; {logfile} says why");
            }
        }
    }
    status
}

fn run_loop(
    mut settings: settings::Settings,
    signals: signals::Signals,
    mut log: logger::Logger,
    extensions: &Extensions,
) -> anyhow::Result<u8> {
    // Changes the working directory, as Redis does: relative paths that come later are relative to `dir`.
    let dir = process::enter_dir(&settings.config.dir)?;
    settings.config.dir = dir.path().display().to_string();
    settings.config.maxclients = process::raise_descriptor_limit(settings.config.maxclients, &mut log);
    event_loop::EventLoop::new(settings, signals, log, dir, extensions)?.run()
}
