//! How samples are taken and summed up.
//!
//! The machine is shared and drifts: what is compared takes turns, A B A B, so that a slow minute slows both, and
//! medians are compared, so that a stall counts as one sample.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

/// Something measured by turns with others.
pub(crate) struct Contender<F, T> {
    turn: F,
    /// What its turns came to, warm-up left out.
    pub(crate) samples: Vec<T>,
}

impl<T, F: FnMut() -> Result<T>> Contender<F, T> {
    /// Each call of `turn` is one sample.
    pub(crate) fn new(turn: F) -> Self {
        Self { turn, samples: Vec::new() }
    }
}

/// A [`Contender`] of any kind.
pub(crate) trait TakesTurns {
    /// Takes a sample, and forgets it unless `keep`.
    fn take(&mut self, keep: bool) -> Result<()>;
}

impl<T, F: FnMut() -> Result<T>> TakesTurns for Contender<F, T> {
    fn take(&mut self, keep: bool) -> Result<()> {
        let sample = (self.turn)()?;
        if keep {
            self.samples.push(sample);
        }
        Ok(())
    }
}

/// Takes `rounds` samples of each contender by turns, after `warm_up` rounds that do not count.
pub(crate) fn interleave(
    warm_up: usize,
    rounds: usize,
    contenders: &mut [&mut dyn TakesTurns],
) -> Result<()> {
    for round in 0..warm_up + rounds {
        for contender in contenders.iter_mut() {
            contender.take(round >= warm_up)?;
        }
    }
    Ok(())
}

/// Seconds of CPU time of this thread that one of `batch` calls of `work` takes, in the mean; what it makes is dropped in
/// that time. What other processes do meanwhile does not count, except for the caches and the memory they share with us.
pub(crate) fn cpu_seconds<T>(batch: usize, mut work: impl FnMut() -> Result<T>) -> Result<f64> {
    let before = thread_cpu_time();
    for _ in 0..batch {
        black_box(work()?);
    }
    Ok((thread_cpu_time() - before).as_secs_f64() / batch as f64)
}

/// Seconds of CPU time of this thread for each of `count` calls of `work`, which is told their number from 1, after a call
/// that does not count.
pub(crate) fn each_cpu_seconds<T>(count: usize, work: impl Fn(usize) -> Result<T>) -> Result<Vec<f64>> {
    black_box(work(0)?);
    (1..=count)
        .map(|number| {
            let before = thread_cpu_time();
            black_box(work(number)?);
            Ok((thread_cpu_time() - before).as_secs_f64())
        })
        .collect()
}

/// CPU time that this thread has used.
pub(crate) fn thread_cpu_time() -> Duration {
    cpu_time(ClockId::ThreadCPUTime)
}

/// CPU time that all threads of this process have used.
pub(crate) fn process_cpu_time() -> Duration {
    cpu_time(ClockId::ProcessCPUTime)
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Samples of one thing in one unit, in ascending order.
#[derive(Clone, Debug)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Sorts them.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Half are below it.
    pub(crate) fn median(&self) -> f64 {
        self.percentile(0.5)
    }

    /// The value that this share of the samples, 0 to 1, lies below, between neighbours by proportion; not a number
    /// when there is none.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let place = share * self.0.len().saturating_sub(1) as f64;
        let at = |index: f64| self.0.get(index as usize).copied().unwrap_or(f64::NAN);
        let (low, high) = (at(place.floor()), at(place.ceil()));
        low + (high - low) * place.fract()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_neighbours() {
        let samples = Samples::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!((samples.percentile(0.0), samples.median(), samples.percentile(1.0)), (1.0, 2.5, 4.0));
        assert!(Samples::of([]).median().is_nan());
    }

    #[test]
    fn contenders_take_turns_and_warm_up_does_not_count() {
        let turns = std::cell::RefCell::new(Vec::new());
        let turn = |who| {
            turns.borrow_mut().push(who);
            Ok(())
        };
        let (mut a, mut b) = (Contender::new(|| turn('a')), Contender::new(|| turn('b')));
        interleave(1, 2, &mut [&mut a, &mut b]).unwrap();
        assert_eq!((a.samples.len(), b.samples.len()), (2, 2));
        assert_eq!(*turns.borrow(), ['a', 'b', 'a', 'b', 'a', 'b']);
    }
}
