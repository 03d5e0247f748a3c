//! EBS cards: some instance types have two, each with a share of the attachments, and AttachVolume has to say which.
//!
//! Answers for: how many a type has, and which one is used least. Doesn't answer for: what EC2 takes in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ebs_types::{AttachmentLimit, InstanceType};
use ec2::Cloud;

/// How many cards instance types have that the driver's table lacks.
#[derive(Debug, Default)]
pub(super) struct CardCounts {
    asked: Mutex<HashMap<InstanceType, u32>>,
}

impl CardCounts {
    /// How many EBS cards instances of this type have. A type that the table lacks is asked for once; while EC2 does not say, it is
    /// taken to have one, on which every attachment is right as long as there is room.
    pub(super) async fn of(&self, cloud: &Cloud, instance_type: &InstanceType) -> u32 {
        if let Some(limit) = AttachmentLimit::listed(instance_type) {
            return limit.ebs_cards;
        }
        if let Some(count) = self.lock().get(instance_type) {
            return *count;
        }
        match cloud.instance_type(instance_type).await {
            Ok(told) => {
                let count = told.map_or(1, |told| told.limit.ebs_cards.max(1));
                self.lock().insert(instance_type.clone(), count);
                count
            }
            Err(error) => {
                tracing::warn!(instance.type = %instance_type, %error, "the number of EBS cards is not known, one is assumed");
                1
            }
        }
    }

    /// The map is whole after every statement, so a panic elsewhere while it was locked does not matter.
    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceType, u32>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cards of one instance.
#[derive(Debug, Default)]
pub(super) struct Cards {
    /// How many there are; 0 and 1 are the same.
    count: u32,
    /// What is on them beside the volumes whose names the driver knows.
    others: Vec<u32>,
    /// Those of which EC2 has said that they have no room.
    full: BTreeSet<u32>,
}

impl Cards {
    pub(super) fn new(count: u32) -> Self {
        Self {
            count,
            ..Self::default()
        }
    }

    /// Something that the driver did not attach, such as the root volume, is on this card.
    pub(super) fn taken_by_other(&mut self, card: u32) {
        self.others.push(card);
    }

    /// EC2 says that this card has no room.
    pub(super) fn fill(&mut self, card: u32) {
        self.full.insert(card);
    }

    /// Something was detached: every card may have room again.
    pub(super) fn some_left(&mut self) {
        self.full.clear();
    }

    /// Whether a card is left of which EC2 has not said that it is full.
    pub(super) fn has_room(&self) -> bool {
        (0..self.count).any(|card| !self.full.contains(&card))
    }

    /// The card with the fewest attachments, of those that are not full where there are any. `None` where there is no choice.
    pub(super) fn least_used(&self, volumes: impl Iterator<Item = u32>) -> Option<u32> {
        if self.count < 2 {
            return None;
        }
        let mut used: BTreeMap<u32, usize> = (0..self.count).map(|card| (card, 0)).collect();
        for card in volumes.chain(self.others.iter().copied()) {
            *used.entry(card).or_default() += 1;
        }
        let order = |card: &u32| (self.full.contains(card), used.get(card).copied(), *card);
        (0..self.count).min_by_key(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_card_is_not_named() {
        assert_eq!(Cards::default().least_used(std::iter::empty()), None);
        assert_eq!(Cards::new(1).least_used([0, 0].into_iter()), None);
    }

    #[test]
    fn volumes_are_spread_and_full_cards_avoided() {
        let mut cards = Cards::new(2);
        cards.taken_by_other(0);
        assert_eq!(cards.least_used(std::iter::empty()), Some(1));
        assert_eq!(cards.least_used([1].into_iter()), Some(0));
        cards.fill(0);
        assert_eq!(cards.least_used([1].into_iter()), Some(1));
        assert!(cards.has_room());
        cards.fill(1);
        assert!(!cards.has_room());
        cards.some_left();
        assert!(cards.has_room());
    }
}
