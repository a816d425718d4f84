//! Judges what a crash left of the MULTI workload.
//!
//! Each client sends, for n = 1, 2, …, one transaction that appends n to its left and to its right list and replaces its
//! payload by one that starts with n. Whatever survives must therefore be 1..m in both lists with payload m: a hole, a
//! repetition, a torn transaction, a lost ack and a write that nobody sent each show as a break of that one rule.
//!
//! Pure: what was recorded and what was found go in, violations come out.

use std::fmt;

/// What one client knows it did, over the life of one server process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientRecord {
    /// The last transaction that the server held when it began to serve. Having been served, it may not be lost.
    pub recovered_before: u64,
    /// The last transaction whose EXEC was answered with success; at least `recovered_before`.
    pub acked: u64,
    /// The last transaction of which any byte may have left the client; at least `acked`.
    pub sent: u64,
}

/// What the restarted server holds for one client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The items of the left list.
    pub left: Vec<Vec<u8>>,
    /// The items of the right list.
    pub right: Vec<Vec<u8>>,
    /// The payload key, if it is there.
    pub payload: Option<Vec<u8>>,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An acknowledged or served transaction is gone.
    LostAck {
        /// The last transaction that was acknowledged.
        acked: u64,
        /// The last one that is there.
        recovered: u64,
    },
    /// Parts of one transaction are there and parts are not.
    Torn {
        /// The length of the left list.
        left: u64,
        /// The length of the right list.
        right: u64,
        /// The number in the payload; 0 if there is none.
        payload: u64,
    },
    /// A list goes on after something that is missing.
    Hole {
        /// Which list.
        list: Side,
        /// The number that should stand there.
        expected: u64,
        /// The number that does.
        found: u64,
    },
    /// A transaction was applied more than once, or out of order.
    Repeated {
        /// Which list.
        list: Side,
        /// The number that should stand there.
        expected: u64,
        /// The number that does.
        found: u64,
    },
    /// An item that is no number of this workload.
    Foreign {
        /// Which list.
        list: Side,
        /// The position, from 0.
        position: usize,
        /// What stands there.
        bytes: Vec<u8>,
    },
    /// Something is there that no client sent.
    NeverSent {
        /// The last transaction that was sent.
        sent: u64,
        /// The last one that is there.
        recovered: u64,
    },
}

/// One of the two lists of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The list that a transaction appends to first.
    Left,
    /// The one it appends to second.
    Right,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LostAck { acked, recovered } => {
                write!(f, "lost: transaction {acked} was acknowledged, only {recovered} are there")
            }
            Self::Torn { left, right, payload } => {
                write!(f, "torn: {left} items in the left list, {right} in the right one, payload {payload}")
            }
            Self::Hole { list, expected, found } => {
                write!(f, "hole: {found} follows in place of {expected} in {list:?}")
            }
            Self::Repeated { list, expected, found } => {
                write!(f, "repeated: {found} stands in place of {expected} in {list:?}")
            }
            Self::Foreign { list, position, bytes } => {
                write!(f, "foreign: item {position} of {list:?} is {:?}", String::from_utf8_lossy(bytes))
            }
            Self::NeverSent { sent, recovered } => {
                write!(f, "never sent: {recovered} transactions are there, {sent} were sent")
            }
        }
    }
}

/// Judges one client. Returns the number of transactions that survived.
///
/// # Errors
/// All promises that were broken, at most one hole or repetition a list.
pub fn check(record: &ClientRecord, found: &Recovered) -> Result<u64, Vec<Violation>> {
    let mut broken: Vec<Violation> = [(Side::Left, &found.left), (Side::Right, &found.right)]
        .into_iter()
        .filter_map(|(side, items)| first_break(side, items))
        .collect();
    let (left, right) = (found.left.len() as u64, found.right.len() as u64);
    let payload = found.payload.as_deref().map_or(0, payload_number);
    if left != right || left != payload {
        broken.push(Violation::Torn { left, right, payload });
    }
    let recovered = left.min(right);
    let acked = record.acked.max(record.recovered_before);
    if recovered < acked {
        broken.push(Violation::LostAck { acked, recovered });
    }
    if left.max(right) > record.sent.max(acked) {
        broken.push(Violation::NeverSent { sent: record.sent.max(acked), recovered: left.max(right) });
    }
    if broken.is_empty() { Ok(recovered) } else { Err(broken) }
}

/// The first place where a list is not 1, 2, 3, ….
fn first_break(list: Side, items: &[Vec<u8>]) -> Option<Violation> {
    (1..).zip(items).find_map(|(expected, item)| match number(item) {
        Some(found) if found == expected => None,
        Some(found) if found > expected => Some(Violation::Hole { list, expected, found }),
        Some(found) => Some(Violation::Repeated { list, expected, found }),
        None => {
            let position = usize::try_from(expected - 1).unwrap_or(usize::MAX);
            Some(Violation::Foreign { list, position, bytes: item.clone() })
        }
    })
}

fn payload_number(payload: &[u8]) -> u64 {
    payload.split(|&b| b == b':').next().and_then(number).unwrap_or(0)
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(numbers: &[u64]) -> Vec<Vec<u8>> {
        numbers.iter().map(|n| n.to_string().into_bytes()).collect()
    }

    fn found(left: &[u64], right: &[u64], payload: u64) -> Recovered {
        let payload = (payload > 0).then(|| format!("{payload}:xyz").into_bytes());
        Recovered { left: list(left), right: list(right), payload }
    }

    fn record(acked: u64, sent: u64) -> ClientRecord {
        ClientRecord { recovered_before: 0, acked, sent }
    }

    #[test]
    fn everything_acked_and_nothing_more_than_sent_passes() {
        assert_eq!(check(&record(2, 4), &found(&[1, 2], &[1, 2], 2)), Ok(2));
        assert_eq!(check(&record(2, 4), &found(&[1, 2, 3, 4], &[1, 2, 3, 4], 4)), Ok(4));
        assert_eq!(check(&record(0, 0), &Recovered::default()), Ok(0));
    }

    #[test]
    fn a_lost_ack_is_found() {
        let lost = Violation::LostAck { acked: 3, recovered: 2 };
        assert_eq!(check(&record(3, 3), &found(&[1, 2], &[1, 2], 2)), Err(vec![lost]));
    }

    #[test]
    fn losing_what_an_earlier_server_had_recovered_is_a_loss() {
        let record = ClientRecord { recovered_before: 3, acked: 0, sent: 5 };
        let lost = Violation::LostAck { acked: 3, recovered: 2 };
        assert_eq!(check(&record, &found(&[1, 2], &[1, 2], 2)), Err(vec![lost]));
    }

    #[test]
    fn a_torn_transaction_is_found() {
        let torn = Violation::Torn { left: 3, right: 2, payload: 2 };
        assert_eq!(check(&record(2, 3), &found(&[1, 2, 3], &[1, 2], 2)), Err(vec![torn]));
    }

    #[test]
    fn a_payload_behind_its_lists_is_a_torn_transaction() {
        let torn = Violation::Torn { left: 3, right: 3, payload: 2 };
        assert_eq!(check(&record(2, 3), &found(&[1, 2, 3], &[1, 2, 3], 2)), Err(vec![torn]));
    }

    #[test]
    fn a_hole_is_found() {
        let holes =
            [Side::Left, Side::Right].map(|list| Violation::Hole { list, expected: 2, found: 3 }).into_iter().collect();
        let broken = check(&record(1, 4), &found(&[1, 3], &[1, 3], 2));
        assert_eq!(broken, Err(holes));
    }

    #[test]
    fn a_transaction_applied_twice_is_found() {
        let broken = check(&record(2, 4), &found(&[1, 2, 2], &[1, 2, 2], 3)).unwrap_err();
        assert!(broken.contains(&Violation::Repeated { list: Side::Left, expected: 3, found: 2 }));
    }

    #[test]
    fn what_no_client_sent_is_found() {
        let never = Violation::NeverSent { sent: 2, recovered: 3 };
        assert_eq!(check(&record(2, 2), &found(&[1, 2, 3], &[1, 2, 3], 3)), Err(vec![never]));
    }

    #[test]
    fn an_item_that_is_no_number_is_found() {
        let mut state = found(&[1, 2], &[1, 2], 2);
        state.right[1] = b"2x".to_vec();
        let foreign = Violation::Foreign { list: Side::Right, position: 1, bytes: b"2x".to_vec() };
        assert_eq!(check(&record(2, 2), &state), Err(vec![foreign]));
    }
}
