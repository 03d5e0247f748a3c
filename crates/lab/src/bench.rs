//! `ebs-lab bench`: what the driver costs on this machine, beside what the Go driver costs.
//!
//! Answers for: measuring a finished program from outside: its size, start, memory and the time of a call.
//! Doesn't answer for: building it (`scripts/bench.sh`). A figure beyond its limit is marked, and is no error.

mod bed;
mod calls;
mod endurance;
mod figures;
mod scale;
mod work_log;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use self::bed::{Bed, Role};
use self::endurance::{LONG, SHORT};
use crate::measures::{Figure, MIB, Table, median, millis, ratio};

/// Flags of `ebs-lab bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The driver's program, built for release.
    #[arg(long, value_name = "PATH")]
    driver: PathBuf,
    /// How often each thing is done; the median is printed.
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Look for growth of memory over 100,000 NodeGetVolumeStats and 10,000 stagings, and at idle time for a minute.
    #[arg(long)]
    long: bool,
}

/// Measures and prints.
///
/// # Errors
/// What kept it from measuring, or what could not be cleaned up.
pub(crate) async fn run(args: Args) -> Result<()> {
    ensure!(
        args.driver.is_file(),
        "the driver's program is not at {}",
        args.driver.display()
    );
    let mut bed = Bed::make(&std::path::absolute(&args.driver)?)?;
    let measured = tokio::select! {
        measured = measure(&args, &mut bed) => measured,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let cleaned = bed.clear().await;
    let table = measured?;
    cleaned?;
    print!("{table}");
    Ok(())
}

async fn measure(args: &Args, bed: &mut Bed) -> Result<Table> {
    let size = fs::metadata(&args.driver)
        .with_context(|| format!("cannot look at {}", args.driver.display()))?
        .len();
    let mut table = Table::default();
    table.add(&figures::BINARY, ratio(size, MIB));

    bed.open_cloud().await?;
    for (role, start, memory) in [
        (
            Role::Controller,
            &figures::CONTROLLER_START,
            &figures::CONTROLLER_MEMORY,
        ),
        (Role::Node, &figures::NODE_START, &figures::NODE_MEMORY),
    ] {
        measure_start(args.runs, bed, role, (start, memory), &mut table).await?;
    }
    if bed.has_devices() {
        calls::measure(args.runs, bed, &mut table).await?;
        scale::measure(bed, &mut table).await?;
        let effort = if args.long { LONG } else { SHORT };
        endurance::measure(effort, bed, &mut table).await?;
    } else {
        table.note("not root: no loop devices, so the node's calls are not measured");
    }
    Ok(table)
}

/// Starts a role again and again; what runs last stays and is measured idle.
async fn measure_start(
    runs: u32,
    bed: &mut Bed,
    role: Role,
    (start, memory): (&'static Figure, &'static Figure),
    table: &mut Table,
) -> Result<()> {
    let mut starts = Vec::new();
    for _ in 0..runs {
        starts.push(bed.start(role).await?);
    }
    table.add(start, millis(median(starts)));
    table.add(memory, ratio(bed.idle_memory(role).await?, MIB));
    Ok(())
}
