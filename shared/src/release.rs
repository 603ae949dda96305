//! What a release is held to: questions that its model was asked when the release was made, and the answers it gave.
//!
//! `marquee release` writes them beside the model; `verify-release` asks them of every new version before callers reach it.
//! A layer with another model, a build that counts otherwise, or a function that finds no model is noticed by that.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::recommendation::{RecommendedItem, Rung};
use crate::api::{self, RecommendationRequest};
use crate::catalogue::Row;
use crate::recommend::Recommending;

/// Name of the file, beside the model's folder.
pub const FILE: &str = "release.json";

const FORMAT_VERSION: u32 = 1;
/// Lengths of the histories that are asked about: one item, some, and more than a page.
const HISTORIES: [usize; 6] = [1, 2, 3, 5, 8, 50];
/// Items of an answer.
const K: usize = 10;
/// How much of a score may differ. On one kind of processor it is nothing; release and function may be of two, whose
/// libraries round the last digits of a sum otherwise.
const TOLERANCE: f32 = 1e-4;

/// What a release is held to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    format_version: u32,
    /// The model's digest.
    pub digest: String,
    /// What it was asked, at least one question.
    pub questions: Vec<Question>,
}

/// A history, and what the model makes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Ids of items, newest last.
    pub history: Vec<String>,
    /// The best ten others, best first.
    pub items: Vec<Expected>,
}

/// An item of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The item.
    pub item_id: String,
    /// Its score.
    pub score: f32,
}

impl Release {
    /// Asks a model.
    ///
    /// # Errors
    /// When it answers no history by itself.
    pub fn of(recommending: &Recommending) -> Result<Self, String> {
        let questions: Vec<_> = HISTORIES.iter().filter_map(|&n| Question::ask(recommending, n)).collect();
        if questions.is_empty() {
            return Err("it answers no history of its own items".into());
        }
        let digest = recommending.artifact().manifest.digest.clone();
        Ok(Self { format_version: FORMAT_VERSION, digest, questions })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is not of the format.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let release: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if release.format_version != FORMAT_VERSION {
            return Err(format!(
                "format_version {}; this build reads {FORMAT_VERSION}",
                release.format_version
            ));
        }
        if release.questions.is_empty() {
            return Err("it holds no question".into());
        }
        Ok(release)
    }

    /// Whether an answer to a question's [`Question::recommendation`] is right. What an accelerator answered is no concern
    /// of the release: that there are items is enough.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check_recommendation(&self, question: &Question, answer: &Value) -> Result<(), String> {
        match answer["receipt"]["rung"].as_str() {
            Some("accelerator") if items(answer)?.len() == question.items.len() => Ok(()),
            Some("function") => self.check_ranking(question, answer),
            rung => Err(format!(
                "the answer to a known history came from {}, with {} items",
                rung.unwrap_or("nowhere"),
                items(answer)?.len()
            )),
        }
    }

    /// Whether an answer to a question's [`Question::ranking`] is right.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check_ranking(&self, question: &Question, answer: &Value) -> Result<(), String> {
        let digest = answer["receipt"]["model"]["digest"].as_str().unwrap_or_default();
        if digest != self.digest {
            return Err(format!("the model {digest} answers, where the release has {}", self.digest));
        }
        question.compare(items(answer)?)
    }
}

impl Question {
    /// Asks about as many items as `length`, spread over the catalogue; `None` where it has too few, or where the model
    /// makes nothing of these.
    fn ask(recommending: &Recommending, length: usize) -> Option<Self> {
        let catalogue = &recommending.artifact().catalogue;
        let every = catalogue.len() / length;
        if every < 2 {
            return None;
        }
        // The popular first, so that the shortest histories are those that people have.
        let rows = (0..length).map(|place| catalogue.by_popularity().get(place * every).copied());
        let id = |row: Option<Row>| Some(catalogue.id(row?)?.to_owned());
        let mut question = Self { history: rows.map(id).collect::<Option<_>>()?, items: Vec::new() };
        let request: RecommendationRequest = api::parse_value(&question.recommendation()).ok()?;
        let answer = recommending.answer(&request, String::new());
        if answer.receipt.rung != Rung::Function {
            return None;
        }
        let expected = |item: RecommendedItem| Expected { item_id: item.item_id, score: item.score };
        question.items = answer.items.into_iter().map(expected).collect();
        (!question.items.is_empty()).then_some(question)
    }

    /// The body for `POST /v1/recommendations`.
    #[must_use]
    pub fn recommendation(&self) -> Value {
        json!({"history": self.history, "k": K, "deadline_ms": 5000})
    }

    /// The body for `POST /v1/rankings`: the same items, the best last.
    #[must_use]
    pub fn ranking(&self) -> Value {
        let items: Vec<_> = self.items.iter().rev().map(|item| &item.item_id).collect();
        json!({"history": self.history, "items": items, "deadline_ms": 5000})
    }

    /// Items in order, against those expected. Neighbours whose scores are nearly the same may change places, and the last
    /// with what comes after it.
    fn compare(&self, items: &[Value]) -> Result<(), String> {
        if items.len() != self.items.len() {
            return Err(format!("{} items, where {} are expected", items.len(), self.items.len()));
        }
        for (place, (expected, item)) in (1..).zip(self.items.iter().zip(items)) {
            let id = item["item_id"].as_str().unwrap_or_default();
            let score = item["score"].as_f64().unwrap_or(f64::NAN) as f32;
            let as_good = |other: &Expected| close(other.score, score);
            let fits = self.items.iter().any(|other| other.item_id == id && as_good(other))
                || self.items.last().is_some_and(as_good);
            if !as_good(expected) || !fits {
                let Expected { item_id, score: wanted } = expected;
                return Err(format!(
                    "place {place} is {id} ({score}), where {item_id} ({wanted}) is expected"
                ));
            }
        }
        Ok(())
    }
}

fn items(answer: &Value) -> Result<&Vec<Value>, String> {
    answer["items"].as_array().ok_or_else(|| "an answer without items".into())
}

fn close(one: f32, other: f32) -> bool {
    (one - other).abs() <= TOLERANCE * one.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn release() -> (Recommending, Release) {
        let folder = testing::artifact();
        let recommending = Recommending::open(folder.path()).unwrap();
        let release = Release::of(&recommending).unwrap();
        (recommending, release)
    }

    fn answer(recommending: &Recommending, question: &Question) -> Value {
        let request: RecommendationRequest = api::parse_value(&question.recommendation()).unwrap();
        serde_json::to_value(recommending.answer(&request, String::new())).unwrap()
    }

    #[test]
    fn the_model_that_was_asked_answers_as_it_did() {
        let (recommending, release) = release();
        for question in &release.questions {
            let answer = answer(&recommending, question);
            assert_eq!(release.check_recommendation(question, &answer), Ok(()));
            assert_eq!(release.check_ranking(question, &answer), Ok(()));
        }
    }

    #[test]
    fn a_file_says_the_same_again() {
        let (_, release) = release();
        let text = serde_json::to_vec(&release).unwrap();
        assert_eq!(Release::parse(&text), Ok(release));
        for text in [&b"{}"[..], br#"{"format_version": 2, "digest": "d", "questions": []}"#] {
            assert!(Release::parse(text).is_err());
        }
    }

    #[test]
    fn whatever_differs_is_said() {
        let (recommending, release) = release();
        let question = &release.questions[0];
        let right = answer(&recommending, question);
        let wrong = |pointer: &str, value: Value| {
            let mut answer = right.clone();
            *answer.pointer_mut(pointer).unwrap() = value;
            release.check_recommendation(question, &answer).unwrap_err()
        };
        assert!(wrong("/receipt/rung", json!("popular")).contains("came from popular"));
        assert!(wrong("/receipt/model/digest", json!("0")).contains("the model 0 answers"));
        assert!(wrong("/items/0/score", json!(1e6)).contains("place 1"));
        assert!(wrong("/items/0/item_id", json!("nobody-knows")).contains("nobody-knows"));
        assert!(wrong("/items", json!([])).contains("0 items"));
        assert!(wrong("/items", Value::Null).contains("without items"));
    }

    #[test]
    fn an_accelerators_answer_is_its_own() {
        let (recommending, release) = release();
        let question = &release.questions[0];
        let mut theirs = answer(&recommending, question);
        theirs["receipt"]["rung"] = json!("accelerator");
        theirs["items"][0]["score"] = json!(7.0);
        assert_eq!(release.check_recommendation(question, &theirs), Ok(()));
        theirs["items"] = json!([]);
        assert!(release.check_recommendation(question, &theirs).is_err());
    }
}
