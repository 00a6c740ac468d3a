//! The byte pattern of generated bodies. Bytes count modulo a prime, so that lost or repeated bytes are detected.

use bytes::Bytes;

const PERIOD: usize = 251;
/// The largest chunk: a whole number of periods, so that consecutive chunks continue the pattern.
const CHUNK: [u8; PERIOD * 64] = {
    let mut chunk = [0; PERIOD * 64];
    let mut at = 0;
    while at < chunk.len() {
        chunk[at] = (at % PERIOD) as u8;
        at += 1;
    }
    chunk
};
static CHUNK_BYTES: [u8; CHUNK.len()] = CHUNK;

/// The first `length` bytes of the pattern, which is the body of `/bytes/N`.
#[must_use]
pub fn pattern(length: usize) -> Vec<u8> {
    CHUNK_BYTES.iter().copied().cycle().take(length).collect()
}

/// The next chunk of a body of which `left` bytes remain and all previous bytes were sent in chunks of this function.
pub(crate) fn chunk(left: u64) -> Bytes {
    let length = usize::try_from(left).map_or(CHUNK.len(), |left| left.min(CHUNK.len()));
    Bytes::from_static(&CHUNK_BYTES[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_follow_one_another_without_a_seam() {
        let first = chunk(u64::MAX);
        let joined = [first.clone(), chunk(100)].concat();
        assert_eq!(joined, pattern(first.len() + 100));
    }
}
