//! How a log line looks: as text for people, or as one JSON object.
//!
//! Answers for: the order of its parts, and that an RPC's lines carry its fields. Doesn't answer for: which lines are written.

use std::fmt::{self, Debug};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::rpc::Rpc;

/// `time LEVEL rpc{method, ids}: target: message fields`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        let about = event.metadata();
        write!(writer, " {:>5} ", about.level())?;
        if let Some(rpc) = Rpc::current() {
            let fields = rpc.fields().into_iter();
            let fields = fields.map(|(name, value)| match name {
                "rpc.method" => format!("{name}={value:?}"),
                _ => format!("{name}={value}"),
            });
            write!(writer, "rpc{{{}}}: ", fields.collect::<Vec<_>>().join(" "))?;
        }
        write!(writer, "{}: ", about.target())?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// An object whose keys are `timestamp`, `level`, the line's own fields, `target`, and `span` for what the RPC's lines share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let about = event.metadata();
        let mut line = Object(Map::new());
        line.put("timestamp", time);
        line.put("level", about.level().as_str());
        event.record(&mut line);
        line.put("target", about.target());
        if let Some(rpc) = Rpc::current() {
            let fields = rpc.fields().into_iter();
            let mut span: Map<String, Value> = fields
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            span.insert("name".to_owned(), "rpc".into());
            line.put("span", span);
        }
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Object {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::telemetry::in_current_rpc;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Sink {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// Tells something within an RPC and in a task that goes on for it, and something outside.
    async fn tell() {
        let rpc = Rpc::new("NodeStageVolume");
        rpc.clone()
            .scope(async move {
                rpc.about("volume.id", &"vol-1");
                tracing::info!(rpc.ms = 0.5, count = 3_u64, reason = "a \"b\"", "ended");
                in_current_rpc(async { tracing::warn!(code = ?Some(1), "went on") }).await;
            })
            .await;
        tracing::error!("alone");
    }

    fn told(subscriber: impl Subscriber + Send + Sync + 'static, sink: &Sink) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        tracing::subscriber::with_default(subscriber, || runtime.block_on(tell()));
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn json_lines_are_objects_with_the_fields_of_their_rpc() {
        let sink = Sink::default();
        let lines = tracing_subscriber::fmt().with_writer(sink.clone());
        let lines = told(lines.event_format(Json).finish(), &sink);
        let lines: Vec<Value> = lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["message"], "ended");
        assert_eq!(lines[0]["rpc.ms"], 0.5);
        assert_eq!(lines[0]["count"], 3);
        assert_eq!(lines[0]["reason"], "a \"b\"");
        assert_eq!(lines[0]["level"], "INFO");
        for line in &lines[..2] {
            assert_eq!(line["span"]["volume.id"], "vol-1");
            assert_eq!(line["span"]["rpc.method"], "NodeStageVolume");
        }
        assert_eq!(lines[1]["code"], "Some(1)");
        assert!(lines[2].get("span").is_none());
        assert!(lines[2]["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn text_lines_begin_with_their_rpc() {
        let sink = Sink::default();
        let lines = tracing_subscriber::fmt()
            .with_writer(sink.clone())
            .with_ansi(false);
        let lines = told(lines.event_format(Text).finish(), &sink);
        let shared = r#" rpc{rpc.method="NodeStageVolume" volume.id=vol-1}: "#;
        assert!(lines[0].contains(&format!(" INFO{shared}")), "{}", lines[0]);
        assert!(lines[0].ends_with(r#"ended rpc.ms=0.5 count=3 reason="a \"b\"""#));
        assert!(lines[1].contains(shared), "{}", lines[1]);
        assert!(lines[2].ends_with("tests: alone"), "{}", lines[2]);
    }
}
