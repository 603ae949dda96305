//! The whole walk, as the README walks it: train, look, check, measure, ask, serve.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::{Finished, Process, Service, command, marquee, movielens_zip, venv};

use crate::answers::{answer, ask, best_first, explanations_sum_to_scores, item_ids, items, strings, text};

#[test]
fn the_demo_walks_from_training_to_serving() -> Result<()> {
    let home = tempfile::tempdir()?;
    let model = home.path().join("model");
    succeeds(["train".as_ref(), "--demo".as_ref(), "--out".as_ref(), model.as_os_str()])?;
    let inspected = inspect(&model)?;
    assert_eq!(
        inspected["config"]["training"]["simulated"],
        json!(true),
        "the demo is labelled: {inspected}"
    );
    sound(&model)?;
    als_finds_more_than_popularity(&evaluate([OsStr::new("--demo")])?);
    asked_and_served_alike(&model, &["Alien", "Blade Runner"], &["alien-1979", "blade-runner-1982"])
}

/// The figures that FINDINGS.md has for these data; the test asks only that the model is worth having.
#[test]
fn movielens_walks_from_training_to_serving() -> Result<()> {
    let Some(data) = movielens_zip() else {
        // Not through `println!`, which the test runner holds back when a test passes.
        writeln!(
            io::stderr(),
            "tests: ml-latest-small.zip is not at hand beside the checkout: walked on the demo alone"
        )?;
        return Ok(());
    };
    let home = tempfile::tempdir()?;
    let model = home.path().join("model");
    let (data, out) = (data.as_os_str(), model.as_os_str());
    let train = [
        "train".as_ref(),
        "--data".as_ref(),
        data,
        "--model".as_ref(),
        "als".as_ref(),
        "--out".as_ref(),
        out,
    ];
    succeeds(train)?;
    let inspected = inspect(&model)?;
    let training = &inspected["config"]["training"];
    assert_eq!(
        (&training["interactions"], &training["users"]),
        (&json!(100_836), &json!(610)),
        "{inspected}"
    );
    assert_ne!(training["simulated"], json!(true), "{inspected}");
    sound(&model)?;
    als_finds_more_than_popularity(&evaluate(["--data".as_ref(), data, "--model".as_ref(), "als".as_ref()])?);
    asked_and_served_alike(&model, &["Toy Story", "Heat"], &["1", "6"])
}

#[test]
fn the_same_data_and_seed_give_the_same_model() -> Result<()> {
    let home = tempfile::tempdir()?;
    let digest = |name: &str, seed: &str| -> Result<String> {
        let model = home.path().join(name);
        let train = ["train", "--demo", "--factors", "8", "--epochs", "2", "--seed", seed, "--out"];
        succeeds(train.iter().map(AsRef::as_ref).chain([model.as_os_str()]))?;
        let manifest: Value = serde_json::from_slice(&fs::read(model.join("manifest.json"))?)?;
        Ok(text(&manifest["files"]["model.safetensors"]["sha256"]).to_owned())
    };
    let first = digest("first", "1")?;
    assert_eq!(first, digest("again", "1")?);
    assert_ne!(first, digest("other", "2")?);
    Ok(())
}

#[test]
fn training_again_replaces_a_model_that_is_being_served() -> Result<()> {
    let home = tempfile::tempdir()?;
    let model = home.path().join("model");
    let train = |seed: &str| {
        let train = ["train", "--demo", "--factors", "8", "--epochs", "2", "--seed", seed, "--out"];
        succeeds(train.iter().map(AsRef::as_ref).chain([model.as_os_str()]))
    };
    train("1")?;
    let service = Service::start(&model)?;
    let request = ask(&json!({"history": ["alien-1979"]}));
    let before = answer(&service.send(&request)?);
    train("2")?;
    // The running service keeps the files that it has mapped; the next one maps the new ones.
    assert_eq!(answer(&service.send(&request)?)["items"], before["items"]);
    let after = answer(&Service::start(&model)?.send(&request)?);
    assert_ne!(after["receipt"]["model"]["digest"], before["receipt"]["model"]["digest"]);
    Ok(())
}

#[test]
fn factors_that_numpy_saved_are_imported_and_asked() -> Result<()> {
    const WRITE: &str = "import numpy as np\n\
        factors = np.random.default_rng(1).normal(0, 0.3, (40, 8)).astype('float32')\n\
        np.save('factors.npy', factors)\n\
        with open('items.csv', 'w') as items:\n    \
            items.write('item_id,title,year,genres\\n')\n    \
            items.writelines(f'book-{n},Book {n},{1900 + n},Novel|Poem\\n' for n in range(40))\n";
    let home = tempfile::tempdir()?;
    let mut python = command(&venv().python());
    python.args(["-c", WRITE]).current_dir(home.path());
    let written = Process::spawn(python)?.finish()?;
    assert!(written.status.success(), "{written}");
    let path = |name: &str| home.path().join(name).into_os_string();
    let (items_file, factors, model) = (path("items.csv"), path("factors.npy"), path("model"));
    let import =
        ["import".as_ref(), "--items".as_ref(), items_file.as_os_str(), "--factors".as_ref(), &factors];
    succeeds(import.into_iter().chain(["--out".as_ref(), model.as_os_str()]))?;
    sound(Path::new(&model))?;
    asked_and_served_alike(Path::new(&model), &["Book 7"], &["book-7"])
}

/// Runs `marquee` and asserts that it succeeds.
fn succeeds<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<Finished> {
    let finished = marquee(arguments)?;
    assert!(finished.status.success(), "{finished}");
    Ok(finished)
}

/// What `inspect` says, in both its forms.
fn inspect(model: &Path) -> Result<Value> {
    let table = succeeds(["inspect".as_ref(), model.as_os_str()])?;
    for name in ["item_factors", "model.safetensors", "catalogue.safetensors", "digest"] {
        assert!(table.stdout.contains(name), "{name} is not shown: {table}");
    }
    let json = succeeds(["inspect".as_ref(), "--json".as_ref(), model.as_os_str()])?;
    let inspected: Value = serde_json::from_str(&json.stdout).with_context(|| json.to_string())?;
    assert_eq!(inspected["config"]["kind"], "als", "{inspected}");
    assert!(inspected["items"].as_u64().is_some_and(|items| items > 0), "{inspected}");
    Ok(inspected)
}

fn sound(model: &Path) -> Result<()> {
    let verified = succeeds(["verify".as_ref(), model.as_os_str()])?;
    assert!(verified.stdout.contains("sound"), "{verified}");
    Ok(())
}

fn evaluate<'a>(data: impl IntoIterator<Item = &'a OsStr>) -> Result<Value> {
    let evaluated = succeeds(["evaluate".as_ref(), "--json".as_ref()].into_iter().chain(data))?;
    serde_json::from_str(&evaluated.stdout).with_context(|| evaluated.to_string())
}

fn als_finds_more_than_popularity(evaluation: &Value) {
    let hit_rate = |model: &str| {
        let rate = evaluation["models"][model]["hr@10"].as_f64();
        rate.filter(|rate| (0.0..=1.0).contains(rate))
            .unwrap_or_else(|| panic!("no hr@10 of {model}: {evaluation}"))
    };
    let (als, popularity) = (hit_rate("als"), hit_rate("popularity"));
    assert!(als > popularity, "als {als}, popularity {popularity}: {evaluation}");
    let compared = &evaluation["differences"][0];
    assert_eq!(
        (text(&compared["model"]), text(&compared["baseline"])),
        ("als", "popularity"),
        "{evaluation}"
    );
    let found = &compared["metrics"]["hr@10"];
    let difference = found["difference"].as_f64().unwrap_or_else(|| panic!("no difference: {evaluation}"));
    assert!((difference - (als - popularity)).abs() < 1e-9, "{evaluation}");
    assert!(found["interval"][0].as_f64().is_some_and(|low| low > 0.0), "it may be chance: {evaluation}");
}

/// Asks the command and the service for the same person, and compares.
fn asked_and_served_alike(model: &Path, likes: &[&str], ids: &[&str]) -> Result<()> {
    let mut recommend = vec![OsStr::new("recommend"), "--model".as_ref(), model.as_os_str()];
    recommend.extend(likes.iter().flat_map(|title| ["--like", title]).map(OsStr::new));
    let table = succeeds(recommend.iter().copied())?;
    let asked = succeeds(recommend.into_iter().chain([OsStr::new("--json")]))?;
    let asked: Value = serde_json::from_str(&asked.stdout).with_context(|| asked.to_string())?;
    assert_eq!(items(&asked).len(), 10, "{asked}");
    best_first(&asked);
    explanations_sum_to_scores(&asked);
    for item in items(&asked) {
        // A narrow terminal wraps titles: the first word is enough.
        let word = text(&item["title"]).split_whitespace().next().context("a title has a word")?;
        assert!(table.stdout.contains(word), "{word} is not in the table: {table}");
        assert!(!strings(&item["genres"]).is_empty(), "{item}");
    }
    assert!(item_ids(&asked).iter().all(|id| !ids.contains(id)), "what is liked is known: {asked}");
    let service = Service::start(model)?;
    let served = answer(&service.send(&ask(&json!({"history": ids, "k": 10, "explain": true})))?);
    assert_eq!(served["items"], asked["items"]);
    assert_eq!(served["receipt"]["model"], asked["receipt"]["model"]);
    Ok(())
}
