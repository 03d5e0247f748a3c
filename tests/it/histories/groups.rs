//! Group snapshots in a history: of one volume and whichever others there are, while they are attached.

use lab::orchestrator::Claim;

use super::History;

/// A group that is wanted.
pub(super) struct Group {
    of: Vec<Claim>,
    /// Whether it is known to be there.
    taken: bool,
}

impl History {
    /// CreateVolumeGroupSnapshot under a fault, with a deadline that may cut it.
    pub(super) async fn group(&mut self, claim: &Claim) {
        let mut of = vec![claim.clone()];
        let all = self.names.iter().filter_map(|name| name.claim.clone());
        for other in all.collect::<Vec<_>>() {
            if other.id != claim.id && self.chance.below(3) > 0 {
                of.push(other);
            }
        }
        of.sort_by(|a, b| a.id.cmp(&b.id));
        self.world.cloud.heal().await.unwrap();
        self.attach_all(&of).await;
        let ids: Vec<_> = of.iter().map(|claim| claim.id.as_str()).collect();
        let name = format!("group of {}", ids.join(", "));
        let group = self.groups.entry(name.clone());
        group.or_insert(Group {
            of: of.clone(),
            taken: false,
        });
        self.trouble("CreateSnapshots").await;
        let answer = self.caller().group_snapshot(&of, &name).await;
        self.heard(&name, &answer);
    }

    /// Groups of a volume that goes away are finished before.
    pub(super) async fn finish_groups(&mut self, claim: &Claim) {
        let open = self.groups.iter().filter(|(_, group)| {
            let has = group.of.iter().any(|member| member.id == claim.id);
            has && !group.taken
        });
        let open = open.map(|(name, group)| (name.clone(), group.of.clone()));
        for (name, of) in open.collect::<Vec<_>>() {
            self.attach_all(&of).await;
            let taken = self.world.controller.group_snapshot(&of, &name).await;
            self.must(&name, taken);
            self.groups
                .entry(name)
                .and_modify(|group| group.taken = true);
        }
    }

    /// How many snapshots the groups have together.
    pub(super) fn members(&self) -> usize {
        self.groups.values().map(|group| group.of.len()).sum()
    }

    async fn attach_all(&self, of: &[Claim]) {
        let node = self.world.node(0).unwrap();
        for claim in of {
            self.must("attach", self.world.controller.attach(claim, &node).await);
        }
    }
}
