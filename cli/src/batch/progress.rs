//! What somebody sees who waits.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use shared::batch::Tally;

use super::Report;
use super::checkpoint::Text;
use super::input::Input;
use crate::output;

/// A bar on standard error, where that is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    tally: Tally,
}

impl Progress {
    pub(super) fn new(input: &Input, begins: Option<Text>) -> Self {
        let bar = input.size().map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let left =
            if input.size().is_some() { "{wide_bar} {percent:>3} % · {eta} left · " } else { "{spinner} " };
        // A template of ours is valid.
        if let Ok(style) = ProgressStyle::with_template(&format!("{left}{{msg}}")) {
            bar.set_style(style);
        }
        bar.set_position(begins.map_or(0, |begins| begins.read));
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, started: Instant::now(), tally: Tally::default() }
    }

    /// Takes note of a block that is done, with so many bytes of the input read.
    pub(super) fn advance(&mut self, tally: &Tally, read: u64) {
        self.tally += *tally;
        self.bar.set_position(read);
        let errors =
            if self.tally.errors == 0 { String::new() } else { format!(" · {} errors", self.tally.errors) };
        self.bar.set_message(format!("{} rows/s{errors}", HumanCount(self.rate())));
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn rate(&self) -> u64 {
        (self.tally.rows as f64 / self.started.elapsed().as_secs_f64().max(1e-3)) as u64
    }

    /// Says what was done: on standard output, unless the answers go there.
    pub(super) fn print(&self, report: &Report, to_stdout: bool) {
        let Report { tally, bytes, to, resumed } = report;
        let mut table = output::table();
        let mut fact = |name: &str, value: String| {
            table.add_row([name.to_owned(), value]);
        };
        let before =
            if *resumed > 0 { format!(", {} of them before", HumanCount(*resumed)) } else { String::new() };
        fact("lines", format!("{}{before}", HumanCount(tally.rows)));
        for (name, count) in [
            ("from the accelerator", tally.accelerator),
            ("from the model", tally.function),
            ("popular items", tally.popular),
        ] {
            if count > 0 {
                fact(name, HumanCount(count).to_string());
            }
        }
        fact("errors", HumanCount(tally.errors).to_string());
        fact(
            "time",
            format!("{} ({} rows/s)", HumanDuration(self.started.elapsed()), HumanCount(self.rate())),
        );
        fact("written", format!("{} to {to}", output::bytes(*bytes)));
        // Whoever has gone, as `head` does, has seen enough.
        let _ = if to_stdout { writeln!(io::stderr(), "{table}") } else { writeln!(io::stdout(), "{table}") };
    }
}
