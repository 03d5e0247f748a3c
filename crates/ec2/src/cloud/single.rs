//! Single flight: one call for any number of askers, for what does not depend on when it was asked.
//!
//! Answers for: that whoever asks while a call is under way gets that call's answer, be it a failure, and that one asker's leaving is
//! nobody else's. Doesn't answer for: how long an answer counts; who asks remembers it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ebs_types::{InstanceType, ListedLimit};
use tokio::sync::oneshot;

use super::Cloud;
use super::metrics::CloudMetrics;
use crate::{Action, AvailabilityZone, Ec2Error, ErrorKind, Outcome};

/// The calls of one kind that are under way, by what they ask for.
pub(super) struct Single<K, V> {
    action: Action,
    metrics: CloudMetrics,
    flights: Mutex<HashMap<K, Askers<V>>>,
}

type Askers<V> = Vec<oneshot::Sender<Result<V, Ec2Error>>>;

impl<K, V> Single<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    pub(super) fn new(action: Action, metrics: CloudMetrics) -> Arc<Self> {
        Arc::new(Self {
            action,
            metrics,
            flights: Mutex::default(),
        })
    }

    /// What the call for `key` that is under way answers, or else this one.
    pub(super) async fn get(
        self: &Arc<Self>,
        key: K,
        call: impl Future<Output = Result<V, Ec2Error>> + Send + 'static,
    ) -> Result<V, Ec2Error> {
        let (sender, answer) = oneshot::channel();
        match self.flights().entry(key.clone()).or_default() {
            first if first.is_empty() => {
                first.push(sender);
                // A task of its own, so that whoever leaves takes nobody else's call along.
                let flight = Flight(Arc::clone(self), key);
                tokio::spawn(async move { flight.land(&call.await) });
            }
            others => {
                others.push(sender);
                self.metrics.shared(self.action);
            }
        }
        answer.await.unwrap_or_else(|_| Err(self.cut_off()))
    }

    fn cut_off(&self) -> Ec2Error {
        Ec2Error {
            action: self.action,
            kind: ErrorKind::Unreachable,
            outcome: Outcome::NotDone,
            code: None,
            message: "the call was cut off inside this process".to_owned(),
            request_id: None,
        }
    }
}

impl<K, V> Single<K, V> {
    fn flights(&self) -> MutexGuard<'_, HashMap<K, Askers<V>>> {
        // Nothing that can panic runs while this is held.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call under way; after a panic in it those who asked learn that, and the next one asks anew.
struct Flight<K: Eq + Hash, V>(Arc<Single<K, V>>, K);

impl<K: Eq + Hash, V: Clone> Flight<K, V> {
    fn land(self, answer: &Result<V, Ec2Error>) {
        for asker in self.take() {
            // Whoever left meanwhile misses nothing.
            let _ = asker.send(answer.clone());
        }
    }
}

impl<K: Eq + Hash, V> Flight<K, V> {
    fn take(&self) -> Askers<V> {
        self.0.flights().remove(&self.1).unwrap_or_default()
    }
}

impl<K: Eq + Hash, V> Drop for Flight<K, V> {
    fn drop(&mut self) {
        self.take();
    }
}

impl Cloud {
    /// The zones of the region. Whoever asks while others do gets their answer.
    ///
    /// # Errors
    /// [`Ec2Error`].
    pub async fn zones(&self) -> Result<Arc<[AvailabilityZone]>, Ec2Error> {
        let api = Arc::clone(&self.api);
        let call = async move { api.describe_availability_zones().await.map(Arc::from) };
        self.zones.get((), call).await
    }

    /// [`crate::Ec2::describe_instance_type`]. Whoever asks for a type while others do gets their answer.
    ///
    /// # Errors
    /// As there.
    pub async fn instance_type(
        &self,
        instance_type: &InstanceType,
    ) -> Result<Option<ListedLimit>, Ec2Error> {
        let (api, wanted) = (Arc::clone(&self.api), instance_type.clone());
        let call = async move { api.describe_instance_type(&wanted).await };
        self.instance_types.get(instance_type.clone(), call).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;
    use tokio::time::timeout;

    use super::*;
    use crate::CloudSettings;
    use crate::cloud::fake::{Fake, LATENCY, trouble};

    fn cloud(fake: &Arc<Fake>) -> Cloud {
        Cloud::new(fake.clone(), CloudSettings::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_askers_are_one_call_of_each_kind() {
        let fake = Fake::new();
        let cloud = cloud(&fake);
        let types = ["m7i.large", "r7i.large"].map(|name| name.parse().unwrap());
        let askers = (0..100).map(|n| {
            let (cloud, wanted) = (&cloud, &types[n % 2]);
            async move { tokio::join!(cloud.zones(), cloud.instance_type(wanted)) }
        });
        let answers = join_all(askers).await;
        assert!(answers.iter().all(|(z, t)| z.is_ok() && t.is_ok()));
        assert_eq!(fake.calls().len(), 3);
        // What is asked later is asked anew.
        cloud.zones().await.unwrap();
        assert_eq!(fake.calls().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_everybodys_and_is_not_repeated() {
        let fake = Fake::new();
        fake.fail_next(trouble(Action::DescribeAvailabilityZones, "Unavailable"));
        let cloud = cloud(&fake);
        let answers = join_all((0..100).map(|_| cloud.zones())).await;
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(fake.calls().len(), 1);
        cloud.zones().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_asker_leaving_harms_nobody() {
        let fake = Fake::new();
        let cloud = cloud(&fake);
        let leaves = timeout(LATENCY / 2, cloud.zones());
        let (left, stays) = tokio::join!(leaves, cloud.zones());
        assert!(left.is_err());
        stays.unwrap();
        assert_eq!(fake.calls().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_panic_the_next_one_is_served() {
        let single = Single::<(), ()>::new(Action::DescribeVolumes, CloudMetrics::default());
        let cut = single.get((), async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            panic!("the call panics")
        });
        assert_eq!(cut.await.unwrap_err().kind, ErrorKind::Unreachable);
        single.get((), async { Ok(()) }).await.unwrap();
    }
}
