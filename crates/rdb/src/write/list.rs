//! Lists as ziplists or listpacks of up to 8 kB, each of them one string.
//!
//! Redis 7.0 and 7.2 load such a list twice as fast as one that is written element by element (2.5 million elements: 1.1 against
//! 2.5 s), and compressed the file is a quarter as large. How many there are stands in front of them, so elements are
//! measured before they are written, by the same code. The first one is made meanwhile: of a small list it is all there is.

use keyspace::{Elem, List};

use super::Target;
use super::pack::{Form, Pack};
use super::string::{Failed, PAUSE_EVERY_BYTES, Strings, write_length};
use crate::format::{NODE_PACKED, NODE_PLAIN};

/// Most bytes of one node. Source: `list-max-listpack-size -2`, the default of Redis.
pub(super) const NODE_BYTES: usize = 8192;

/// What a list comes to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nodes {
    /// How many there are.
    pub(super) count: u64,
    /// The size of the first in the blob, if there is no other.
    pub(super) only: Option<usize>,
}

impl Strings {
    /// Measures a list; `None` if an element is too large for a ziplist. One that is too large for a listpack is a node of its own.
    pub(super) fn nodes<T: Target + ?Sized>(
        &mut self,
        out: &mut T,
        list: &List,
        form: Form,
    ) -> Result<Option<Nodes>, T::Error> {
        let (mut pack, mut count, mut measured) = (Pack::new(form, NODE_BYTES), 0, 0);
        for elem in list.iter() {
            let added = if count == 0 { pack.push(&mut self.blob, elem) } else { pack.measure(elem) };
            if !added {
                measured += pack.len();
                count += u64::from(!pack.is_empty());
                pack = pack.next();
                if !pack.measure(elem) {
                    if form == Form::Ziplist {
                        return Ok(None);
                    }
                    count += 1;
                    measured += size_of::<Elem<'_>>();
                }
            }
            if measured >= PAUSE_EVERY_BYTES {
                measured = 0;
                out.pause()?;
            }
        }
        let only = (count == 0 && !pack.is_empty()).then(|| pack.close(&mut self.blob));
        Ok(Some(Nodes { count: count + u64::from(!pack.is_empty()), only }))
    }

    /// Writes a list that comes to these nodes.
    pub(super) fn list<T: Target + ?Sized>(
        &mut self,
        out: &mut T,
        list: &List,
        form: Form,
        nodes: Nodes,
    ) -> Result<(), Failed<T::Error>> {
        write_length(out, nodes.count)?;
        if let Some(size) = nodes.only {
            return Ok(self.node(out, form, size)?);
        }
        let (mut pack, mut written) = (Pack::new(form, NODE_BYTES), 0);
        for elem in list.iter() {
            if pack.push(&mut self.blob, elem) {
                continue;
            }
            written += self.close(out, form, &pack)?;
            pack = pack.next();
            if !pack.push(&mut self.blob, elem) {
                write_length(out, NODE_PLAIN)?;
                self.elem(out, elem)?;
                written += 1;
            }
        }
        written += self.close(out, form, &pack)?;
        assert!(written == nodes.count, "a list makes as many nodes as were measured");
        Ok(())
    }

    /// Writes the node whose entries stand in the blob, if there are any; how many nodes that is.
    fn close<T: Target + ?Sized>(&mut self, out: &mut T, form: Form, pack: &Pack) -> Result<u64, T::Error> {
        if pack.is_empty() {
            return Ok(0);
        }
        let size = pack.close(&mut self.blob);
        self.node(out, form, size)?;
        Ok(1)
    }

    fn node<T: Target + ?Sized>(&mut self, out: &mut T, form: Form, size: usize) -> Result<(), T::Error> {
        if form == Form::Listpack {
            write_length(out, NODE_PACKED)?;
        }
        self.write_blob(out, size)
    }
}
