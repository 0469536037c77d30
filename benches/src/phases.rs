//! Where proving time goes: a `tracing` layer that adds up how long the prover's spans were entered.
//!
//! A span's own time is what is left of it without the spans inside. Only spans inside of the one that
//! [`Phases::enter`] opens count, so those of worker threads, which have no parent, do not count twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, EnteredSpan, Id};
use tracing::{info_span, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::Layer;

/// The name of what has no span of its own.
pub const REST: &str = "rest";
const WHOLE: &str = "measured";

/// Own time of each span by its label.
#[derive(Clone, Default)]
pub struct Phases(Arc<Mutex<BTreeMap<String, Duration>>>);

struct Timing {
    label: String,
    since: Option<Instant>,
    busy: Duration,
    inside: Duration,
}

/// A span's label: the field `tree` where it has one, else its name.
struct Label(Option<String>);

impl Visit for Label {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "tree" {
            self.0 = Some(value.to_string());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl Phases {
    /// Collects from now on, for the rest of the process.
    pub fn start() -> Self {
        let phases = Self::default();
        // Fails only if there is one already: then this one stays empty.
        let _ = tracing::subscriber::set_global_default(Registry::default().with(phases.clone()));
        phases
    }

    /// Counts spans until what it returns is dropped.
    pub fn enter(&self) -> EnteredSpan {
        info_span!(WHOLE).entered()
    }

    /// Mean milliseconds of each phase over a number of runs.
    pub fn mean(&self, runs: u32) -> BTreeMap<String, f64> {
        let totals = self.0.lock().map(|totals| totals.clone()).unwrap_or_default();
        totals
            .into_iter()
            .map(|(k, v)| (k, v.as_secs_f64() * 1e3 / f64::from(runs.max(1))))
            .collect()
    }

    fn add(&self, label: &str, time: Duration) {
        let label = if label == WHOLE || label == "prove" { REST } else { label };
        if let Ok(mut totals) = self.0.lock() {
            *totals.entry(label.to_string()).or_default() += time;
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Phases {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let ours = metadata.target().starts_with("veristar");
        metadata.is_span() && *metadata.level() <= Level::INFO && ours
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut label = Label(None);
        attributes.record(&mut label);
        let label = label.0.unwrap_or_else(|| span.name().to_string());
        let (busy, inside) = (Duration::ZERO, Duration::ZERO);
        span.extensions_mut().insert(Timing { label, since: None, busy, inside });
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(timing) = extensions.get_mut::<Timing>() {
            timing.since = Some(Instant::now());
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(timing) = extensions.get_mut::<Timing>() {
            timing.busy += timing.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Timing { label, busy, inside, .. }) = span.extensions_mut().remove() else {
            return;
        };
        if let Some(parent) = span.parent() {
            if let Some(timing) = parent.extensions_mut().get_mut::<Timing>() {
                timing.inside += busy;
            }
        }
        let measured = |s: &str| s == WHOLE;
        if measured(&label) || span.scope().skip(1).any(|parent| measured(parent.name())) {
            self.add(&label, busy.saturating_sub(inside));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_times_add_up_to_the_whole() {
        let phases = Phases::default();
        let subscriber = Registry::default().with(phases.clone());
        let start = Instant::now();
        tracing::subscriber::with_default(subscriber, || {
            drop(info_span!("outside").entered());
            let _whole = phases.enter();
            let _outer = info_span!("outer").entered();
            let _inner = info_span!("commit", tree = "values").entered();
            std::thread::sleep(Duration::from_millis(5));
        });
        let whole = start.elapsed().as_secs_f64() * 1e3;
        let mean = phases.mean(1);
        assert_eq!(mean.keys().collect::<Vec<_>>(), ["outer", REST, "values"]);
        assert!(mean["values"] >= 5.0 && mean.values().sum::<f64>() <= whole);
    }
}
