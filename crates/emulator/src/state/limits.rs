//! What each volume type can be given, with EC2's words for what it can't.

use ebs_types::{Gibibytes, VolumeType};

use crate::model::{ApiError, Shape};

/// What is asked of a volume's type, size and speed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) volume_type: VolumeType,
    pub(super) size: Gibibytes,
    pub(super) iops: Option<u32>,
    pub(super) throughput: Option<u32>,
    pub(super) multi_attach: bool,
}

/// The volume that comes of it.
///
/// # Errors
/// `InvalidParameterValue` and `InvalidParameterCombination` where EC2 would not make it.
pub(super) fn shape(asked: Asked) -> Result<Shape, ApiError> {
    check_size(asked)?;
    check_offered(asked)?;
    let iops = iops(asked)?;
    let throughput = throughput(asked, iops)?;
    Ok(Shape {
        size: asked.size,
        volume_type: asked.volume_type,
        iops,
        throughput,
        multi_attach: asked.multi_attach,
    })
}

fn check_size(asked: Asked) -> Result<(), ApiError> {
    let sizes = asked.volume_type.sizes();
    let size = asked.size.0;
    if asked.size < *sizes.start() {
        let min = sizes.start().0;
        return Err(ApiError::value(format!(
            "Volume of {size}GiB is too small for volume type {}; minimum is {min}GiB.",
            asked.volume_type
        )));
    }
    if asked.size > *sizes.end() {
        let max = sizes.end().0;
        return Err(ApiError::value(format!(
            "Volume of {size}GiB is too large for volume type {}; maximum is {max}GiB.",
            asked.volume_type
        )));
    }
    Ok(())
}

fn check_offered(asked: Asked) -> Result<(), ApiError> {
    let refuse = |parameter: &str| {
        Err(ApiError::combination(format!(
            "The parameter {parameter} is not supported for {} volumes.",
            asked.volume_type
        )))
    };
    if asked.iops.is_some() && asked.volume_type.iops().is_none() {
        return refuse("iops");
    }
    if asked.throughput.is_some() && asked.volume_type.throughput().is_none() {
        return refuse("throughput");
    }
    if asked.multi_attach && !matches!(asked.volume_type, VolumeType::Io1 | VolumeType::Io2) {
        return refuse("multiAttachEnabled");
    }
    Ok(())
}

fn iops(asked: Asked) -> Result<Option<u32>, ApiError> {
    let Some(range) = asked.volume_type.iops() else {
        // gp2 has 3 IOPS a GiB, at least 100 and at most 16,000; the others have none that EC2 states.
        let follows = asked.size.0.saturating_mul(3).clamp(100, 16_000);
        return Ok((asked.volume_type == VolumeType::Gp2).then_some(follows));
    };
    let iops = match (asked.iops, asked.volume_type) {
        (Some(iops), _) => iops,
        (None, VolumeType::Gp3) => *range.start(),
        (None, _) => return Err(ApiError::missing("iops")),
    };
    if iops < *range.start() {
        let min = range.start();
        return Err(ApiError::value(format!(
            "Volume iops of {iops} is too low; minimum is {min}."
        )));
    }
    if iops > *range.end() {
        let max = range.end();
        return Err(ApiError::value(format!(
            "Volume iops of {iops} is too high; maximum is {max}."
        )));
    }
    // The baseline of gp3 is had at every size, whatever the ratio.
    let baseline = asked.volume_type == VolumeType::Gp3 && iops == *range.start();
    match asked.volume_type.iops_per_gib() {
        Some(most) if !baseline && iops > asked.size.0.saturating_mul(most) => {
            let ratio = f64::from(iops) / f64::from(asked.size.0);
            Err(ApiError::value(format!(
                "Iops to volume size ratio of {ratio:.6} is too high; maximum is {most} iops per GiB."
            )))
        }
        _ => Ok(Some(iops)),
    }
}

fn throughput(asked: Asked, iops: Option<u32>) -> Result<Option<u32>, ApiError> {
    let Some(range) = asked.volume_type.throughput() else {
        return Ok(None);
    };
    let throughput = asked.throughput.unwrap_or(*range.start());
    if !range.contains(&throughput) {
        let (min, max) = (range.start(), range.end());
        return Err(ApiError::value(format!(
            "Throughput (MiB/s) of {throughput} is not supported for {} volumes; minimum is {min}, maximum is {max}.",
            asked.volume_type
        )));
    }
    // At most a quarter of a MiB/s for each provisioned IOPS.
    match iops {
        Some(iops) if throughput > iops / 4 => {
            let ratio = f64::from(throughput) / f64::from(iops);
            Err(ApiError::value(format!(
                "Throughput (MiB/s) to iops ratio of {ratio:.6} is too high; maximum is 0.250000 MiB/s per iops."
            )))
        }
        _ => Ok(Some(throughput)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn ask(text: &str, size: u32, iops: Option<u32>, throughput: Option<u32>) -> Asked {
        Asked {
            volume_type: text.parse().unwrap(),
            size: Gibibytes(size),
            iops,
            throughput,
            multi_attach: false,
        }
    }

    #[rstest]
    #[case(ask("gp3", 1, None, None), Some(3_000), Some(125))]
    #[case(ask("gp3", 1, Some(3_000), Some(750)), Some(3_000), Some(750))]
    #[case(ask("gp3", 160, Some(80_000), Some(2_000)), Some(80_000), Some(2_000))]
    #[case(ask("gp2", 1, None, None), Some(100), None)]
    #[case(ask("gp2", 1_000, None, None), Some(3_000), None)]
    #[case(ask("gp2", 16_384, None, None), Some(16_000), None)]
    #[case(ask("io2", 4, Some(4_000), None), Some(4_000), None)]
    #[case(ask("st1", 125, None, None), None, None)]
    fn volumes_that_ec2_makes(
        #[case] asked: Asked,
        #[case] iops: Option<u32>,
        #[case] throughput: Option<u32>,
    ) {
        let made = shape(asked).unwrap();
        assert_eq!((made.iops, made.throughput), (iops, throughput));
    }

    #[rstest]
    #[case(ask("gp3", 0, None, None), "InvalidParameterValue", "minimum is 1GiB")]
    #[case(
        ask("gp2", 16_385, None, None),
        "InvalidParameterValue",
        "maximum is 16384GiB"
    )]
    #[case(
        ask("gp3", 4, Some(2_147_483_647), None),
        "InvalidParameterValue",
        "maximum is 80000"
    )]
    #[case(
        ask("gp3", 7, Some(4_000), None),
        "InvalidParameterValue",
        "maximum is 500 iops per GiB"
    )]
    #[case(
        ask("gp3", 100, None, Some(800)),
        "InvalidParameterValue",
        "maximum is 0.250000"
    )]
    #[case(
        ask("gp2", 10, Some(100), None),
        "InvalidParameterCombination",
        "iops is not supported for gp2"
    )]
    #[case(
        ask("io2", 10, Some(100), Some(125)),
        "InvalidParameterCombination",
        "throughput"
    )]
    #[case(ask("io1", 10, None, None), "MissingParameter", "iops")]
    #[case(Asked { multi_attach: true, ..ask("gp3", 10, None, None) }, "InvalidParameterCombination", "multiAttachEnabled")]
    fn volumes_that_ec2_refuses(#[case] asked: Asked, #[case] code: &str, #[case] words: &str) {
        let error = shape(asked).unwrap_err();
        assert_eq!(error.code, code);
        assert!(error.message.contains(words), "{error}");
    }
}
