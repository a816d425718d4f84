//! Commands on the server that need nothing of the engine: ECHO, TIME, and COMMAND, which answers from the table.

use resp_codec::Args;

use crate::command::{Command, Flags, Group, Keys, Row, row};
use crate::docs::command_docs;
use crate::glob::Pattern;
use crate::info::{categories, command_info, statuses};
use crate::key_specs::{KeySpec, Positions, key_specs};
use crate::table::find_subcommand;
use crate::{CommandError, CommandTable, Ctx, parse};

const ANYTIME: u32 = Flags::LOADING | Flags::STALE;
const COMMAND: u32 = ANYTIME | Flags::CONNECTION_CATEGORY;

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row!(Connection "echo" 2 ANYTIME | Flags::FAST, Keys::None, echo, "message";
        "1.0.0" "O(1)" "Answers its argument."),
    row!(Server "time" 1 ANYTIME | Flags::FAST, Keys::None, time, "";
        "2.6.0" "O(1)" "Answers the server's time."),
    row!(Server "command" -1 COMMAND | Flags::CONTAINER, Keys::None, command, "";
        "2.8.13" "O(N) by the commands" "Answers what is known of all commands."),
    row!(Server "command|count" 2 COMMAND, Keys::None, count, "";
        "2.8.13" "O(1)" "Counts the commands."),
    row!(Server "command|docs" -2 COMMAND, Keys::None, docs, "[command-name...]";
        "7.0.0" "O(N) by the commands" "Answers documentation of commands."),
    row!(Server "command|getkeys" -3 COMMAND, Keys::None, getkeys, "command [arg...]";
        "2.8.13" "O(N) by the arguments" "Answers the keys of a request."),
    row!(Server "command|getkeysandflags" -3 COMMAND, Keys::None, getkeysandflags, "command [arg...]";
        "7.0.0" "O(N) by the arguments" "Answers the keys of a request and how it uses them."),
    row!(Server "command|help" 2 COMMAND, Keys::None, help, "";
        "5.0.0" "O(1)" "Answers how COMMAND is used."),
    row!(Server "command|info" -2 COMMAND, Keys::None, info, "[command-name...]";
        "2.8.13" "O(N) by the commands" "Answers what is known of commands."),
    row!(Server "command|list" -2 COMMAND, Keys::None, list,
        "[FILTERBY (MODULE module-name | ACLCAT category | PATTERN pattern)]";
        "7.0.0" "O(N) by the commands" "Answers the names of commands."),
];

fn echo(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.reply.bulk(args.at(1));
    Ok(())
}

/// Seconds and microseconds. Time is known in milliseconds here.
fn time(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    let now_ms = ctx.store.now.0;
    ctx.reply.array(2);
    ctx.reply.bulk_int(now_ms.div_euclid(1000));
    ctx.reply.bulk_int(now_ms.rem_euclid(1000) * 1000);
    Ok(())
}

fn command(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    ctx.reply.array(ctx.table.commands().count());
    for command in ctx.table.commands() {
        command_info(&mut ctx.reply, command);
    }
    Ok(())
}

fn count(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    ctx.reply.count(ctx.table.commands().count());
    Ok(())
}

/// COMMAND INFO without names answers all; an unknown name is a null, so that answers and names stay in step.
fn info(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() == 2 {
        return command(ctx, args);
    }
    ctx.reply.array(args.len() - 2);
    for name in args.from(2) {
        match ctx.table.find(name) {
            Some(command) => command_info(&mut ctx.reply, command),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

/// COMMAND DOCS leaves out unknown names.
fn docs(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let table = ctx.table;
    let named = args.from(2).filter_map(|name| table.find(name));
    let all = (args.len() == 2).then(|| table.commands()).into_iter().flatten();
    let begun = ctx.reply.deferred();
    let mut count = 0;
    for command in named.chain(all) {
        command_docs(&mut ctx.reply, command);
        count += 1;
    }
    ctx.reply.finish_map(begun, count);
    Ok(())
}

/// COMMAND LIST, with `FILTERBY MODULE|ACLCAT|PATTERN value`.
fn list(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let table = ctx.table;
    let wanted: Box<dyn Fn(&Command) -> bool + '_> = match args.len() {
        2 => Box::new(|_| true),
        5 if parse::is(args.at(2), "FILTERBY") => {
            let value = args.at(4);
            if parse::is(args.at(3), "MODULE") {
                Box::new(move |command| table.is_of(command, value))
            } else if parse::is(args.at(3), "ACLCAT") {
                Box::new(|command| categories(command).any(|name| value.eq_ignore_ascii_case(name.as_bytes())))
            } else if parse::is(args.at(3), "PATTERN") {
                let pattern = Pattern::ignoring_case(value);
                Box::new(move |command| pattern.matches(command.name.as_bytes()))
            } else {
                return Err(CommandError::Syntax);
            }
        }
        _ => return Err(CommandError::Syntax),
    };
    let begun = ctx.reply.deferred();
    let mut count = 0;
    for command in table.all().filter(|command| wanted(command)) {
        ctx.reply.bulk(command.name.as_bytes());
        count += 1;
    }
    ctx.reply.finish_array(begun, count);
    Ok(())
}

/// Where the request begins that COMMAND GETKEYS is asked about.
const ASKED_AT: usize = 2;

/// The keys of the request that COMMAND GETKEYS is asked about, by the specification that found them.
fn asked(table: CommandTable, args: Args<'_>) -> Result<Vec<(KeySpec, Positions)>, CommandError> {
    const UNKNOWN: CommandError = CommandError::Text("ERR Invalid command specified");
    let mut command = table.find(args.at(ASKED_AT)).filter(|found| !found.is_subcommand()).ok_or(UNKNOWN)?;
    if command.flags.has(Flags::CONTAINER)
        && let Some(sub) = args.get(ASKED_AT + 1)
    {
        command = find_subcommand(command, sub).ok_or(UNKNOWN)?;
    }
    if command.keys == Keys::None {
        return Err(CommandError::Text("ERR The command has no key arguments"));
    }
    if !command.accepts(args.len() - ASKED_AT) {
        return Err(CommandError::Text("ERR Invalid number of arguments specified for command"));
    }
    key_specs(command)
        .into_iter()
        .map(|spec| Some((spec, spec.positions(args, ASKED_AT)?)))
        .collect::<Option<_>>()
        .ok_or(CommandError::Text("ERR Invalid arguments specified for command"))
}

fn getkeys(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let found = asked(ctx.table, args)?;
    ctx.reply.array(found.iter().map(|(_, keys)| keys.len()).sum());
    for at in found.iter().flat_map(|(_, keys)| keys) {
        ctx.reply.bulk(args.at(ASKED_AT + at));
    }
    Ok(())
}

fn getkeysandflags(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let found = asked(ctx.table, args)?;
    ctx.reply.array(found.iter().map(|(_, keys)| keys.len()).sum());
    for (spec, at) in found.iter().flat_map(|(spec, keys)| keys.iter().map(move |at| (spec, at))) {
        ctx.reply.array(2);
        ctx.reply.bulk(args.at(ASKED_AT + at));
        statuses(&mut ctx.reply, spec.uses_in(args, ASKED_AT));
    }
    Ok(())
}

/// The lines of COMMAND HELP. Source: Redis 7.2, as clients show them.
const HELP: &[&str] = &[
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all Redis commands.",
    "COUNT",
    "    Return the total number of commands in this Redis server.",
    "LIST",
    "    Return a list of all commands in this Redis server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full Redis command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full Redis command.",
    "HELP",
    "    Print this help.",
];

fn help(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    ctx.reply.array(HELP.len());
    for line in HELP {
        ctx.reply.status(line);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
