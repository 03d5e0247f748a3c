//! The AWS Outpost that an instance may be on.

use std::str::FromStr;

/// An Outpost, by its ARN (Service authorization reference, "AWS Outposts"): `arn:aws:outposts:REGION:ACCOUNT:outpost/op-…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outpost {
    /// AWS's partition, e.g. `aws`.
    pub(crate) partition: String,
    /// The region that it belongs to.
    pub(crate) region: String,
    /// The account that it belongs to.
    pub(crate) account: String,
    /// Its id, `op-…`.
    pub(crate) id: String,
}

/// A text that is no Outpost's ARN.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{arn:?} is not the ARN of an Outpost: expected arn:PARTITION:outposts:REGION:ACCOUNT:outpost/op-…"
)]
pub(crate) struct InvalidOutpost {
    arn: String,
}

impl FromStr for Outpost {
    type Err = InvalidOutpost;

    fn from_str(arn: &str) -> Result<Self, InvalidOutpost> {
        let read = || {
            let mut parts = arn.trim().strip_prefix("arn:")?.split(':');
            let partition = parts.next()?;
            parts.next().filter(|service| *service == "outposts")?;
            let (region, account) = (parts.next()?, parts.next()?);
            let id = parts.next()?.strip_prefix("outpost/")?;
            // They become labels of the node.
            let fits = |text: &str| {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
                (1..=63).contains(&text.len()) && text.bytes().all(plain)
            };
            let all_fit = [partition, region, account, id].into_iter().all(fits);
            (all_fit && parts.next().is_none()).then(|| Self {
                partition: partition.to_owned(),
                region: region.to_owned(),
                account: account.to_owned(),
                id: id.to_owned(),
            })
        };
        read().ok_or_else(|| InvalidOutpost {
            arn: arn.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_taken_apart() {
        let arn = "arn:aws:outposts:us-west-2:123456789012:outpost/op-0123456789abcdef0";
        let outpost: Outpost = arn.parse().unwrap();
        assert_eq!(outpost.partition, "aws");
        assert_eq!(outpost.region, "us-west-2");
        assert_eq!(outpost.account, "123456789012");
        assert_eq!(outpost.id, "op-0123456789abcdef0");
    }

    #[test]
    fn other_arns_are_refused() {
        for bad in [
            "",
            "op-0123456789abcdef0",
            "arn:aws:ec2:us-west-2:123456789012:outpost/op-0123456789abcdef0",
            "arn:aws:outposts:us-west-2:123456789012:site/os-1",
            "arn:aws:outposts:us-west-2::outpost/op-1",
            "arn:aws:outposts:us-west-2:1:outpost/op-1:more",
            "arn:aws:outposts:us-west-2:1:outpost/op 1",
        ] {
            assert!(bad.parse::<Outpost>().is_err(), "{bad:?}");
        }
    }
}
