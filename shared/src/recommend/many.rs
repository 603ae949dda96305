//! Many people at once, for whoever has time: batches. The answers are those that each person would get alone.

use std::time::Duration;

use tokio::time::Instant;

use super::{Own, Person, Recommending, Remembered, alone};
use crate::accelerator::{Accelerator, CallError, Ranked, contract};
use crate::api::ranking::{RankingAnswer, RankingRequest};
use crate::api::recommendation::{Reason, Rung};
use crate::api::{Answer, RecommendationRequest};
use crate::model::topk::Ask;

use super::ladder::Verdict;

impl Recommending {
    /// Answers requests of people of whom this is remembered, in their order, from the function's own model: the catalogue
    /// comes from memory once for all of them. Their receipts have no request id.
    #[must_use]
    pub fn answer_all(&self, asked: &[(&RecommendationRequest, &Remembered)]) -> Vec<Answer> {
        let started = Instant::now();
        let people = self.people(asked);
        let owns = self.own_all(asked, &people);
        let written = asked.iter().zip(&people).zip(&owns).map(|(((request, _), person), own)| {
            self.write(request, String::new(), person, (alone(own.outcome), own, None), started)
        });
        written.collect()
    }

    /// The same from an accelerator, at most [`contract::BATCH_LIMIT`] people a call, which may take so long. Whoever's list
    /// the rules leave too little of, or has no known history, is answered as by [`answer_all`](Self::answer_all).
    ///
    /// # Errors
    /// When the accelerator gives nothing.
    pub async fn answer_all_by(
        &self,
        accelerator: &dyn Accelerator,
        timeout: Duration,
        asked: &[(&RecommendationRequest, &Remembered)],
    ) -> Result<Vec<Answer>, CallError> {
        let started = Instant::now();
        let people = self.people(asked);
        let mut lists = self.lists_of(accelerator, timeout, &people).await?;
        let mut answers = Vec::with_capacity(asked.len());
        for (((request, _), person), ranked) in asked.iter().zip(&people).zip(&mut lists) {
            let was_asked = ranked.is_some();
            let theirs = ranked.take().and_then(|ranked| self.judge(person, request, ranked));
            let (verdict, own) = if theirs.is_some() {
                let verdict = Verdict { rung: Rung::Accelerator, accelerator: None, function: None };
                // What an explanation is made of.
                (verdict, self.own_for_explaining(person, request))
            } else {
                let own = self.own(person, request);
                let accelerator = was_asked.then_some(Reason::AcceleratorInsufficient);
                (Verdict { accelerator, ..alone(own.outcome) }, own)
            };
            answers.push(self.write(
                request,
                String::new(),
                person,
                (verdict, &own, theirs.as_ref()),
                started,
            ));
        }
        Ok(answers)
    }

    /// Orders items for a person of whom this is remembered.
    #[must_use]
    pub fn rank_remembering(&self, request: &RankingRequest, remembered: &Remembered) -> RankingAnswer {
        self.rank_knowing(request, remembered, String::new(), Instant::now())
    }

    fn people<'a>(&self, asked: &[(&'a RecommendationRequest, &'a Remembered)]) -> Vec<Person<'a>> {
        asked.iter().map(|(request, remembered)| self.person(remembered, request)).collect()
    }

    fn own_all<'a>(
        &'a self,
        asked: &[(&RecommendationRequest, &Remembered)],
        people: &'a [Person<'_>],
    ) -> Vec<Own<'a>> {
        let tastes: Vec<_> = people.iter().map(|person| self.taste(person)).collect();
        let scans = people.iter().zip(&tastes).filter_map(|(person, taste)| {
            let taste = taste.as_ref().ok()?;
            let rules = &person.rules;
            Some(Ask { query: taste.query(), k: rules.wanted, excluded: &rules.excluded })
        });
        let scans: Vec<_> = scans.collect();
        let mut lists = self.artifact.recommender().top_k_of_many(&scans).into_iter();
        let mut owns = Vec::with_capacity(people.len());
        for (((request, _), person), taste) in asked.iter().zip(people).zip(tastes) {
            owns.push(match taste {
                Ok(taste) => self.checked(person, request, taste, lists.next().unwrap_or_default()),
                Err(outcome) => Own::none(outcome),
            });
        }
        owns
    }

    fn own_for_explaining<'a>(&'a self, person: &'a Person<'_>, request: &RecommendationRequest) -> Own<'a> {
        let taste = request.explain.then(|| self.taste(person).ok()).flatten();
        Own { taste, ..Own::none(super::OwnAnswer::NothingKnown) }
    }

    /// The accelerator's list of everybody with a known history.
    async fn lists_of(
        &self,
        accelerator: &dyn Accelerator,
        timeout: Duration,
        people: &[Person<'_>],
    ) -> Result<Vec<Option<Ranked>>, CallError> {
        let mut lists: Vec<Option<Ranked>> = people.iter().map(|_| None).collect();
        let known: Vec<usize> =
            (0..people.len()).filter(|&place| !people[place].history.attractions.is_empty()).collect();
        for places in known.chunks(contract::BATCH_LIMIT) {
            let histories: Vec<_> =
                places.iter().map(|&place| people[place].history.attractions.as_slice()).collect();
            let limit = |&place: &usize| people[place].rules.rows_to_ask_for(&people[place].history);
            let limit = places.iter().map(limit).max().unwrap_or(1);
            let request = contract::request(&histories, limit, timeout);
            let response = accelerator.infer(&request, Instant::now() + timeout).await?;
            let items = contract::lists(&response, places.len(), self.artifact.catalogue.len());
            let items = items.map_err(|error| CallError::InvalidOutput(error.to_string()))?;
            for (&place, items) in places.iter().zip(items) {
                lists[place] = Some(Ranked {
                    items,
                    model: accelerator.model().to_owned(),
                    version: contract::version(&response),
                    digest: contract::digest(&response),
                });
            }
        }
        Ok(lists)
    }
}
