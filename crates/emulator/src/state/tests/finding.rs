//! What is found by an index is what a look at everything finds.

use std::slice::from_ref;

use ebs_types::keys;

use super::*;
use crate::model::{CreateTags, DeleteTags, Filter, Tagged};

fn named(name: &str) -> CreateVolume {
    let mut tags = Tags::new();
    tags.set(keys::VOLUME_NAME, name).unwrap();
    CreateVolume { tags, ..gp3(1) }
}

fn found(lab: &mut Lab, filters: &[(&str, &[&str])]) -> Vec<VolumeId> {
    pages(lab, filters, None).concat()
}

/// Page by page, of so many at most; without a number all at once.
fn pages(lab: &mut Lab, filters: &[(&str, &[&str])], max: Option<usize>) -> Vec<Vec<VolumeId>> {
    let filter = |(name, values): &(&str, &[&str])| Filter {
        name: (*name).to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let (mut pages, mut token) = (Vec::new(), None);
    loop {
        let query = Query::Volumes(Selection {
            ids: Vec::new(),
            filters: filters.iter().map(filter).collect(),
            paging: max.map(|max| Paging {
                max,
                token: token.take(),
            }),
        });
        let Reply::Volumes(page) = lab.look(&query).unwrap() else {
            panic!("volumes")
        };
        pages.push(page.items.into_iter().map(|volume| volume.id).collect());
        token = page.next;
        if token.is_none() {
            return pages;
        }
    }
}

#[test]
fn names_find_what_bears_them_now() {
    let mut lab = Lab::new(Delays::none());
    let one = lab.create(named("pvc-1"));
    let other = lab.create(named("a*b"));
    let by = "tag:CSIVolumeName";
    assert_eq!(by, format!("tag:{}", keys::VOLUME_NAME));
    assert_eq!(found(&mut lab, &[(by, &["pvc-1", "none"])]), from_ref(&one));
    assert_eq!(found(&mut lab, &[(by, &[r"a\*b"])]), from_ref(&other));
    assert_eq!(found(&mut lab, &[(by, &["*"])]).len(), 2);
    assert_eq!(
        found(&mut lab, &[(by, &["pvc-1", "pvc-*", "a?b"])]).len(),
        2
    );
    let both = [(by, ["pvc-1"].as_slice()), ("volume-id", &[other.as_str()])];
    assert!(found(&mut lab, &both).is_empty());

    let mut tags = Tags::new();
    tags.set(keys::VOLUME_NAME, "pvc-2").unwrap();
    let resources = vec![Tagged::Volume(one.clone())];
    let rename = CreateTags {
        resources: resources.clone(),
        tags,
    };
    lab.call(Command::CreateTags(rename)).unwrap();
    assert!(found(&mut lab, &[(by, &["pvc-1"])]).is_empty());
    assert_eq!(found(&mut lab, &[(by, &["pvc-2"])]), from_ref(&one));
    let unname = DeleteTags {
        resources,
        tags: Vec::new(),
    };
    lab.call(Command::DeleteTags(unname)).unwrap();
    assert!(found(&mut lab, &[(by, &["pvc-2"])]).is_empty());
    lab.call(Command::DeleteVolume(other)).unwrap();
    assert!(found(&mut lab, &[(by, &["a*b", r"a\*b"])]).is_empty());
    assert_eq!(found(&mut lab, &[]), [one]);
}

#[test]
fn instances_find_what_is_attached_to_them() {
    let mut lab = Lab::new(Delays::none());
    let instance = lab.instances()[0].clone();
    let volume = lab.create(gp3(1));
    lab.create(gp3(1));
    let by = [("attachment.instance-id", [instance.as_str()])];
    let by = [(by[0].0, by[0].1.as_slice())];
    assert!(found(&mut lab, &by).is_empty());
    lab.attach(&volume, &instance).unwrap();
    assert_eq!(found(&mut lab, &by), from_ref(&volume));
    lab.detach(&volume, false).unwrap();
    assert!(found(&mut lab, &by).is_empty());
}

#[test]
fn pages_tell_of_each_once_whatever_finds_it() {
    let mut lab = Lab::new(Delays::none());
    let mut all: Vec<_> = (0..12)
        .map(|n| lab.create(named(&format!("pvc-{n}"))))
        .collect();
    all.sort();
    let names: Vec<String> = (0..12).map(|n| format!("pvc-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let by_name = [("tag:CSIVolumeName", names.as_slice())];
    for filters in [
        &[],
        by_name.as_slice(),
        &[("tag:CSIVolumeName", &["pvc-*"])],
    ] {
        let pages = pages(&mut lab, filters, Some(5));
        let sizes: Vec<_> = pages.iter().map(Vec::len).collect();
        assert_eq!(sizes, [5, 5, 2]);
        assert_eq!(pages.concat(), all);
    }
}
