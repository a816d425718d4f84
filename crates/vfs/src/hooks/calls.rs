//! Counts the calls of a rewrite or a snapshot, tells of each, and lets one fail or be the last thing its process does.
//!
//! Counting begins when the first file of either is created; a call is named by who makes it, what it is, on what, and
//! the how-manieth of these it is: `server:fsync:new:2`. A forked child counts for itself. Nothing here allocates or locks
//! once [`Calls`] is made, as the child may do neither.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::{Signal, raise};
use nix::sys::stat::Mode;

/// The environment variable that names the file to which each call adds a line.
pub const CALLS_VARIABLE: &str = "LEDGERSTONE_TEST_CALLS";
/// The environment variable that holds what happens at which calls, such as `child:write:new:1:before`; several are
/// separated by spaces.
pub const AT_CALLS_VARIABLE: &str = "LEDGERSTONE_TEST_AT_CALLS";

/// How many bytes a line has at most.
const LINE_BYTES: usize = 128;

/// An enumeration whose values have names.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $($(#[$variant_doc])* $variant),+ }

        impl $type {
            const ALL: &[Self] = &[$(Self::$variant),+];

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    };
}

named! {
    /// Who makes a call.
    Role {
        /// The server, with all its threads.
        Server = "server",
        /// A forked child of it.
        Child = "child",
    }
}

named! {
    /// What it does.
    Call {
        /// A file is made.
        Create = "create",
        /// Bytes are appended or written in place, or go into a pipe between server and child.
        Write = "write",
        /// The data of a file is made durable.
        Fdatasync = "fdatasync",
        /// A file or a directory is made durable as a whole.
        Fsync = "fsync",
        /// A name is given to another file.
        Rename = "rename",
        /// A name is removed.
        Unlink = "unlink",
        /// A file is cut.
        Truncate = "truncate",
        /// A mark is bound to a file.
        Mark = "mark",
    }
}

named! {
    /// What it is done to. A file that is renamed keeps for its handles what it was made as.
    Object {
        /// The append only file.
        Log = "log",
        /// The file that a rewrite makes.
        New = "new",
        /// A snapshot, by either of its names.
        Dump = "dump",
        /// A state file, by either of its names.
        State = "state",
        /// The directory.
        Dir = "dir",
        /// A pipe between server and child.
        Pipe = "pipe",
        /// A pipe between them, by which they agree that no more data is sent.
        Stop = "stop",
        /// Any other file.
        Other = "other",
    }
}

impl Object {
    /// What a name stands for.
    pub(super) fn of(name: &str) -> Self {
        match name {
            _ if name.starts_with("temp-rewriteaof") || name.ends_with(".import") => Self::New,
            _ if name.ends_with(".rdb") => Self::Dump,
            _ if name.ends_with(".state") => Self::State,
            _ if name.ends_with(".aof") => Self::Log,
            _ => Self::Other,
        }
    }
}

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    KillBefore,
    KillAfter,
    Fail(Errno),
}

impl Action {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "before" => Self::KillBefore,
            "after" => Self::KillAfter,
            "EIO" => Self::Fail(Errno::EIO),
            "ENOSPC" => Self::Fail(Errno::ENOSPC),
            _ => return None,
        })
    }
}

/// A call and what happens at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    role: Role,
    call: Call,
    object: Object,
    number: u32,
    action: Action,
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(':').collect();
        let [role, call, object, number, action] = words[..] else { return None };
        Some(Self {
            role: Role::parse(role)?,
            call: Call::parse(call)?,
            object: Object::parse(object)?,
            number: number.parse().ok()?,
            action: Action::parse(action)?,
        })
    }
}

/// How often a process has made each call on each object.
#[derive(Debug, Default)]
struct Counts([[AtomicU32; Object::ALL.len()]; Call::ALL.len()]);

/// The calls of this process and of its children.
#[derive(Debug)]
pub struct Calls {
    lines: Option<PathBuf>,
    rules: Vec<Rule>,
    server: u32,
    begun: AtomicBool,
    /// By role: the server never touches the child's, so that each child finds its own at zero.
    counts: [Counts; 2],
    /// By role: a sum of what it last wrote to a pipe.
    last_to_pipe: [AtomicU64; 2],
}

impl Calls {
    /// What the environment asks for, read once; none if it asks for nothing. A rule that cannot be read is told on standard
    /// error: a test that waits for it would wait in vain.
    pub fn of_process() -> Option<&'static Self> {
        static CALLS: OnceLock<Option<Calls>> = OnceLock::new();
        CALLS.get_or_init(Self::from_env).as_ref()
    }

    fn from_env() -> Option<Self> {
        let lines = std::env::var_os(CALLS_VARIABLE).map(PathBuf::from);
        let text = std::env::var(AT_CALLS_VARIABLE).unwrap_or_default();
        let rules = text.split_whitespace().filter_map(|word| {
            let rule = Rule::parse(word);
            if rule.is_none() {
                let _ = writeln!(io::stderr(), "{AT_CALLS_VARIABLE}: {word} is no rule");
            }
            rule
        });
        let rules: Vec<Rule> = rules.collect();
        (lines.is_some() || !rules.is_empty()).then(|| Self::new(lines, rules))
    }

    fn new(lines: Option<PathBuf>, rules: Vec<Rule>) -> Self {
        let (server, begun) = (std::process::id(), AtomicBool::new(false));
        Self { lines, rules, server, begun, counts: Default::default(), last_to_pipe: Default::default() }
    }

    fn role(&self) -> Role {
        if std::process::id() == self.server { Role::Server } else { Role::Child }
    }

    /// Writes to a pipe through `run`. What says the same as the write before is told of, but has no number: a child that
    /// waits reports as often as it wakes up, which is another number each time.
    ///
    /// # Errors
    /// As [`make`](Self::make).
    pub fn write_to_pipe<T>(&self, bytes: &[u8], run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if bytes == b"!" {
            return self.make(Call::Write, Object::Stop, run);
        }
        let role = self.role();
        let sum = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        if self.begun.load(Ordering::Relaxed) && self.last_to_pipe[role as usize].swap(sum, Ordering::Relaxed) == sum {
            self.tell(role, Call::Write, Object::Pipe, 0, "again");
            return run();
        }
        self.make(Call::Write, Object::Pipe, run)
    }

    /// Makes a call through `run`, unless it is to fail or its process to die first.
    ///
    /// # Errors
    /// What `run` gave, or what the rule for this call says.
    pub fn make<T>(&self, call: Call, object: Object, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let begins = call == Call::Create && matches!(object, Object::New | Object::Dump);
        if !self.begun.load(Ordering::Relaxed) && !begins {
            return run();
        }
        self.begun.store(true, Ordering::Relaxed);
        let role = self.role();
        let number = self.counts[role as usize].0[call as usize][object as usize].fetch_add(1, Ordering::Relaxed) + 1;
        let matches = |rule: &&Rule| (rule.role, rule.call, rule.object, rule.number) == (role, call, object, number);
        let action = self.rules.iter().find(matches).map(|rule| rule.action);
        let tell = |what| self.tell(role, call, object, number, what);
        tell("begins");
        match action {
            None => run(),
            Some(Action::Fail(errno)) => {
                tell("fails");
                Err(errno.into())
            }
            Some(Action::KillBefore) => {
                tell("killed-before");
                die()
            }
            Some(Action::KillAfter) => {
                drop(run());
                tell("killed-after");
                die()
            }
        }
    }

    /// Adds a line to the file, which is opened each time: a child has closed every descriptor that it does not need.
    fn tell(&self, role: Role, call: Call, object: Object, number: u32, what: &str) {
        let Some(path) = &self.lines else { return };
        let mut line = [0; LINE_BYTES];
        let mut rest = &mut line[..];
        let words = [role.name(), call.name(), object.name()];
        if writeln!(rest, "{}:{}:{}:{number}:{what}", words[0], words[1], words[2]).is_err() {
            return;
        }
        let len = LINE_BYTES - rest.len();
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND | OFlag::O_CLOEXEC;
        // A test that misses a line says so; the server has no use for the error.
        let _ = open(path, flags, Mode::S_IRUSR | Mode::S_IWUSR).and_then(|fd| nix::unistd::write(fd, &line[..len]));
    }
}

/// Ends this process as kill -9 does.
fn die<T>() -> io::Result<T> {
    raise(Signal::SIGKILL)?;
    Err(Errno::EINTR.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(rules: &str) -> Calls {
        Calls::new(None, rules.split_whitespace().filter_map(Rule::parse).collect())
    }

    fn begin(calls: &Calls) {
        calls.make(Call::Create, Object::New, || Ok(())).unwrap();
    }

    #[test]
    fn counting_begins_with_the_file_of_a_rewrite() {
        let calls = calls("server:fsync:log:1:EIO");
        calls.make(Call::Fsync, Object::Log, || Ok(())).unwrap();
        begin(&calls);
        let error = calls.make(Call::Fsync, Object::Log, || Ok(())).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO));
    }

    #[test]
    fn a_rule_holds_for_one_call_of_one_kind_on_one_object() {
        let calls = calls("server:write:log:2:ENOSPC child:write:log:1:EIO");
        begin(&calls);
        let write = |object| calls.make(Call::Write, object, || Ok(()));
        write(Object::Log).unwrap();
        write(Object::State).unwrap();
        assert_eq!(write(Object::Log).unwrap_err().raw_os_error(), Some(libc::ENOSPC));
        write(Object::Log).unwrap();
    }

    #[test]
    fn a_report_that_says_the_same_again_has_no_number() {
        let calls = calls("server:write:pipe:2:EIO");
        begin(&calls);
        for _ in 0..3 {
            calls.write_to_pipe(b"waiting", || Ok(())).unwrap();
        }
        assert!(calls.write_to_pipe(b"more", || Ok(())).is_err());
    }

    #[test]
    fn names_stand_for_what_they_are_to_a_rewrite() {
        for (name, object) in [
            ("temp-rewriteaof-7.aof", Object::New),
            ("temp-rewriteaof-bg-8.aof", Object::New),
            ("temp-ledgerstone-7.rdb", Object::Dump),
            ("dump.rdb", Object::Dump),
            ("temp-appendonly.aof.state", Object::State),
            ("appendonly.aof", Object::Log),
            ("temp-appendonly.aof.probe", Object::Other),
        ] {
            assert_eq!(Object::of(name), object, "{name}");
        }
    }

    #[test]
    fn what_is_no_rule_is_told_apart() {
        assert!(Rule::parse("child:rename:new:1:after").is_some());
        for bad in ["", "child:rename:new:1", "child:rename:new:x:after", "child:sing:new:1:after", "a:b:c:1:EIO:"] {
            assert_eq!(Rule::parse(bad), None, "{bad}");
        }
    }
}
