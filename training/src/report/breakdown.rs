//! Hit rates by group of users: for whom does a model work?

use std::ops::RangeInclusive;

use super::markup::Markup;
use super::plots::{BOTTOM, Figure, largest, rate_axis};
use super::svg::{Canvas, LEFT, RIGHT, Scale};
use super::words::{decimals, grouped, short};
use crate::evaluate::{CaseResult, Evaluation, ModelResult};

/// Both ends count. The first is for users of whose history no item was left to ask with.
const HISTORY_LENGTHS: [(usize, usize); 7] =
    [(0, 0), (1, 10), (11, 20), (21, 50), (51, 100), (101, 200), (201, usize::MAX)];
/// The normal quantile of a 95% interval.
const Z: f64 = 1.96;

/// Hit rates by how popular the item sought is.
pub(super) fn by_popularity(evaluation: &Evaluation) -> Markup {
    let plot = Breakdown {
        id: "popularity",
        title: "Hit rate by popularity",
        axis: "tenth of the users; below, its last popularity rank",
        how_to_read: "users in ten parts by how popular the item they sought is, the most popular first. A line that falls \
            to zero finds only what everyone knows. Bars: 95% Wilson intervals.",
        of: |case| case.popularity_rank,
        groups: popularity_tenths(cases(evaluation)),
    };
    plot.draw(evaluation)
}

/// Hit rates by how much was known of the user.
pub(super) fn by_history(evaluation: &Evaluation) -> Markup {
    let plot = Breakdown {
        id: "history",
        title: "Hit rate by length of history",
        axis: "items in the history; below, the number of users",
        how_to_read: "a line that rises does better for users it knows more about. Bars: 95% Wilson intervals, wide where \
            users are few.",
        of: |case| case.history,
        groups: history_lengths(cases(evaluation)),
    };
    plot.draw(evaluation)
}

/// The cases of one model: what was asked is the same for all.
fn cases(evaluation: &Evaluation) -> &[CaseResult] {
    evaluation.models.first().map_or(&[], |model| &model.cases)
}

/// Cases whose property lies in a range.
struct Group {
    range: RangeInclusive<usize>,
    label: String,
    /// What stands below the label.
    note: String,
}

/// Users who sought the same item stay together, so a tenth may be empty; it is left out.
fn popularity_tenths(cases: &[CaseResult]) -> Vec<Group> {
    let mut ranks: Vec<usize> = cases.iter().map(|case| case.popularity_rank).collect();
    ranks.sort_unstable();
    let tenth = |rank: usize| ranks.partition_point(|other| *other < rank) * 10 / ranks.len();
    let group = |part: &[usize]| {
        let (first, last) = (part[0], part[part.len() - 1]);
        Group { range: first..=last, label: (tenth(first) + 1).to_string(), note: short(last + 1) }
    };
    ranks.chunk_by(|a, b| tenth(*a) == tenth(*b)).map(group).collect()
}

fn history_lengths(cases: &[CaseResult]) -> Vec<Group> {
    let group = |(from, to): (usize, usize)| {
        let users = cases.iter().filter(|case| (from..=to).contains(&case.history)).count();
        let label = match to {
            0 => "0".into(),
            usize::MAX => format!("{from}+"),
            to => format!("{from}–{to}"),
        };
        (users > 0).then(|| Group { range: from..=to, label, note: grouped(users) })
    };
    HISTORY_LENGTHS.into_iter().filter_map(group).collect()
}

struct Breakdown<'a> {
    id: &'a str,
    title: &'a str,
    axis: &'a str,
    how_to_read: &'a str,
    /// The property that users are grouped by.
    of: fn(&CaseResult) -> usize,
    groups: Vec<Group>,
}

impl Breakdown<'_> {
    fn draw(&self, evaluation: &Evaluation) -> Markup {
        let k = evaluation.k;
        let rates =
            |cases: &[CaseResult]| self.groups.iter().map(|group| self.rate(cases, group, k)).collect();
        let rates: Vec<Vec<Rate>> = evaluation.models.iter().map(|model| rates(&model.cases)).collect();
        let slot = (RIGHT - LEFT) / self.groups.len().max(1) as f64;
        let middle = |place: usize| LEFT + slot * (place as f64 + 0.5);
        let mut canvas = Canvas::default();
        let most = largest(rates.iter().flatten().map(|rate| rate.high));
        let y = rate_axis(&mut canvas, most, &format!("hit rate@{k}, share of users"));
        for (place, group) in self.groups.iter().enumerate() {
            canvas.text("tick middle", (middle(place), BOTTOM + 16.0), &group.label);
            canvas.text("tick small middle", (middle(place), BOTTOM + 30.0), &group.note);
        }
        canvas.text("label middle", ((LEFT + RIGHT) / 2.0, BOTTOM + 50.0), self.axis);
        // Models stand side by side in the middle two thirds of a slot, so that their bars don't cover each other.
        let models = rates.len() as f64;
        let apart = (slot * 0.67 / models).min(10.0);
        for (place, (model, rates)) in evaluation.models.iter().zip(&rates).enumerate() {
            let offset = (place as f64 - (models - 1.0) / 2.0) * apart;
            self.line(&mut canvas, (place, &model.name), rates, &y, |place| middle(place) + offset);
        }
        let figure = Figure {
            id: self.id,
            title: self.title,
            height: BOTTOM + 60.0,
            description: self.description(evaluation, &rates),
            how_to_read: self.how_to_read.into(),
            is_by_rank: true,
        };
        figure.finish(evaluation, canvas)
    }

    fn rate(&self, cases: &[CaseResult], group: &Group, k: usize) -> Rate {
        let asked = cases.iter().filter(|case| group.range.contains(&(self.of)(case)));
        let (hits, users) =
            asked.fold((0, 0), |(hits, users), case| (hits + usize::from(case.rank < k), users + 1));
        Rate::new(hits, users)
    }

    fn line(
        &self,
        canvas: &mut Canvas,
        (model, name): (usize, &str),
        rates: &[Rate],
        y: &Scale,
        x: impl Fn(usize) -> f64,
    ) {
        let points: Vec<_> =
            rates.iter().enumerate().map(|(place, rate)| (x(place), y.at(rate.mean))).collect();
        canvas.curve(model, &points);
        for ((rate, group), (x, mean)) in rates.iter().zip(&self.groups).zip(points) {
            canvas.whisker(model, (x, y.at(rate.low)), (x, y.at(rate.high)));
            canvas.mark(model, (x, mean), &format!("{name}, {}: {rate}", group.label));
        }
    }

    fn description(&self, evaluation: &Evaluation, rates: &[Vec<Rate>]) -> String {
        let listed = |rates: &[Rate]| {
            let pairs = rates.iter().zip(&self.groups);
            pairs
                .map(|(rate, group)| format!("{} {}", group.label, decimals(rate.mean)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let described =
            |(model, rates): (&ModelResult, &Vec<Rate>)| format!("{}: {}.", model.name, listed(rates));
        evaluation.models.iter().zip(rates).map(described).collect::<Vec<_>>().join(" ")
    }
}

/// A share of users with its 95% score interval (Wilson 1927), which holds for few users and for shares of zero.
struct Rate {
    mean: f64,
    low: f64,
    high: f64,
    users: usize,
}

impl Rate {
    /// Of no users at all, nothing is known: the interval is all there is.
    fn new(hits: usize, users: usize) -> Self {
        if users == 0 {
            return Self { mean: 0.0, low: 0.0, high: 1.0, users };
        }
        let (n, mean) = (users as f64, hits as f64 / users as f64);
        let scale = 1.0 + Z * Z / n;
        let centre = (mean + Z * Z / (2.0 * n)) / scale;
        let half = Z * (mean * (1.0 - mean) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
        Self { mean, low: (centre - half).max(0.0), high: (centre + half).min(1.0), users }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mean, low, high) = (decimals(self.mean), decimals(self.low), decimals(self.high));
        write!(f, "{mean}, 95% interval {low} to {high}, {} users", grouped(self.users))
    }
}
