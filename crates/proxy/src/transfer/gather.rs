//! Small pieces of a body that is held: each for itself would take many times the memory of its bytes, and a client chooses how
//! small the pieces are.

use bytes::{Bytes, BytesMut};

/// Pieces from this size on are held as they came, in bytes.
const SMALL: usize = 1024;
/// Small ones are put together up to about this size, in bytes.
const GATHERED: usize = 16 * 1024;

/// Puts a small piece behind `last`, the last one that is held. What is returned is to be held for itself: a piece that is not
/// small, or one to which the next ones can be put. It is a copy if it is small, so that it keeps no buffer that it came in.
pub(crate) fn gather(last: Option<&mut Bytes>, piece: &Bytes) -> Option<Bytes> {
    if piece.len() >= SMALL {
        return Some(piece.clone());
    }
    if let Some(last) = last
        && last.len() < GATHERED
    {
        // It cannot be added to while somebody else reads it.
        match std::mem::take(last).try_into_mut() {
            Ok(mut gathered) => {
                gathered.extend_from_slice(piece);
                *last = gathered.freeze();
                return None;
            }
            Err(shared) => *last = shared,
        }
    }
    let mut own = BytesMut::with_capacity(SMALL);
    own.extend_from_slice(piece);
    Some(own.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(held: &mut Vec<Bytes>, piece: &[u8]) {
        let apart = gather(held.last_mut(), &Bytes::copy_from_slice(piece));
        held.extend(apart);
    }

    #[test]
    fn small_pieces_are_held_together_and_others_as_they_came() {
        let all: Vec<u8> = (0..100_000_u32).map(|at| at.to_ne_bytes()[0]).collect();
        for (size, most) in [(1, 10), (3, 10), (1000, 10), (1024, 98), (100_000, 1)] {
            let mut held = Vec::new();
            all.chunks(size).for_each(|piece| hold(&mut held, piece));
            assert!(held.len() <= most, "{size}: {}", held.len());
            assert_eq!(held.concat(), all, "{size}");
        }
    }

    #[test]
    fn what_somebody_reads_stays_as_it_is() {
        let mut held = Vec::new();
        hold(&mut held, b"a");
        hold(&mut held, b"b");
        let read = held[0].clone();
        hold(&mut held, b"c");
        hold(&mut held, b"d");
        assert_eq!((read, held), ("ab".into(), vec!["ab".into(), "cd".into()]));
    }
}
