//! Times over something that grows, as an SVG with two logarithmic axes.

use std::fmt::Write as _;

use crate::report::Unit;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
/// Left, right, top, bottom.
const MARGINS: [f64; 4] = [70.0, 150.0, 36.0, 44.0];
/// Told apart by those who don't see red beside green, too (Okabe and Ito 2008).
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"];

/// A plot.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    /// Of its file, without the ending.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    /// What grows.
    pub(crate) x: &'static str,
    pub(crate) series: Vec<Series>,
}

/// A line in it.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) of: &'static str,
    /// x, and seconds; both above 0.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A logarithmic axis: the decades that hold all values, and where they lie on the page.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let logs = values.filter(|value| *value > 0.0).map(f64::log10);
        let low = logs.clone().fold(f64::INFINITY, f64::min).floor();
        let high = logs.fold(f64::NEG_INFINITY, f64::max).ceil();
        Self { low, high: high.max(low + 1.0), from, to }
    }

    fn place(&self, value: f64) -> f64 {
        self.from + (value.log10() - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    fn decades(&self) -> impl Iterator<Item = f64> {
        (self.low as i32..=self.high as i32).map(|decade| 10.0_f64.powi(decade))
    }
}

impl Plot {
    /// The page.
    pub(crate) fn as_svg(&self) -> String {
        let [left, right, top, bottom] = MARGINS;
        let points = self.series.iter().flat_map(|series| series.points.iter().copied());
        let x = Axis::over(points.clone().map(|(x, _)| x), left, WIDTH - right);
        let y = Axis::over(points.map(|(_, y)| y), HEIGHT - bottom, top);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{left}\" y=\"22\" font-size=\"14\">{}</text>\n",
            escaped(&self.title)
        );
        self.write_grid(&mut svg, &x, &y);
        let mut next_label = top + 12.0;
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let place = |(px, py): &(f64, f64)| format!("{:.1},{:.1}", x.place(*px), y.place(*py));
            let line: Vec<String> = series.points.iter().map(place).collect();
            // Writing to a `String` does not fail.
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
                 <text x=\"{:.1}\" y=\"{next_label:.1}\" fill=\"{colour}\">{}</text>",
                line.join(" "),
                WIDTH - right + 8.0,
                escaped(series.of)
            );
            for (px, py) in &series.points {
                let (px, py) = (x.place(*px), y.place(*py));
                let _ = writeln!(svg, "<circle cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"3\" fill=\"{colour}\"/>");
            }
            next_label += 18.0;
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn write_grid(&self, svg: &mut String, x: &Axis, y: &Axis) {
        let [left, right, top, bottom] = MARGINS;
        for decade in y.decades() {
            let (at, label) = (y.place(decade), Unit::Seconds.show(decade));
            let _ = writeln!(
                svg,
                "<path d=\"M{left} {at:.1}H{}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{label}</text>",
                WIDTH - right,
                left - 6.0,
                at + 4.0
            );
        }
        for decade in x.decades() {
            let at = x.place(decade);
            let _ = writeln!(
                svg,
                "<path d=\"M{at:.1} {top}V{}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{}\" \
                 text-anchor=\"middle\">{decade}</text>",
                HEIGHT - bottom,
                HEIGHT - bottom + 16.0
            );
        }
        let (middle, end) = ((left + WIDTH - right) / 2.0, HEIGHT - 8.0);
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{end}\" text-anchor=\"middle\">{}</text>",
            escaped(self.x)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_between_their_decades() {
        let series = Series { of: "a < b", points: vec![(1.0, 1e-3), (10.0, 1e-2), (100.0, 1e-1)] };
        let plot = Plot { name: "p", title: "T".into(), x: "items", series: vec![series] };
        let svg = plot.as_svg();
        // From the lower left corner over the middle to the upper right one.
        assert!(svg.contains("points=\"70.0,356.0 280.0,196.0 490.0,36.0\""), "{svg}");
        assert!(svg.contains("a &lt; b") && svg.contains(">1.00 ms<"), "{svg}");
    }
}
