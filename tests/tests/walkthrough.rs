//! `docs/walkthrough.md`, done as it is written: its services are started, its commands run, their outputs compared.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tests::{Process, Service, binaries, command, model_dir, root};

/// In an expected line it stands for any text, or none.
const ANY: char = '…';

/// What a newcomer's first line says, and what the walk replaces by where its own service listens.
const BASE: &str = "MARQUEE";

/// A command of the document, and what it is expected to write.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// The number of its line, from 1.
    line: usize,
    command: String,
    expected: Vec<String>,
}

/// The steps of a document's `console` blocks. A command begins with `$ ` and goes on where a line ends in `\` or inside
/// single quotes; the lines after it are its output.
fn steps(document: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line != "```console" {
            continue;
        }
        let mut block: Vec<Step> = Vec::new();
        loop {
            let Some((index, line)) = lines.next() else { bail!("line {}: a block has no end", number + 1) };
            if line == "```" {
                break;
            }
            if let Some(first) = line.strip_prefix("$ ") {
                let mut command = first.to_owned();
                while command.ends_with('\\') || command.matches('\'').count() % 2 == 1 {
                    let (_, next) =
                        lines.next().with_context(|| format!("line {}: half a command", index + 1))?;
                    command = format!("{command}\n{next}");
                }
                block.push(Step { line: index + 1, command, expected: Vec::new() });
            } else {
                let step =
                    block.last_mut().with_context(|| format!("line {}: whose output is it?", index + 1))?;
                step.expected.push(line.to_owned());
            }
        }
        steps.append(&mut block);
    }
    Ok(steps)
}

/// Whether a line is as expected.
fn line_matches(expected: &str, found: &str) -> bool {
    let mut parts = expected.split(ANY);
    let Some(mut rest) = parts.next().and_then(|start| found.strip_prefix(start)) else { return false };
    let Some(end) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(end)
}

impl Step {
    /// Fails unless these lines are the expected ones, each in its place.
    fn check(&self, found: &str) -> Result<()> {
        let lines: Vec<_> = found.lines().map(str::trim_end).collect();
        let same = lines.len() == self.expected.len()
            && self.expected.iter().zip(&lines).all(|(expected, found)| line_matches(expected, found));
        let Self { line, command, expected } = self;
        ensure!(
            same,
            "docs/walkthrough.md, line {line}: the output is not the document's\n\
             --- command\n{command}\n--- expected\n{}\n--- found\n{}\n---",
            expected.join("\n"),
            lines.join("\n")
        );
        Ok(())
    }
}

/// A newcomer's two terminals.
struct Walk {
    /// Where they work; the store and the assigned variables are kept in it.
    folder: TempDir,
    service: Option<Service>,
}

impl Walk {
    fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()?, service: None })
    }

    fn take(&mut self, step: &Step) -> Result<()> {
        match step.command.strip_prefix("marquee serve") {
            Some(options) => self.serve(step, options),
            None => self.run(&step.command).and_then(|found| step.check(&found)),
        }
        .with_context(|| format!("line {}: `{}`", step.line, step.command))
    }

    /// Ends the service before, as Ctrl-C does, and starts this one on the demo, on a free port and the same store.
    fn serve(&mut self, step: &Step, options: &str) -> Result<()> {
        if let Some(service) = self.service.take() {
            service.interrupt()?;
            let finished = service.finish()?;
            ensure!(finished.status.success(), "{finished}");
        }
        // The service has the working directory of the tests: files of the walk are named in full.
        let in_full = |option: &str| {
            let path = self.folder.path().join(option);
            if path.exists() { path.display().to_string() } else { option.to_owned() }
        };
        let mut all: Vec<_> = options.split_whitespace().map(in_full).collect();
        all.extend(["--store".into(), format!("file:{}", self.folder.path().join("store").display())]);
        let mut service = Service::start_with(model_dir(), all.iter().map(String::as_str))?;
        // The line with its address is the last of those that the document shows.
        let log = service.log();
        self.service = Some(service);
        let shown: Vec<_> = log.lines().take(step.expected.len()).collect();
        step.check(&shown.join("\n"))
    }

    /// What a command writes to its terminal. What it assigns holds for the commands after it.
    fn run(&self, shell: &str) -> Result<String> {
        let keep = match shell.split_once('=') {
            Some((name, _)) if name.chars().all(|c| c.is_ascii_uppercase()) => {
                format!("declare -p {name} >> .assigned")
            }
            _ => String::new(),
        };
        let base = self.service.as_ref().map_or("", Service::base);
        let script = format!("exec 2>&1\ntouch .assigned\nsource .assigned\n{BASE}={base}\n{shell}\n{keep}");
        let finished = self.bash(&script)?.finish()?;
        ensure!(finished.status.success(), "the command failed: {finished}");
        Ok(finished.stdout)
    }

    fn bash(&self, script: &str) -> Result<Process> {
        let marquee = binaries().path("marquee").parent().context("a binary lies in a folder")?;
        let mut bash = command(Path::new("bash"));
        bash.args(["-euo", "pipefail", "-c", script]).current_dir(self.folder.path());
        bash.env("PATH", path_with(marquee)?);
        Process::spawn(bash)
    }
}

/// The `PATH` of the tests with one more folder in front.
#[expect(
    clippy::disallowed_methods,
    reason = "the commands of the document are found where the tester's are"
)]
fn path_with(folder: &Path) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").context("there is no PATH")?;
    Ok(std::env::join_paths(std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path)))?)
}

/// Fails with what to do about it where there is no curl.
fn need_curl() -> Result<()> {
    match std::process::Command::new("curl").arg("--version").output() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!(
                "the walk-through needs curl on the PATH: install it (Debian, Ubuntu: apt-get install curl)"
            )
        }
        Err(error) => Err(error).context("cannot run curl"),
    }
}

#[test]
fn the_walk_through_goes_as_it_is_written() -> Result<()> {
    need_curl()?;
    let steps = steps(&fs::read_to_string(root().join("docs/walkthrough.md"))?)?;
    let mut walk = Walk::new()?;
    for step in &steps {
        walk.take(step)?;
    }
    Ok(())
}

#[test]
fn the_walk_through_comes_by_every_route() -> Result<()> {
    let contract: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(root().join("docs/openapi.json"))?)?;
    let steps = steps(&fs::read_to_string(root().join("docs/walkthrough.md"))?)?;
    let paths = contract["paths"].as_object().context("the contract has paths")?;
    for (path, operations) in paths {
        for method in ["get", "post", "put", "delete"] {
            if operations.get(method).is_none() {
                continue;
            }
            let walked = steps.iter().any(|step| asks(&step.command, method, path));
            ensure!(walked, "docs/walkthrough.md does not show {method} {path}");
        }
    }
    Ok(())
}

/// Whether a curl command asks for a route, by its method and path template.
fn asks(command: &str, method: &str, template: &str) -> bool {
    let Some((_, url)) = command.split_once("$MARQUEE") else { return false };
    let path = url.split(|c: char| c.is_whitespace() || "?\"'".contains(c)).next().unwrap_or_default();
    let (asked, wanted): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
    let by = match command.split_once("-X ") {
        Some((_, after)) => after.split_whitespace().next().unwrap_or_default().to_lowercase(),
        None if command.contains(" -d ") => "post".into(),
        None => "get".into(),
    };
    by == method
        && asked.len() == wanted.len()
        && asked.iter().zip(&wanted).all(|(asked, wanted)| wanted.starts_with('{') || asked == wanted)
}

#[test]
fn commands_and_outputs_are_read_in_their_order() -> Result<()> {
    let document =
        "text\n```console\n$ one 'a\nb' \\\n  c\nout\n\nmore\n$ two\n```\n```sh\n$ not this\n```\n";
    let step = |line, command: &str, expected: &[&str]| Step {
        line,
        command: command.into(),
        expected: expected.iter().map(|line| (*line).into()).collect(),
    };
    let read = steps(document)?;
    assert_eq!(read, [step(3, "one 'a\nb' \\\n  c", &["out", "", "more"]), step(9, "two", &[])]);
    for broken in ["```console\n$ no end\n", "```console\nno command\n```\n", "```console\n$ half \\\n"] {
        assert!(steps(broken).is_err(), "{broken}");
    }
    Ok(())
}

#[test]
fn an_ellipsis_matches_within_its_line_and_nothing_else_is_let_through() {
    for (expected, found, same) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a…", "ab", true),
        ("a…c…e", "abcde", true),
        ("a…", "a", true),
        ("…b", "ab", true),
        ("a…b", "ba", false),
        ("aa…aa", "aaa", false),
        ("a…c…e", "aecd", false),
        ("a…c", "a\nc", false),
    ] {
        let step = Step { line: 1, command: "x".into(), expected: vec![expected.into()] };
        assert_eq!(step.check(found).is_ok(), same, "{expected} and {found}");
    }
}

#[test]
fn a_wrong_output_is_shown_with_its_command() -> Result<()> {
    let mut walk = Walk::new()?;
    for (document, told) in [
        ("```console\n$ echo right\nwrong\n```\n", ["echo right", "--- expected\nwrong", "--- found\nright"]),
        ("```console\n$ printf 'a\\nb'\na…b\n```\n", ["printf", "--- expected\na…b", "--- found\na\nb"]),
        ("```console\n$ echo more\n```\n", ["echo more", "--- expected\n\n", "--- found\nmore"]),
        ("```console\n$ true\nless\n```\n", ["true", "--- expected\nless", "--- found\n\n"]),
        ("```console\n$ echo out; false\nout\n```\n", ["echo out", "the command failed", "out"]),
        ("```console\n$ false | true\n```\n", ["false | true", "the command failed", "line 2"]),
    ] {
        let steps = steps(document)?;
        let error = format!("{:#}", walk.take(&steps[0]).expect_err(document));
        for words in told {
            assert!(error.contains(words), "{words} is not in: {error}");
        }
    }
    for step in steps("```console\n$ WORD=$(echo kept)\n$ echo \"$WORD\"\nkept\n```\n")? {
        walk.take(&step)?;
    }
    Ok(())
}
