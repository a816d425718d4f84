//! Custom types: values that an embedding program brings along, behind one kind of value.
//!
//! This crate and all above it know what stands here and nothing of any type: a value writes itself, as commands and as parts,
//! and a type makes a value of parts. What a value is written to is a trait as well, so that a type knows no format either.
//!
//! Invariant: a [`Custom`] is of a type that was registered, so that whatever stands in the keyspace can be loaded again.

mod digest;
mod emission;
mod parts;

use std::any::Any;
use std::fmt::{self, Debug};
use std::sync::Arc;

pub use digest::DigestParts;
pub use emission::{Emission, Rebuilder};
pub(crate) use parts::Length;
pub use parts::{CannotLoad, ReadParts, WriteParts};

use crate::types::capacity::rounded;

/// The length of a type's name. Source: modules of Redis, whose form in RDB files custom values take.
pub const TYPE_NAME_BYTES: usize = 9;

/// The highest version of a type's layout.
pub const MAX_TYPE_VERSION: u16 = 1023;

/// Makes a value of the parts that a value of the type once wrote, in the layout of this version, at most the type's own.
///
/// Nothing is to be reserved for a number that a file states, and nothing in it is to be trusted.
pub type LoadParts = fn(version: u16, parts: &mut dyn ReadParts) -> Result<Box<dyn CustomValue>, CannotLoad>;

/// What is known of a custom type. A program has one `static` for each of its types.
#[derive(Clone, Copy, Debug)]
pub struct CustomType {
    name: &'static str,
    version: u16,
    commands: &'static [&'static str],
    load: LoadParts,
}

impl CustomType {
    /// Describes a type: the `name` that TYPE replies and RDB files have, nine of `A-Z a-z 0-9 - _`; the `version` of the layout of
    /// its parts, at most 1023; the `commands` that rebuild a value, in lower case; and what makes a value of its parts.
    ///
    /// # Panics
    /// If name or version are none, which a `static` finds when it is compiled.
    pub const fn new(name: &'static str, version: u16, commands: &'static [&'static str], load: LoadParts) -> Self {
        let (bytes, mut at) = (name.as_bytes(), 0);
        assert!(bytes.len() == TYPE_NAME_BYTES, "the name of a type has nine characters");
        while at < bytes.len() {
            let byte = bytes[at];
            assert!(
                byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_',
                "a character that no name of a type has"
            );
            at += 1;
        }
        assert!(version <= MAX_TYPE_VERSION, "the version of a layout is at most 1023");
        Self { name, version, commands, load }
    }

    /// The name that TYPE replies.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The version of the layout in which values are written.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The commands that rebuild a value, in lower case.
    pub fn commands(&self) -> &'static [&'static str] {
        self.commands
    }

    /// Makes a value of parts in the layout of `version`.
    ///
    /// # Errors
    /// If the version is newer than the type's, or the parts are no value.
    pub fn load(&self, version: u16, parts: &mut dyn ReadParts) -> Result<Custom, CannotLoad> {
        if version > self.version {
            return Err(CannotLoad("a newer version of its type has written it"));
        }
        let value = (self.load)(version, parts)?;
        if value.custom_type().name != self.name {
            return Err(CannotLoad("its type makes values of another type"));
        }
        Ok(Custom(value))
    }
}

/// A value of a custom type.
pub trait CustomValue: Any + Debug + Send {
    /// Its type, always the same.
    fn custom_type(&self) -> &'static CustomType;

    /// A copy that shares nothing with it (COPY).
    fn copy(&self) -> Box<dyn CustomValue>;

    /// About how many bytes of memory it has allocated, beside its own (MEMORY USAGE).
    fn heap_bytes(&self) -> usize;

    /// Number of allocations to be freed with it, roughly: above [`LAZY_FREE_THRESHOLD`](crate::LAZY_FREE_THRESHOLD) it is freed
    /// in another thread.
    fn free_effort(&self) -> usize {
        1
    }

    /// The name that OBJECT ENCODING replies.
    fn encoding(&self) -> &'static str {
        "raw"
    }

    /// Whether its key is to be removed, as that of an empty collection.
    fn is_empty(&self) -> bool {
        false
    }

    /// Emits commands that rebuild the value under `key`, of those that its type names. The key's deadline is not its business.
    ///
    /// Called in a forked child: it must not allocate, free, lock or log. Many short commands are better than a long one.
    ///
    /// # Errors
    /// If no commands rebuild it. The rewrite fails then, and the old log stays.
    fn rewrite(&self, key: &[u8], out: &mut dyn EmitCommands) -> Result<(), CannotRewrite>;

    /// Writes the parts of which its type makes the value again.
    ///
    /// Called in a forked child as well: it must not allocate, free, lock or log.
    fn save(&self, out: &mut dyn WriteParts);

    /// Tells what the value is, for digests: the same for equal values. What it saves, in that order, unless implemented.
    fn digest(&self, out: &mut dyn DigestParts) {
        self.save(&mut digest::Saved(out));
        out.end();
    }
}

impl dyn CustomValue {
    /// The value as what it is, if that is `T`.
    pub fn downcast_ref<T: CustomValue>(&self) -> Option<&T> {
        let any: &dyn Any = self;
        any.downcast_ref()
    }

    /// The value as what it is, if that is `T`, to be changed.
    pub fn downcast_mut<T: CustomValue>(&mut self) -> Option<&mut T> {
        let any: &mut dyn Any = self;
        any.downcast_mut()
    }
}

/// Takes the commands that rebuild a value. What goes wrong with the file is not the value's business: whoever gave it this
/// asks for it afterwards.
pub trait EmitCommands {
    /// Begins a command of so many arguments, its name not counted.
    fn command(&mut self, name: &'static str, args: usize);

    /// One argument.
    fn arg(&mut self, bytes: &[u8]);

    /// An integer as one argument.
    fn arg_int(&mut self, value: i64);

    /// A double as one argument, with the digits that read back as it.
    fn arg_double(&mut self, value: f64);
}

/// Why no commands rebuild a value: half a sentence for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotRewrite(pub &'static str);

impl fmt::Display for CannotRewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for CannotRewrite {}

/// A value of a registered custom type, as the keyspace holds it.
#[derive(Debug)]
pub struct Custom(Box<dyn CustomValue>);

impl Custom {
    /// The value.
    pub fn value(&self) -> &dyn CustomValue {
        &*self.0
    }

    /// The value, to be changed.
    pub fn value_mut(&mut self) -> &mut dyn CustomValue {
        &mut *self.0
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        rounded(size_of_val(&*self.0)) + self.0.heap_bytes()
    }
}

impl Clone for Custom {
    fn clone(&self) -> Self {
        let copy = self.0.copy();
        debug_assert_eq!(copy.custom_type().name, self.0.custom_type().name, "a copy is of the same type");
        Self(copy)
    }
}

/// The custom types of a program: none unless it brings some. A copy is the same list.
#[derive(Clone, Debug, Default)]
pub struct CustomTypes(Arc<[Registered]>);

/// A type, and what is known of the commands that rebuild its values.
#[derive(Clone, Debug)]
struct Registered {
    ty: &'static CustomType,
    rebuilders: Box<[Rebuilder]>,
}

impl CustomTypes {
    /// Registers types where their commands are not known: whoever reads or writes files without running them.
    ///
    /// # Errors
    /// If two have the same name.
    pub fn new(types: impl IntoIterator<Item = &'static CustomType>) -> Result<Self, TypeTwice> {
        Self::with_arities(types, |_| None)
    }

    /// Registers types. `arity` says of a command how many arguments it takes, its name among them: exactly so many, or, if
    /// negative, at least so many. A value that emits it with another number is not rewritten.
    ///
    /// # Errors
    /// If two have the same name.
    pub fn with_arities(
        types: impl IntoIterator<Item = &'static CustomType>,
        arity: impl Fn(&str) -> Option<i32>,
    ) -> Result<Self, TypeTwice> {
        let rebuilders =
            |ty: &CustomType| ty.commands.iter().map(|name| Rebuilder { name, arity: arity(name) }).collect();
        let types: Arc<[_]> = types.into_iter().map(|ty| Registered { ty, rebuilders: rebuilders(ty) }).collect();
        let named_before = |at: usize, name| types[..at].iter().any(|other| other.ty.name == name);
        match types.iter().enumerate().find(|(at, known)| named_before(*at, known.ty.name)) {
            Some((_, known)) => Err(TypeTwice(known.ty.name)),
            None => Ok(Self(types)),
        }
    }

    fn registered(&self, name: &[u8]) -> Option<&Registered> {
        self.0.iter().find(|known| known.ty.name.as_bytes() == name)
    }

    /// The type of this name.
    pub fn find(&self, name: &[u8]) -> Option<&'static CustomType> {
        self.registered(name).map(|known| known.ty)
    }

    /// All types.
    pub fn iter(&self) -> impl Iterator<Item = &'static CustomType> {
        self.0.iter().map(|known| known.ty)
    }

    /// The rules for the commands that a value of this type emits. One that is not registered may emit none.
    pub fn emission(&self, ty: &CustomType) -> Emission<'_> {
        Emission::new(self.registered(ty.name.as_bytes()).map_or(&[], |known| &known.rebuilders))
    }

    /// Takes a value into the form in which the keyspace holds it; the name of its type, if that is not registered.
    ///
    /// # Errors
    /// If its type is not registered: nothing could load the value again.
    pub fn adopt(&self, value: Box<dyn CustomValue>) -> Result<Custom, NotRegistered> {
        let name = value.custom_type().name;
        if self.find(name.as_bytes()).is_some() { Ok(Custom(value)) } else { Err(NotRegistered(name)) }
    }
}

/// Two types have this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeTwice(pub &'static str);

impl fmt::Display for TypeTwice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "two custom types are called {}", self.0)
    }
}

impl std::error::Error for TypeTwice {}

/// No type of this name is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotRegistered(pub &'static str);

impl fmt::Display for NotRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the custom type {} is not registered", self.0)
    }
}

impl std::error::Error for NotRegistered {}

#[cfg(test)]
mod tests;
