//! Kill points: the calls of a rewrite, as the server's test hook tells of them, one line a call. Pure.

use std::fmt;

/// One call: who makes it, what it is, on what, and the how-manieth of these, as in `child:rename:new:1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    pub(super) role: String,
    pub(super) call: String,
    pub(super) object: String,
    pub(super) number: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.role, self.call, self.object, self.number)
    }
}

impl Point {
    /// Whether the rewrite's child makes it, and not the server.
    pub(super) fn in_child(&self) -> bool {
        self.role == "child"
    }

    fn is(&self, role: &str, call: &str, object: &str) -> bool {
        (self.role.as_str(), self.call.as_str(), self.object.as_str()) == (role, call, object)
    }
}

/// What a line tells of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It begins.
    Begins,
    /// It begins, and writes to a pipe what the one before did: no point of its own.
    Again,
    /// It fails, as it was told to.
    Fails,
    /// Its process dies before it, or after it.
    Killed(When),
}

/// When a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    Before,
    After,
}

impl When {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// Reads the lines; one that is not of that form, such as the last one of a process that was killed, is left out.
pub(super) fn parse(text: &str) -> Vec<(Point, What)> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(Point, What)> {
    let words: Vec<&str> = line.split(':').collect();
    let [role, call, object, number, what] = words[..] else { return None };
    let what = match what {
        "begins" => What::Begins,
        "again" => What::Again,
        "fails" => What::Fails,
        "killed-before" => What::Killed(When::Before),
        "killed-after" => What::Killed(When::After),
        _ => return None,
    };
    let [role, call, object] = [role, call, object].map(str::to_owned);
    Some((Point { role, call, object, number: number.parse().ok()? }, what))
}

/// The calls that began, in that order.
pub(super) fn begun(lines: &[(Point, What)]) -> Vec<Point> {
    lines.iter().filter(|(_, what)| *what == What::Begins).map(|(point, _)| point.clone()).collect()
}

/// The calls that the system saw: not those that failed because they were told to.
pub(super) fn made(lines: &[(Point, What)]) -> Vec<Point> {
    let again = lines.iter().filter(|(_, what)| *what == What::Again).map(|(point, _)| point.clone());
    let mut calls: Vec<Point> = begun(lines).into_iter().chain(again).collect();
    calls.retain(|call| !lines.contains(&(call.clone(), What::Fails)));
    calls
}

/// The calls from the creation of the new file until a state file names it durably; none while that is not so.
pub(super) fn of_rewrite(calls: &[Point]) -> Option<&[Point]> {
    let after = |from: usize, role, call, object| {
        let rest = calls.get(from..)?;
        Some(from + 1 + rest.iter().position(|point| point.is(role, call, object))?)
    };
    let switched = after(0, "server", "rename", "new")?;
    let stated = after(switched, "server", "rename", "state")?;
    let end = after(stated, "server", "fsync", "dir")?;
    Some(&calls[..end])
}

/// The calls of an import, likewise. Its file is given two names by the child and the rewrite, and the third is the log's.
pub(super) fn of_import(calls: &[Point]) -> Option<&[Point]> {
    let is_named = |point: &Point| point.is("server", "rename", "new") && point.number == 2;
    let named = 1 + calls.iter().position(is_named)?;
    let stated = named + 1 + calls[named..].iter().position(|point| point.is("server", "rename", "state"))?;
    let end = stated + 1 + calls[stated..].iter().position(|point| point.is("server", "fsync", "dir"))?;
    Some(&calls[..end])
}

/// The names that are removed after a rewrite has failed; none until the server has removed both names of the new file.
pub(super) fn of_removal(calls: &[Point]) -> Option<Vec<Point>> {
    let unlinks: Vec<Point> = calls.iter().filter(|p| p.call == "unlink" && p.object == "new").cloned().collect();
    let by_server = unlinks.iter().filter(|p| !p.in_child()).count();
    (by_server >= 2).then_some(unlinks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(text: &str) -> Vec<Point> {
        let lines: Vec<String> = text.split_whitespace().map(|word| format!("{word}:begins")).collect();
        begun(&parse(&lines.join("\n")))
    }

    #[test]
    fn a_rewrite_ends_when_the_state_file_after_its_switch_is_durable_by_name() {
        let all = calls(
            "server:create:new:1 server:rename:state:1 child:rename:new:1 server:rename:new:1 server:fsync:dir:1 \
             server:rename:state:2 server:fsync:dir:2 server:write:log:1",
        );
        let last = of_rewrite(&all).and_then(<[Point]>::last).map(ToString::to_string);
        assert_eq!(last.as_deref(), Some("server:fsync:dir:2"));
        assert_eq!(of_rewrite(&all[..6]), None);
    }

    #[test]
    fn an_import_ends_when_the_state_file_of_its_log_is_durable_by_name() {
        let all = calls(
            "server:create:new:1 child:rename:new:1 server:rename:new:1 server:fsync:dir:1 server:rename:new:2 server:fsync:dir:2 \
             server:rename:state:1 server:fsync:dir:3 server:write:log:1",
        );
        let last = of_import(&all).and_then(<[Point]>::last).map(ToString::to_string);
        assert_eq!(last.as_deref(), Some("server:fsync:dir:3"));
        assert_eq!(of_import(&all[..7]), None);
    }

    #[test]
    fn a_failed_rewrite_has_ended_when_the_server_has_removed_both_names() {
        let all = calls("server:create:new:1 child:unlink:new:1 server:unlink:new:1 server:unlink:new:2");
        assert_eq!(of_removal(&all[..3]), None);
        assert_eq!(of_removal(&all).map(|points| points.len()), Some(3));
    }

    #[test]
    fn a_line_cut_short_is_left_out() {
        assert_eq!(parse("server:write:log:1:killed-before\nserver:wri").len(), 1);
        assert_eq!(parse("server:write:log:1:killed-after")[0].1, What::Killed(When::After));
    }
}
