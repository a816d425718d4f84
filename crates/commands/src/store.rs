//! The only way from a command to the keyspace: what passes here is logged, so that no handler can forget it.
//!
//! [`Store::key`] logs every key as named; every changing function logs the key as modified; a key past its deadline is
//! removed when it is looked up, with a DEL effect of its own before the command's. What stays with the handler: to call
//! [`Store::modified`] after it changed a value in place, [`Store::remove_if_empty`] after it took something out of a
//! collection, and to record its effect once it knows that it changed something.
//!
//! While replaying nothing expires and no effect is recorded.

use keyspace::{
    CustomValue, Db, Deadline, EntryRef, Hash, Key, Keyspace, List, Removed, Set, StrMut, StrRef, UnixMs, Value,
    ValueMut, ValueRef, ZSet,
};
use mutants::{Mutant, planted};
use resp_codec::Effects;

use crate::{CommandError, KeyLog};

/// Something large that is to be dropped off the event loop.
#[derive(Debug)]
pub enum Garbage {
    /// A value.
    Value(Value),
    /// The former content of a database.
    Database(Db),
}

/// The keyspace as one command sees it, in one database at one time.
#[derive(Debug)]
pub struct Store<'a> {
    /// All databases. To be changed through the functions of `Store` only: they log.
    pub keyspace: &'a mut Keyspace,
    /// The client's database.
    pub db: u32,
    /// The time of this command, and of the transaction it stands in.
    pub now: UnixMs,
    /// What to repeat on replay.
    pub effects: &'a mut Effects,
    /// What was touched.
    pub keys: &'a mut KeyLog,
    /// What is to be dropped elsewhere.
    pub trash: &'a mut Vec<Garbage>,
    /// Whether a log is being loaded: nothing expires, and no effect is recorded.
    pub replay: bool,
    /// Whether a key past its deadline stays where it is, though no look-up shows it (CLIENT PAUSE). To be set only while
    /// nothing is changed.
    pub keep_expired: bool,
}

/// Functions `$read` and `$write` for one type: `None` without such a key, an error for another type; `$or_new` makes an
/// empty collection, which the caller must fill.
macro_rules! typed {
    ($variant:ident, $type:ty, $read:ident, $write:ident, $or_new:ident) => {
        /// Looks up a key of this type to be read.
        ///
        /// # Errors
        /// `WrongType` if the key holds another type.
        pub fn $read(&mut self, key: Key<'_>) -> Result<Option<&$type>, CommandError> {
            match self.read(key) {
                None => Ok(None),
                Some(ValueRef::$variant(value)) => Ok(Some(value)),
                Some(_) => Err(CommandError::WrongType),
            }
        }

        /// Looks up a key of this type to be changed. After a change: [`Store::modified`], and
        /// [`Store::remove_if_empty`] if something was taken out.
        ///
        /// # Errors
        /// `WrongType` if the key holds another type.
        pub fn $write(&mut self, key: Key<'_>) -> Result<Option<&mut $type>, CommandError> {
            match self.write(key) {
                None => Ok(None),
                Some(ValueMut::$variant(value)) => Ok(Some(value)),
                Some(_) => Err(CommandError::WrongType),
            }
        }

        /// As the function above, but makes the key with an empty value if there is none. The caller must put
        /// something in, or call [`Store::remove_if_empty`]; check arguments before.
        ///
        /// # Errors
        /// `WrongType` if the key holds another type.
        pub fn $or_new(&mut self, key: Key<'_>) -> Result<&mut $type, CommandError> {
            if !self.exists(key) {
                self.db_mut().insert(key, Value::$variant(<$type>::new()), Deadline::Clear);
            }
            match self.db_mut().get_mut(key).expect("it exists, or was made in the line above") {
                ValueMut::$variant(value) => Ok(value),
                _ => Err(CommandError::WrongType),
            }
        }
    };
}

/// Looking up.
impl<'a> Store<'a> {
    /// Hashes a key and logs it as named: the only way to get a [`Key`], once per key and command.
    #[inline]
    pub fn key<'k>(&mut self, bytes: &'k [u8]) -> Key<'k> {
        let key = self.keyspace.key(bytes);
        self.keys.named.push(key.hash);
        key
    }

    /// The current database.
    #[inline]
    pub fn db(&self) -> &Db {
        self.keyspace.db(self.db)
    }

    /// Not for handlers: changes through it are not logged.
    #[inline]
    fn db_mut(&mut self) -> &mut Db {
        self.keyspace.db_mut(self.db)
    }

    /// Removes the key if its deadline has passed, with a DEL effect. True if it has: the key then counts as missing, removed
    /// or not.
    #[inline]
    pub fn expire_if_due(&mut self, key: Key<'_>) -> bool {
        if !self.is_due(key) {
            return false;
        }
        if !self.keep_expired {
            self.expire(key);
        }
        true
    }

    #[cold]
    fn expire(&mut self, key: Key<'_>) {
        self.delete_unlogged(key);
        self.keys.expired.push((self.db, key.hash));
        self.keys.expired_effects += 1;
        if planted(Mutant::ExpiryOfAccessNotFed) {
            return;
        }
        self.effects.push(self.db, &[b"DEL", key.bytes]);
    }

    /// Whether an entry met in an iteration may be shown: it is not past its deadline.
    pub fn shows(&self, entry: &EntryRef<'_>) -> bool {
        self.replay || entry.deadline.is_none_or(|deadline| deadline >= self.now)
    }

    /// Whether the key is there but past its deadline. Logs nothing and removes nothing.
    #[inline]
    pub fn is_due(&self, key: Key<'_>) -> bool {
        let db = self.db();
        !self.replay && db.next_deadline().is_some_and(|next| next < self.now) && db.is_expired(key, self.now)
    }

    /// Looks up a key to be read.
    #[inline]
    pub fn read(&mut self, key: Key<'_>) -> Option<ValueRef<'_>> {
        let due = self.expire_if_due(key);
        // Not through `db()`: the value borrows the keyspace alone while the look-up is counted.
        let found = self.keyspace.db(self.db).get(key).filter(|_| !due);
        self.keys.count_read(found.is_some());
        found
    }

    /// Whether the key exists, asked by a command that reads: counted as a look-up.
    #[inline]
    pub fn found(&mut self, key: Key<'_>) -> bool {
        let found = self.exists(key);
        self.keys.count_read(found);
        found
    }

    /// Looks up a key to be changed. After a change: [`Store::modified`].
    #[inline]
    pub fn write(&mut self, key: Key<'_>) -> Option<ValueMut<'_>> {
        self.expire_if_due(key);
        self.db_mut().get_mut(key)
    }

    /// Looks up a key without removing it when it is past its deadline (it is not found then). For commands that hold
    /// the values of several keys at once: call [`Store::expire_if_due`] on each of them first.
    pub fn peek(&self, key: Key<'_>) -> Option<ValueRef<'_>> {
        if self.is_due(key) { None } else { self.db().get(key) }
    }

    /// Whether the key exists.
    #[inline]
    pub fn exists(&mut self, key: Key<'_>) -> bool {
        !self.expire_if_due(key) && self.db().contains(key)
    }

    /// Looks up a string to be read.
    ///
    /// # Errors
    /// `WrongType` if the key holds another type.
    #[inline]
    pub fn string(&mut self, key: Key<'_>) -> Result<Option<StrRef<'_>>, CommandError> {
        match self.read(key) {
            None => Ok(None),
            Some(ValueRef::Str(value)) => Ok(Some(value)),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// Looks up a string to be changed.
    ///
    /// # Errors
    /// `WrongType` if the key holds another type.
    #[inline]
    pub fn string_mut(&mut self, key: Key<'_>) -> Result<Option<StrMut<'_>>, CommandError> {
        match self.write(key) {
            None => Ok(None),
            Some(ValueMut::Str(value)) => Ok(Some(value)),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    typed!(List, List, list, list_mut, list_or_new);
    typed!(Set, Set, set, set_mut, set_or_new);
    typed!(Hash, Hash, hash, hash_mut, hash_or_new);
    typed!(ZSet, ZSet, zset, zset_mut, zset_or_new);

    /// Looks up a key of a custom type to be read.
    ///
    /// # Errors
    /// `WrongType` if the key holds another type.
    pub fn custom<T: CustomValue>(&mut self, key: Key<'_>) -> Result<Option<&T>, CommandError> {
        match self.read(key) {
            None => Ok(None),
            Some(ValueRef::Custom(custom)) => custom.value().downcast_ref().map(Some).ok_or(CommandError::WrongType),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// Looks up a key of a custom type to be changed. After a change: [`Store::modified`], and
    /// [`Store::remove_if_empty`] if something was taken out.
    ///
    /// # Errors
    /// `WrongType` if the key holds another type.
    pub fn custom_mut<T: CustomValue>(&mut self, key: Key<'_>) -> Result<Option<&mut T>, CommandError> {
        match self.write(key) {
            None => Ok(None),
            Some(ValueMut::Custom(value)) => value.value_mut().downcast_mut().map(Some).ok_or(CommandError::WrongType),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// Does something in another database, with its effects recorded for that one.
    pub fn in_db<R>(&mut self, db: u32, work: impl FnOnce(&mut Self) -> R) -> R {
        let own = std::mem::replace(&mut self.db, db);
        let result = work(self);
        self.db = own;
        result
    }

    /// The command looks keys up only to change them: none of its look-ups counts as a read.
    pub fn only_writes(&mut self) {
        self.keys.only_writes = true;
    }

    /// The reply depends on more than the keys named.
    pub fn sees_all(&mut self) {
        self.keys.sees_all = true;
    }
}

/// Changing. All of these log the key as modified; none records an effect.
impl Store<'_> {
    /// Logs that a value was changed in place.
    #[inline]
    pub fn modified(&mut self, key: Key<'_>) {
        self.keys.modified.push((self.db, key.hash));
    }

    /// Notes that a key was written as it was: to those who watch it, that is a change.
    pub fn rewritten(&mut self, key: Key<'_>) {
        self.keys.rewritten.push((self.db, key.hash));
    }

    /// Sets a string.
    #[inline]
    pub fn set_str(&mut self, key: Key<'_>, bytes: &[u8], deadline: Deadline) {
        let old = self.db_mut().set_str(key, bytes, deadline);
        self.discard(old);
        self.modified(key);
    }

    /// Inserts or replaces a value. A collection must not be empty.
    pub fn insert(&mut self, key: Key<'_>, value: Value, deadline: Deadline) {
        let old = self.db_mut().insert(key, value, deadline);
        self.discard(old);
        self.modified(key);
    }

    /// Inserts or replaces a value of a custom type, which must not be empty.
    ///
    /// # Errors
    /// If the type is not registered: nothing has changed then.
    pub fn insert_custom<T: CustomValue>(
        &mut self,
        key: Key<'_>,
        value: T,
        deadline: Deadline,
    ) -> Result<(), CommandError> {
        let adopted = self.keyspace.custom_types().adopt(Box::new(value));
        let custom = adopted.map_err(|_| CommandError::Text("ERR the type of the value is not registered"))?;
        self.insert(key, Value::Custom(custom), deadline);
        Ok(())
    }

    /// Takes a value out; the caller owns it.
    pub fn take(&mut self, key: Key<'_>) -> Option<(Value, Option<UnixMs>)> {
        let taken = self.db_mut().remove(key)?;
        self.modified(key);
        Some(taken)
    }

    /// Removes a key; false if there was none. One past its deadline is removed all the same: look first.
    pub fn delete(&mut self, key: Key<'_>) -> bool {
        let deleted = self.delete_unlogged(key);
        if deleted {
            self.modified(key);
        }
        deleted
    }

    /// Sets or removes the deadline of a key; false without such a key.
    pub fn set_deadline(&mut self, key: Key<'_>, at: Option<UnixMs>) -> bool {
        let found = self.db_mut().set_deadline(key, at);
        if found {
            self.modified(key);
        }
        found
    }

    /// Removes a collection that became empty; true if it did. To be called after anything was taken out.
    pub fn remove_if_empty(&mut self, key: Key<'_>) -> bool {
        let empty = match self.db().get(key) {
            None | Some(ValueRef::Str(_)) => false,
            Some(ValueRef::List(value)) => value.is_empty(),
            Some(ValueRef::Set(value)) => value.is_empty(),
            Some(ValueRef::Hash(value)) => value.is_empty(),
            Some(ValueRef::ZSet(value)) => value.is_empty(),
            Some(ValueRef::Custom(value)) => value.value().is_empty(),
        };
        empty && self.delete(key)
    }

    /// Empties the database; returns what was in it, `None` if there was nothing.
    pub fn clear(&mut self) -> Option<Db> {
        if self.db().is_empty() {
            return None;
        }
        self.keys.modified_dbs.push(self.db);
        Some(self.db_mut().clear())
    }

    /// Swaps the contents of two databases.
    pub fn swap(&mut self, a: u32, b: u32) {
        self.keyspace.swap(a, b);
        self.keys.modified_dbs.extend([a, b]);
    }

    fn delete_unlogged(&mut self, key: Key<'_>) -> bool {
        match self.db_mut().delete(key) {
            Removed::Missing => false,
            Removed::Freed => true,
            Removed::Large(value) => {
                self.trash.push(Garbage::Value(value));
                true
            }
        }
    }

    /// Leaves a value that takes long to free to the background.
    #[inline]
    pub fn discard(&mut self, old: Option<Value>) {
        if let Some(value) = old
            && value.free_effort() > keyspace::LAZY_FREE_THRESHOLD
        {
            self.trash.push(Garbage::Value(value));
        }
    }
}

/// Recording effects. To be called only if something changed (F1).
impl Store<'_> {
    /// The request is repeated as it was sent: its result must depend on nothing but the keyspace.
    #[inline]
    pub fn propagate(&mut self) {
        if self.may_record() {
            self.effects.push_verbatim(self.db);
        }
    }

    /// This command is repeated instead of the request.
    #[inline]
    pub fn effect(&mut self, args: &[&[u8]]) {
        if self.may_record() {
            self.effects.push(self.db, args);
        }
    }

    /// A log holds commands that write and no others: replay refuses them.
    #[inline]
    fn may_record(&mut self) -> bool {
        self.keys.changed_unlogged |= self.keys.reads_only;
        !self.replay && !self.keys.reads_only
    }
}
