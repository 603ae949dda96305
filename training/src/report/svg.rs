//! The little of SVG that the plots need: a canvas, scales, round ticks and a mark per model.

use super::markup::{Markup, tag, text};

/// The width of every plot, in user units. Small, so that 12-unit text is still legible on a phone.
pub(super) const WIDTH: f64 = 480.0;
/// The edges of the plotting area.
pub(super) const LEFT: f64 = 48.0;
pub(super) const RIGHT: f64 = WIDTH - 14.0;
pub(super) const TOP: f64 = 28.0;

/// Colours in the style sheet, and shapes here: twelve models look different before the pairs repeat.
const COLOURS: usize = 6;
const SHAPES: [&str; 4] = [
    "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z", // circle
    "m-3.2-3.2h6.4v6.4h-6.4z",                      // square
    "m0-4.6l4.3 7.4h-8.6z",                         // triangle
    "m0-4.8l4.8 4.8l-4.8 4.8l-4.8-4.8z",            // diamond
];

pub(super) type Point = (f64, f64);

/// Maps values to user units.
pub(super) struct Scale {
    values: (f64, f64),
    units: (f64, f64),
    logarithmic: bool,
}

impl Scale {
    pub(super) fn linear(values: (f64, f64), units: (f64, f64)) -> Self {
        Self { values, units, logarithmic: false }
    }

    /// The lower value is positive.
    pub(super) fn logarithmic(values: (f64, f64), units: (f64, f64)) -> Self {
        Self { values: (values.0.ln(), values.1.ln()), units, logarithmic: true }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.ln() } else { value };
        let share = (value - self.values.0) / (self.values.1 - self.values.0);
        self.units.0 + share * (self.units.1 - self.units.0)
    }
}

/// Round numbers from zero to the first that is not below `most`, at most six.
pub(super) fn ticks(most: f64) -> Vec<f64> {
    let most = if most > 1e-6 { most } else { 1.0 };
    let power = 10_f64.powf((most / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().find(|step| step * 5.0 >= most);
    let step = step.unwrap_or(10.0 * power);
    // A hair less than a tick is that tick.
    let count = (most / step - 1e-9).ceil() as usize;
    (0..=count).map(|place| place as f64 * step).collect()
}

/// A tick in as many decimals as tell it from its neighbour.
pub(super) fn tick_label(value: f64, ticks: &[f64]) -> String {
    let decimals = (-ticks[1].log10() - 1e-9).ceil().max(0.0) as usize;
    format!("{value:.decimals$}")
}

/// What is drawn so far.
#[derive(Default)]
pub(super) struct Canvas(Vec<Markup>);

impl Canvas {
    pub(super) fn line(&mut self, class: &str, from: Point, to: Point) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(tenths);
        self.0.push(tag(
            "line",
            &[("class", &class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)],
            [],
        ));
    }

    /// `class` also sets the anchor.
    pub(super) fn text(&mut self, class: &str, at: Point, content: &str) {
        let (x, y) = (tenths(at.0), tenths(at.1));
        self.0.push(tag("text", &[("class", &class), ("x", &x), ("y", &y)], [text(content)]));
    }

    /// A model's line through the points.
    pub(super) fn curve(&mut self, model: usize, points: &[Point]) {
        let points: Vec<String> =
            points.iter().map(|(x, y)| format!("{},{}", tenths(*x), tenths(*y))).collect();
        let class = format!("curve {}", colour(model));
        self.0.push(tag("polyline", &[("class", &class), ("points", &points.join(" "))], []));
    }

    /// A model's interval.
    pub(super) fn whisker(&mut self, model: usize, from: Point, to: Point) {
        self.line(&format!("whisker {}", colour(model)), from, to);
    }

    /// A model's point; `hover` is what a mouse over it shows.
    pub(super) fn mark(&mut self, model: usize, at: Point, hover: &str) {
        let mark = mark(model, at);
        self.0.push(tag("g", &[], [tag("title", &[], [text(hover)]), mark]));
    }

    pub(super) fn finish(self, id: &str, height: f64, title: &str, description: &str) -> Markup {
        let (title_id, desc_id) = (format!("{id}-title"), format!("{id}-desc"));
        let named = [
            tag("title", &[("id", &title_id)], [text(title)]),
            tag("desc", &[("id", &desc_id)], [text(description)]),
        ];
        let (view, labels) = (format!("0 0 {WIDTH} {height}"), format!("{title_id} {desc_id}"));
        let attributes: [(&str, &dyn std::fmt::Display); 4] =
            [("class", &"plot"), ("viewBox", &view), ("role", &"img"), ("aria-labelledby", &labels)];
        tag("svg", &attributes, named.into_iter().chain(self.0))
    }
}

/// A model's line and mark, to stand beside its name.
pub(super) fn key(model: usize) -> Markup {
    let mut canvas = Canvas::default();
    canvas.curve(model, &[(0.0, 7.0), (30.0, 7.0)]);
    canvas.0.push(mark(model, (15.0, 7.0)));
    tag("svg", &[("class", &"key"), ("viewBox", &"0 0 30 14"), ("aria-hidden", &"true")], canvas.0)
}

fn mark(model: usize, at: Point) -> Markup {
    let path = format!("M{} {}{}", tenths(at.0), tenths(at.1), SHAPES[model % SHAPES.len()]);
    tag("path", &[("class", &format!("mark {}", colour(model))), ("d", &path)], [])
}

fn colour(model: usize) -> String {
    format!("c{}", model % COLOURS)
}

/// Adding zero turns -0 into 0.
fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0 + 0.0
}
