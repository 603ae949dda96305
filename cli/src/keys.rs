//! `marquee keys`: makes, lists and revokes API keys, in the file that `marquee serve --api-keys` reads and that becomes
//! the secret of the authorizer on AWS.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use shared::api::history::Time;
use shared::api::routes::Scope;
use shared::keys::{Key, KeyRing, NOTE_LENGTH, RING_LIMIT};
use tempfile::NamedTempFile;

use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and add it to a ring: the key is shown once, the ring keeps its digest alone
    New(NewOptions),
    /// Show the keys of a ring
    List(RingOptions),
    /// Remove a key from a ring
    Revoke(RevokeOptions),
}

#[derive(Debug, Args)]
pub(crate) struct NewOptions {
    /// What it may be used for, with commas between: recommend, events, users, batches, admin
    #[arg(long, value_name = "SCOPES", required = true, value_delimiter = ',', value_parser = scope)]
    scopes: Vec<Scope>,
    /// Whose it is, or what for
    #[arg(long, value_name = "TEXT", value_parser = note)]
    note: Option<String>,
    /// Days for which it is valid, at most ten years of them [default: until it is revoked]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: Option<u16>,
    /// The ring: a file, made when there is none, or - for standard input; the new ring then goes to standard output
    #[arg(long, value_name = "FILE")]
    ring: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RingOptions {
    /// The ring's file
    #[arg(long, value_name = "FILE")]
    ring: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeOptions {
    /// The id of the key: its part between the two underscores
    #[arg(value_name = "ID")]
    id: String,
    /// The ring's file
    #[arg(long, value_name = "FILE")]
    ring: PathBuf,
}

pub(crate) fn run(command: &KeysCommand) -> Result<()> {
    match command {
        KeysCommand::New(options) => new(options),
        KeysCommand::List(options) => list(&options.ring),
        KeysCommand::Revoke(options) => revoke(options),
    }
}

/// Standard output carries what a program may want of it: the key where the ring has a file, else the ring.
fn new(options: &NewOptions) -> Result<()> {
    let file = options.ring.as_deref().filter(|path| *path != Path::new("-"));
    let mut ring = match (&options.ring, file) {
        (None, _) => KeyRing::default(),
        (Some(_), None) => parse(&standard_input()?, "standard input")?,
        (Some(_), Some(path)) if !path.exists() => KeyRing::default(),
        (Some(_), Some(path)) => read(path)?,
    };
    let mut scopes = options.scopes.clone();
    scopes.sort_unstable();
    scopes.dedup();
    let (mut key, secret) = Key::generate(scopes)?;
    key.note.clone_from(&options.note);
    key.expires_at = options.days.and_then(|days| Time::from_millis(Time::now().millis() + days_ms(days)));
    let id = key.id.clone();
    ring.add(key);
    let Some(path) = file else {
        check_size(&ring)?;
        eprintln!("the key, shown this once; give it to its owner:\n\n  {}\n", secret.expose());
        eprintln!(
            "the ring that has it goes to standard output: keep it in a file. {SECRET_HINT} file://FILE"
        );
        println!("{}", ring.to_json());
        return Ok(());
    };
    write(path, &ring)?;
    eprintln!("the key {id}, shown this once; give it to its owner:\n");
    println!("{}", secret.expose());
    eprintln!("\n{} knows its digest: `marquee serve --api-keys {0}` takes it.", path.display());
    eprintln!("{}", put_secret(path));
    Ok(())
}

const SECRET_HINT: &str = "On AWS it is the secret's new value:\n  \
    aws secretsmanager put-secret-value --secret-id <KeysSecret of the stack's outputs> --secret-string";

fn put_secret(path: &Path) -> String {
    format!("{SECRET_HINT} file://{}", path.display())
}

fn list(path: &Path) -> Result<()> {
    let ring = read(path)?;
    if ring.keys().is_empty() {
        println!("{} holds no key", path.display());
        return Ok(());
    }
    let now = Time::now();
    let mut table = output::table();
    table.set_header(["id", "scopes", "made", "valid until", "note"]);
    for key in ring.keys() {
        let until = key.expires_at.map_or_else(|| "no end".to_owned(), day);
        let expired = if key.has_expired(now) { " (expired)" } else { "" };
        table.add_row([
            key.id.to_string(),
            key.scope_names(),
            key.created_at.map(day).unwrap_or_default(),
            format!("{until}{expired}"),
            key.note.clone().unwrap_or_default(),
        ]);
    }
    println!("{table}");
    Ok(())
}

fn day(time: Time) -> String {
    time.to_string().chars().take(10).collect()
}

fn revoke(options: &RevokeOptions) -> Result<()> {
    let RevokeOptions { id, ring: path } = options;
    let mut ring = read(path)?;
    match ring.revoke(id) {
        0 => bail!("{} holds no key with the id {id}", path.display()),
        count => {
            write(path, &ring)?;
            println!("{}: {count} revoked, {} left", path.display(), ring.keys().len());
            eprintln!("A running `marquee serve --api-keys {}` refuses it from now on.", path.display());
            eprintln!("{}", put_secret(path));
            Ok(())
        }
    }
}

fn standard_input() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).context("standard input can't be read")?;
    Ok(bytes)
}

/// The ring in a file.
pub(crate) fn read(path: &Path) -> Result<KeyRing> {
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!(
            "{} does not exist; `marquee keys new --scopes recommend --ring {0}` makes it",
            path.display()
        ),
        _ => anyhow::Error::new(error).context(format!("{} can't be read", path.display())),
    })?;
    parse(&bytes, &path.display().to_string())
}

fn parse(bytes: &[u8], whence: &str) -> Result<KeyRing> {
    KeyRing::parse(bytes).with_context(|| whence.to_owned())
}

/// Puts the ring in the file's place in one step, readable by its owner alone: whoever reads it at any instant reads the
/// old one or the new one.
fn write(path: &Path, ring: &KeyRing) -> Result<()> {
    check_size(ring)?;
    let failed = || format!("{} can't be written", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Its mode is 0600 from the start.
    let mut file = NamedTempFile::new_in(folder).with_context(failed)?;
    writeln!(file, "{}", ring.to_json()).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

fn check_size(ring: &KeyRing) -> Result<()> {
    let bytes = ring.to_json().len();
    if bytes > RING_LIMIT {
        bail!(
            "the ring would have {bytes} bytes and a secret holds {RING_LIMIT}: revoke keys that are used no more"
        );
    }
    Ok(())
}

fn days_ms(days: u16) -> i64 {
    i64::from(days) * 24 * 60 * 60 * 1_000
}

fn scope(text: &str) -> Result<Scope, String> {
    let names = || Scope::ALL.map(Scope::name).join(", ");
    Scope::ALL
        .into_iter()
        .find(|scope| scope.name() == text)
        .ok_or_else(|| format!("expected one of {}", names()))
}

fn note(text: &str) -> Result<String, String> {
    if text.chars().count() <= NOTE_LENGTH && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected at most {NOTE_LENGTH} characters on one line"))
    }
}
