//! Sizes on the command line: a whole number and a unit.

use ebs_types::Bytes;

/// A text that is no size.
#[derive(Debug, thiserror::Error)]
#[error(
    "{value:?} is not a size: write a whole number above 0 and a unit of MiB or GiB, as in 512MiB or 2GiB"
)]
pub(super) struct InvalidSize {
    value: String,
}

/// Reads a size such as `512MiB` or `2GiB`.
pub(super) fn parse(text: &str) -> Result<Bytes, InvalidSize> {
    read(text).ok_or_else(|| InvalidSize {
        value: text.to_owned(),
    })
}

fn read(text: &str) -> Option<Bytes> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let number: u64 = number.parse().ok()?;
    let unit: u64 = match unit {
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let bytes = number.checked_mul(unit)?;
    (bytes > 0).then_some(Bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_with_units_are_read() {
        assert_eq!(parse("512MiB").unwrap(), Bytes(512 << 20));
        assert_eq!(parse("2GiB").unwrap(), Bytes(2 << 30));
    }

    #[test]
    fn other_texts_are_refused_with_an_example() {
        for bad in [
            "",
            "1",
            "MiB",
            "0GiB",
            "1.5GiB",
            "-1GiB",
            "1 GiB",
            "1GB",
            "18014398509481984GiB",
        ] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains("as in 512MiB"), "{bad}: {error}");
        }
    }
}
