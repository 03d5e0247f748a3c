//! CRC-32C (Castagnoli), by which ext4, xfs and btrfs know their superblocks, and this driver its own record.

/// The polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82F6_3B78;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte: u32 = 0;
    while byte < 256 {
        let mut value = byte;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ (POLYNOMIAL * (value & 1));
            bit += 1;
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "computed when compiled, where an index out of bounds is an error"
        )]
        {
            table[byte as usize] = value;
        }
        byte += 1;
    }
    table
};

/// Goes on from `state` with more bytes; neither end is inverted, as in ext4.
pub(crate) fn update(state: u32, bytes: impl IntoIterator<Item = u8>) -> u32 {
    bytes.into_iter().fold(state, |state, byte| {
        let [low, ..] = (state ^ u32::from(byte)).to_le_bytes();
        // A byte is always a place in a table of 256.
        let entry = TABLE.get(usize::from(low)).copied().unwrap_or_default();
        (state >> 8) ^ entry
    })
}

/// The usual form, as in xfs and btrfs.
pub(crate) fn checksum(bytes: impl IntoIterator<Item = u8>) -> u32 {
    !update(u32::MAX, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_its_definition() {
        assert_eq!(checksum(*b"123456789"), 0xE306_9283);
    }
}
