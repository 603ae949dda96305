//! Models against each other, user by user: the table that says whether a difference is more than chance.

use super::markup::{Markup, tag, text};
use super::words::signed;
use super::{columns, table};
use crate::evaluate::{Difference, Evaluation, MetricDifference};

/// The section, or nothing where there are no two models.
pub(super) fn section(evaluation: &Evaluation) -> Markup {
    let is_compared = |column: &&String| {
        evaluation.differences.iter().any(|difference| difference.metrics.contains_key(*column))
    };
    let columns: Vec<&String> = columns(evaluation).into_iter().filter(is_compared).collect();
    if columns.is_empty() {
        return Markup::default();
    }
    let rows = evaluation.differences.iter().map(|difference| {
        let cells = columns.iter().map(|column| cell(difference.metrics.get(*column))).collect();
        (name(difference), cells)
    });
    let note = "The mean over users of what one model has more than the other, and below it its 95% interval: the same \
        users were drawn anew for both (paired bootstrap, Koehn 2004). Marked where the interval excludes 0: ▲ more than \
        the other, ▼ less. Each interval stands for itself: between equal models, one in twenty excludes 0 by chance.";
    let parts =
        [table("differences", "difference", &columns, rows), tag("p", &[("class", &"how")], [text(note)])];
    super::section("Differences", parts)
}

fn name(difference: &Difference) -> Markup {
    text(format!("{} − {}", difference.model, difference.baseline))
}

fn cell(found: Option<&MetricDifference>) -> Markup {
    let is_finite = |found: &&MetricDifference| {
        [found.difference, found.interval.0, found.interval.1].iter().all(|value| value.is_finite())
    };
    let Some(found) = found.filter(is_finite) else { return tag("td", &[], [text("–")]) };
    let (class, mark) = match (found.interval.excludes_zero(), found.difference > 0.0) {
        (true, true) => ("higher", "▲ "),
        (true, false) => ("lower", "▼ "),
        (false, _) => ("", ""),
    };
    let mean = tag(
        if mark.is_empty() { "span" } else { "strong" },
        &[],
        [text(mark), text(signed(found.difference))],
    );
    let range = format!("{} to {}", signed(found.interval.0), signed(found.interval.1));
    tag("td", &[("class", &class)], [mean, tag("small", &[], [text(range)])])
}
