//! A StorageClass with a mistake in it: the claim's event says what is wrong and what is right, and correcting the class is enough.

use e2e::{Kind, Scenario};

use crate::workload;

/// A mistake: its parameters, and what the event must say of them.
struct Mistake {
    name: &'static str,
    parameters: &'static str,
    told: &'static [&'static str],
}

const MISTAKES: [Mistake; 4] = [
    Mistake {
        name: "wrong-type",
        parameters: "{type: gp9}",
        told: &["type", "gp9", "gp3", "io2"],
    },
    Mistake {
        name: "misspelt",
        parameters: "{type: gp3, troughput: '250'}",
        told: &["troughput", "throughput"],
    },
    Mistake {
        name: "no-number",
        parameters: "{type: io2, iops: many}",
        told: &["iops", "many", "number"],
    },
    Mistake {
        name: "too-many",
        parameters: "{type: gp3, iops: '90000'}",
        told: &["iops", "90000", "3000", "80000"],
    },
];

#[test]
fn the_event_says_what_is_wrong_with_the_class() {
    let s = Scenario::start("wrong-class");
    for mistake in &MISTAKES {
        s.apply_text(&manifests(mistake.name, mistake.parameters));
    }
    for mistake in &MISTAKES {
        let event = s.event(
            mistake.name,
            &["Warning ProvisioningFailed", "InvalidArgument"],
        );
        for words in mistake.told {
            assert!(event.contains(words), "{words:?} is not in: {event}");
        }
        let claim = s.get(Kind::CLAIM, mistake.name).unwrap();
        assert_eq!(claim.text("/status/phase"), "Pending", "{claim}");
    }
    assert_eq!(workload::made(&s), []);

    corrected(&s, MISTAKES[0].name);
}

/// A class cannot be edited; one of the same name takes its place. The claim and the pod stay as they are.
fn corrected(s: &Scenario, name: &str) {
    s.kubectl(&["delete", "storageclass", name]);
    s.apply_text(&class(name, "{type: gp3}"));
    let volume = s.bound(name);
    let pod = s.ready(name);
    s.attached(&volume, &pod.node);
    assert_eq!(s.seen_with_its_tags(&volume).kind, "gp3");
}

fn class(name: &str, parameters: &str) -> String {
    let rest = format!("volumeBindingMode: WaitForFirstConsumer\nparameters: {parameters}");
    workload::class(name, &rest)
}

fn manifests(name: &str, parameters: &str) -> String {
    let workload = workload::manifests(name, name, "");
    format!("{}---{workload}", class(name, parameters))
}
