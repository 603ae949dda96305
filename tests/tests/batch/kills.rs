//! However often and whenever the command is killed, going on gives the same bytes, and little is done twice.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::{Process, Random, binaries, command, marquee, model_dir};

use super::{Home, demo_items, histories, lines};

const KILLS: usize = 20;
const PEOPLE: usize = 20_000;
/// Lines that may be made twice after a kill: one in fifty.
const TWICE: u64 = PEOPLE as u64 / 50;

fn batch(input: &Path, output: &Path) -> Result<Process> {
    let mut command = command(binaries().path("marquee"));
    command.arg("batch").arg(input).arg("-o").arg(output).arg("--model").arg(model_dir()).arg("--resume");
    Process::spawn(command)
}

fn beside(path: &Path, ending: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[test]
fn a_run_that_is_killed_twenty_times_and_goes_on_writes_what_one_that_is_not_killed_writes() -> Result<()> {
    let home = Home::new()?;
    let items = demo_items()?;
    let input = home.write("in.jsonl", lines(&histories(&items, PEOPLE)))?;
    let (whole, killed) = (home.path("whole.jsonl"), home.path("killed.jsonl"));
    let started = Instant::now();
    let finished = batch(&input, &whole)?.finish()?;
    ensure!(finished.status.success(), "{finished}");
    let whole_ms = u64::try_from(started.elapsed().as_millis())?;
    let whole = fs::read(&whole)?;
    assert_eq!(whole.iter().filter(|byte| **byte == b'\n').count(), PEOPLE);

    let mut random = Random(std::time::UNIX_EPOCH.elapsed()?.as_nanos() as u64 | 1);
    println!("seed {}", random.0);
    let (mut kills, mut under_way) = (0, 0);
    while kills < KILLS {
        let process = batch(&input, &killed)?;
        thread::sleep(Duration::from_millis(random.below(whole_ms / 4 + 1)));
        // Dropping it is SIGKILL.
        drop(process);
        kills += 1;
        if killed.exists() {
            ensure!(fs::read(&killed)? == whole, "after {kills} kills the output is another");
            fs::remove_file(&killed)?;
            continue;
        }
        let (partial, checkpoint) = (beside(&killed, ".partial"), beside(&killed, ".checkpoint"));
        let Ok(written) = fs::read(&partial) else { continue };
        ensure!(whole.starts_with(&written), "what was written before kill {kills} is not the beginning");
        let marked = match fs::read(&checkpoint) {
            Ok(text) => serde_json::from_slice::<Value>(&text)?["tally"]["rows"].as_u64().unwrap_or_default(),
            Err(_) => 0,
        };
        let lines = written.iter().filter(|byte| **byte == b'\n').count() as u64;
        ensure!(lines >= marked, "the checkpoint says {marked} lines, and there are {lines}");
        ensure!(lines - marked <= TWICE, "{} of {PEOPLE} lines would be made twice", lines - marked);
        under_way += usize::from(marked > 0);
    }
    let finished = batch(&input, &killed)?.finish()?;
    ensure!(finished.status.success(), "{finished}");
    ensure!(fs::read(&killed)? == whole, "the output of a run that went on is another");
    ensure!(!beside(&killed, ".partial").exists() && !beside(&killed, ".checkpoint").exists());
    ensure!(under_way > 2, "only {under_way} of {KILLS} kills came while lines were being written");
    // Asked once more, there is nothing left to do.
    let again = marquee([
        "batch".as_ref(),
        input.as_os_str(),
        "-o".as_ref(),
        killed.as_os_str(),
        "--resume".as_ref(),
        "--model".as_ref(),
        model_dir().as_os_str(),
    ])?;
    ensure!(again.status.success() && again.stdout.contains("is finished"), "{again}");
    Ok(())
}
