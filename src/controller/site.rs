//! Where a volume can be: a zone of the region, or an Outpost that belongs to a zone. The two are apart: what is on an Outpost is
//! attached there alone, and what is not is attached to no instance on one.
//!
//! Answers for: how CSI's topologies name an Outpost, in both directions. Doesn't answer for: which zones and Outposts there are.

use std::collections::HashMap;
use std::fmt;

use ebs_types::topology::{
    OUTPOST_ACCOUNT_KEY, OUTPOST_KEY, OUTPOST_PARTITION_KEY, OUTPOST_REGION_KEY, ZONE_KEY,
};
use ebs_types::{Outpost, Zone};
use ec2::{Instance, Volume};

use crate::status::InvalidRequest;

/// A place for volumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(super) zone: Zone,
    /// The Outpost of that zone; the region itself otherwise.
    pub(super) outpost: Option<Outpost>,
}

impl Site {
    /// The zone itself.
    pub(super) fn in_region(zone: Zone) -> Self {
        Self {
            zone,
            outpost: None,
        }
    }

    /// Where a volume can be used, as CSI says it: by the keys that nodes have, too.
    pub(super) fn segments(&self) -> HashMap<String, String> {
        let outpost = self.outpost.iter().flat_map(of_nodes_on);
        let zone = (ZONE_KEY.to_owned(), self.zone.to_string());
        outpost.chain([zone]).collect()
    }
}

/// The segments that the nodes on an Outpost have in common.
pub(super) fn of_nodes_on(outpost: &Outpost) -> [(String, String); 4] {
    [
        (OUTPOST_KEY, outpost.id()),
        (OUTPOST_REGION_KEY, outpost.region()),
        (OUTPOST_ACCOUNT_KEY, outpost.account()),
        (OUTPOST_PARTITION_KEY, outpost.partition()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
}

impl From<&Volume> for Site {
    fn from(volume: &Volume) -> Self {
        Self {
            zone: volume.zone.clone(),
            outpost: volume.outpost.clone(),
        }
    }
}

impl From<&Instance> for Site {
    fn from(instance: &Instance) -> Self {
        Self {
            zone: instance.zone.clone(),
            outpost: instance.outpost.clone(),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zone {}", self.zone)?;
        match &self.outpost {
            Some(outpost) => write!(f, " on Outpost {outpost}"),
            None => Ok(()),
        }
    }
}

/// The Outpost that a topology names: by the four keys of its nodes, or by the whole ARN in the place of its id.
///
/// # Errors
/// [`InvalidRequest`] about `field` where keys are missing, or together are no Outpost.
pub(super) fn outpost(
    field: &str,
    segments: &HashMap<String, String>,
) -> Result<Option<Outpost>, InvalidRequest> {
    let Some(id) = segments.get(OUTPOST_KEY) else {
        return Ok(None);
    };
    let shown = format!("{OUTPOST_KEY}={id}");
    let part = |key: &str| {
        segments.get(key).ok_or_else(|| {
            InvalidRequest::value(
                field,
                &shown,
                format!("an Outpost is told by its id, region, account and partition: name {key}, too, as the labels of its nodes do"),
            )
        })
    };
    let read = if id.starts_with("arn:") {
        id.parse()
    } else {
        let partition = part(OUTPOST_PARTITION_KEY)?;
        let (region, account) = (part(OUTPOST_REGION_KEY)?, part(OUTPOST_ACCOUNT_KEY)?);
        Outpost::new(partition, region, account, id)
    };
    match read {
        Ok(outpost) => Ok(Some(outpost)),
        Err(error) => Err(InvalidRequest::value(field, shown, error)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ARN: &str = "arn:aws:outposts:us-west-2:123456789012:outpost/op-1";

    fn on_outpost() -> Site {
        Site {
            zone: "us-west-2a".parse().unwrap(),
            outpost: Some(ARN.parse().unwrap()),
        }
    }

    #[test]
    fn segments_name_the_site_in_both_directions() {
        let there = on_outpost();
        let read = outpost("f", &there.segments()).unwrap();
        assert_eq!(read, there.outpost);
        let whole = HashMap::from([(OUTPOST_KEY.to_owned(), ARN.to_owned())]);
        assert_eq!(outpost("f", &whole).unwrap(), there.outpost);
        let region = Site::in_region(there.zone.clone());
        assert_eq!(outpost("f", &region.segments()).unwrap(), None);
        assert_eq!(region.segments().len(), 1);
        assert_eq!(
            there.to_string(),
            format!("zone us-west-2a on Outpost {ARN}")
        );
    }

    #[rstest]
    #[case(OUTPOST_REGION_KEY)]
    #[case(OUTPOST_ACCOUNT_KEY)]
    #[case(OUTPOST_PARTITION_KEY)]
    fn what_is_missing_is_named(#[case] key: &str) {
        let mut segments = on_outpost().segments();
        segments.remove(key);
        let refused = outpost("f", &segments).unwrap_err().to_string();
        assert!(
            refused.contains(key) && refused.contains("op-1"),
            "{refused}"
        );
    }

    #[rstest]
    #[case("op 1")]
    #[case("arn:aws:outposts:us-west-2:1:site/os-1")]
    #[case("")]
    fn what_is_no_outpost_is_refused(#[case] id: &str) {
        let mut segments = on_outpost().segments();
        segments.insert(OUTPOST_KEY.to_owned(), id.to_owned());
        let refused = outpost("f", &segments).unwrap_err().to_string();
        assert!(refused.contains("arn:PARTITION"), "{refused}");
    }
}
