//! Where the time goes: a `tracing` layer that adds up how long spans were entered, by their path.
//!
//! Without `--profile` only this project's own spans are taken; with it also those of stwo. Spans
//! of worker threads have no parent there and form trees of their own.

use super::text;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::Layer;

type Totals = BTreeMap<Vec<String>, Total>;

#[derive(Clone, Copy, Default)]
struct Total {
    time: Duration,
    count: u64,
}

/// Collects times while it is alive on this thread.
pub struct Profile {
    totals: Arc<Mutex<Totals>>,
}

struct Collect {
    totals: Arc<Mutex<Totals>>,
    everything: bool,
}

struct Timing {
    label: String,
    since: Option<Instant>,
    busy: Duration,
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

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collect {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let ours = metadata.target().starts_with("veristar");
        metadata.is_span() && *metadata.level() <= Level::INFO && (ours || self.everything)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut label = Label(None);
        attributes.record(&mut label);
        let label = label.0.unwrap_or_else(|| span.name().to_string());
        span.extensions_mut().insert(Timing { label, since: None, busy: Duration::ZERO });
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
        let label = |span: &tracing_subscriber::registry::SpanRef<'_, S>| {
            span.extensions().get::<Timing>().map_or_else(String::new, |t| t.label.clone())
        };
        let path: Vec<String> = span.scope().from_root().map(|span| label(&span)).collect();
        let busy = span.extensions().get::<Timing>().map_or(Duration::ZERO, |t| t.busy);
        if let Ok(mut totals) = self.totals.lock() {
            let total = totals.entry(path).or_default();
            total.time += busy;
            total.count += 1;
        }
    }
}

impl Profile {
    /// Starts collecting, for the rest of the process.
    pub fn start(everything: bool) -> Self {
        let totals = Arc::new(Mutex::new(Totals::new()));
        let layer = Collect { totals: totals.clone(), everything };
        // Fails only if there is one already: then this one stays empty.
        let _ = tracing::subscriber::set_global_default(Registry::default().with(layer));
        Self { totals }
    }

    fn totals(&self) -> Totals {
        self.totals.lock().map(|totals| totals.clone()).unwrap_or_default()
    }

    /// The phases directly below a span, the longest first.
    pub fn below(&self, parent: &str) -> Vec<(String, Duration)> {
        let mut phases: Vec<(String, Duration)> = self
            .totals()
            .into_iter()
            .filter_map(|(path, total)| match path.as_slice() {
                [first, phase] if first == parent => Some((phase.clone(), total.time)),
                _ => None,
            })
            .collect();
        phases.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        phases
    }

    /// A tree: each level sorted by total time; what is below 0.5 % of the whole is left out.
    pub fn tree(&self) -> String {
        let mut rows = Vec::new();
        self.visit(|depth, name, total, own| {
            rows.push(vec![
                format!("{}{name}", "  ".repeat(depth)),
                text::time(total.time),
                text::time(own),
                total.count.to_string(),
            ]);
        });
        text::table(&["span", "total", "own", "times"], &rows)
    }

    /// The same as a list, depth first.
    pub fn json(&self) -> Value {
        let mut rows = Vec::new();
        self.visit(|depth, name, total, own| {
            rows.push(json!({
                "depth": depth,
                "span": name,
                "ms": text::milliseconds(total.time),
                "own_ms": text::milliseconds(own),
                "times": total.count,
            }));
        });
        rows.into()
    }

    fn visit(&self, mut line: impl FnMut(usize, &str, Total, Duration)) {
        let totals = self.totals();
        let roots = totals.iter().filter(|(path, _)| path.len() == 1);
        let whole: Duration = roots.map(|(_, total)| total.time).sum();
        descend(&totals, &[], whole / 200, &mut line);
    }
}

fn descend(
    totals: &Totals,
    parent: &[String],
    least: Duration,
    line: &mut impl FnMut(usize, &str, Total, Duration),
) {
    for (path, total) in children(totals, parent) {
        if total.time < least {
            continue;
        }
        let inside: Duration = children(totals, path).iter().map(|(_, t)| t.time).sum();
        let name = path.last().map_or("", String::as_str);
        line(parent.len(), name, total, total.time.saturating_sub(inside));
        descend(totals, path, least, line);
    }
}

fn children<'t>(totals: &'t Totals, parent: &[String]) -> Vec<(&'t Vec<String>, Total)> {
    let mut found: Vec<_> = totals
        .iter()
        .filter(|(path, _)| path.len() == parent.len() + 1 && path.starts_with(parent))
        .map(|(path, total)| (path, *total))
        .collect();
    found.sort_by_key(|(_, total)| std::cmp::Reverse(total.time));
    found
}
