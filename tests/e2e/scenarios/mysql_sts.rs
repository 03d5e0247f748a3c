//! examples/mysql-sts: names and disks of a StatefulSet's databases are sticky.

use e2e::{Kind, Pod, Scenario, Volume};

const REPLICAS: usize = 2;
const FILE: &str = "examples/mysql-sts/mysql.yaml";

#[test]
#[ignore = "make e2e-full"]
fn each_mysql_keeps_its_name_and_its_rows() {
    let s = Scenario::start("mysql-sts");
    s.apply(FILE);
    let pods: Vec<Pod> = names("mysql").map(|name| s.ready(&name)).collect();
    let volumes: Vec<Volume> = names("mysql-store-mysql")
        .map(|name| s.bound(&name))
        .collect();
    each_has_its_volume(&s, &pods, &volumes);
    for pod in &pods {
        let rows = format!("insert into who values ('{}')", pod.uid);
        sql(
            &s,
            &pod.name,
            &format!("create table who (uid text); {rows}"),
        );
    }

    let second = down_and_up(&s, &pods[1], &volumes[1]);
    has_rows(&s, &pods[1]);

    s.delete(&[FILE]);
    for (volume, name) in volumes.iter().zip(names("mysql-store-mysql")) {
        s.detached(volume);
        assert_eq!(s.bound(&name), *volume, "claims stay");
    }
    s.apply(FILE);
    let again = [s.ready_again(&pods[0]), s.ready_again(&second)];
    each_has_its_volume(&s, &again, &volumes);
    for pod in &pods {
        has_rows(&s, pod);
    }

    s.delete(&[FILE]);
    s.kubectl(&["delete", "pvc", "--selector", "app=mysql"]);
    for volume in &volumes {
        s.deleted(volume);
    }
}

fn names(prefix: &str) -> impl Iterator<Item = String> {
    (0..REPLICAS).map(move |n| format!("{prefix}-{n}"))
}

/// 500Mi were asked for: EBS has whole GiB alone, and everybody is told so.
fn each_has_its_volume(s: &Scenario, pods: &[Pod], volumes: &[Volume]) {
    for (pod, volume) in pods.iter().zip(volumes) {
        assert_eq!(s.attached(volume, &pod.node).gib, 1);
        s.seen_with_its_tags(volume);
        s.mounted(volume, pod, "ext4");
        let pv = s.pv(&volume.pv);
        assert_eq!(pv.text("/spec/capacity/storage"), "1Gi", "{pv}");
        let claim = s.get(Kind::CLAIM, &volume.claim).unwrap();
        assert_eq!(claim.text("/spec/resources/requests/storage"), "500Mi");
        assert_eq!(claim.text("/status/capacity/storage"), "1Gi", "{claim}");
    }
}

/// `kubectl scale`, to one replica and to two again: the second one's claim and volume stay meanwhile.
fn down_and_up(s: &Scenario, pod: &Pod, volume: &Volume) -> Pod {
    s.kubectl(&["scale", "statefulset", "mysql", "--replicas=1"]);
    s.gone(Kind::POD, &pod.name);
    s.detached(volume);
    s.kubectl(&["scale", "statefulset", "mysql", "--replicas=2"]);
    let again = s.ready_again(pod);
    assert_eq!(s.bound(&volume.claim), *volume);
    s.attached(volume, &again.node);
    again
}

/// The database has what its first pod wrote of itself, and nothing else.
fn has_rows(s: &Scenario, first: &Pod) {
    assert_eq!(sql(s, &first.name, "select uid from who"), first.uid);
}

fn sql(s: &Scenario, pod: &str, statement: &str) -> String {
    let client = r#"mysql -uroot -p"$MYSQL_ROOT_PASSWORD" -N hollowdb -e "$0""#;
    s.exec(pod, &["sh", "-c", client, statement])
}
