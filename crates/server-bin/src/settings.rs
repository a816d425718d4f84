//! Reading the configuration: files with their includes, standard input, command-line directives; later ones win.
#![expect(clippy::disallowed_methods, reason = "the configuration is read before the engine and its directory exist")]

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use engine::config::ConfigError;
use engine::config::file::{self, Line, LineProblem};
use engine::{Config, Level, Log as _};

use crate::arguments::Run;
use crate::config_file::StartedWith;
use crate::logger::Logger;

/// Includes nested deeper than this are taken for a cycle.
const MAX_INCLUDE_DEPTH: usize = 16;

/// The configuration and where it came from.
pub(crate) struct Settings {
    pub(crate) config: Config,
    /// Absolute path of the file, no symbolic link.
    path: Option<PathBuf>,
    /// What relative names of included files are relative to: the directory the server was started in.
    base: PathBuf,
    /// Directives that were given and have no effect here.
    inert: Vec<&'static str>,
    /// Directives whose last value so far is refused because it would have no effect: a later line may take it back.
    refused: Vec<(&'static str, anyhow::Error)>,
}

/// Reads everything the command line names.
pub(crate) fn load(run: &Run) -> anyhow::Result<Settings> {
    let mut settings = Settings::none(std::env::current_dir().unwrap_or_default());
    if let Some(path) = &run.config_file {
        let absolute =
            std::fs::canonicalize(path).with_context(|| format!("Fatal error, can't open config file '{path}'"))?;
        settings.read_file(&absolute, 0)?;
        settings.path = Some(absolute);
    }
    if run.stdin {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("can't read the configuration from standard input")?;
        settings.apply_text(&text_of(bytes, "standard input")?, "standard input", 0)?;
    }
    for line in file::parse_arguments(&run.directives) {
        settings.apply(&line, "the command line", 0)?;
    }
    let first = settings.refused.drain(..).next();
    first.map_or(Ok(settings), |(_, error)| Err(error))
}

/// What the text of a configuration file says, together with the files that it includes; without what the command line said.
pub(crate) fn say(text: &str, path: &Path, base: &Path) -> anyhow::Result<Config> {
    let mut settings = Settings::none(base.to_owned());
    settings.apply_text(text, &path.display().to_string(), 0)?;
    Ok(settings.config)
}

fn fatal(origin: &str) -> String {
    format!("FATAL CONFIG FILE ERROR: {origin}")
}

/// The text of a configuration.
fn text_of(bytes: Vec<u8>, origin: &str) -> anyhow::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let (before, byte) = (&error.as_bytes()[..at], error.as_bytes()[at]);
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        anyhow!("{}: at line {line}: byte {at} of it, {byte:#04x}, is no UTF-8 text", fatal(origin))
    })
}

impl Settings {
    fn none(base: PathBuf) -> Self {
        Self { config: Config::default(), path: None, base, inert: Vec::new(), refused: Vec::new() }
    }

    /// The file that the server was started with, if there is one.
    pub(crate) fn config_file(&self) -> Option<StartedWith> {
        Some(StartedWith { path: self.path.clone()?, base: self.base.clone() })
    }

    /// Its path as INFO shows it, empty for none.
    pub(crate) fn config_path(&self) -> String {
        self.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }

    fn read_file(&mut self, path: &Path, depth: usize) -> anyhow::Result<()> {
        let shown = path.display().to_string();
        if depth > MAX_INCLUDE_DEPTH {
            bail!("{shown}: more than {MAX_INCLUDE_DEPTH} nested includes");
        }
        let bytes = std::fs::read(self.base.join(path))
            .with_context(|| format!("Fatal error, can't open config file '{shown}'"))?;
        self.apply_text(&text_of(bytes, &shown)?, &shown, depth)
    }

    fn apply_text(&mut self, text: &str, origin: &str, depth: usize) -> anyhow::Result<()> {
        for line in file::parse(text).with_context(|| fatal(origin))? {
            self.apply(&line, origin, depth)?;
        }
        Ok(())
    }

    fn apply(&mut self, line: &Line, origin: &str, depth: usize) -> anyhow::Result<()> {
        if line.words[0].eq_ignore_ascii_case("include") && line.words.len() == 2 {
            let included = || format!("{}: at line {}: >>> '{}'", fatal(origin), line.number, line.text);
            return self.read_file(Path::new(&line.words[1]), depth + 1).with_context(included);
        }
        let (name, refused) = match file::apply(&mut self.config, line) {
            Ok(directive) if directive.is_inert() => (directive.name, None),
            Ok(_) => return Ok(()),
            Err(error) => match error.reason {
                LineProblem::Directive(ConfigError::OnlyDefault { name, .. }) => (name, Some(error)),
                _ => return Err(error).with_context(|| fatal(origin)),
            },
        };
        self.refused.retain(|(other, _)| *other != name);
        match refused {
            Some(error) => self.refused.push((name, anyhow::Error::new(error).context(fatal(origin)))),
            None if self.inert.contains(&name) => {}
            None => self.inert.push(name),
        }
        Ok(())
    }

    /// Says in the log what the configuration means, once the log is open.
    pub(crate) fn announce(&self, log: &mut Logger) {
        log.line(Level::Notice, format_args!("Ledgerstone is starting, version {}", env!("CARGO_PKG_VERSION")));
        if self.path.is_none() {
            log.line(Level::Notice, format_args!("No config file given: the defaults, and what the command line says"));
        } else {
            log.line(Level::Notice, format_args!("Configuration loaded from {}", self.config_path()));
        }
        let config = &self.config;
        log.line(
            Level::Notice,
            format_args!(
                "appendonly {}, appendfsync {}, dir {}",
                if config.appendonly { "yes" } else { "no" },
                config.appendfsync,
                config.dir
            ),
        );
        if !self.inert.is_empty() {
            // One line: a stock redis.conf has thirty of them, which would bury what matters.
            log.line(
                Level::Notice,
                format_args!("Known, but without effect in this server: {}", self.inert.join(", ")),
            );
        }
    }
}
