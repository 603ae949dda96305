//! How an answer is written on a line. No request id, no time, no duration: the bytes depend on the input, the model and
//! the stored state alone.

use serde::Serialize;

use super::layout::Row;
use crate::api::batches::{Format, Tally};
use crate::api::ranking::{RankedItem, RankingAnswer};
use crate::api::recommendation::{Explanation, ModelReceipt, RecommendedItem, Rung};
use crate::api::{Answer, Problem};

/// What is answered to a row.
#[derive(Debug)]
pub enum Output {
    /// To somebody who is recommended something.
    Recommendation(Answer),
    /// To somebody whose items are put in order.
    Ranking(RankingAnswer),
}

impl Output {
    /// Where it came from.
    #[must_use]
    pub const fn rung(&self) -> Rung {
        match self {
            Self::Recommendation(answer) => answer.receipt.rung,
            Self::Ranking(answer) => answer.receipt.rung,
        }
    }

    /// Item and score of each, best first.
    fn scored(&self) -> Vec<(&str, Option<f32>)> {
        match self {
            Self::Recommendation(answer) => {
                answer.items.iter().map(|item| (item.item_id.as_str(), Some(item.score))).collect()
            }
            Self::Ranking(answer) => {
                answer.items.iter().map(|item| (item.item_id.as_str(), item.score)).collect()
            }
        }
    }
}

/// Counts one line.
pub(super) fn count(tally: &mut Tally, outcome: &Result<Output, Problem>) {
    tally.rows += 1;
    *match outcome.as_ref().map(Output::rung) {
        Err(_) => &mut tally.errors,
        Ok(Rung::Accelerator) => &mut tally.accelerator,
        Ok(Rung::Function) => &mut tally.function,
        Ok(Rung::Popular) => &mut tally.popular,
    } += 1;
}

/// Writes the line of a row.
///
/// # Errors
/// Never in memory: what is written holds numbers, texts and lists alone.
pub fn line(
    format: Format,
    row: &Row<'_>,
    outcome: &Result<Output, Problem>,
    to: &mut Vec<u8>,
) -> serde_json::Result<()> {
    to.extend_from_slice(b"{\"input\":");
    to.extend_from_slice(&row.input);
    match format {
        Format::Marquee => marquee(row.line, outcome, to)?,
        Format::Personalize => personalize(outcome, to)?,
    }
    to.extend_from_slice(b"}\n");
    Ok(())
}

fn marquee(line: u64, outcome: &Result<Output, Problem>, to: &mut Vec<u8>) -> serde_json::Result<()> {
    match outcome {
        Ok(output) => {
            to.extend_from_slice(b",\"output\":");
            match output {
                Output::Recommendation(answer) => serde_json::to_writer(to, &Recommended::of(answer)),
                Output::Ranking(answer) => serde_json::to_writer(to, &Ranked::of(answer)),
            }
        }
        Err(problem) => {
            to.extend_from_slice(b",\"error\":");
            serde_json::to_writer(to, &LineProblem { line, problem })
        }
    }
}

/// The form of Amazon Personalize's batch jobs: no reasons, one of `output` and `error` is null.
fn personalize(outcome: &Result<Output, Problem>, to: &mut Vec<u8>) -> serde_json::Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Scores<'a> {
        recommended_items: Vec<&'a str>,
        scores: Vec<Option<f32>>,
    }
    let (output, error) = match outcome {
        Ok(output) => {
            let (recommended_items, scores) = output.scored().into_iter().unzip();
            (Some(Scores { recommended_items, scores }), None)
        }
        Err(problem) => (None, Some(sentence(problem))),
    };
    to.extend_from_slice(b",\"output\":");
    serde_json::to_writer(&mut *to, &output)?;
    to.extend_from_slice(b",\"error\":");
    serde_json::to_writer(to, &error)
}

/// A problem in one sentence.
fn sentence(problem: &Problem) -> String {
    let faults = problem.errors.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail));
    let said: Vec<_> =
        if problem.errors.is_empty() { vec![problem.detail.clone()] } else { faults.collect() };
    format!("{}: {}", problem.code.name(), said.join("; "))
}

#[derive(Serialize)]
struct Recommended<'a> {
    items: &'a [RecommendedItem],
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
    rung: Rung,
    model: &'a ModelReceipt,
}

impl<'a> Recommended<'a> {
    fn of(answer: &'a Answer) -> Self {
        let Answer { items, explanation, receipt, .. } = answer;
        Self { items, explanation: *explanation, rung: receipt.rung, model: &receipt.model }
    }
}

#[derive(Serialize)]
struct Ranked<'a> {
    items: &'a [RankedItem],
    rung: Rung,
    model: &'a ModelReceipt,
}

impl<'a> Ranked<'a> {
    fn of(answer: &'a RankingAnswer) -> Self {
        Self { items: &answer.items, rung: answer.receipt.rung, model: &answer.receipt.model }
    }
}

#[derive(Serialize)]
struct LineProblem<'a> {
    line: u64,
    #[serde(flatten)]
    problem: &'a Problem,
}
