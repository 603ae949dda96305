//! The engine over the mapped artifact: the code that answers inside a function, on all cores.

use std::sync::Arc;

use rayon::prelude::*;
use shared::catalogue::RowSet;
use shared::model::{Artifact, Scored};

use super::{Engine, EngineError, Query};

/// Answers one history at a time on each core: within one, a second thread makes it slower.
#[derive(Debug)]
pub struct Mapped {
    artifact: Arc<Artifact>,
    none: RowSet,
}

impl Mapped {
    /// Over an open artifact.
    #[must_use]
    pub fn new(artifact: Arc<Artifact>) -> Self {
        let none = RowSet::none(artifact.catalogue.len());
        Self { artifact, none }
    }

    fn list(&self, query: &Query) -> Vec<Scored> {
        let taste = self.artifact.recommender().taste(&query.history);
        taste.map(|taste| taste.top_k(query.limit, &self.none)).unwrap_or_default()
    }
}

impl Engine for Mapped {
    fn recommend(&self, batch: &[Query]) -> Result<Vec<Vec<Scored>>, EngineError> {
        Ok(match batch {
            // What is alone needs no other thread to be woken.
            [query] => vec![self.list(query)],
            batch => batch.par_iter().map(|query| self.list(query)).collect(),
        })
    }
}
