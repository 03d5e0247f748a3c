//! The volume moves to another instance of its zone, and to no other place.

use anyhow::{Result, ensure};
use tonic::Code;

use super::{Hero, Players, moves};
use crate::demo::story::{Proof, Story, refused};
use lab::proof;

pub(super) async fn play(story: &mut Story, players: &Players, hero: &Hero) -> Result<()> {
    story.chapter("It moves to another instance of its zone")?;
    let Players {
        cloud,
        controller,
        here,
        there,
        elsewhere,
    } = players;

    story
        .refusal("attach it in another zone", async {
            let proof = refused(
                controller.attach(&hero.claim, elsewhere).await,
                &[Code::FailedPrecondition, Code::InvalidArgument],
            )?;
            let seen = moves::volume_is(cloud, &hero.claim.id, "available").await?;
            Ok(proof.and(seen.to_string()))
        })
        .await?;

    let target = moves::bring(story, players, there, &hero.claim, "reader").await?;
    story
        .step("the pod reads the files back", async {
            let read = proof::read_files(&target)?;
            read.must_be(&hero.written)?;
            Ok(Proof::shown(format!("{read}, as written on {}", here.name)))
        })
        .await?;

    story
        .refusal(format!("attach it to {} too", here.name), async {
            let answer = controller.attach(&hero.claim, here).await;
            let proof = refused(answer, &[Code::FailedPrecondition])?;
            let seen = moves::volume_is(cloud, &hero.claim.id, "in-use").await?;
            ensure!(seen.attachments.len() == 1, "attached twice: {seen}");
            Ok(proof.and(seen.to_string()))
        })
        .await
}
