//! What templates come to. Each result of the first table was Go's own (text/template of Go 1.26), as were those of 300,000 random ones
//! with which this was compared.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn variables() -> Variables {
    Variables::new([
        ("PVCName", Some("ebs-claim".to_owned())),
        ("PVCNamespace", Some("ns-prod-abcdef".to_owned())),
        ("PVName", Some("pvc-1234".to_owned())),
    ])
}

fn evaluate(text: &str) -> Result<String, String> {
    let template = Template::parse(text);
    let result = template.and_then(|template| template.evaluate(&variables()));
    result.map_err(|error| error.to_string())
}

/// `None`: refused.
const AS_GO: &[(&str, Option<&str>)] = &[
    ("plain value", Some("plain value")),
    ("a}}b", Some("a}}b")),
    ("{{ .PVCName }}", Some("ebs-claim")),
    ("{{.PVCName}}", Some("ebs-claim")),
    (
        "{{ .PVCNamespace }}/{{ .PVCName }}",
        Some("ns-prod-abcdef/ebs-claim"),
    ),
    ("{{\t.PVName\t}}", Some("pvc-1234")),
    ("{{ $.PVName }}", Some("pvc-1234")),
    (r#"{{ .PVCNamespace | contains "prod" }}"#, Some("true")),
    (r#"{{ .PVCNamespace | contains "test" }}"#, Some("false")),
    (
        r#"{{ .PVCNamespace | field "-" 2 | toUpper }}"#,
        Some("ABCDEF"),
    ),
    (r#"{{ .PVCNamespace | field "-" 3 }}"#, None),
    (r#"{{ .PVCNamespace | field "-" -1 }}"#, None),
    (r#"{{ field "" 1 .PVCName }}"#, Some("b")),
    (r#"{{ field "-" 0 "" }}"#, Some("")),
    ("{{ .PVCNamespace | substring 0 4 }}", Some("ns-p")),
    ("{{ .PVCNamespace | substring -1 2 }}", Some("ns")),
    ("{{ .PVCNamespace | substring 3 -1 }}", Some("prod-abcdef")),
    ("{{ .PVCNamespace | substring 3 100 }}", Some("prod-abcdef")),
    ("{{ .PVCNamespace | substring -1 100 }}", None),
    ("{{ .PVCNamespace | substring 5 3 }}", None),
    (
        r#"{{ substring 0 (index "-" .PVCNamespace) .PVCNamespace }}"#,
        Some("ns"),
    ),
    (
        r#"{{ substring (lastIndex "-" .PVCNamespace) -1 .PVCNamespace }}"#,
        Some("-abcdef"),
    ),
    (r#"{{ index "zzz" .PVName }}"#, Some("-1")),
    ("{{ .PVCName|toUpper|toLower }}", Some("ebs-claim")),
    (
        r#"{{ toUpper (field "-" 1 .PVCNamespace) | printf "%s:%s" "env" }}"#,
        Some("env:PROD"),
    ),
    ("{{ (toUpper (.PVCName)) }}", Some("EBS-CLAIM")),
    (
        r#"{{ "a" }}{{ `b"\n` }}{{ "c\t\u00e9\x41\101\"" }}"#,
        Some("ab\"\\nc\téAA\""),
    ),
    (r"{{ 'a' }}{{ '\n' }}{{ '\'' }}", Some("971039")),
    (r#"{{ "}}" }}"#, Some("}}")),
    (
        "{{ 10 }} {{ 0x1F }} {{ 0b11 }} {{ 0o17 }} {{ 017 }} {{ -3 }} {{ +4 }} {{-3}}",
        Some("10 31 3 15 15 -3 4 -3"),
    ),
    ("{{ true }}{{ false }}", Some("truefalse")),
    ("  x  {{- .PVName -}}  y  ", Some("  xpvc-1234y  ")),
    ("  x  {{ .PVName }}  y  ", Some("  x  pvc-1234  y  ")),
    ("  x  {{-.PVName}}", None),
    ("a {{- /* gone */ -}} b", Some("ab")),
    ("a {{/* gone */}} b", Some("a  b")),
    ("a {{ /* not one */ }} b", None),
    ("{{/* open", None),
    ("{{ .PVName | }}", Some("pvc-1234")),
    ("{{ | .PVName }}", None),
    ("{{ }}", None),
    ("{{ .PVName", None),
    ("{{ .PVName }", None),
    (r#"{{ "open }}"#, None),
    ("{{ (.PVName }}", None),
    ("{{ .PVName) }}", None),
    ("{{ .PVName.More }}", None),
    ("{{ .Other }}", None),
    ("{{ other }}", None),
    (r#"{{ .PVName "x" }}"#, None),
    (r#"{{ .PVName | "x" }}"#, None),
    (r#"{{ "a""b" }}"#, None),
    ("{{ .PVName-}}", None),
    ("{{ toUpper 1 }}", None),
    (r#"{{ substring "0" 1 .PVName }}"#, None),
    (r#"{{ contains "a" }}"#, None),
    ("{{ contains .PVName 1 }}", None),
    ("{{ len .PVName }}", Some("8")),
    ("{{ len 3 }}", None),
    (
        r#"{{ if contains "prod" .PVCNamespace }}live{{ else }}test{{ end }}"#,
        Some("live"),
    ),
    (
        r#"{{ if eq .PVCName "x" }}a{{ else if eq .PVCName "ebs-claim" "y" }}b{{ else }}c{{ end }}"#,
        Some("b"),
    ),
    ("{{ if not .PVCName }}none{{ end }}", Some("")),
    ("{{ if .PVCName }}a", None),
    ("{{ else }}", None),
    ("{{ end }}", None),
    ("{{ if .PVCName }}{{ else }}{{ else }}{{ end }}", None),
    (
        "{{ with .PVCName }}<{{ . }}|{{ $.PVName }}>{{ end }}",
        Some("<ebs-claim|pvc-1234>"),
    ),
    (
        r#"{{ with "" }}a{{ else with .PVName }}{{ . }}{{ end }}"#,
        Some("pvc-1234"),
    ),
    (r#"{{ with "" }}a{{ else if true }}b{{ end }}"#, None),
    (r#"{{ if "" }}a{{ else with "x" }}b{{ end }}"#, None),
    (
        r#"{{ $ns := .PVCNamespace | field "-" 1 }}{{ $ns }}-{{ $ns | toUpper }}"#,
        Some("prod-PROD"),
    ),
    (
        r#"{{ $x := "a" }}{{ if true }}{{ $x = "b" }}{{ end }}{{ $x }}"#,
        Some("b"),
    ),
    (
        r#"{{ $x := "a" }}{{ if true }}{{ $x := "b" }}{{ end }}{{ $x }}"#,
        Some("a"),
    ),
    ("{{ $x }}", None),
    (
        r#"{{ if $n := index "-" .PVCName }}{{ $n }}{{ end }}{{ $n }}"#,
        None,
    ),
    (
        r#"{{ and .PVCName .PVName }} {{ and "" .PVName }} {{ or "" .PVName "z" }} {{ or "" 0 }}"#,
        Some("pvc-1234  pvc-1234 0"),
    ),
    ("{{ and false (len 3) }}", Some("false")),
    (
        r#"{{ eq 1 1 }} {{ ne "a" "b" }} {{ lt 1 2 }} {{ le "b" "a" }} {{ gt 2 1 }} {{ ge 1 1 }} {{ eq true false }}"#,
        Some("true true true false true true false"),
    ),
    (r#"{{ eq 1 "1" }}"#, None),
    ("{{ eq 1 }}", None),
    ("{{ lt true false }}", None),
    (
        "{{ slice .PVCNamespace 3 7 }} {{ slice .PVName 4 }} {{ slice .PVName }}",
        Some("prod 1234 pvc-1234"),
    ),
    ("{{ slice .PVName 9 }}", None),
    (
        r#"{{ print "a" 1 2 "b" true false .PVName }}"#,
        Some("a1 2btrue falsepvc-1234"),
    ),
    (r#"{{ println "a" 1 }}|"#, Some("a 1\n|")),
    (
        r#"{{ printf "%s-%d-%v-%t-%5s|%-5s|%05d|%.2s%%" "a" 7 "b" true "r" "l" -42 "cut" }}"#,
        Some("a-7-b-true-    r|l    |-0042|cu%"),
    ),
    ("{{ html .PVName }}", None),
    ("{{ .PVName | js }}", None),
    ("{{ call .PVName }}", None),
    (r#"{{ urlquery "a b" }}"#, None),
    (r#"{{ toUpper "grün" }}"#, Some("GRÜN")),
    ("{{ 08 }}", None),
    ("{{ 9223372036854775808 }}", None),
    (r#"{{ $x:="a" }}{{ $x}}"#, Some("a")),
    (r#"{{ $x="a" }}"#, None),
    ("{{ .PVName , .PVName }}", None),
    ("{{{ .PVName }}}", None),
    ("{{ {{ .PVName }} }}", None),
];

#[test]
fn templates_come_to_what_go_makes_of_them() {
    for (template, expected) in AS_GO {
        let result = evaluate(template);
        assert_eq!(result.as_deref().ok(), *expected, "{template}: {result:?}");
    }
}

/// Go takes these. They are refused with the part that is to blame and with what there is instead.
#[rstest]
#[case("a{{ range .PVName }}b{{ end }}", "range .PVName", "if, with, else")]
#[case(r#"{{ define "x" }}b{{ end }}"#, "define", "not offered")]
#[case(r#"{{ eq .PVName nil }}"#, "nil", "a string or a whole number")]
#[case("{{ 1.5 }}", "1.5", "whole numbers")]
#[case("{{ 1_000 }}", "1_000", "whole numbers")]
#[case("{{ . }}", ".", "name one")]
#[case(r#"{{ printf "%q" .PVName }}"#, "printf", "%s is for strings")]
#[case(r#"{{ printf "%s" }}"#, "printf", "no value for %s")]
#[case(r#"{{ printf "" 1 }}"#, "printf", "no place for the last 1 values")]
#[case(r#"{{ printf "%999s" "" }}"#, "printf", "more than 256")]
#[case(r#"{{ slice "é" 1 }}"#, "slice", "whole characters")]
#[case(r#"{{ toUpper "ß" }}"#, "toUpper", "one letter")]
#[case("{{ $ := 1 }}", "$ := 1", "give it a name")]
#[case(r"{{ .PVName | html }}", "html", "there are and, contains, eq, field")]
fn what_is_not_offered_is_named(#[case] template: &str, #[case] at: &str, #[case] why: &str) {
    let words = evaluate(template).unwrap_err();
    assert!(words.contains(at) && words.contains(why), "{words}");
}

#[test]
fn variables_that_nobody_told_are_empty_and_unknown_ones_are_refused() {
    let none = Variables::new([("PVCName", None), ("PVName", None)]);
    let template = Template::parse("<{{ .PVCName }}>{{ if .PVName }}x{{ end }}").unwrap();
    assert_eq!(template.evaluate(&none).unwrap(), "<>");
    let template = Template::parse("{{ .PVCname }}").unwrap();
    let words = template.evaluate(&none).unwrap_err().to_string();
    assert!(words.contains("there are .PVCName, .PVName"), "{words}");
}

#[test]
fn nothing_grows_without_bounds() {
    let doubling =
        r#"{{ $x := "0123456789abcdef" }}"#.to_owned() + &"{{ $x = print $x $x }}".repeat(40);
    let words = evaluate(&doubling).unwrap_err();
    assert!(words.contains("more than 4096"), "{words}");
    for deep in ["(", "{{ if true }}"] {
        let text = format!("{{{{ {} }}}}", deep.repeat(5_000));
        let text = if deep == "(" {
            text
        } else {
            deep.repeat(5_000)
        };
        let words = evaluate(&text).unwrap_err();
        assert!(words.contains("more than 64"), "{words}");
    }
    assert!(evaluate(&"x".repeat(5_000)).is_err());
}

/// A literal that Go reads as this text.
fn quoted(text: &str) -> String {
    let mut literal = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            c if c.is_control() => literal += &format!("\\u{:04x}", u32::from(c)),
            c => literal.push(c),
        }
    }
    literal + "\""
}

/// An expression of strings, and what it is worth.
fn expression() -> impl Strategy<Value = (String, String)> {
    let leaf = prop_oneof![
        "[ -~é\n]{0,6}".prop_map(|text| (quoted(&text), text)),
        Just((".PVCName".to_owned(), "ebs-claim".to_owned())),
        Just(("$.PVName".to_owned(), "pvc-1234".to_owned())),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), any::<bool>()).prop_map(|((e, value), piped)| {
                let text = if piped {
                    format!("{e} | toUpper")
                } else {
                    format!("toUpper ({e})")
                };
                (
                    text,
                    value
                        .chars()
                        .map(|c| c.to_uppercase().next().unwrap())
                        .collect(),
                )
            }),
            (inner.clone(), inner.clone(), any::<bool>()).prop_map(|((a, x), (b, y), piped)| {
                let text = if piped {
                    format!("{b} | print ({a})")
                } else {
                    format!("print ({a}) ({b})")
                };
                (text, x + &y)
            }),
            (inner.clone(), inner).prop_map(|((a, x), (b, y))| {
                (format!("or ({a}) ({b})"), if x.is_empty() { y } else { x })
            }),
        ]
    })
}

proptest! {
    /// Pipelines and parentheses mean the same, at any depth, with any white space, and quotes hold what they hold.
    #[test]
    fn nested_pipelines_are_worth_what_their_parts_are(
        (text, value) in expression(), before in "[ \n]{0,2}a[ \n]{0,2}", left: bool, right: bool,
    ) {
        let open = if left { "{{- " } else { "{{" };
        let close = if right { " -}}" } else { "}}" };
        let template = format!("{before}{open}{text}{close}{before}");
        let head = if left { before.trim_end() } else { &before };
        let tail = if right { before.trim_start() } else { &before };
        prop_assert_eq!(evaluate(&template), Ok(format!("{head}{value}{tail}")));
    }

    #[test]
    fn text_without_actions_is_itself(text in "[^{]{0,40}") {
        prop_assert_eq!(evaluate(&text), Ok(text));
    }

    /// Whatever is written, there is an answer.
    #[test]
    fn any_text_is_answered(parts in prop::collection::vec(prop_oneof![
        "\\PC{0,3}", Just("{{".to_owned()), Just("}}".to_owned()), Just("{{- ".to_owned()), Just(" -}}".to_owned()),
        Just("if ".to_owned()), Just("{{ end }}".to_owned()), Just("{{ else }}".to_owned()), Just("$x := ".to_owned()),
        Just(".PVCName".to_owned()), Just(" | ".to_owned()), Just("printf ".to_owned()), Just("substring -1 99 ".to_owned()),
    ], 0..20)) {
        let _ = evaluate(&parts.concat());
    }
}
