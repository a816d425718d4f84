//! A channel of batches between the reader's thread and the one that applies, bounded in bytes rather than in messages:
//! one transaction may be as large as all others together.
//!
//! Invariant: what is queued is at most `limit_bytes`, or one batch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    limit_bytes: usize,
}

struct State<T> {
    queue: VecDeque<(T, usize)>,
    size_bytes: usize,
    sender_gone: bool,
    receiver_gone: bool,
}

/// The reader's end.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// The applier's end.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

/// What waiting for a message gave.
pub(crate) enum Received<T> {
    /// A message.
    Message(T),
    /// None yet.
    Timeout,
    /// None will come: the sender is gone.
    Disconnected,
}

/// Makes a channel that holds `limit_bytes` at most, or one message.
pub(crate) fn channel<T>(limit_bytes: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { queue: VecDeque::new(), size_bytes: 0, sender_gone: false, receiver_gone: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), limit_bytes });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    /// Queues a message of `size_bytes` once there is room. `false` if nobody will receive it.
    pub(crate) fn send(&self, message: T, size_bytes: usize) -> bool {
        let mut state = self.0.state.lock();
        while !state.receiver_gone && !state.queue.is_empty() && state.size_bytes + size_bytes > self.0.limit_bytes {
            self.0.changed.wait(&mut state);
        }
        if state.receiver_gone {
            return false;
        }
        state.size_bytes += size_bytes;
        state.queue.push_back((message, size_bytes));
        self.0.changed.notify_one();
        true
    }
}

impl<T> Receiver<T> {
    /// Takes the next message, waiting for it at most `patience`.
    pub(crate) fn receive(&self, patience: Duration) -> Received<T> {
        let mut state = self.0.state.lock();
        if state.queue.is_empty() && !state.sender_gone {
            self.0.changed.wait_for(&mut state, patience);
        }
        match state.queue.pop_front() {
            Some((message, size_bytes)) => {
                state.size_bytes -= size_bytes;
                self.0.changed.notify_one();
                Received::Message(message)
            }
            None if state.sender_gone => Received::Disconnected,
            None => Received::Timeout,
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.state.lock().sender_gone = true;
        self.0.changed.notify_one();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.receiver_gone = true;
        state.queue.clear();
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a sender of its own, as in a load")]

    use std::thread;

    use super::*;

    const PATIENT: Duration = Duration::from_secs(60);

    fn drain(receiver: &Receiver<u32>) -> Vec<u32> {
        std::iter::from_fn(|| match receiver.receive(PATIENT) {
            Received::Message(message) => Some(message),
            Received::Timeout | Received::Disconnected => None,
        })
        .collect()
    }

    #[test]
    fn messages_come_in_order_and_then_the_end() {
        let (sender, receiver) = channel(10);
        let thread = thread::spawn(move || (0..1000).all(|message| sender.send(message, message as usize % 25)));
        assert_eq!(drain(&receiver), (0..1000).collect::<Vec<_>>());
        assert!(thread.join().unwrap());
    }

    #[test]
    fn a_message_larger_than_the_limit_passes_alone() {
        let (sender, receiver) = channel(10);
        assert!(sender.send(1, 1_000_000));
        let thread = thread::spawn(move || sender.send(2, 1));
        assert_eq!(drain(&receiver), [1, 2]);
        assert!(thread.join().unwrap());
    }

    #[test]
    fn a_sender_that_waits_for_room_learns_that_the_receiver_is_gone() {
        let (sender, receiver) = channel(10);
        assert!(sender.send(1, 10));
        let thread = thread::spawn(move || sender.send(2, 10));
        drop(receiver);
        assert!(!thread.join().unwrap());
    }

    #[test]
    fn nothing_yet_is_no_end() {
        let (sender, receiver) = channel::<u32>(10);
        assert!(matches!(receiver.receive(Duration::ZERO), Received::Timeout));
        drop(sender);
        assert!(matches!(receiver.receive(Duration::ZERO), Received::Disconnected));
    }
}
