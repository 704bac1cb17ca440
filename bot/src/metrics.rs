//! How is it going? Numbers for Prometheus, in OpenMetrics' text.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::queue::Depth;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    answer: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Worked {
    task: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    task: &'static str,
}

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    deliveries: Family<Answered, Counter>,
    accepting: Histogram,
    tasks: Family<Worked, Counter>,
    taking: Family<Kind, Histogram>,
    from_arrival: Histogram,
    comments: Counter,
    waiting: Gauge<u64, AtomicU64>,
    leased: Gauge<u64, AtomicU64>,
    dead: Gauge<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let fine = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0];
        let coarse = || Histogram::new([0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0]);
        let metrics = Self {
            registry: Registry::with_prefix("apprentice"),
            deliveries: Family::default(),
            accepting: Histogram::new(fine),
            tasks: Family::default(),
            taking: Family::new_with_constructor(coarse),
            from_arrival: coarse(),
            comments: Counter::default(),
            waiting: Gauge::default(),
            leased: Gauge::default(),
            dead: Gauge::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("deliveries", "Deliveries by what was answered", self.deliveries.clone());
        let help = "Time until a delivery was answered";
        registry.register_with_unit("accepting", help, Unit::Seconds, self.accepting.clone());
        registry.register("tasks", "Tasks by kind and result", self.tasks.clone());
        registry.register_with_unit("task", "Time one try took", Unit::Seconds, self.taking.clone());
        let help = "Time from a delivery to the end of its review";
        registry.register_with_unit("review_from_delivery", help, Unit::Seconds, self.from_arrival.clone());
        registry.register("comments", "Comments posted", self.comments.clone());
        registry.register("queue_waiting", "Tasks that wait", self.waiting.clone());
        registry.register("queue_leased", "Tasks that are worked on", self.leased.clone());
        registry.register("queue_dead", "Tasks that were given up", self.dead.clone());
        self
    }

    /// A delivery was answered.
    pub(crate) fn delivery(&self, answer: &'static str, took: Duration) {
        self.deliveries.get_or_create(&Answered { answer }).inc();
        self.accepting.observe(took.as_secs_f64());
    }

    /// A task was tried.
    pub(crate) fn task(&self, task: &'static str, result: &'static str, took: Duration) {
        self.tasks.get_or_create(&Worked { task, result }).inc();
        self.taking.get_or_create(&Kind { task }).observe(took.as_secs_f64());
    }

    /// A review ended so long after it was asked for.
    pub(crate) fn reviewed(&self, since_arrival: Duration) {
        self.from_arrival.observe(since_arrival.as_secs_f64());
    }

    /// So many comments were posted.
    pub(crate) fn commented(&self, many: usize) {
        self.comments.inc_by(many as u64);
    }

    /// How many tasks there are now.
    pub(crate) fn depth(&self, depth: Depth) {
        self.waiting.set(depth.waiting);
        self.leased.set(depth.leased);
        self.dead.set(depth.dead);
    }

    /// Everything as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let _ = encode(&mut text, &self.registry);
        text
    }
}
