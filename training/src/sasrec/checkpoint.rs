//! Checkpoints: all that a training needs to go on as if it had never stopped, in one file that is replaced in one step.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use shared::model::tensors::{self, TensorData, TensorFile};

use super::optimizer::Adam;
use super::outcome::TrainError;
use super::settings::Settings;

/// The file in the directory that the settings name.
const FILE: &str = "checkpoint.safetensors";
/// The state's place in the file's metadata.
const STATE: &str = "state";

/// Where a training stands, beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// The settings that decide the result, by name.
    pub(super) settings: BTreeMap<String, serde_json::Value>,
    /// A digest of the histories.
    pub(super) data: String,
    /// The epoch that is under way, from 1.
    pub(super) epoch: usize,
    /// Batches of it that are done.
    pub(super) batches: usize,
    /// Steps in all.
    pub(super) step: usize,
    /// The epoch's loss so far: the sum over its places, and their number.
    pub(super) loss: (f64, usize),
    /// The best epoch so far.
    pub(super) best: Option<Best>,
    /// Seconds of training so far.
    pub(super) seconds: f64,
}

/// The epoch whose weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) epoch: usize,
    pub(super) loss: f64,
    /// Of the users kept aside, if any are.
    pub(super) ndcg: Option<f64>,
}

/// Weights by name.
pub(super) type Weights = BTreeMap<String, Vec<f32>>;

/// The settings by name.
pub(super) fn named(settings: &Settings) -> BTreeMap<String, serde_json::Value> {
    match serde_json::to_value(settings) {
        Ok(serde_json::Value::Object(named)) => named.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

/// Writes a checkpoint to a directory.
pub(super) fn write(folder: &Path, state: &State, adam: &Adam, best: &Weights) -> Result<(), TrainError> {
    let fault = |detail: String| TrainError::Checkpoint { path: folder.join(FILE), detail };
    let mut all: Vec<(String, Vec<f32>)> = Vec::new();
    for (name, parameter) in &adam.parameters {
        for (kind, tensor) in
            [("value", parameter.value.as_tensor()), ("mean", &parameter.mean), ("square", &parameter.square)]
        {
            all.push((format!("{kind}.{name}"), tensor.flatten_all()?.to_vec1()?));
        }
    }
    all.extend(best.iter().map(|(name, weights)| (format!("best.{name}"), weights.clone())));
    let tensors =
        all.iter().map(|(name, numbers)| TensorData::new(name.as_str(), &[numbers.len()], numbers)).collect();
    let state = serde_json::to_string(state).map_err(|error| fault(error.to_string()))?;
    let write = || {
        fs::create_dir_all(folder)?;
        let (new, path) = (folder.join(format!("{FILE}.new")), folder.join(FILE));
        let mut out = BufWriter::new(File::create(&new)?);
        tensors::write(&mut out, &[(STATE, state)].into(), tensors)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        fs::rename(new, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error: std::io::Error| fault(error.to_string()))
}

/// Reads a directory's checkpoint into the optimiser; it must be of these settings and data.
pub(super) fn read(
    folder: &Path,
    settings: &Settings,
    data: &str,
    adam: &mut Adam,
) -> Result<(State, Weights), TrainError> {
    let path = folder.join(FILE);
    let fault = |detail: String| TrainError::Checkpoint { path: path.clone(), detail };
    if !path.exists() {
        return Err(fault("not there: nothing to go on from".into()));
    }
    let file = TensorFile::open(&path)?;
    let state = file.metadata(STATE).unwrap_or_default();
    let state: State =
        serde_json::from_str(state).map_err(|error| fault(format!("not a checkpoint: {error}")))?;
    check(&state, settings, data).map_err(fault)?;
    let mut best = Weights::new();
    for (name, parameter) in &mut adam.parameters {
        let count = parameter.value.elem_count();
        let numbers = |kind: &str| {
            Ok::<_, TrainError>(file.tensor::<f32, 1>(&format!("{kind}.{name}"), [Some(count)])?)
        };
        let device = parameter.value.device().clone();
        let shape = parameter.value.shape().clone();
        let tensor = |kind: &str, device: &Device| {
            Ok::<_, TrainError>(Tensor::from_slice(numbers(kind)?.as_slice(), shape.clone(), device)?)
        };
        parameter.value.set(&tensor("value", &device)?)?;
        parameter.mean = tensor("mean", &device)?;
        parameter.square = tensor("square", &device)?;
        if state.best.is_some() {
            best.insert(name.clone(), numbers("best")?.as_slice().to_vec());
        }
    }
    adam.step = state.step;
    Ok((state, best))
}

/// That a checkpoint goes on with what is asked for now.
fn check(state: &State, settings: &Settings, data: &str) -> Result<(), String> {
    let asked = named(settings);
    for (name, value) in &asked {
        match state.settings.get(name) {
            Some(was) if was == value => {}
            was => {
                let was = was.map_or_else(|| "unknown".to_owned(), ToString::to_string);
                return Err(format!("made with other settings: {name} was {was} and is now {value}"));
            }
        }
    }
    if state.data == data { Ok(()) } else { Err("made on other data than these".into()) }
}

/// The path that messages name.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}
