//! Holds the compiled contract against the published one.
//!
//! `csi-v1.13-messages.txt` lists every element of CSI v1.13.0 as data. The compiled descriptor is
//! rendered in the same form; the two must be equal as sets of lines, so neither a missing nor an
//! invented field, number, type, option or call goes unseen.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;

use protox::prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind,
    MessageDescriptor, ServiceDescriptor,
};

const FACTS: &str = include_str!("csi-v1.13-messages.txt");

#[test]
fn compiled_contract_is_the_published_one() {
    let published = qualified(FACTS);
    let compiled = qualified(&render(
        &DescriptorPool::decode(csi::FILE_DESCRIPTOR_SET).unwrap(),
    ));

    let missing: Vec<_> = published.difference(&compiled).collect();
    let invented: Vec<_> = compiled.difference(&published).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "csi.proto differs from CSI v1.13.0\nmissing: {missing:#?}\ninvented: {invented:#?}"
    );
    assert!(
        published.len() > 350,
        "the facts were read: {}",
        published.len()
    );
}

#[test]
fn credentials_do_not_show_in_debug_output() {
    let request = csi::v1::CreateVolumeRequest {
        name: "pvc-1".to_owned(),
        secrets: [("key".to_owned(), "hunter2".to_owned())].into(),
        ..Default::default()
    };
    let shown = format!("{request:?}");
    assert!(shown.contains("pvc-1"), "{shown}");
    assert!(shown.contains("secrets: <redacted>"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// Indented lines get their owner in front, so that a set of them loses nothing.
fn qualified(text: &str) -> BTreeSet<String> {
    let mut owner = String::new();
    let mut lines = BTreeSet::new();
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = if line.starts_with(' ') {
            format!("{owner} | {}", line.trim_start())
        } else {
            line.clone_into(&mut owner);
            line.to_owned()
        };
        assert!(lines.insert(entry), "listed twice: {owner}: {line}");
    }
    lines
}

fn render(pool: &DescriptorPool) -> String {
    let file = pool.get_file_by_name("csi.proto").unwrap();
    assert_eq!(file.package_name(), "csi.v1");

    let mut lines = Vec::new();
    for extension in file.extensions() {
        lines.push(format!(
            "extend .{} {} = {} {}",
            extension.containing_message().full_name(),
            extension.name(),
            extension.number(),
            type_name(&extension.kind()),
        ));
    }
    file.enums().for_each(|e| lines.push(enum_line(&e)));
    file.messages().for_each(|m| message_lines(&m, &mut lines));
    file.services().for_each(|s| service_lines(&s, &mut lines));
    lines.join("\n")
}

fn message_lines(message: &MessageDescriptor, lines: &mut Vec<String>) {
    if message.is_map_entry() {
        return;
    }
    lines.push(format!(
        "message {}{}",
        short(message.full_name()),
        mark(&message.options(), "alpha_message", " [alpha]"),
    ));
    lines.extend(message.fields().map(|field| field_line(&field)));
    // The facts give ranges with both ends included; descriptors leave the end out.
    lines.extend(
        message
            .reserved_ranges()
            .map(|r| format!("  reserved {}..{}", r.start, r.end - 1)),
    );
    lines.extend(
        message
            .reserved_names()
            .map(|name| format!("  reserved {name}")),
    );
    message
        .child_enums()
        .for_each(|e| lines.push(enum_line(&e)));
    message
        .child_messages()
        .for_each(|m| message_lines(&m, lines));
}

fn field_line(field: &FieldDescriptor) -> String {
    let repeated = field.cardinality() == Cardinality::Repeated && !field.is_map();
    let options = field.options();
    format!(
        "  {} {}{} {}{}{}{}",
        field.number(),
        if repeated { "repeated " } else { "" },
        field_type(field),
        field.name(),
        field
            .containing_oneof()
            .map(|o| format!(" oneof:{}", o.name()))
            .unwrap_or_default(),
        mark(&options, "csi_secret", " [csi_secret]"),
        mark(&options, "alpha_field", " [alpha]"),
    )
}

fn enum_line(descriptor: &EnumDescriptor) -> String {
    let alpha = mark(&descriptor.options(), "alpha_enum", " [alpha]");
    let values: Vec<_> = descriptor
        .values()
        .map(|value| {
            let alpha = mark(&value.options(), "alpha_enum_value", "[alpha]");
            format!("{}={}{alpha}", value.name(), value.number())
        })
        .collect();
    format!(
        "enum {}{alpha}: {}",
        short(descriptor.full_name()),
        values.join(", ")
    )
}

fn service_lines(service: &ServiceDescriptor, lines: &mut Vec<String>) {
    let alpha = mark(&service.options(), "alpha_service", " [alpha]");
    lines.push(format!("service {}{alpha}", service.name()));
    for method in service.methods() {
        lines.push(format!(
            "  rpc {} {}{} -> {}{}{}",
            method.name(),
            if method.is_client_streaming() {
                "stream "
            } else {
                ""
            },
            short(method.input().full_name()),
            if method.is_server_streaming() {
                "stream "
            } else {
                ""
            },
            short(method.output().full_name()),
            mark(&method.options(), "alpha_method", " [alpha]"),
        ));
    }
}

/// `text` if the boolean option `csi.v1.NAME` is set to true, else nothing.
fn mark(options: &DynamicMessage, name: &str, text: &'static str) -> &'static str {
    let full_name = format!("csi.v1.{name}");
    let set = options
        .extensions()
        .any(|(option, value)| option.full_name() == full_name && value.as_bool() == Some(true));
    if set { text } else { "" }
}

fn field_type(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => format!(
            "map<{},{}>",
            type_name(&entry.map_entry_key_field().kind()),
            type_name(&entry.map_entry_value_field().kind()),
        ),
        kind => type_name(&kind),
    }
}

fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => short(message.full_name()),
        Kind::Enum(descriptor) => short(descriptor.full_name()),
        scalar => format!("{scalar:?}"),
    }
}

/// Names of this package without it, names of others with a leading dot, as the facts write them.
fn short(full_name: &str) -> String {
    full_name
        .strip_prefix("csi.v1.")
        .map_or_else(|| format!(".{full_name}"), str::to_owned)
}
