//! CRC-32C (RFC 9260 appendix A), the checksum of a header of the PROXY protocol.

/// The Castagnoli polynomial, reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;

static TABLE: [u32; 256] = table();

/// The checksum of the concatenation of all parts.
pub(super) fn checksum<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let bytes = parts.into_iter().flatten();
    !bytes.fold(!0, |sum, byte| {
        let [low, ..] = sum.to_le_bytes();
        (sum >> 8) ^ TABLE[usize::from(low ^ byte)]
    })
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index: usize = 0;
    let mut start: u32 = 0;
    while index < table.len() {
        let mut sum = start;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ (POLYNOMIAL * (sum & 1));
            bit += 1;
        }
        table[index] = sum;
        index += 1;
        start += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums() {
        assert_eq!(checksum([&b"123456789"[..]]), 0xe306_9283);
        assert_eq!(
            checksum([&b"1234"[..], &b""[..], &b"56789"[..]]),
            0xe306_9283
        );
        assert_eq!(checksum([&[0; 32][..]]), 0x8a91_36aa);
        assert_eq!(checksum([]), 0);
    }
}
