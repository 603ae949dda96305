//! The loop: windows, steps, validation, checkpoints.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor, Var};
use rand::RngExt;
use sha2::{Digest, Sha256};
use shared::model::config::SasrecConfig;
use shared::model::manifest::hex;
use shared::model::sasrec::network::{Batch, Network, Plain};
use shared::model::sasrec::tensors;

use super::checkpoint::{self, Best, State, Weights};
use super::initial::initial;
use super::loss;
use super::operators::{Fused, SampledLoss, calibration, softmax_loss};
use super::optimizer::{Adam, Parameter};
use super::outcome::{Stage, TrainError, Trained};
use super::plan::Plan;
use super::settings::{Processor, Settings};
use super::validation::Validation;
use super::windows::{self, Purpose, Window, random};
use crate::histories::Histories;

/// Trains on histories, oldest item first; weights of interactions are not used. `report` hears of every stage.
///
/// # Errors
/// When there is nothing to learn from, settings make no sense, the loss stops being a number, or a checkpoint can't be
/// written or gone on from.
pub fn train(
    histories: &Histories,
    settings: &Settings,
    mut report: impl FnMut(Stage),
) -> Result<Trained, TrainError> {
    let mut training = Training::new(histories, settings)?;
    report(Stage::Planned(training.plan.clone()));
    training.plan.check(settings)?;
    if settings.resume {
        training.resume()?;
        report(Stage::Resumed { epochs: training.state.epoch - 1, batches: training.state.batches });
    }
    while !training.is_over() {
        training.epoch(&mut report)?;
    }
    Ok(training.trained())
}

struct Training<'a> {
    settings: &'a Settings,
    config: SasrecConfig,
    items: usize,
    histories: Vec<Vec<u32>>,
    validation: Validation,
    plan: Plan,
    device: Device,
    adam: Adam,
    network: Network,
    /// The same parameters without their history: what is computed from them keeps nothing.
    detached: Network,
    state: State,
    best: Weights,
    started: Instant,
    written: Instant,
}

impl<'a> Training<'a> {
    fn new(histories: &Histories, settings: &'a Settings) -> Result<Self, TrainError> {
        let items = histories.items;
        let mut config = settings.config(items);
        config.check().map_err(TrainError::Settings)?;
        check(settings, items)?;
        let data = digest(histories);
        let rows = |history: &Vec<(u32, f32)>| history.iter().map(|(item, _)| *item).collect();
        let mut histories: Vec<Vec<u32>> = histories.by_user.iter().map(rows).collect();
        let validation = Validation::split(&mut histories, settings.seed);
        let first = windows::of_epoch(&histories, settings.length, settings.seed, 1);
        if first.is_empty() {
            return Err(TrainError::Settings(
                "no history has two items: there is no next item to learn".into(),
            ));
        }
        let longest = histories.iter().map(Vec::len).max().unwrap_or_default();
        let plan = Plan::of(settings, items, first.len(), longest);
        config.batch = Some(plan.batch);
        let device = device(settings.device)?;
        let adam = Adam { parameters: initial(&config, items, settings.seed, &device)?, step: 0 };
        let named = |of: fn(&Var) -> Tensor| -> HashMap<String, Tensor> {
            adam.parameters.iter().map(|(name, parameter)| (name.clone(), of(&parameter.value))).collect()
        };
        let network = Network::new(&config, &named(|var| var.as_tensor().clone()))?;
        let detached = Network::new(&config, &named(Var::as_detached_tensor))?;
        let state = State {
            settings: checkpoint::named(settings),
            data,
            epoch: 1,
            batches: 0,
            step: 0,
            loss: (0.0, 0),
            best: None,
            seconds: 0.0,
        };
        let (started, best) = (Instant::now(), Weights::new());
        Ok(Self {
            settings,
            config,
            items,
            histories,
            validation,
            plan,
            device,
            adam,
            network,
            detached,
            state,
            best,
            started,
            written: started,
        })
    }

    fn resume(&mut self) -> Result<(), TrainError> {
        let Some(folder) = &self.settings.checkpoint else {
            return Err(TrainError::Settings("--resume needs --checkpoint".into()));
        };
        (self.state, self.best) = checkpoint::read(folder, self.settings, &self.state.data, &mut self.adam)?;
        self.started =
            Instant::now().checked_sub(Duration::from_secs_f64(self.state.seconds)).unwrap_or(self.started);
        Ok(())
    }

    /// Whether all epochs are done, or the last of them brought nothing.
    fn is_over(&self) -> bool {
        let done = self.state.epoch - 1;
        let best = self.state.best.map_or(0, |best| best.epoch);
        done >= self.settings.epochs || (!self.validation.is_empty() && done >= best + self.settings.patience)
    }

    /// Does what is left of the epoch under way.
    fn epoch(&mut self, report: &mut impl FnMut(Stage)) -> Result<(), TrainError> {
        let epoch = self.state.epoch;
        let windows = windows::of_epoch(&self.histories, self.settings.length, self.settings.seed, epoch);
        let of = windows.len().div_ceil(self.plan.batch);
        for (index, batch) in windows.chunks(self.plan.batch).enumerate().skip(self.state.batches) {
            let rate = self.learning_rate((epoch - 1) as f64 + index as f64 / of as f64);
            let (loss, places) = self.step(batch, rate)?;
            self.state.batches = index + 1;
            self.state.step = self.adam.step;
            self.state.loss.0 += f64::from(loss) * places as f64;
            self.state.loss.1 += places;
            report(Stage::Step { epoch, done: index + 1, of, loss: self.loss() });
            if self.written.elapsed() >= self.settings.checkpoint_every && index + 1 < of {
                self.write()?;
            }
        }
        self.end_of_epoch(report)
    }

    fn end_of_epoch(&mut self, report: &mut impl FnMut(Stage)) -> Result<(), TrainError> {
        let (epoch, loss) = (self.state.epoch, self.loss());
        let ndcg = self.validate()?;
        // Without users kept aside the last epoch is the best there is.
        let is_better = match (ndcg, self.state.best.and_then(|best| best.ndcg)) {
            (Some(ndcg), Some(best)) => ndcg > best,
            _ => true,
        };
        if is_better {
            self.state.best = Some(Best { epoch, loss, ndcg });
            self.best = self.weights()?;
        }
        (self.state.epoch, self.state.batches, self.state.loss) = (epoch + 1, 0, (0.0, 0));
        self.state.seconds = self.started.elapsed().as_secs_f64();
        self.write()?;
        report(Stage::Epoch { epoch, loss, ndcg, seconds: self.state.seconds });
        Ok(())
    }

    /// The mean loss of the epoch under way.
    fn loss(&self) -> f64 {
        self.state.loss.0 / self.state.loss.1.max(1) as f64
    }

    /// Rises in the first epoch, then falls along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983). `epochs` is
    /// how many are done, and what part of the next.
    fn learning_rate(&self, epochs: f64) -> f64 {
        let all = self.settings.epochs as f64;
        let share = if epochs < 1.0 && all > 1.0 {
            epochs.max(0.01)
        } else {
            let done = ((epochs - 1.0) / (all - 1.0).max(1.0)).clamp(0.0, 1.0);
            LOWEST + (1.0 - LOWEST) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        };
        self.settings.learning_rate * share
    }

    /// Takes a step. Returns the loss, and over how many places it is a mean.
    fn step(&mut self, windows: &[Window], learning_rate: f64) -> Result<(f32, usize), TrainError> {
        let inputs: Vec<&[u32]> = windows
            .iter()
            .map(|w| &self.histories[w.user as usize][w.start as usize..w.end as usize])
            .collect();
        let targets = windows
            .iter()
            .flat_map(|w| &self.histories[w.user as usize][w.start as usize + 1..=w.end as usize])
            .copied()
            .collect::<Vec<u32>>();
        let places = targets.len();
        let number = self.adam.step + 1;
        let loss = match self.settings.device {
            Processor::Cpu => self.fused_loss(&inputs, targets, number)?,
            Processor::Plain | Processor::Cuda(_) => self.plain_loss(&inputs, &targets, number)?,
        };
        let value = loss.to_scalar::<f32>()?;
        if !value.is_finite() {
            return Err(self.diverged(number, value));
        }
        self.adam.step(&loss.backward()?, learning_rate)?;
        Ok((value, places))
    }

    fn fused_loss(&self, inputs: &[&[u32]], targets: Vec<u32>, step: usize) -> Result<Tensor, TrainError> {
        let batch = Batch::of(inputs.iter().copied(), self.config.length, &self.device)?;
        let seed = random(self.settings.seed, Purpose::Dropout, step).random();
        let hidden = self.network.hidden(&batch, &Fused::new(self.settings.dropout as f32, seed))?;
        let items = self.network.items();
        Ok(match self.sampled(&batch.lengths, &targets, step) {
            None => softmax_loss(&hidden, items, targets, self.plan.rows)?,
            Some(sampled) => sampled.of(&hidden, items)?,
        })
    }

    /// The same with candle's own operators. Histories are padded behind to one length there: attention looks back alone,
    /// and what comes of the padding is left out.
    fn plain_loss(&self, inputs: &[&[u32]], targets: &[u32], step: usize) -> Result<Tensor, TrainError> {
        let seed: u64 = random(self.settings.seed, Purpose::Dropout, step).random();
        // Candle's generator on a CPU takes no seed.
        if !self.device.is_cpu() {
            self.device.set_seed(seed)?;
        }
        let longest = inputs.iter().map(|history| history.len()).max().unwrap_or_default();
        let batch = loss::padded(inputs, longest, self.config.length, &self.device)?;
        let real = (0..)
            .zip(inputs)
            .flat_map(|(at, history)| at * longest as u32..at * longest as u32 + history.len() as u32);
        let real: Vec<u32> = real.collect();
        let hidden = self.network.hidden(&batch, &Plain { dropout: self.settings.dropout as f32 })?;
        let hidden = hidden.index_select(&Tensor::from_slice(&real, real.len(), &self.device)?, 0)?;
        let lengths: Vec<usize> = inputs.iter().map(|history| history.len()).collect();
        Ok(match self.sampled(&lengths, targets, step) {
            None => loss::softmax(&hidden, self.network.items(), targets)?,
            Some(sampled) => loss::sampled(&hidden, self.network.items(), &sampled)?,
        })
    }

    /// Draws items against each history, unless all count.
    fn sampled(&self, lengths: &[usize], targets: &[u32], step: usize) -> Option<SampledLoss> {
        let count = self.plan.negatives?;
        let mut random = random(self.settings.seed, Purpose::Negatives, step);
        let negatives =
            (0..count * lengths.len()).map(|_| random.random_range(0..self.items as u32)).collect();
        let calibration = calibration(self.settings.calibration, count, self.items) as f32;
        Some(SampledLoss { targets: targets.to_vec(), lengths: lengths.to_vec(), negatives, calibration })
    }

    fn validate(&self) -> Result<Option<f64>, TrainError> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        let (network, length) = (&self.detached, self.config.length);
        Ok(Some(match self.settings.device {
            Processor::Cpu => self.validation.ndcg(network, length, &self.device, &Fused::new(0.0, 0))?,
            _ => self.validation.ndcg(network, length, &self.device, &Plain::default())?,
        }))
    }

    fn weights(&self) -> Result<Weights, TrainError> {
        let of = |(name, parameter): (&String, &Parameter)| {
            Ok((name.clone(), parameter.value.flatten_all()?.to_vec1()?))
        };
        self.adam.parameters.iter().map(of).collect()
    }

    fn write(&mut self) -> Result<(), TrainError> {
        if let Some(folder) = &self.settings.checkpoint {
            self.state.seconds = self.started.elapsed().as_secs_f64();
            checkpoint::write(folder, &self.state, &self.adam, &self.best)?;
        }
        self.written = Instant::now();
        Ok(())
    }

    fn diverged(&self, step: usize, loss: f32) -> TrainError {
        let kept = match &self.settings.checkpoint {
            Some(folder) if checkpoint::path(folder).exists() => {
                format!("the last good checkpoint is {}", checkpoint::path(folder).display())
            }
            Some(_) => "no checkpoint was written yet".into(),
            None => "no checkpoint was kept (--checkpoint DIR keeps them)".into(),
        };
        TrainError::Diverged { step, epoch: self.state.epoch, loss, kept }
    }

    fn trained(self) -> Trained {
        let best = self.state.best.unwrap_or(Best { epoch: 0, loss: f64::NAN, ndcg: None });
        let mut weights = self.best;
        let of = |(name, shape): (String, Vec<usize>)| {
            let numbers = weights.remove(&name).unwrap_or_default();
            (name, shape, numbers)
        };
        let weights = tensors(&self.config, self.items).into_iter().map(of).collect();
        let Best { epoch, loss, ndcg } = best;
        Trained { config: self.config, weights, epoch, loss, ndcg, seconds: self.state.seconds }
    }
}

/// The share of the learning rate that is left at the end.
const LOWEST: f64 = 0.01;

fn check(settings: &Settings, items: usize) -> Result<(), TrainError> {
    let fault = |detail: String| Err(TrainError::Settings(detail));
    if items < 2 {
        return fault(format!("a catalogue of {items}: there is nothing to tell apart"));
    }
    if settings.negatives.is_some_and(|negatives| negatives >= items) {
        return fault(format!(
            "--sampled-negatives of a catalogue of {items}: leave it out to train against all"
        ));
    }
    if settings.epochs == 0 {
        return fault("--epochs 0 trains nothing".into());
    }
    Ok(())
}

fn device(processor: Processor) -> Result<Device, TrainError> {
    match processor {
        Processor::Cpu | Processor::Plain => Ok(Device::Cpu),
        #[cfg(feature = "cuda")]
        Processor::Cuda(number) => Device::new_cuda(number).map_err(|error| {
            TrainError::Settings(format!(
                "--device cuda:{number}: {error}; `nvidia-smi` lists the GPUs there are"
            ))
        }),
        #[cfg(not(feature = "cuda"))]
        Processor::Cuda(_) => Err(TrainError::Settings(
            "this build has no CUDA: build it with `--features cuda` on a machine that has CUDA's compiler"
                .into(),
        )),
    }
}

/// A digest of who had what in which order.
fn digest(histories: &Histories) -> String {
    let mut sha = Sha256::new();
    sha.update((histories.items as u64).to_le_bytes());
    for history in &histories.by_user {
        sha.update((history.len() as u64).to_le_bytes());
        history.iter().for_each(|(item, _)| sha.update(item.to_le_bytes()));
    }
    hex(&sha.finalize())
}
