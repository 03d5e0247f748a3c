//! Objects of Kubernetes as YAML that `kubectl apply` takes.
//!
//! Answers for: block style, one document an object, and quotes wherever a text could be taken for something else.
//! Doesn't answer for: reading YAML.

use serde_json::Value;

/// The objects as documents of one stream.
pub(super) fn documents(objects: &[&Value]) -> String {
    let mut text = String::new();
    for (at, object) in objects.iter().enumerate() {
        if at > 0 {
            text.push_str("---\n");
        }
        block(object, 0, &mut text);
    }
    text
}

/// Writes a value that begins on a line of its own.
fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                text.push_str(&" ".repeat(indent));
                text.push_str(&scalar(key));
                text.push(':');
                after(value, indent + 2, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let at = text.len();
                // What begins on the next line moves up behind the dash, which has as much room.
                block(item, indent + 2, text);
                let dashed = format!("{}- ", " ".repeat(indent));
                text.replace_range(at..at + indent + 2, &dashed);
            }
        }
        flat => {
            text.push_str(&" ".repeat(indent));
            text.push_str(&inline(flat));
            text.push('\n');
        }
    }
}

/// Writes a value behind its key.
fn after(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            block(value, indent, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            block(value, indent, text);
        }
        flat => {
            text.push(' ');
            text.push_str(&inline(flat));
            text.push('\n');
        }
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        // Of an empty object or list JSON's spelling is YAML's, and so it is of numbers, booleans and null.
        other => other.to_string(),
    }
}

/// A text without quotes only where nothing else can be read from it: YAML takes `no`, `1e3` and `a: b` for other things, and
/// every text of JSON for what it is.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 10] = [
        "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan",
    ];
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
    let lower = text.to_ascii_lowercase();
    if starts && text.bytes().all(fits) && !WORDS.contains(&lower.as_str()) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_written_as_kubernetes_reads_them() {
        let object = json!({
            "kind": "PersistentVolume",
            "metadata": {"name": "a", "labels": {}, "annotations": {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"}},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "",
                "mountOptions": [],
                "nodeAffinity": {"required": {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "k", "operator": "In", "values": ["z1", "z2"]}]},
                ]}},
                "lists": [[1, true], null],
            },
        });
        let expected = "\
kind: PersistentVolume
metadata:
  annotations:
    pv.kubernetes.io/provisioned-by: ebs.csi.aws.com
  labels: {}
  name: a
spec:
  accessModes:
    - ReadWriteOnce
  lists:
    - - 1
      - true
    - null
  mountOptions: []
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions:
            - key: k
              operator: In
              values:
                - z1
                - z2
  storageClassName: \"\"
";
        assert_eq!(documents(&[&object]), expected);
        assert_eq!(documents(&[&json!(1), &json!(2)]), "1\n---\n2\n");
    }

    #[test]
    fn what_could_be_something_else_is_quoted() {
        for plain in ["gp3", "eu-central-1b", "a.b/c_d", "Retain", "e3"] {
            assert_eq!(scalar(plain), plain);
        }
        for quoted in [
            "", "no", "True", "Null", "1e3", "10Gi", "-", "- a", "a: b", "a #b", "~", "*a", "a\nb",
            "ü", "{}", " a", "0x1f", ".inf",
        ] {
            let written = scalar(quoted);
            assert!(written.starts_with('"'), "{written}");
            let read: String = serde_json::from_str(&written).unwrap();
            assert_eq!(read, quoted);
        }
    }
}
