//! Tags: set, deleted, listed.

use super::*;
use crate::model::{CreateTags, DeleteTags, Filter, Tagged};

#[test]
fn tags_are_set_and_deleted() {
    let mut lab = Lab::new(Delays::none());
    let volume = lab.create(gp3(10));
    let resources = vec![Tagged::Volume(volume.clone())];
    let mut tags = Tags::new();
    tags.set("team", "storage").unwrap();
    tags.set("tier", "").unwrap();
    let create = CreateTags {
        resources: resources.clone(),
        tags,
    };
    lab.call(Command::CreateTags(create)).unwrap();
    let mut delete = |key: &str, value: Option<&str>| {
        let delete = DeleteTags {
            resources: resources.clone(),
            tags: vec![(key.to_owned(), value.map(str::to_owned))],
        };
        lab.call(Command::DeleteTags(delete)).unwrap();
        lab.volume(&volume).tags.len()
    };
    // Only where the value is the given one; a key that is not there is no error.
    assert_eq!(delete("team", Some("other")), 2);
    assert_eq!(delete("team", None), 1);
    assert_eq!(delete("team", None), 1);
    assert_eq!(delete("tier", Some("")), 0);
}

/// The values of a page of tags, and whether there is another one.
fn listed(
    lab: &mut Lab,
    filters: &[(&str, &str)],
    paging: Option<Paging>,
) -> (Vec<String>, Option<String>) {
    let filters = filters.iter().map(|(name, value)| Filter {
        name: (*name).to_owned(),
        values: vec![(*value).to_owned()],
    });
    let query = Query::Tags(Selection {
        ids: Vec::new(),
        filters: filters.collect(),
        paging,
    });
    match lab.look(&query).unwrap() {
        Reply::Tags(page) => {
            let values = page.items.into_iter().map(|tag| tag.value);
            (values.collect(), page.next)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn tags_are_listed_by_resource_key_and_value() {
    let mut lab = Lab::new(Delays::none());
    let volumes: Vec<_> = (0..7)
        .map(|number| {
            let volume = lab.create(gp3(10));
            let mut tags = Tags::new();
            tags.set("number", number.to_string()).unwrap();
            tags.set("kind", "disk").unwrap();
            let resources = vec![Tagged::Volume(volume.clone())];
            lab.call(Command::CreateTags(CreateTags { resources, tags }))
                .unwrap();
            volume
        })
        .collect();
    let third = volumes[3].as_str();
    let of_third = |lab: &mut Lab| listed(lab, &[("resource-id", third)], None).0;
    assert_eq!(of_third(&mut lab), ["disk", "3"]);
    let mut found = |filters: &[(&str, &str)]| listed(&mut lab, filters, None).0;
    assert_eq!(found(&[("tag:number", "5")]), ["5"]);
    assert_eq!(found(&[("key", "number"), ("value", "[")]), [""; 0]);
    assert_eq!(
        found(&[("key", "num*"), ("resource-type", "volume")]).len(),
        7
    );
    assert_eq!(
        found(&[("key", "number"), ("resource-type", "snapshot")]),
        [""; 0]
    );

    let page = |token| Some(Paging { max: 5, token });
    let (mut first, next) = listed(&mut lab, &[("key", "number")], page(None));
    assert_eq!(first.len(), 5);
    let (second, end) = listed(&mut lab, &[("key", "number")], page(next));
    assert_eq!((second.len(), end), (2, None));
    first.extend(second);
    first.sort();
    assert_eq!(first, ["0", "1", "2", "3", "4", "5", "6"]);
}
