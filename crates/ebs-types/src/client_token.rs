//! The idempotency token of CreateVolume.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// EC2's client token: at most 64 ASCII characters that make a repeated create return the first one's result
/// (EC2 API reference, "Ensuring idempotency").
///
/// It is a hash of the volume's name alone, so a restarted or another controller finds the same one. A token that EC2 has
/// burnt (its volume failed or was deleted since) is rolled by counting up the generation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientToken(String);

impl ClientToken {
    /// The token of a volume name in its `generation`-th attempt; 0 is the first.
    /// It equals the Go driver's, so that a volume half made by one is finished by the other.
    #[must_use]
    pub fn for_name(name: &str, generation: u32) -> Self {
        let digest = match generation {
            0 => Sha256::digest(name.as_bytes()),
            n => Sha256::digest(format!("{name}-{n}").as_bytes()),
        };
        Self(
            digest
                .iter()
                .fold(String::with_capacity(64), |mut hex, byte| {
                    // Writing to a String cannot fail.
                    let _ = write!(hex, "{byte:02x}");
                    hex
                }),
        )
    }

    /// The token as EC2 takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_fit_ec2_and_differ_by_name_and_generation() {
        let first = ClientToken::for_name("pvc-1", 0);
        assert_eq!(first.as_str().len(), 64);
        assert_eq!(first, ClientToken::for_name("pvc-1", 0));
        assert_ne!(first, ClientToken::for_name("pvc-1", 1));
        assert_ne!(first, ClientToken::for_name("pvc-2", 0));
    }

    #[test]
    fn the_hash_is_plain_sha256() {
        assert_eq!(
            ClientToken::for_name("abc", 0).as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
