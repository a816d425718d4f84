//! The command line, in Redis's form: `[config-file | -] [--directive value …]`, `-v`, `-h`.

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    Version,
    Help,
    Run(Run),
}

/// Where the configuration comes from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// A file to read, if one is named.
    pub(crate) config_file: Option<String>,
    /// Whether configuration is read from standard input as well.
    pub(crate) stdin: bool,
    /// `--directive value …`, in order.
    pub(crate) directives: Vec<String>,
}

pub(crate) const USAGE: &str = "\
Usage: ledgerstone-server [/path/to/redis.conf] [options] [-]
       ledgerstone-server - (read config from stdin)
       ledgerstone-server -v or --version
       ledgerstone-server -h or --help

Examples:
       ledgerstone-server (run with the defaults: 127.0.0.1:6379, appendonly yes, appendfsync everysec)
       echo 'appendfsync always' | ledgerstone-server -
       ledgerstone-server /etc/redis.conf
       ledgerstone-server --port 7777 --dir /var/lib/ledgerstone
       ledgerstone-server /etc/redis.conf --loglevel verbose -";

/// What `-v` prints.
pub(crate) fn version_line() -> String {
    format!(
        "Ledgerstone server v={} redis={} malloc=jemalloc-5 bits={}",
        env!("CARGO_PKG_VERSION"),
        engine::REDIS_VERSION,
        usize::BITS
    )
}

/// Reads the command line.
pub(crate) fn parse(arguments: &[String]) -> Invocation {
    match arguments.first().map(String::as_str) {
        Some("-v" | "--version") => return Invocation::Version,
        Some("-h" | "--help") => return Invocation::Help,
        _ => {}
    }
    let mut run = Run::default();
    for (i, argument) in arguments.iter().enumerate() {
        if argument == "-" && (i == 0 || i == arguments.len() - 1) {
            run.stdin = true;
        } else if i == 0 && !argument.starts_with("--") {
            run.config_file = Some(argument.clone());
        } else {
            run.directives.push(argument.clone());
        }
    }
    Invocation::Run(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Run {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        match parse(&words) {
            Invocation::Run(run) => run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_first_word_without_dashes_is_the_configuration_file() {
        let r = run(&["a.conf", "--port", "7000", "-"]);
        assert_eq!(r.config_file.as_deref(), Some("a.conf"));
        assert_eq!(r.directives, ["--port", "7000"]);
        assert!(r.stdin);
    }

    #[test]
    fn directives_alone_name_no_file() {
        assert_eq!(run(&["--port", "7000"]).config_file, None);
    }
}
