//! What came out: rows, and the table of them on the terminal and in Markdown.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle, presets};
use jiff::Timestamp;

use crate::machine;
use crate::measure::Samples;
use crate::plot::Plot;

/// What a row's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds, shown in the unit that suits them.
    Seconds,
    /// Bytes, shown in megabytes of 10⁶.
    Bytes,
}

/// What the design wants reached (its section 9).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    /// Ours over what is beside it.
    Ratio(f64),
    /// Ours, in the row's unit.
    Ours(f64),
    /// Each sample of ours, in the row's unit.
    Each(f64),
    /// What can't be said to be met yet.
    Later(&'static str),
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    what: String,
    unit: Unit,
    ours: Samples,
    beside: Option<(String, Samples)>,
    aim: Option<Aim>,
}

impl Row {
    /// Something measured that stands by itself.
    pub(crate) fn alone(what: impl Into<String>, unit: Unit, ours: Samples) -> Self {
        Self { what: what.into(), unit, ours, beside: None, aim: None }
    }

    /// With what was measured by turns with it.
    pub(crate) fn beside(mut self, what: impl Into<String>, samples: Samples) -> Self {
        self.beside = Some((what.into(), samples));
        self
    }

    /// With what it should reach.
    pub(crate) fn aim(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }

    /// The median of ours over the median beside it.
    fn ratio(&self) -> Option<f64> {
        let (_, beside) = self.beside.as_ref()?;
        Some(self.ours.median() / beside.median())
    }

    fn cells(&self) -> [String; 7] {
        let dash = || "—".to_owned();
        let value = |number| self.unit.show(number);
        let spread = |samples: &Samples| {
            format!("{} – {}", value(samples.percentile(0.1)), value(samples.percentile(0.9)))
        };
        let mut spreads = vec![&self.ours];
        spreads.extend(self.beside.as_ref().map(|(_, samples)| samples));
        let varied = spreads.into_iter().filter(|samples| samples.count() > 1);
        let spreads: Vec<String> = varied.map(spread).collect();
        [
            self.what.clone(),
            value(self.ours.median()),
            self.beside.as_ref().map_or_else(dash, |(what, s)| format!("{} {what}", value(s.median()))),
            self.ratio().map_or_else(dash, |ratio| format!("{ratio:.2}×")),
            if spreads.is_empty() { dash() } else { spreads.join("; ") },
            self.ours.count().to_string(),
            self.aim.map_or_else(dash, |aim| self.verdict(aim)),
        ]
    }

    fn verdict(&self, aim: Aim) -> String {
        let (limit, met) = match aim {
            Aim::Ratio(most) => (format!("{most:.2}×"), self.ratio().is_some_and(|ratio| ratio <= most)),
            Aim::Ours(most) => (self.unit.show(most), self.ours.median() <= most),
            Aim::Each(most) => (format!("{} each", self.unit.show(most)), self.ours.percentile(1.0) <= most),
            Aim::Later(words) => return words.to_owned(),
        };
        format!("≤ {limit}: {}", if met { "met" } else { "missed" })
    }
}

impl Unit {
    /// Three digits and the unit.
    pub(crate) fn show(self, number: f64) -> String {
        let size = number.abs();
        let (scaled, name) = match self {
            Self::Bytes => (number / 1e6, "MB"),
            Self::Seconds if size >= 1.0 => (number, "s"),
            Self::Seconds if size >= 1e-3 => (number * 1e3, "ms"),
            Self::Seconds => (number * 1e6, "µs"),
        };
        let decimals = match scaled.abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            _ => 2,
        };
        format!("{scaled:.decimals$} {name}")
    }
}

/// What one bench found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Lines of the table.
    pub(crate) rows: Vec<Row>,
    /// Sentences below it: what was measured, and what else was seen.
    pub(crate) notes: Vec<String>,
    /// How something grows, each in a file beside the table.
    pub(crate) plots: Vec<Plot>,
}

/// A run.
#[derive(Debug)]
pub(crate) struct Report {
    begun: Timestamp,
    command: String,
    load_at_begin: String,
    load_at_end: String,
    findings: Findings,
}

impl Report {
    /// Begins with nothing measured.
    pub(crate) fn begin(command: &str) -> Self {
        let load = machine::load();
        Self {
            begun: Timestamp::now(),
            command: command.to_owned(),
            load_at_begin: load.clone(),
            load_at_end: load,
            findings: Findings::default(),
        }
    }

    /// Adds what a bench found.
    pub(crate) fn add(&mut self, findings: Findings) {
        self.findings.rows.extend(findings.rows);
        self.findings.notes.extend(findings.notes);
        self.findings.plots.extend(findings.plots);
    }

    /// Everything is measured.
    pub(crate) fn end(&mut self) {
        self.load_at_end = machine::load();
    }

    /// Where and how it ran, and the table as wide as the terminal.
    pub(crate) fn for_terminal(&self) -> String {
        let rule = LineStyle::none().fill('─').junction('─');
        let mut table = self.table(TableStyle::new().header_separator(rule));
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let lines = |lines: Vec<String>| lines.join("\n");
        format!("{}\n\n{table}\n\n{}", lines(self.facts()), lines(self.findings.notes.clone()))
    }

    /// The same as a page.
    pub(crate) fn as_markdown(&self) -> String {
        let table = self.table(presets::ASCII_MARKDOWN);
        let list = |lines: &[String]| lines.iter().map(|line| format!("- {line}\n")).collect::<String>();
        format!(
            "# What was measured\n\n{}\n{}\n\n{table}\n\n{}",
            list(&self.facts()),
            "Times and sizes are medians, ours and what is beside it taken by turns; the spread is the tenth to the \
             ninetieth percentile, of ours; of what is beside it. The aims are those of the design.",
            list(&self.findings.notes) + &self.plots().map(plotted).collect::<String>(),
        )
    }

    /// What is drawn beside the table.
    pub(crate) fn plots(&self) -> impl Iterator<Item = &Plot> {
        self.findings.plots.iter()
    }

    fn facts(&self) -> Vec<String> {
        vec![
            format!("machine: {}", machine::description()),
            format!("load average: {} at the beginning, {} at the end", self.load_at_begin, self.load_at_end),
            format!("date: {}", self.begun.strftime("%Y-%m-%dT%H:%M:%SZ")),
            format!("commit: {}", machine::commit()),
            format!("command: `{}`", self.command),
        ]
    }

    fn table(&self, style: TableStyle) -> Table {
        let mut table = Table::new();
        table.load_style(style).set_header([
            "what",
            "ours",
            "beside",
            "ratio",
            "spread (p10–p90)",
            "samples",
            "aim",
        ]);
        table.add_rows(self.findings.rows.iter().map(Row::cells));
        for column in [1, 3, 5] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

/// A plot's place in the page.
fn plotted(plot: &Plot) -> String {
    format!("\n![{}]({}.svg)\n", plot.title, plot.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_with_three_digits_in_the_unit_that_suits_them() {
        let seconds = [2.5, 0.012_34, 0.000_123_4, 0.000_001_5, -0.000_002];
        let shown = seconds.map(|number| Unit::Seconds.show(number));
        assert_eq!(shown, ["2.50 s", "12.3 ms", "123 µs", "1.50 µs", "-2.00 µs"]);
        assert_eq!(Unit::Bytes.show(4.2e6), "4.20 MB");
    }

    #[test]
    fn a_row_says_whether_its_aim_is_met() {
        let samples = |value: f64| Samples::of([value, value]);
        let row = Row::alone("scan", Unit::Seconds, samples(1.2)).beside("plain read", samples(1.0));
        assert_eq!(row.clone().aim(Aim::Ratio(1.05)).cells()[6], "≤ 1.05×: missed");
        assert_eq!(row.clone().aim(Aim::Ours(1.2)).cells()[6], "≤ 1.20 s: met");
        let uneven = Row::alone("scan", Unit::Seconds, Samples::of([0.1, 0.1, 0.3]));
        assert_eq!(uneven.clone().aim(Aim::Ours(0.2)).cells()[6], "≤ 200 ms: met");
        assert_eq!(uneven.aim(Aim::Each(0.2)).cells()[6], "≤ 200 ms each: missed");
        assert_eq!(row.cells()[2..4], ["1.00 s plain read", "1.20×"]);
    }
}
