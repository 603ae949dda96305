//! An evaluation as a page that explains itself: one HTML file that loads nothing and runs no script.

mod breakdown;
mod markup;
mod plots;
mod svg;
mod words;

use markup::{Markup, style, tag, text};
use words::{decimals, family};

use crate::evaluate::{Evaluation, Interval, ModelResult};

/// The page. `settings` are names and values to list, in their order. The same input gives the same bytes.
#[must_use]
pub fn html(evaluation: &Evaluation, settings: &[(String, String)]) -> String {
    let title = format!("Evaluation on {}", evaluation.source);
    let head = [
        tag("meta", &[("charset", &"utf-8")], []),
        tag("meta", &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")], []),
        tag("meta", &[("name", &"color-scheme"), ("content", &"light dark")], []),
        tag("title", &[], [text(&title)]),
        style(include_str!("page.css")),
    ];
    let definitions =
        section("Definitions and sources", words::definitions(evaluation.protocol, &columns(evaluation)));
    let parts = [
        header(evaluation, &title),
        settings_list(settings),
        results(evaluation),
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

fn settings_list(settings: &[(String, String)]) -> Markup {
    if settings.is_empty() {
        return Markup::default();
    }
    let entry = |(name, value): &(String, String)| {
        tag("div", &[], [tag("dt", &[], [text(name)]), tag("dd", &[], [text(value)])])
    };
    section("Settings", [tag("dl", &[("class", &"settings")], settings.iter().map(entry))])
}

fn results(evaluation: &Evaluation) -> Markup {
    let columns = columns(evaluation);
    let heads = columns.iter().map(|name| tag("th", &[("scope", &"col")], [text(name)]));
    let heads = [tag("th", &[("scope", &"col")], [text("model")])].into_iter().chain(heads);
    let rows = evaluation.models.iter().map(|(name, model)| {
        let name = tag("th", &[("scope", &"row")], [text(name)]);
        let cells = columns.iter().map(|column| cell(evaluation, model, column));
        tag("tr", &[], [name].into_iter().chain(cells))
    });
    let table = tag("table", &[], [tag("thead", &[], [tag("tr", &[], heads)]), tag("tbody", &[], rows)]);
    let note = "Below each figure is its 95% interval: users were drawn anew many times (percentile bootstrap, Efron \
        1979). All models are asked about the same users, so two models can differ although their intervals overlap.";
    let mark = if evaluation.models.len() > 1 { " Bold: the highest of its column." } else { "" };
    let parts = [
        // Reachable by keyboard, because it scrolls where the screen is narrow.
        tag(
            "div",
            &[("class", &"scroll"), ("role", &"region"), ("aria-label", &"results"), ("tabindex", &"0")],
            [table],
        ),
        tag("p", &[("class", &"how")], [text(note), text(mark)]),
    ];
    section("Results", parts)
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
    let others = || evaluation.models.values().filter_map(|model| finite(model.metrics.get(column)));
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
    let mut names: Vec<&String> = evaluation.models.values().flat_map(|model| model.metrics.keys()).collect();
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
