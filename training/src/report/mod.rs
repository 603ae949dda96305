//! An evaluation as a page that explains itself: one HTML file that loads nothing and runs no script.

mod breakdown;
mod differences;
mod markup;
mod plots;
mod svg;
mod words;

use markup::{Markup, style, tag, text};
use words::{decimals, family};

use crate::evaluate::{Evaluation, Interval, ModelResult};

/// What it takes to train a model, or to ask all of them, again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What they are of: a model's name, say.
    pub of: String,
    /// Names and values.
    pub values: Vec<(String, String)>,
}

/// The page. `settings` are listed in their order. The same input gives the same bytes.
#[must_use]
pub fn html(evaluation: &Evaluation, settings: &[Settings]) -> String {
    let title = format!("Evaluation on {}", evaluation.source);
    let head = [
        tag("meta", &[("charset", &"utf-8")], []),
        tag("meta", &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")], []),
        tag("meta", &[("name", &"color-scheme"), ("content", &"light dark")], []),
        tag("title", &[], [text(&title)]),
        style(include_str!("page.css")),
    ];
    let definitions =
        section("Definitions and sources", words::definitions(evaluation, &columns(evaluation)));
    let parts = [
        header(evaluation, &title),
        settings_list(settings),
        results(evaluation),
        differences::section(evaluation),
        plots(evaluation),
        definitions,
    ];
    let body = [tag("main", &[], parts)];
    let page = tag("html", &[("lang", &"en")], [tag("head", &[], head), tag("body", &[], body)]);
    format!("<!DOCTYPE html>\n{page}\n")
}

fn header(evaluation: &Evaluation, title: &str) -> Markup {
    let protocol = format!("Marquee · {}", words::protocol_name(evaluation.protocol));
    let parts = [
        tag("p", &[("class", &"kicker")], [text(protocol)]),
        tag("h1", &[], [text(title)]),
        tag("p", &[("class", &"lead")], [text(words::question(evaluation))]),
        tag("p", &[], [text(words::rules(evaluation.protocol))]),
    ];
    tag("header", &[], parts)
}

fn settings_list(settings: &[Settings]) -> Markup {
    let value = |(name, value): &(String, String)| {
        tag("div", &[], [tag("dt", &[], [text(name)]), tag("dd", &[], [text(value)])])
    };
    let list = |settings: &Settings| {
        let parts = [tag("h3", &[], [text(&settings.of)]), tag("dl", &[], settings.values.iter().map(value))];
        tag("div", &[("class", &"settings")], parts)
    };
    let mut lists = settings.iter().filter(|settings| !settings.values.is_empty()).map(list).peekable();
    if lists.peek().is_none() {
        return Markup::default();
    }
    section("Settings", lists)
}

fn results(evaluation: &Evaluation) -> Markup {
    let columns = columns(evaluation);
    let rows = evaluation.models.iter().map(|model| {
        let cells = columns.iter().map(|column| cell(evaluation, model, column)).collect();
        (text(&model.name), cells)
    });
    let note = "Below each figure is its 95% interval: users were drawn anew many times (percentile bootstrap, Efron \
        1979).";
    let (mark, more) = if evaluation.models.len() > 1 {
        (
            " Bold: the highest of its column.",
            " All models are asked about the same users, so two models can differ although their intervals overlap: see the \
             differences.",
        )
    } else {
        ("", "")
    };
    let parts = [
        table("results", "model", &columns, rows),
        tag("p", &[("class", &"how")], [text(note), text(more), text(mark)]),
    ];
    section("Results", parts)
}

/// A table of figures, a row each of a heading and its cells.
fn table(
    label: &str,
    corner: &str,
    columns: &[&String],
    rows: impl Iterator<Item = (Markup, Vec<Markup>)>,
) -> Markup {
    let heads = columns.iter().map(|name| tag("th", &[("scope", &"col")], [text(name)]));
    let heads = [tag("th", &[("scope", &"col")], [text(corner)])].into_iter().chain(heads);
    let rows = rows.map(|(name, cells)| {
        let name = tag("th", &[("scope", &"row")], [name]);
        tag("tr", &[], [name].into_iter().chain(cells))
    });
    let table = tag("table", &[], [tag("thead", &[], [tag("tr", &[], heads)]), tag("tbody", &[], rows)]);
    // Reachable by keyboard, because it scrolls where the screen is narrow.
    tag(
        "div",
        &[("class", &"scroll"), ("role", &"region"), ("aria-label", &label), ("tabindex", &"0")],
        [table],
    )
}

fn cell(evaluation: &Evaluation, model: &ModelResult, column: &str) -> Markup {
    let Some(mean) = finite(model.metrics.get(column)) else { return tag("td", &[], [text("–")]) };
    let is_best = is_highest(evaluation, column, mean);
    let mean = tag(if is_best { "strong" } else { "span" }, &[], [text(decimals(mean))]);
    let range = |ends: Interval| text(format!("{} – {}", decimals(ends.0), decimals(ends.1)));
    let interval = interval(model, column).map(|ends| tag("small", &[], [range(ends)]));
    tag("td", &[("class", &if is_best { "best" } else { "" })], [mean].into_iter().chain(interval))
}

/// Whether no model has more and one has less.
fn is_highest(evaluation: &Evaluation, column: &str, mean: f64) -> bool {
    let others = || evaluation.models.iter().filter_map(|model| finite(model.metrics.get(column)));
    others().all(|other| other <= mean) && others().any(|other| other < mean)
}

fn plots(evaluation: &Evaluation) -> Markup {
    let figures = [
        plots::metrics(evaluation),
        plots::by_list_length(evaluation),
        breakdown::by_popularity(evaluation),
        breakdown::by_history(evaluation),
    ];
    section("Plots", [tag("div", &[("class", &"plots")], figures)])
}

fn section(title: &str, content: impl IntoIterator<Item = Markup>) -> Markup {
    tag("section", &[], [tag("h2", &[], [text(title)])].into_iter().chain(content))
}

/// The names of all metrics: what is served first, then what is seen unmasked, then coverage; each kind together.
fn columns(evaluation: &Evaluation) -> Vec<&String> {
    const FAMILIES: [&str; 4] = ["hr", "recall", "ndcg", "mrr"];
    let mut names: Vec<&String> = evaluation.models.iter().flat_map(|model| model.metrics.keys()).collect();
    names.sort_by_cached_key(|name| {
        let place = FAMILIES.iter().position(|other| *other == family(name));
        let cutoff = name.split('@').nth(1).and_then(|cutoff| cutoff.parse::<usize>().ok());
        (
            family(name) == "coverage",
            name.ends_with("_unmasked"),
            place.unwrap_or(FAMILIES.len()),
            cutoff,
            *name,
        )
    });
    names.dedup();
    names
}

/// The value, if it is a number.
fn finite(value: Option<&f64>) -> Option<f64> {
    value.copied().filter(|value| value.is_finite())
}

/// The interval, if its ends are numbers.
fn interval(model: &ModelResult, column: &str) -> Option<Interval> {
    model.intervals.get(column).copied().filter(|ends| ends.0.is_finite() && ends.1.is_finite())
}

#[cfg(test)]
mod tests;
