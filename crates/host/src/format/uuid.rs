//! A random UUID, from the kernel.

use std::fs;
use std::io;

/// A UUID in both of its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Uuid {
    text: String,
    bytes: [u8; 16],
}

impl Uuid {
    /// A new one.
    ///
    /// # Errors
    /// Where the kernel gives none.
    pub(super) fn random() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
        let text = text.trim();
        Self::parse(text).ok_or_else(|| io::Error::other(format!("{text:?} is no UUID")))
    }

    /// In the form that mkfs takes.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// In the form that superblocks have.
    pub(super) fn bytes(&self) -> [u8; 16] {
        self.bytes
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.replace('-', "");
        if digits.len() != 32 {
            return None;
        }
        let number = u128::from_str_radix(&digits, 16).ok()?;
        Some(Self {
            text: text.to_owned(),
            bytes: number.to_be_bytes(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_agree_and_no_two_are_the_same() {
        let uuid = Uuid::parse("00010203-0405-0607-0809-0a0b0c0d0e0f").unwrap();
        assert_eq!(
            uuid.bytes(),
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
        );
        assert_eq!(Uuid::parse("0-1"), None);
        assert_ne!(Uuid::random().unwrap(), Uuid::random().unwrap());
    }
}
