//! What can be wrong with a batch's files, and where it is said.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tests::{Finished, Process, binaries, command, marquee, model_dir};

use super::{Home, read};

fn batch(input: &Path, output: &Path, options: &[&str]) -> Result<Finished> {
    let mut arguments =
        vec!["batch".into(), input.as_os_str().to_owned(), "-o".into(), output.as_os_str().to_owned()];
    arguments.extend(["--model".into(), model_dir().as_os_str().to_owned()]);
    arguments.extend(options.iter().map(Into::into));
    marquee(arguments)
}

fn gzip(text: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = std::process::Command::new("gzip");
    let mut child = gzip.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    std::io::Write::write_all(&mut child.stdin.take().expect("it is piped"), text)?;
    Ok(child.wait_with_output()?.stdout)
}

#[test]
fn a_line_that_is_wrong_is_answered_with_what_is_wrong_and_its_neighbours_with_items() -> Result<()> {
    let home = Home::new()?;
    let long = format!("{{\"user_id\": \"{}\"}}", "x".repeat(300_000));
    let good = r#"{"history": ["alien-1979"], "k": 2}"#;
    let text = format!("{good}\nnonsense\n\n{{\"history\": [], \"deadline_ms\": 5}}\n{long}\n{good}");
    let (input, output) = (home.write("in.jsonl", text)?, home.path("out.jsonl"));
    let finished = batch(&input, &output, &[])?;
    assert!(finished.status.success(), "{finished}");
    for (fact, value) in [("lines", "6"), ("errors", "4"), ("from the model", "2")] {
        let told =
            |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") == format!("{fact} {value}");
        assert!(finished.stdout.lines().any(told), "{fact} {value} is not told: {finished}");
    }
    let lines = read(&output)?;
    let codes: Vec<_> = lines.iter().map(|line| line["error"]["code"].as_str().unwrap_or("-")).collect();
    assert_eq!(codes, ["-", "malformed_json", "malformed_json", "invalid_request", "body_too_large", "-"]);
    assert_eq!(lines[0], lines[5]);
    assert_eq!(lines[0]["output"]["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(lines[3]["error"]["errors"][0]["pointer"], "/deadline_ms");
    assert!((0..6).all(|i| lines[i]["error"].get("line").is_none_or(|line| line == i + 1)));
    Ok(())
}

#[test]
fn packed_input_csv_and_streams_give_the_same_items() -> Result<()> {
    let home = Home::new()?;
    let people =
        "{\"history\":[\"alien-1979\",\"heat-1995\"]}\n{\"history\":[\"frozen-2013\"]}\n".repeat(100);
    let csv = format!("history\n{}", "alien-1979 heat-1995\nfrozen-2013\n".repeat(100));
    let outputs = |name: &str, bytes: &[u8]| -> Result<Vec<Value>> {
        let (input, output) = (home.write(name, bytes)?, home.path("out"));
        let finished = batch(&input, &output, &["-k", "3"])?;
        assert!(finished.status.success(), "{finished}");
        Ok(read(&output)?.into_iter().map(|mut line| line["output"].take()).collect())
    };
    let plain = outputs("in.jsonl", people.as_bytes())?;
    assert_eq!((plain.len(), plain[0]["items"].as_array().map(Vec::len)), (200, Some(3)));
    assert_eq!(outputs("in.jsonl.gz", &gzip(people.as_bytes())?)?, plain);
    assert_eq!(outputs("no-ending", &gzip(people.as_bytes())?)?, plain);
    assert_eq!(outputs("in.csv", csv.as_bytes())?, plain);
    assert_eq!(outputs("in.csv.gz", &gzip(csv.as_bytes())?)?, plain);

    let input = home.write("in.jsonl", &people)?;
    let mut shell = command(Path::new("/bin/sh"));
    shell.args(["-c", "\"$1\" batch - -o - -k 3 --model \"$2\" < \"$3\"", "sh"]);
    shell.arg(binaries().path("marquee")).arg(model_dir()).arg(input);
    let finished = Process::spawn(shell)?.finish()?;
    let streamed: Result<Vec<Value>, _> = finished.stdout.lines().map(serde_json::from_str).collect();
    let streamed: Vec<_> = streamed?.into_iter().map(|mut line: Value| line["output"].take()).collect();
    assert_eq!(streamed, plain, "nothing but answers goes to standard output");
    Ok(())
}

#[test]
fn the_form_of_personalize_is_read_and_written() -> Result<()> {
    let home = Home::new()?;
    let input = home
        .write("in.jsonl", "{\"userId\": \"1\"}\n{\"userId\": \"2\", \"itemList\": [\"heat-1995\"]}\n{}\n")?;
    let output = home.path("out.jsonl");
    let finished = batch(&input, &output, &["--format", "personalize", "-k", "2"])?;
    assert!(finished.status.success(), "{finished}");
    let lines = read(&output)?;
    for (line, count) in lines.iter().zip([2, 1, 2]) {
        assert_eq!(line["error"], json!(null), "{line}");
        assert_eq!(line["output"]["recommendedItems"].as_array().map(Vec::len), Some(count), "{line}");
        assert_eq!(line["output"]["scores"].as_array().map(Vec::len), Some(count), "{line}");
    }
    Ok(())
}

#[test]
fn a_file_that_is_no_input_is_named_with_what_is_wrong_and_nothing_is_left_behind() -> Result<()> {
    let home = Home::new()?;
    let packed = gzip("{\"k\": 1}\n".repeat(50_000).as_bytes())?;
    for (name, bytes, said) in [
        ("empty.jsonl", &b""[..], "is empty"),
        ("header.csv", b"user_id\n", "is empty"),
        ("columns.csv", b"user_id,age\n1,2\n", "\"age\""),
        ("plain.gz", b"{}\n", "is not packed"),
        ("cut.gz", &packed[..packed.len() / 2], "its end is missing or damaged"),
    ] {
        let (input, output) = (home.write(name, bytes)?, home.path("out.jsonl"));
        let finished = batch(&input, &output, &["--restart"])?;
        assert!(!finished.status.success() && finished.stderr.contains(said), "{name}: {finished}");
        assert!(finished.stderr.contains(name), "{name} is not named: {finished}");
        assert!(!output.exists(), "{name}: a file that is not whole has its name");
    }
    let missing = batch(&home.path("none.jsonl"), &home.path("out"), &[])?;
    assert!(!missing.status.success() && missing.stderr.contains("none.jsonl can't be read"), "{missing}");
    let input = home.write("in.jsonl", "{}\n")?;
    let same = batch(&input, &input, &[])?;
    assert!(!same.status.success() && same.stderr.contains("the same file"), "{same}");
    let nowhere = batch(&input, &home.path("no/such/folder"), &[])?;
    assert!(!nowhere.status.success() && nowhere.stderr.contains("can't be written"), "{nowhere}");
    let locked = home.path("locked");
    fs::create_dir(&locked)?;
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500))?;
    // Whoever is root may write everywhere.
    if fs::write(locked.join("probe"), "").is_err() {
        let refused = batch(&input, &locked.join("out"), &[])?;
        assert!(!refused.status.success() && refused.stderr.contains("can't be written"), "{refused}");
    }
    Ok(())
}

#[test]
fn a_run_that_broke_off_is_gone_on_with_or_begun_again_and_never_mixed() -> Result<()> {
    let home = Home::new()?;
    let good = "{\"history\": [\"alien-1979\"]}\n".repeat(5_000);
    let packed = gzip(good.as_bytes())?;
    let (input, output) = (home.write("in", &packed[..packed.len() - 8])?, home.path("out"));
    let broken = batch(&input, &output, &[])?;
    assert!(broken.stderr.contains("are kept; --resume goes on"), "{broken}");
    let without = batch(&input, &output, &[])?;
    assert!(without.stderr.contains("--restart begins again"), "{without}");
    let other = batch(&input, &output, &["--resume", "-k", "3"])?;
    assert!(other.stderr.contains("-k was 10 and is 3 now"), "{other}");
    // The same lines, whole: another file, as its size says.
    home.write("in", &packed)?;
    let changed = batch(&input, &output, &["--resume"])?;
    assert!(changed.stderr.contains("the input's size was"), "{changed}");
    let again = batch(&input, &output, &["--restart"])?;
    assert!(again.status.success(), "{again}");
    assert_eq!(read(&output)?.len(), 5_000);
    Ok(())
}

#[test]
fn ctrl_c_ends_a_run_that_is_gone_on_with() -> Result<()> {
    let home = Home::new()?;
    let input = home.write("in", "{\"history\": [\"alien-1979\"]}\n".repeat(400_000))?;
    let (output, partial) = (home.path("out"), home.path("out.partial"));
    let mut command = command(binaries().path("marquee"));
    command.arg("batch").arg(&input).arg("-o").arg(&output).arg("--model").arg(model_dir());
    let mut process = Process::spawn(command)?;
    while fs::metadata(&partial).map_or(0, |file| file.len()) == 0 {
        ensure!(!output.exists(), "it was done before it could be interrupted");
        thread::sleep(Duration::from_millis(5));
    }
    process.interrupt()?;
    let stopped = process.finish()?;
    assert!(!stopped.status.success() && stopped.stderr.contains("are kept; --resume goes on"), "{stopped}");
    assert!(!output.exists() && home.path("out.checkpoint").exists());
    Ok(())
}
