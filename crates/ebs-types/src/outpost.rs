//! AWS Outposts: racks of AWS at a customer's place, each of which belongs to one availability zone of its region.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An Outpost, by its ARN (Service authorization reference, "AWS Outposts"): `arn:aws:outposts:REGION:ACCOUNT:outpost/op-…`.
///
/// Its parts are letters, digits and `-`, 1 to 63 of them, since they become labels of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Outpost(String);

/// What is no Outpost's ARN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{arn:?} is not the ARN of an Outpost: expected arn:PARTITION:outposts:REGION:ACCOUNT:outpost/op-…"
)]
pub struct InvalidOutpost {
    /// What was given.
    pub arn: String,
}

impl Outpost {
    /// Puts one together of what its ARN says.
    ///
    /// # Errors
    /// [`InvalidOutpost`] where that is no Outpost's ARN.
    pub fn new(
        partition: &str,
        region: &str,
        account: &str,
        id: &str,
    ) -> Result<Self, InvalidOutpost> {
        format!("arn:{partition}:outposts:{region}:{account}:outpost/{id}").parse()
    }

    /// AWS's partition, e.g. `aws`.
    #[must_use]
    pub fn partition(&self) -> &str {
        self.part(1)
    }

    /// The region that it belongs to.
    #[must_use]
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The account that it belongs to.
    #[must_use]
    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// Its id, `op-…`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.part(5).trim_start_matches(RESOURCE)
    }

    /// A part of the ARN, counted from 0; all are there since it was read.
    fn part(&self, number: usize) -> &str {
        self.0.split(':').nth(number).unwrap_or_default()
    }
}

/// What an Outpost's id follows in its ARN.
const RESOURCE: &str = "outpost/";

impl FromStr for Outpost {
    type Err = InvalidOutpost;

    fn from_str(arn: &str) -> Result<Self, InvalidOutpost> {
        if is_outpost(arn) {
            Ok(Self(arn.to_owned()))
        } else {
            Err(InvalidOutpost {
                arn: arn.to_owned(),
            })
        }
    }
}

fn is_outpost(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", partition, "outposts", region, account, resource] = parts[..] else {
        return false;
    };
    let id = resource.strip_prefix(RESOURCE).unwrap_or_default();
    let fits = |text: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        (1..=63).contains(&text.len()) && text.bytes().all(plain)
    };
    id.starts_with("op-") && [partition, region, account, id].into_iter().all(fits)
}

impl TryFrom<String> for Outpost {
    type Error = InvalidOutpost;

    fn try_from(arn: String) -> Result<Self, InvalidOutpost> {
        arn.parse()
    }
}

impl From<Outpost> for String {
    fn from(outpost: Outpost) -> Self {
        outpost.0
    }
}

impl fmt::Display for Outpost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_taken_apart_and_put_together() {
        let arn = "arn:aws:outposts:us-west-2:123456789012:outpost/op-0123456789abcdef0";
        let outpost: Outpost = arn.parse().unwrap();
        assert_eq!(outpost.partition(), "aws");
        assert_eq!(outpost.region(), "us-west-2");
        assert_eq!(outpost.account(), "123456789012");
        assert_eq!(outpost.id(), "op-0123456789abcdef0");
        assert_eq!(outpost.to_string(), arn);
        let parts = ["aws", "us-west-2", "123456789012", "op-0123456789abcdef0"];
        let [partition, region, account, id] = parts;
        assert_eq!(Outpost::new(partition, region, account, id), Ok(outpost));
        assert!(Outpost::new(partition, region, account, "op-1:x").is_err());
    }

    #[test]
    fn other_arns_are_refused() {
        for bad in [
            "",
            "op-0123456789abcdef0",
            "arn:aws:ec2:us-west-2:123456789012:outpost/op-0123456789abcdef0",
            "arn:aws:outposts:us-west-2:123456789012:site/os-1",
            "arn:aws:outposts:us-west-2:123456789012:outpost/os-1",
            "arn:aws:outposts:us-west-2::outpost/op-1",
            "arn:aws:outposts:us-west-2:1:outpost/op-1:more",
            "arn:aws:outposts:us-west-2:1:outpost/op 1",
        ] {
            let refused = bad.parse::<Outpost>().unwrap_err();
            assert!(refused.to_string().contains("arn:PARTITION"), "{bad:?}");
        }
    }
}
