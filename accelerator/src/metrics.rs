//! What `/metrics` shows, in the text format of Prometheus. The table in `docs/accelerator.md` says what to make of it.

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Everything that is counted.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Requests by model and status. What names no model that is served has an empty model, so that callers can't make
    /// up series.
    pub requests: Family<RequestLabels, Counter>,
    /// Whether new requests are welcome: 1, or 0 while draining.
    pub ready: Gauge,
    /// Open connections.
    pub connections: Gauge,
    /// Artifacts, certificates and tokens that were read again, by outcome.
    pub reloads: Family<ReloadLabels, Counter>,
    /// What is served: 1 for each model and version.
    pub models: Family<ModelInfo, Gauge>,
    /// Histories that wait, by model.
    pub queue: Family<ModelLabel, Gauge>,
    dropped: Family<DropLabels, Counter>,
    failures: Family<ModelLabel, Counter>,
    batch_histories: Family<ModelLabel, Histogram, fn() -> Histogram>,
    queue_seconds: Family<ModelLabel, Histogram, fn() -> Histogram>,
    compute_seconds: Family<ModelLabel, Histogram, fn() -> Histogram>,
}

/// The series of one model.
#[derive(Clone, Debug)]
pub struct ModelMetrics {
    /// Requests refused because the queue was full.
    pub full: Counter,
    /// Requests dropped because their timeout passed while they waited.
    pub late: Counter,
    /// Requests dropped because their caller had left.
    pub gone: Counter,
    /// Batches that the engine failed at.
    pub failed: Counter,
    /// Histories in a batch.
    pub batch_histories: Histogram,
    /// Seconds from a request's arrival to the start of its batch.
    pub queue_seconds: Histogram,
    /// Seconds that a batch is computed for.
    pub compute_seconds: Histogram,
}

/// Labels of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The model's name on the wire, or nothing.
    pub model: String,
    /// The HTTP status.
    pub status: u16,
}

/// Labels of something read again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReloadLabels {
    /// `model`, `certificate` or `tokens`.
    pub what: &'static str,
    /// `ok` or `failed`.
    pub outcome: &'static str,
}

/// Labels of what is served.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ModelInfo {
    /// The model's name on the wire.
    pub model: String,
    /// The artifact's version.
    pub version: String,
    /// `als` or `sasrec`.
    pub kind: &'static str,
    /// `cpu` or `cuda:N`.
    pub device: String,
}

/// The label of a model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ModelLabel {
    /// Its name on the wire.
    pub model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    model: String,
    reason: &'static str,
}

impl Metrics {
    /// Everything at nought.
    #[must_use]
    pub fn new() -> Self {
        // From 0.1 ms, less than which no model takes, by doubling to 3.3 s, more than which no caller waits.
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(1e-4, 2.0, 16));
        // 1 to 64, the most of a request.
        let histories: fn() -> Histogram = || Histogram::new(exponential_buckets(1.0, 2.0, 7));
        let mut metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            ready: Gauge::default(),
            connections: Gauge::default(),
            reloads: Family::default(),
            models: Family::default(),
            queue: Family::default(),
            dropped: Family::default(),
            failures: Family::default(),
            batch_histories: Family::new_with_constructor(histories),
            queue_seconds: Family::new_with_constructor(seconds),
            compute_seconds: Family::new_with_constructor(seconds),
        };
        metrics.registry = Arc::new(metrics.registered());
        // At nought from the start, or an alarm on their increase would miss the first.
        for (what, outcome) in
            ["model", "certificate", "tokens"].into_iter().flat_map(|what| [(what, "ok"), (what, "failed")])
        {
            metrics.reloads.get_or_create(&ReloadLabels { what, outcome });
        }
        metrics
    }

    fn registered(&self) -> Registry {
        let mut all = Registry::with_prefix("marquee_accelerator");
        all.register("requests", "Requests by model and HTTP status", self.requests.clone());
        all.register("ready", "1, or 0 while draining", self.ready.clone());
        all.register("connections", "Open connections", self.connections.clone());
        all.register("reloads", "What was read again, by outcome", self.reloads.clone());
        all.register("model", "1 for each model and version served", self.models.clone());
        all.register("queue_length", "Histories that wait", self.queue.clone());
        all.register("dropped_requests", "Requests that were not computed, by reason", self.dropped.clone());
        all.register("failed_batches", "Batches that the engine failed at", self.failures.clone());
        all.register("batch_histories", "Histories in a batch", self.batch_histories.clone());
        all.register("queue_seconds", "From arrival to the start of the batch", self.queue_seconds.clone());
        all.register("compute_seconds", "Time a batch is computed for", self.compute_seconds.clone());
        all
    }

    /// The series of one model.
    #[must_use]
    pub fn of_model(&self, model: &str) -> ModelMetrics {
        let label = ModelLabel { model: model.to_owned() };
        let dropped =
            |reason| self.dropped.get_or_create_owned(&DropLabels { model: model.to_owned(), reason });
        ModelMetrics {
            full: dropped("full"),
            late: dropped("late"),
            gone: dropped("gone"),
            failed: self.failures.get_or_create_owned(&label),
            batch_histories: self.batch_histories.get_or_create_owned(&label),
            queue_seconds: self.queue_seconds.get_or_create_owned(&label),
            compute_seconds: self.compute_seconds.get_or_create_owned(&label),
        }
    }

    /// Counts something that was read again.
    pub fn reloaded(&self, what: &'static str, ok: bool) {
        let outcome = if ok { "ok" } else { "failed" };
        self.reloads.get_or_create(&ReloadLabels { what, outcome }).inc();
    }

    /// All of it as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
