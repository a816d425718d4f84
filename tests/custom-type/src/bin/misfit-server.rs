//! A server with a type whose values misbehave in a rewrite, each in the way that it is told: for tests alone.
//!
//! What a type may do to a server must end with the child that rewrites; the log and what it promises stay.
#![expect(clippy::panic, reason = "one of the ways in which a type misbehaves")]

use std::process::ExitCode;

use commands::{CommandError, Ctx, Extension, Flags, Group, Keys, Row};
use keyspace::{CannotLoad, CannotRewrite, CustomType, CustomValue, Deadline, EmitCommands, ReadParts, WriteParts};
use resp_codec::Args;

#[global_allocator]
static ALLOCATOR: server_bin::Allocator = server_bin::Allocator;

static TYPE: CustomType = CustomType::new("misfit-v1", 0, &["misfit.set"], load);
static TYPES: [&CustomType; 1] = [&TYPE];
static COMMANDS: [Row; 1] = [Row::data("misfit.set", 3, Flags::WRITE, Keys::FIRST, set)
    .doc(Group::Module, "1.0.0", "O(1)", "Makes a value that misbehaves.")
    .takes("key way")];

/// How it misbehaves.
#[derive(Clone, Debug)]
struct Misfit(Vec<u8>);

impl CustomValue for Misfit {
    fn custom_type(&self) -> &'static CustomType {
        &TYPE
    }

    fn copy(&self) -> Box<dyn CustomValue> {
        Box::new(self.clone())
    }

    fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    fn rewrite(&self, key: &[u8], out: &mut dyn EmitCommands) -> Result<(), CannotRewrite> {
        match &self.0[..] {
            b"error" => return Err(CannotRewrite("it was told to fail")),
            b"panic" => panic!("told to"),
            b"allocation" => drop(std::hint::black_box(vec![1_u8; 100])),
            _ => {}
        }
        out.command("misfit.set", 2);
        out.arg(key);
        out.arg(&self.0);
        Ok(())
    }

    fn save(&self, out: &mut dyn WriteParts) {
        match &self.0[..] {
            b"panic" => panic!("told to"),
            b"allocation" => drop(std::hint::black_box(vec![1_u8; 100])),
            _ => {}
        }
        out.string(&self.0);
    }
}

fn load(_version: u16, parts: &mut dyn ReadParts) -> Result<Box<dyn CustomValue>, CannotLoad> {
    Ok(Box::new(Misfit(parts.string()?)))
}

fn set(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    ctx.store.insert_custom(key, Misfit(args.at(2).to_vec()), Deadline::Clear)?;
    ctx.store.propagate();
    ctx.reply.ok();
    Ok(())
}

fn main() -> ExitCode {
    server_bin::main(&[Extension { name: "misfit", types: &TYPES, commands: &COMMANDS }])
}
