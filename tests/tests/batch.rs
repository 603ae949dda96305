//! Batches from end to end: the command, the service, the functions in their state machine.

mod faults;
mod kills;
mod machine;
mod modes;
mod serve;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::Random;

/// A folder of files.
struct Home(TempDir);

impl Home {
    fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, bytes)?;
        Ok(path)
    }
}

/// Histories of 1 to 8 distinct items of these, newest last.
fn histories(items: &[String], count: usize) -> Vec<Vec<&str>> {
    let mut random = Random(7);
    let mut history = || {
        let mut history: Vec<&str> = Vec::new();
        for _ in 0..=random.below(8) {
            let item = items[random.below(items.len() as u64) as usize].as_str();
            if !history.contains(&item) {
                history.push(item);
            }
        }
        history
    };
    (0..count).map(|_| history()).collect()
}

/// The items of the demo.
fn demo_items() -> Result<Vec<String>> {
    let films = fs::read_to_string(tests::root().join("training/demo/films.csv"))?;
    Ok(films.lines().skip(1).filter_map(|line| line.split(',').next()).map(str::to_owned).collect())
}

/// One line for each history.
fn lines(histories: &[Vec<&str>]) -> String {
    histories.iter().map(|history| format!("{}\n", json!({ "history": history }))).collect()
}

/// The JSON of each line of a file.
fn read(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}
