//! The sequence model from training to serving: small networks on the bundled demo, through the commands.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Finished, Process, Service, binaries, command, marquee, venv};

use crate::answers::{answer, ask, best_first, item_ids, items, receipt, text};
use crate::copy::refused;
use crate::emulator;
use crate::events;

/// A network that trains in seconds.
const SMALL: [&str; 8] = ["--model", "sasrec", "--dimensions", "16", "--length", "20", "--epochs", "2"];

#[test]
fn a_sequence_model_walks_from_training_to_every_host() -> Result<()> {
    let home = Home::new()?;
    let model = home.path("model");
    let trained = home.train("model", &SMALL)?.finish()?;
    assert!(trained.status.success(), "{trained}");
    assert!(trained.stderr.contains("validation NDCG@10"), "{trained}");

    let inspected = succeeds(["inspect".as_ref(), "--json".as_ref(), model.as_os_str()])?;
    let inspected: Value = serde_json::from_str(&inspected.stdout)?;
    assert_eq!(inspected["config"]["kind"], "sasrec", "{inspected}");
    let hyperparameters = &inspected["config"]["hyperparameters"];
    assert_eq!(
        (&hyperparameters["dimensions"], &hyperparameters["length"]),
        (&json!(16), &json!(20)),
        "{inspected}"
    );
    let verified = succeeds(["verify".as_ref(), model.as_os_str()])?;
    assert!(verified.stdout.contains("sound"), "{verified}");

    let asked = recommend(&model, &["Alien", "Blade Runner"])?;
    assert_eq!(asked["explanation"], "leave_one_out", "{asked}");
    assert_eq!(items(&asked).len(), 10, "{asked}");
    best_first(&asked);
    let explained = |item: &Value| item["because"].as_array().is_some_and(|because| !because.is_empty());
    assert!(items(&asked).iter().any(explained), "{asked}");

    let service = Service::start(&model)?;
    let history = ["alien-1979", "blade-runner-1982"];
    let served = answer(&service.send(&ask(&json!({"history": history, "k": 10, "explain": true})))?);
    receipt(&served, "function", None, 2, 0);
    assert_eq!(served["items"], asked["items"], "the command and the service");

    let mut function = emulator::start("recommend", &model)?;
    let case = events::case("recommend/history");
    let from_lambda = answer(&function.answer(&case.event())?);
    let request = case.request().context("the sample event is a plain request")?;
    let from_service = answer(&service.send(&request)?);
    receipt(&from_lambda, "function", None, 4, 0);
    assert_eq!(from_lambda["items"], from_service["items"], "the function and the service");
    assert_eq!(from_lambda["receipt"]["model"], served["receipt"]["model"]);
    Ok(())
}

#[test]
fn the_order_of_a_history_counts() -> Result<()> {
    let home = Home::new()?;
    let trained = home.train("model", &SMALL)?.finish()?;
    assert!(trained.status.success(), "{trained}");
    let scores = |titles: &[&str]| -> Result<Vec<Value>> {
        let answer = recommend(&home.path("model"), titles)?;
        Ok(items(&answer).iter().map(|item| item["score"].clone()).collect())
    };
    let there = scores(&["Alien", "Frozen", "Heat"])?;
    assert_eq!(there, scores(&["Alien", "Frozen", "Heat"])?);
    assert_ne!(there, scores(&["Heat", "Frozen", "Alien"])?);
    Ok(())
}

#[test]
fn models_of_both_kinds_are_compared_in_one_evaluation() -> Result<()> {
    let mut arguments = vec!["evaluate", "--demo", "--json", "--model", "als,sasrec", "--factors", "8"];
    arguments.extend(&SMALL[2..]);
    let evaluated = succeeds(arguments.iter().map(AsRef::as_ref))?;
    let evaluation: Value = serde_json::from_str(&evaluated.stdout).with_context(|| evaluated.to_string())?;
    for model in ["als", "sasrec", "popularity"] {
        let rate = evaluation["models"][model]["hr@10"].as_f64();
        assert!(rate.is_some_and(|rate| (0.0..=1.0).contains(&rate)), "no hr@10 of {model}: {evaluation}");
    }
    let differences = evaluation["differences"].as_array().context("an evaluation has differences")?;
    let compared: Vec<_> =
        differences.iter().map(|pair| (text(&pair["model"]), text(&pair["baseline"]))).collect();
    assert_eq!(compared, [("als", "popularity"), ("sasrec", "popularity"), ("sasrec", "als")]);
    for difference in differences {
        let found = &difference["metrics"]["ndcg@10"];
        let of = |model: &Value| evaluation["models"][text(model)]["ndcg@10"].as_f64();
        let (model, baseline) = (of(&difference["model"]), of(&difference["baseline"]));
        let expected = model.zip(baseline).map(|(model, baseline)| model - baseline);
        let mean = found["difference"].as_f64();
        assert!(mean.zip(expected).is_some_and(|(a, b)| (a - b).abs() < 1e-9), "{difference}");
        let (low, high) = (found["interval"][0].as_f64(), found["interval"][1].as_f64());
        assert!(low <= mean && mean <= high && low.is_some(), "{difference}");
    }
    Ok(())
}

#[test]
fn a_training_that_was_killed_goes_on_to_the_same_bytes() -> Result<()> {
    let home = Home::new()?;
    let epochs = ["--epochs", "4", "--patience", "4"];
    let settings: Vec<&str> = SMALL[..6].iter().copied().chain(epochs).collect();
    let checkpoint = home.path("checkpoint");
    let kept = ["--checkpoint", checkpoint.to_str().context("a temporary path is text")?];
    let whole = home.train("whole", &settings)?.finish()?;
    assert!(whole.status.success(), "{whole}");

    let with_checkpoint: Vec<&str> = settings.iter().copied().chain(kept).collect();
    let mut killed = home.train("resumed", &with_checkpoint)?;
    while !checkpoint.join("checkpoint.safetensors").exists() {
        ensure!(killed.is_running()?, "it ended without a checkpoint: {}", killed.log());
        thread::sleep(Duration::from_millis(1));
    }
    assert!(killed.is_running()?, "it was over before it could be killed");
    // With SIGKILL, as a power cut ends it.
    drop(killed);
    assert!(!home.path("resumed").exists(), "a training that was killed wrote an artifact");

    let other: Vec<&str> = with_checkpoint.iter().copied().chain(["--dropout", "0.35", "--resume"]).collect();
    let other = home.train("resumed", &other)?.finish()?;
    refused(&other, &["dropout", "0.35", "checkpoint.safetensors"]);
    in_one_sentence(&other);

    let resume: Vec<&str> = with_checkpoint.iter().copied().chain(["--resume"]).collect();
    let resumed = home.train("resumed", &resume)?.finish()?;
    assert!(resumed.status.success(), "{resumed}");
    assert!(resumed.stderr.contains("goes on after"), "{resumed}");
    alike(&home.path("whole"), &home.path("resumed"))
}

#[test]
fn the_number_of_threads_changes_no_byte() -> Result<()> {
    let home = Home::new()?;
    for threads in ["1", "2"] {
        let settings: Vec<&str> = SMALL.iter().copied().chain(["--threads", threads]).collect();
        let trained = home.train(threads, &settings)?.finish()?;
        assert!(trained.status.success(), "{trained}");
    }
    alike(&home.path("1"), &home.path("2"))
}

#[test]
fn a_gpu_that_this_build_cannot_use_is_refused() -> Result<()> {
    let home = Home::new()?;
    let settings: Vec<&str> = SMALL.iter().copied().chain(["--device", "cuda:0"]).collect();
    let finished = home.train("model", &settings)?.finish()?;
    refused(&finished, &["CUDA", "--features cuda"]);
    in_one_sentence(&finished);
    assert!(!home.path("model").exists());
    Ok(())
}

#[test]
fn histories_of_one_item_teach_nothing() -> Result<()> {
    let home = Home::new()?;
    let data = home.path("interactions.csv");
    let row = |n: usize| format!("user-{n},item-{},{}\n", n % 4, 1_700_000_000 + n);
    let rows: String = (0..12).map(row).collect();
    fs::write(&data, format!("USER_ID,ITEM_ID,TIMESTAMP\n{rows}"))?;
    let out = home.path("model");
    let train = ["train".as_ref(), "--data".as_ref(), data.as_os_str(), "--out".as_ref(), out.as_os_str()];
    let finished = marquee(train.into_iter().chain(SMALL.iter().map(AsRef::as_ref)))?;
    refused(&finished, &["interactions.csv", "no history has two items"]);
    in_one_sentence(&finished);
    Ok(())
}

/// A module of PyTorch's names and layout with random weights, and what its own formulas make of a history.
const STATE_DICT: &str = "
import json
import numpy as np
from safetensors.numpy import save_file

N, d, L, heads = 30, 8, 5, 2
draw = np.random.default_rng(3).normal
state = {'item_embeddings.weight': draw(0, 0.4, (N, d)), 'position_embeddings.weight': draw(0, 0.8, (L, d))}
def norm(name):
    state[name + '.weight'], state[name + '.bias'] = draw(1, 0.3, d), draw(0, 0.3, d)
def linear(name, inputs, outputs):
    state[name + '.weight'], state[name + '.bias'] = draw(0, inputs**-0.5, (outputs, inputs)), draw(0, 0.3, outputs)
for block in ('blocks.0.', 'blocks.1.'):
    norm(block + 'attention_norm'); norm(block + 'feed_forward_norm')
    linear(block + 'query_key_value', d, 3 * d); linear(block + 'attention_output', d, d)
    linear(block + 'feed_forward_in', d, 12); linear(block + 'feed_forward_out', 12, d)
norm('norm')
save_file({name: tensor.astype('float32') for name, tensor in state.items()}, 'state.safetensors')

def normed(x, name):
    x = x - x.mean(1, keepdims=True)
    return x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-5) * state[name + '.weight'] + state[name + '.bias']
def layer(x, name):
    return x @ state[name + '.weight'].T + state[name + '.bias']
def attention(x):
    out = np.zeros((len(x), d))
    for head in range(heads):
        part = slice(head * d // heads, (head + 1) * d // heads)
        q, k, v = x[:, :d][:, part], x[:, d:2 * d][:, part], x[:, 2 * d:][:, part]
        scores = np.where(np.tri(len(x)) > 0, q @ k.T / np.sqrt(d / heads), -np.inf)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        out[:, part] = weights / weights.sum(1, keepdims=True) @ v
    return out

history = [7, 3, 21]
x = d**0.5 * state['item_embeddings.weight'][history] + state['position_embeddings.weight'][L - len(history):]
for block in ('blocks.0.', 'blocks.1.'):
    x = x + layer(attention(layer(normed(x, block + 'attention_norm'), block + 'query_key_value')), block + 'attention_output')
    inner = np.maximum(layer(normed(x, block + 'feed_forward_norm'), block + 'feed_forward_in'), 0)
    x = x + layer(inner, block + 'feed_forward_out')
scores = state['item_embeddings.weight'] @ normed(x, 'norm')[-1]
best = [int(row) for row in np.argsort(-scores) if row not in history][:10]
print(json.dumps([[f'book-{row}', scores[row]] for row in best]))
with open('items.csv', 'w') as items:
    items.write('item_id,title,year,genres\\n')
    items.writelines(f'book-{n},Book number {n},{1900 + n},Novel\\n' for n in range(N))
";

#[test]
fn a_state_dict_that_python_saved_is_imported_and_asked() -> Result<()> {
    let home = Home::new()?;
    let mut python = command(&venv().python());
    python.args(["-c", STATE_DICT]).current_dir(home.path(""));
    let written = Process::spawn(python)?.finish()?;
    assert!(written.status.success(), "{written}");
    let expected: Value = serde_json::from_str(&written.stdout).with_context(|| written.to_string())?;

    let (items_file, state, model) =
        (home.path("items.csv"), home.path("state.safetensors"), home.path("model"));
    let import: [&OsStr; 9] = [
        "import".as_ref(),
        "--items".as_ref(),
        items_file.as_os_str(),
        "--state-dict".as_ref(),
        state.as_os_str(),
        "--heads".as_ref(),
        "2".as_ref(),
        "--out".as_ref(),
        model.as_os_str(),
    ];
    succeeds(import)?;
    succeeds(["verify".as_ref(), model.as_os_str()])?;
    let asked = recommend(&model, &["Book number 7", "Book number 3", "Book number 21"])?;
    let expected = expected.as_array().context("the script prints a list")?;
    assert_eq!(item_ids(&asked), expected.iter().map(|pair| text(&pair[0])).collect::<Vec<_>>(), "{asked}");
    for (item, pair) in items(&asked).iter().zip(expected) {
        let difference = item["score"].as_f64().zip(pair[1].as_f64()).map(|(a, b)| (a - b).abs());
        assert!(difference.is_some_and(|difference| difference < 1e-4), "{item} {pair}");
    }
    Ok(())
}

/// A folder for what a test makes.
struct Home(TempDir);

impl Home {
    fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Starts a training on the demo, at a time that is always the same.
    fn train(&self, out: &str, settings: &[&str]) -> Result<Process> {
        let mut command = command(binaries().path("marquee"));
        command.env("SOURCE_DATE_EPOCH", "1700000000").args(["train", "--demo"]).args(settings);
        command.arg("--out").arg(self.path(out));
        Process::spawn(command)
    }
}

fn succeeds<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<Finished> {
    let finished = marquee(arguments)?;
    assert!(finished.status.success(), "{finished}");
    Ok(finished)
}

fn recommend(model: &Path, titles: &[&str]) -> Result<Value> {
    let mut arguments =
        vec![OsStr::new("recommend"), "--json".as_ref(), "--model".as_ref(), model.as_os_str()];
    arguments.extend(titles.iter().flat_map(|title| ["--like", title]).map(OsStr::new));
    let answered = succeeds(arguments)?;
    serde_json::from_str(&answered.stdout).with_context(|| answered.to_string())
}

/// Asserts that every file of two artifacts has the same bytes.
fn alike(one: &Path, other: &Path) -> Result<()> {
    let names = |folder: &Path| -> Result<Vec<_>> {
        let mut names: Vec<_> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
        names.sort();
        Ok(names)
    };
    let files = names(one)?;
    assert_eq!(files, names(other)?);
    assert!(files.iter().any(|name| name == "model.safetensors"), "{files:?}");
    for file in files {
        let same = fs::read(one.join(&file))? == fs::read(other.join(&file))?;
        assert!(same, "{} differs", file.display());
    }
    Ok(())
}

/// Asserts that the fault is told in the last line, and in no other.
fn in_one_sentence(finished: &Finished) {
    let faults = finished.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    let last = finished.stderr.lines().last().unwrap_or_default();
    assert!(faults == 1 && last.starts_with("error: "), "{finished}");
}
