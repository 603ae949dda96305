//! `marquee recommend`: from titles, roughly spelled, to a table.

use std::cmp::Reverse;

use anyhow::{Result, bail};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use serde_json::json;
use shared::api::http::RequestId;
use shared::api::recommendation::Rung;
use shared::api::{Answer, Problem, parse};
use shared::catalogue::{Catalogue, Row};
use shared::recommend::Recommending;

use crate::commands::RecommendOptions;
use crate::{cache, output};

pub(crate) fn run(options: &RecommendOptions) -> Result<()> {
    let folder = match &options.model {
        Some(folder) => folder.clone(),
        None => cache::demo_model()?,
    };
    let recommending = Recommending::open(&folder)?;
    let answer = ask(&recommending, options)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print(&answer);
    }
    Ok(())
}

/// Builds the body that a client would send, and parses it like the service does.
fn ask(recommending: &Recommending, options: &RecommendOptions) -> Result<Answer> {
    let catalogue = &recommending.artifact().catalogue;
    let mut history = Vec::new();
    for (titles, kind) in [(&options.dislike, "dislike"), (&options.like, "like")] {
        for title in titles {
            let row = find(catalogue, title)?;
            eprintln!("{kind}: {}", titled(catalogue, row));
            history.push(json!({"item_id": catalogue.id(row), "type": kind}));
        }
    }
    let mut body =
        json!({"history": history, "k": options.k, "diversity": options.diversity, "explain": true});
    if !options.genre.is_empty() {
        body["filters"] = json!({"genres_any": options.genre});
    }
    match parse(body.to_string().as_bytes()) {
        Ok(request) => Ok(recommending.answer(&request, RequestId::random().0)),
        Err(problem) => bail!(sentence(&problem)),
    }
}

fn sentence(problem: &Problem) -> String {
    let faults = problem.errors.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail));
    faults.collect::<Vec<_>>().join("; ")
}

/// The item that an id or a rough title means: the exact id, else the exact title, else the title that has all its
/// letters in order and matches best, else the one spelled most like it. Of equals the shorter, then the better known.
fn find(catalogue: &Catalogue, wanted: &str) -> Result<Row> {
    if let Some(row) = catalogue.row(wanted) {
        return Ok(row);
    }
    let titled =
        || catalogue.by_popularity().iter().filter_map(|&row| catalogue.title(row).map(|title| (row, title)));
    let lower = wanted.to_lowercase();
    if let Some((row, _)) = titled().find(|(_, title)| title.to_lowercase() == lower) {
        return Ok(row);
    }
    let pattern = Pattern::parse(wanted, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut score = |title: &str| {
        let score = pattern.score(Utf32Str::new(title, &mut buffer), &mut matcher)?;
        Some((score, Reverse(title.len())))
    };
    let matching = titled().filter_map(|(row, title)| score(title).map(|score| (score, row)));
    if let Some((_, row)) = matching.reduce(|best, next| if next.0 > best.0 { next } else { best }) {
        return Ok(row);
    }
    let spelled = titled().map(|(row, title)| (likeness(&lower, &title.to_lowercase()), row, title));
    match spelled.reduce(|best, next| if next.0 > best.0 { next } else { best }) {
        Some((likeness, row, _)) if likeness >= LIKE_ENOUGH => Ok(row),
        Some((likeness, _, title)) if likeness > 0.0 => {
            bail!("no title is like {wanted:?}; the nearest is {title:?}")
        }
        _ => bail!("no title is like {wanted:?}"),
    }
}

/// How much of its letters a misspelled title must share with the real one.
const LIKE_ENOUGH: f64 = 0.5;

/// Dice's coefficient of the pairs of neighbouring letters (Dice 1945): 0 for none in common, 1 for all.
fn likeness(a: &str, b: &str) -> f64 {
    let pairs = |text: &str| {
        let letters: Vec<char> = text.chars().collect();
        letters.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
    };
    let (a, mut b) = (pairs(a), pairs(b));
    let all = (a.len() + b.len()).max(1);
    let mut common = 0;
    for pair in a {
        if let Some(place) = b.iter().position(|other| *other == pair) {
            b.swap_remove(place);
            common += 1;
        }
    }
    f64::from(2 * common) / all as f64
}

fn titled(catalogue: &Catalogue, row: Row) -> String {
    let title = catalogue.title(row).or(catalogue.id(row)).unwrap_or_default();
    catalogue.year(row).map_or_else(|| title.to_owned(), |year| format!("{title} ({year})"))
}

fn print(answer: &Answer) {
    let mut table = output::table();
    table.set_header(["#", "title", "year", "genres", "score", "because of"]);
    for item in &answer.items {
        let because = item.because.iter().flatten().take(2).filter(|reason| reason.weight > 0.0);
        let because: Vec<_> = because.map(|b| b.title.as_deref().unwrap_or(&b.item_id)).collect();
        table.add_row([
            item.rank.to_string(),
            item.title.clone().unwrap_or_else(|| item.item_id.clone()),
            item.year.map_or_else(String::new, |year| year.to_string()),
            item.genres.join(", "),
            format!("{:.3}", item.score),
            because.join(", "),
        ]);
    }
    println!("{table}");
    let receipt = &answer.receipt;
    let from = match receipt.rung {
        Rung::Accelerator => "the accelerator",
        Rung::Function => "the model",
        Rung::Popular => "what is popular: nothing was liked",
    };
    let version = receipt.model.version.as_deref().unwrap_or("of no version");
    println!("from {from} ({} {version}), {:.2} ms", receipt.model.name, receipt.elapsed_ms);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_forgives_a_slip_and_not_another_title() {
        assert!(likeness("mullholand", "mulholland drive") >= LIKE_ENOUGH);
        assert!(likeness("allien", "alien") >= LIKE_ENOUGH);
        assert!(likeness("xyzzy", "alien") < LIKE_ENOUGH);
        assert_eq!(likeness("", ""), 0.0);
    }
}
