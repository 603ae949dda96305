//! How data become training histories and test cases.

use std::cmp::Reverse;
use std::collections::HashMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::data::{Dataset, NcfCase};
use crate::histories::Histories;

/// The protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Each user's last item is sought among the whole catalogue.
    LeaveLastOut,
    /// One item is sought among given negatives (He et al. 2017, "Neural Collaborative Filtering").
    Ncf,
    /// Held-out users: four fifths of a history are given, the rest is sought (Liang et al. 2018, "Variational
    /// Autoencoders for Collaborative Filtering").
    Strong,
}

/// One user to be asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What is given, oldest first: items and weights.
    pub history: Vec<(u32, f32)>,
    /// What is sought; at least one.
    pub targets: Vec<u32>,
    /// What is ranked; the whole catalogue when there is none.
    pub candidates: Option<Vec<u32>>,
}

/// Training histories and test cases that don't meet.
#[derive(Clone, Debug)]
pub struct Split {
    /// How it was made.
    pub protocol: Protocol,
    /// What to train on.
    pub training: Histories,
    /// What to ask.
    pub cases: Vec<Case>,
    /// How many items there are.
    pub items: usize,
    /// How many training interactions each item has.
    pub popularity: Vec<u32>,
    /// Each item's place in the order of popularity.
    pub popularity_rank: Vec<usize>,
}

impl Split {
    fn new(protocol: Protocol, training: Histories, cases: Vec<Case>) -> Result<Self, String> {
        if cases.is_empty() {
            return Err("no user has enough interactions to be tested on".into());
        }
        let items = training.items;
        let popularity = training.popularity();
        let mut order: Vec<usize> = (0..items).collect();
        order.sort_by_key(|item| (Reverse(popularity[*item]), *item));
        let mut popularity_rank = vec![0; items];
        order.into_iter().enumerate().for_each(|(rank, item)| popularity_rank[item] = rank);
        Ok(Self { protocol, training, cases, items, popularity, popularity_rank })
    }
}

/// Holds out the last item of every user who has at least two.
///
/// # Errors
/// When no user has.
pub fn leave_last_out(histories: Histories) -> Result<Split, String> {
    let mut training = histories;
    let mut cases = Vec::new();
    for history in &mut training.by_user {
        if history.len() < 2 {
            continue;
        }
        if let Some((target, _)) = history.pop() {
            cases.push(Case { history: history.clone(), targets: vec![target], candidates: None });
        }
    }
    Split::new(Protocol::LeaveLastOut, training, cases)
}

/// Takes test cases from NCF's files; training is everything in `histories`.
///
/// # Errors
/// When a test case names a user that the training data don't have.
pub fn ncf(mut data: Dataset, histories: Histories, tests: &[NcfCase]) -> Result<(Dataset, Split), String> {
    let users: HashMap<&str, usize> = data.users.iter().enumerate().map(|(i, id)| (id.as_str(), i)).collect();
    let mut items: HashMap<String, u32> =
        data.items.iter().enumerate().map(|(i, item)| (item.id.clone(), i as u32)).collect();
    let mut training = histories;
    let mut cases = Vec::with_capacity(tests.len());
    let mut added = Vec::new();
    for test in tests {
        let user = users.get(test.user.as_str());
        let user = user.ok_or_else(|| format!("test user {} has no training interaction", test.user))?;
        // An item that is only tested on is still a candidate.
        let mut index = |id: &String| {
            let next = items.len() as u32;
            *items.entry(id.clone()).or_insert_with(|| {
                added.push(id.clone());
                next
            })
        };
        let target = index(&test.positive);
        let mut candidates: Vec<u32> = test.negatives.iter().map(&mut index).collect();
        candidates.push(target);
        let history = training.by_user[*user].clone();
        cases.push(Case { history, targets: vec![target], candidates: Some(candidates) });
    }
    data.items.extend(added.into_iter().map(|id| crate::data::ItemMeta { id, ..Default::default() }));
    training.items = data.items.len();
    Ok((data, Split::new(Protocol::Ncf, training, cases)?))
}

/// One user in ten is held out, at most 10,000; of each, a fifth of the items, chosen at random, is sought.
///
/// # Errors
/// When no held-out user has two items.
pub fn strong(histories: Histories, seed: u64) -> Result<Split, String> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut eligible: Vec<usize> =
        (0..histories.by_user.len()).filter(|u| histories.by_user[*u].len() >= 2).collect();
    eligible.shuffle(&mut random);
    eligible.truncate((eligible.len() / 10).clamp(1, 10_000));
    eligible.sort_unstable();
    let mut training = histories;
    let mut cases = Vec::new();
    for user in eligible {
        let history = std::mem::take(&mut training.by_user[user]);
        let mut places: Vec<usize> = (0..history.len()).collect();
        places.shuffle(&mut random);
        let sought = (history.len() / 5).max(1);
        let is_sought = |place: &usize| places[..sought].contains(place);
        let (targets, given): (Vec<_>, Vec<_>) = (0..history.len()).partition(is_sought);
        cases.push(Case {
            history: given.into_iter().map(|place| history[place]).collect(),
            targets: targets.into_iter().map(|place| history[place].0).collect(),
            candidates: None,
        });
    }
    Split::new(Protocol::Strong, training, cases)
}
