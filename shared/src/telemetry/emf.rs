//! Lines that are log and metrics at once: CloudWatch's Embedded Metric Format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use metrique::emf::{Emf, MetricDefinition, MetricDirective};
use metrique::writer::format::Format;
use metrique::writer::unit::AsCount;
use metrique::writer::{Entry, Unit};
use tracing::Level;

/// The namespace of every metric.
const NAMESPACE: &str = "Marquee";
/// The field that tells deployments in one account apart; a dimension of every metric.
const SERVICE: &str = "service";

/// What one line says, beside what every line says. Its fields that are metrics, their units and their dimensions are
/// in its type; each combination of dimensions that ever occurs is a metric to be paid for, so that only fields with
/// few values are dimensions.
pub(super) trait Record: Entry {
    /// The same for a person.
    fn message(&self) -> &'static str;

    /// How bad it is.
    fn level(&self) -> Level;

    /// Whether the field `Answers` counts by [`ANSWER_DIMENSIONS`].
    fn is_answer(&self) -> bool {
        false
    }
}

/// The fields by which `Answers` is counted, finer than the other metrics of its line.
const ANSWER_DIMENSIONS: [&str; 3] = [SERVICE, "route", "rung"];

/// A number of things, as a metric.
pub(super) fn count(number: usize) -> AsCount<u64> {
    AsCount::from(number as u64)
}

/// Writes each record as one line, at once.
pub(super) struct Emitter {
    service: String,
    output: Mutex<Output>,
}

struct Output {
    line: Vec<u8>,
    format: Emf,
    answer_format: Emf,
    to: Box<dyn Write + Send>,
}

#[derive(Entry)]
struct Common<'r> {
    #[entry(timestamp)]
    at: SystemTime,
    timestamp: String,
    level: &'static str,
    message: &'static str,
    service: &'r str,
}

impl Emitter {
    pub(super) fn new(service: &str, to: impl Write + Send + 'static) -> Self {
        let format = || Emf::builder(NAMESPACE.into(), vec![vec![SERVICE.into()]]);
        let answers = MetricDefinition { name: "Answers", unit: Unit::Count, storage_resolution: None };
        let by_rung = MetricDirective {
            dimensions: vec![ANSWER_DIMENSIONS.to_vec()],
            metrics: vec![answers],
            namespace: NAMESPACE,
        };
        let output = Output {
            line: Vec::new(),
            format: format().build(),
            answer_format: format().directive(by_rung).build(),
            to: Box::new(to),
        };
        Self { service: service.to_owned(), output: Mutex::new(output) }
    }

    /// Writes a record's line. A line that can't be written is lost: no answer waits for the log.
    pub(super) fn emit(&self, record: &impl Record) {
        let at = SystemTime::now();
        let common = Common {
            at,
            timestamp: rfc_3339(at),
            level: record.level().as_str(),
            message: record.message(),
            service: &self.service,
        };
        // Each line is made from its start, whatever a panic left.
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let Output { line, format, answer_format, to } = &mut *output;
        line.clear();
        let format = if record.is_answer() { answer_format } else { format };
        match format.format(&common.merge_by_ref(record), line) {
            Ok(()) => _ = to.write_all(line).and_then(|()| to.flush()),
            Err(error) => tracing::error!(error = error.to_string(), "a line of the log could not be made"),
        }
    }
}

/// As the other lines have it; with milliseconds.
fn rfc_3339(at: SystemTime) -> String {
    let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    format!("{:.3}", Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH))
}
