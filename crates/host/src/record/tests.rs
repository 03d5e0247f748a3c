use proptest::prelude::*;

use super::*;

fn record() -> Record {
    Record {
        volume: "vol-0123456789abcdef0".to_owned(),
        fs: FsType::Xfs,
        uuid: [7; 16],
        device_size: Bytes(4 * GIB),
    }
}

#[test]
fn it_is_read_as_it_was_written() {
    assert_eq!(Record::parse(&record().encode()), Some(record()));
    assert_eq!(record().place(), Some(4 * GIB - TAIL));
}

#[test]
fn it_has_room_on_any_volume() {
    assert_eq!(place(Bytes(0)), None);
    assert_eq!(place(Bytes(SMALLEST - 1)), None);
    assert_eq!(place(Bytes(8 * TAIL + 4096)), Some(7 * TAIL));
}

proptest! {
    #[test]
    fn any_change_makes_it_nothing(at in 0..SIZE, bit in 0..8_u32) {
        let mut bytes = record().encode();
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(Record::parse(&bytes), None);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..5000), right in any::<bool>()) {
        let mut bytes = bytes;
        if right && bytes.len() >= SIZE {
            // A right checksum over anything: what it covers is read.
            put(&mut bytes, 0, MAGIC);
            put(&mut bytes, FORM, &VERSION.to_le_bytes());
            let checksum = crc32c::checksum(bytes[..CHECKSUM].iter().copied());
            put(&mut bytes, CHECKSUM, &checksum.to_le_bytes());
        }
        let _ = Record::parse(&bytes);
    }

    #[test]
    fn any_record_is_read_again(
        volume in "[a-z0-9:/-]{1,127}",
        uuid in any::<[u8; 16]>(),
        size in any::<u64>(),
        fs in proptest::sample::select(&FsType::ALL),
    ) {
        let record = Record { volume, fs, uuid, device_size: Bytes(size) };
        prop_assert_eq!(Record::parse(&record.encode()), Some(record));
    }
}
