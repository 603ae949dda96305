//! Implicit alternating least squares as a function of a history.
//!
//! Training (Hu, Koren and Volinsky 2008, with the weighting and regularisation of Rendle, Krichene, Zhang and Koren
//! 2021, "Revisiting the Performance of iALS on Item Recommendation Benchmarks", arXiv:2110.14037) leaves item factors
//! V. A history of items i with weights wᵢ is folded in by the same least squares that trained the users:
//!
//! A = α₀ VᵀV + λ (Σ wᵢ + α₀ N) I + Σ wᵢ vᵢ vᵢᵀ, q = A⁻¹ Σ wᵢ vᵢ, and the score of item j is q · vⱼ.
//!
//! Since q is a sum over the history, so is a score: item i contributes wᵢ vⱼᵀ A⁻¹ vᵢ.

use super::cholesky::{Cholesky, Symmetric};
use super::config::AlsConfig;
use super::error::ArtifactError;
use super::items::ItemMatrix;
use super::serving::{self, Serving};
use super::tensors::{Tensor, TensorFile};
use super::{Attraction, Recommender, Scan, Scored, Taste};
use crate::api::recommendation::Explanation;
use crate::catalogue::{Row, RowSet};

/// The tensor of `model.safetensors`: `[items, factors]`, row-major.
pub const ITEM_FACTORS: &str = "item_factors";

/// A mapped ALS model.
#[derive(Debug)]
pub struct Als {
    regularization: f64,
    alpha0: f64,
    items: ItemMatrix,
    gram: Gram,
}

/// VᵀV, rows padded to [`serving::gram_stride`].
#[derive(Debug)]
enum Gram {
    Mapped(Tensor<f64, 2>),
    Computed(Vec<f64>),
}

impl Gram {
    fn as_slice(&self) -> &[f64] {
        match self {
            Self::Mapped(gram) => gram.as_slice(),
            Self::Computed(gram) => gram,
        }
    }
}

impl Als {
    /// Takes the weights of an open file; `items` is the catalogue's number of items.
    ///
    /// # Errors
    /// When the weights have another type or shape than catalogue and configuration say.
    pub fn new(
        config: &AlsConfig,
        weights: &TensorFile,
        items: usize,
        serving: Option<Serving>,
    ) -> Result<Self, ArtifactError> {
        weights.expect_only(&[ITEM_FACTORS])?;
        let factors = weights.tensor(ITEM_FACTORS, [Some(items), Some(config.factors)])?;
        let (blocks, gram) = serving.map_or((None, None), |serving| (Some(serving.blocks), serving.gram));
        let gram = match gram {
            Some(gram) => Gram::Mapped(gram),
            None => Gram::Computed(serving::gram(factors.as_slice(), config.factors)),
        };
        let items = ItemMatrix::new(factors, blocks);
        Ok(Self { regularization: config.regularization, alpha0: config.alpha0, items, gram })
    }

    /// A for a history.
    fn system(&self, history: &[Attraction]) -> Symmetric {
        let [items, factors] = self.items.shape();
        let gram = self.gram.as_slice();
        let stride = serving::gram_stride(factors);
        let mut a = Symmetric::from_fn(factors, |i, j| self.alpha0 * gram[i * stride + j]);
        let weight: f64 = history.iter().map(|item| f64::from(item.weight)).sum();
        a.add_ridge(self.regularization * (weight + self.alpha0 * items as f64));
        a.add_outer_products(history.iter().map(|item| (item.weight, self.item_vector(item.row))));
        a
    }
}

impl Recommender for Als {
    fn taste<'a>(&'a self, history: &'a [Attraction]) -> Option<Box<dyn Taste + 'a>> {
        let known = |item: &Attraction| !self.item_vector(item.row).is_empty();
        if history.is_empty() || !history.iter().all(known) {
            return None;
        }
        let system = self.system(history).factor()?;
        let mut query = vec![0.0_f64; self.items.shape()[1]];
        for item in history {
            let weighted = self.item_vector(item.row).iter().map(|v| f64::from(item.weight) * f64::from(*v));
            query.iter_mut().zip(weighted).for_each(|(q, v)| *q += v);
        }
        system.solve(&mut query);
        let query = query.into_iter().map(|q| q as f32).collect();
        Some(Box::new(AlsTaste { model: self, history, system, query }))
    }

    fn top_k_each(&self, scans: &[Scan<'_>]) -> Vec<Vec<Scored>> {
        self.items.top_k_each(scans)
    }

    fn explanation(&self) -> Explanation {
        Explanation::Contributions
    }

    fn similar(&self, row: Row, k: usize, excluded: &RowSet) -> Vec<Scored> {
        self.items.similar(row, k, excluded)
    }

    fn item_vector(&self, row: Row) -> &[f32] {
        self.items.vector(row)
    }
}

/// A folded-in history.
struct AlsTaste<'a> {
    model: &'a Als,
    history: &'a [Attraction],
    system: Cholesky,
    query: Vec<f32>,
}

impl Taste for AlsTaste<'_> {
    fn query(&self) -> &[f32] {
        &self.query
    }

    fn top_k(&self, k: usize, excluded: &RowSet) -> Vec<Scored> {
        self.model.items.top_k(&self.query, k, excluded)
    }

    fn score(&self, row: Row) -> f32 {
        self.model.items.score(&self.query, row)
    }

    fn scores(&self) -> Vec<f32> {
        self.model.items.scores(&self.query)
    }

    fn contributions(&self, row: Row) -> Vec<f32> {
        let mut direction: Vec<f64> = self.model.item_vector(row).iter().map(|v| f64::from(*v)).collect();
        self.system.solve(&mut direction);
        let contribution = |item: &Attraction| {
            let vector = self.model.item_vector(item.row).iter();
            let dot: f64 = vector.zip(&direction).map(|(v, z)| f64::from(*v) * z).sum();
            (f64::from(item.weight) * dot) as f32
        };
        self.history.iter().map(contribution).collect()
    }
}
