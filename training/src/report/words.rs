//! What the report says in words and how it writes numbers.

use super::markup::{Markup, tag, text};
use crate::evaluate::{Evaluation, Protocol};

pub(super) fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::LeaveLastOut => "leave last out",
        Protocol::Ncf => "NCF",
        Protocol::Strong => "strong generalisation",
    }
}

/// What was asked.
pub(super) fn question(evaluation: &Evaluation) -> String {
    let (users, items) = (counted(evaluation.users, "user"), counted(evaluation.candidates, "item"));
    match evaluation.protocol {
        Protocol::LeaveLastOut => format!(
            "The last item of {users} was hidden, and every model ranked the whole catalogue of {items} from the \
             rest of the history: how early does the hidden item come?"
        ),
        Protocol::Ncf => format!(
            "For {users}, one hidden item each was ranked among {items}: itself and the negatives that come with the \
             data (He et al. 2017). How early does it come?"
        ),
        Protocol::Strong => format!(
            "With {users} kept out of training, every model was given four fifths of each one's history and ranked \
             the whole catalogue of {items} (Liang et al. 2018): how much of the hidden fifth comes early?"
        ),
    }
}

/// How seen items and ties count.
pub(super) fn rules(protocol: Protocol) -> String {
    let unmasked = match protocol {
        Protocol::LeaveLastOut => ", except for the metrics that end in _unmasked",
        Protocol::Ncf | Protocol::Strong => "",
    };
    format!(
        "Items already in the history are left out of the ranking (masked){unmasked}. Ties count against the model: an item \
         that scores the same as the one sought ranks before it."
    )
}

/// Each metric's family, its name and what it means.
const DEFINITIONS: [(&str, &str, &str); 5] = [
    ("hr", "HR@k, hit rate", "The share of users whose sought item is among the first k (He et al. 2017)."),
    (
        "recall",
        "Recall@k",
        "The number of sought items among the first k, divided by k or by how many are sought, whichever is less \
         (Liang et al. 2018).",
    ),
    (
        "ndcg",
        "NDCG@k, normalised discounted cumulative gain",
        "A sought item at place p of the first k adds 1 / log₂(p + 1); the sum is divided by what the best possible \
         order reaches.",
    ),
    (
        "mrr",
        "MRR, mean reciprocal rank",
        "The mean of 1 / p, where p is the sought item's place in the whole ranking.",
    ),
    (
        "coverage",
        "Coverage@k",
        "The share of the catalogue that is among the first k of at least one user: how varied the lists are, not how \
         good.",
    ),
];

const HE: (&str, &str) =
    ("He et al. 2017, Neural Collaborative Filtering, WWW", "https://doi.org/10.1145/3038912.3052569");
const LIANG: (&str, &str) = (
    "Liang et al. 2018, Variational Autoencoders for Collaborative Filtering, WWW",
    "https://doi.org/10.1145/3178876.3186150",
);
const EFRON: (&str, &str) = (
    "Efron 1979, Bootstrap Methods: Another Look at the Jackknife, Annals of Statistics",
    "https://doi.org/10.1214/aos/1176344552",
);
const WILSON: (&str, &str) = (
    "Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference, JASA",
    "https://doi.org/10.1080/01621459.1927.10502953",
);

const KOEHN: (&str, &str) = (
    "Koehn 2004, Statistical Significance Tests for Machine Translation Evaluation, EMNLP",
    "https://aclanthology.org/W04-3250/",
);

/// The definitions of the metrics in `columns`, and the sources.
pub(super) fn definitions(evaluation: &Evaluation, columns: &[&String]) -> [Markup; 2] {
    let is_used = |own: &str| columns.iter().any(|name| family(name) == own);
    let entries = DEFINITIONS
        .iter()
        .filter(|(family, ..)| is_used(family))
        .flat_map(|(_, name, meaning)| [tag("dt", &[], [text(name)]), tag("dd", &[], [text(meaning)])]);
    let origin = if evaluation.protocol == Protocol::Strong { LIANG } else { HE };
    let paired = (!evaluation.differences.is_empty()).then_some(KOEHN);
    let sources = [origin, EFRON, WILSON]
        .into_iter()
        .chain(paired)
        .map(|(title, address)| tag("li", &[], [tag("a", &[("href", &address)], [text(title)])]));
    [tag("dl", &[("class", &"definitions")], entries), tag("ul", &[("class", &"sources")], sources)]
}

/// `hr` of `hr@10_unmasked`.
pub(super) fn family(metric: &str) -> &str {
    metric.split('@').next().unwrap_or(metric)
}

pub(super) fn decimals(value: f64) -> String {
    format!("{value:.4}")
}

/// A difference, with its sign.
pub(super) fn signed(value: f64) -> String {
    format!("{value:+.4}").replace('-', "−")
}

/// 12,345.
pub(super) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let parts: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|part| str::from_utf8(part).unwrap_or("")).collect();
    parts.join(",")
}

/// 950, 1.2k, 27k: what fits under a tick.
pub(super) fn short(count: usize) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..9_950 => format!("{:.1}k", count as f64 / 1e3),
        9_950..999_500 => format!("{:.0}k", count as f64 / 1e3),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}

pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}
