//! The plots that need no grouping of users, and what all plots share: a figure and an axis of rates.

use super::markup::{Markup, tag, text};
use super::svg::{Canvas, LEFT, RIGHT, Scale, TOP, WIDTH, key, tick_label, ticks};
use super::words::decimals;
use super::{columns, finite, interval};
use crate::evaluate::{CaseResult, Evaluation, ModelResult, Protocol};

/// The lower edge of the plotting area of the plots of rates.
pub(super) const BOTTOM: f64 = 252.0;
/// The longest list that the hit rate is followed to.
const LONGEST_LIST: usize = 100;

/// A plot with its title, legend and a line on how to read it.
pub(super) struct Figure<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) height: f64,
    /// What it shows, for who can't see it.
    pub(super) description: String,
    pub(super) how_to_read: String,
    /// Whether it follows one sought item, which is to be said where there are several.
    pub(super) is_by_rank: bool,
}

impl Figure<'_> {
    pub(super) fn finish(self, evaluation: &Evaluation, canvas: Canvas) -> Markup {
        let follows_first = self.is_by_rank && evaluation.protocol == Protocol::Strong;
        let title = format!("{}{}", self.title, if follows_first { " (first item sought)" } else { "" });
        let more = if follows_first {
            " Of several items sought, the first is followed; the others compete with it."
        } else {
            ""
        };
        let entry = |(place, model): (usize, &ModelResult)| tag("li", &[], [key(place), text(&model.name)]);
        let parts = [
            tag("figcaption", &[], [text(&title)]),
            tag("ul", &[("class", &"legend")], evaluation.models.iter().enumerate().map(entry)),
            canvas.finish(self.id, self.height, &title, &self.description),
            tag(
                "p",
                &[("class", &"how")],
                [tag("b", &[], [text("How to read: ")]), text(self.how_to_read), text(more)],
            ),
        ];
        tag("figure", &[("id", &self.id)], parts)
    }
}

/// One row per metric, one point with its interval per model.
pub(super) fn metrics(evaluation: &Evaluation) -> Markup {
    const ROW: f64 = 13.0;
    const NAME: f64 = 24.0;
    let columns = columns(evaluation);
    let band = NAME + ROW * evaluation.models.len() as f64;
    let bottom = band * columns.len() as f64 + 6.0;
    let mut canvas = Canvas::default();
    let scale = metric_axis(&mut canvas, evaluation, bottom);
    for (row, column) in columns.iter().enumerate() {
        let top = band * row as f64;
        canvas.line("grid", (0.0, top), (WIDTH, top));
        canvas.text("name start", (0.0, top + 16.0), column);
        for (place, model) in evaluation.models.iter().enumerate() {
            let Some(mean) = finite(model.metrics.get(*column)) else { continue };
            let y = top + NAME + ROW * (place as f64 + 0.4);
            let mut hover = format!("{}, {column}: {}", model.name, decimals(mean));
            if let Some(ends) = interval(model, column) {
                canvas.whisker(place, (scale.at(ends.0), y), (scale.at(ends.1), y));
                hover += &format!(", 95% interval {} to {}", decimals(ends.0), decimals(ends.1));
            }
            canvas.mark(place, (scale.at(mean), y), &hover);
        }
    }
    let figure = Figure {
        id: "metrics",
        title: "Metrics and how certain they are",
        height: bottom + 48.0,
        description: "The figures of the table as points with 95% intervals, grouped by metric.".into(),
        how_to_read:
            "the bar is the 95% interval. Compare models within a metric, not metrics with each other.".into(),
        is_by_rank: false,
    };
    figure.finish(evaluation, canvas)
}

fn metric_axis(canvas: &mut Canvas, evaluation: &Evaluation, bottom: f64) -> Scale {
    let means = evaluation.models.iter().flat_map(|model| model.metrics.values().copied());
    let ends = evaluation.models.iter().flat_map(|model| model.intervals.values().map(|ends| ends.1));
    let steps = ticks(largest(means.chain(ends)));
    // Room for half a label at either end.
    let scale = Scale::linear((0.0, steps[steps.len() - 1]), (20.0, WIDTH - 20.0));
    for step in &steps {
        canvas.line("grid", (scale.at(*step), 0.0), (scale.at(*step), bottom));
        canvas.text("tick middle", (scale.at(*step), bottom + 16.0), &tick_label(*step, &steps));
    }
    canvas.text("label middle", (WIDTH / 2.0, bottom + 36.0), "value, 0 to 1");
    scale
}

/// The hit rate at every k, one line per model.
pub(super) fn by_list_length(evaluation: &Evaluation) -> Markup {
    let longest = evaluation.candidates.clamp(2, LONGEST_LIST);
    let rates: Vec<Vec<f64>> =
        evaluation.models.iter().map(|model| hit_rates(&model.cases, longest)).collect();
    let mut canvas = Canvas::default();
    let y = rate_axis(&mut canvas, largest(rates.iter().flatten().copied()), "hit rate@k, share of users");
    let x = Scale::logarithmic((1.0, longest as f64), (LEFT + 8.0, RIGHT - 8.0));
    let marked: Vec<usize> = [1, 2, 5, 10, 20, 50, 100].into_iter().filter(|k| *k <= longest).collect();
    for k in &marked {
        canvas.text("tick middle", (x.at(*k as f64), BOTTOM + 16.0), &k.to_string());
    }
    if (1..=longest).contains(&evaluation.k) {
        let at = x.at(evaluation.k as f64);
        canvas.line("cutoff", (at, TOP), (at, BOTTOM));
    }
    canvas.text("label middle", ((LEFT + RIGHT) / 2.0, BOTTOM + 36.0), "k, items in the list (logarithmic)");
    for (place, (model, rates)) in evaluation.models.iter().zip(&rates).enumerate() {
        let point = |k: usize| (x.at(k as f64), y.at(rates[k - 1]));
        canvas.curve(place, &(1..=longest).map(point).collect::<Vec<_>>());
        for k in &marked {
            canvas.mark(
                place,
                point(*k),
                &format!("{}: hit rate@{k} {}", model.name, decimals(rates[k - 1])),
            );
        }
    }
    let ends = |(model, rates): (&ModelResult, &Vec<f64>)| {
        let name = &model.name;
        format!("{name}: {} at k = 1, {} at k = {longest}.", decimals(rates[0]), decimals(rates[longest - 1]))
    };
    let figure = Figure {
        id: "list-length",
        title: "Hit rate by length of the list",
        height: BOTTOM + 48.0,
        description: evaluation.models.iter().zip(&rates).map(ends).collect::<Vec<_>>().join(" "),
        how_to_read: format!(
            "the height at k is the share of users whose sought item is among the first k. The dotted line is \
             k = {}.",
            evaluation.k
        ),
        is_by_rank: true,
    };
    figure.finish(evaluation, canvas)
}

/// The share of cases whose sought item is among the first k, for k from 1 to `longest`.
fn hit_rates(cases: &[CaseResult], longest: usize) -> Vec<f64> {
    let mut found_at = vec![0_usize; longest];
    for case in cases {
        if let Some(count) = found_at.get_mut(case.rank) {
            *count += 1;
        }
    }
    let mut found = 0;
    let rate = |count| {
        found += count;
        found as f64 / cases.len().max(1) as f64
    };
    found_at.into_iter().map(rate).collect()
}

/// A vertical axis from zero with its grid; its label stands above it.
pub(super) fn rate_axis(canvas: &mut Canvas, most: f64, label: &str) -> Scale {
    let steps = ticks(most);
    let scale = Scale::linear((0.0, steps[steps.len() - 1]), (BOTTOM, TOP));
    for step in &steps {
        let y = scale.at(*step);
        canvas.line(if *step == 0.0 { "axis" } else { "grid" }, (LEFT, y), (RIGHT, y));
        canvas.text("tick end", (LEFT - 7.0, y + 4.0), &tick_label(*step, &steps));
    }
    canvas.text("label start", (0.0, TOP - 15.0), label);
    scale
}

pub(super) fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.filter(|value| value.is_finite()).fold(0.0, f64::max)
}
