//! Writing: into a partial file, which takes its name when it is whole.
//!
//! Now and then what is written is brought to the disk, and then the checkpoint says so: whenever the process dies, the
//! file is at least as long as the last checkpoint says, and what is longer is cut off by whoever goes on.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use shared::batch::{Scored, Tally};

use super::checkpoint::{Checkpoint, Run, Text};
use super::{Report, is_dash};
use crate::commands::BatchOptions;

/// What part of an input is done again at most after the process was killed, beside the few blocks under way: a hundredth.
const SHARE: f64 = 100.0;
/// And how much time.
const PERIOD: Duration = Duration::from_secs(1);
/// Bytes that are collected before they are written.
const BUFFER: usize = 256 * 1024;

/// Where the answers go.
pub(super) struct Output {
    to: BufWriter<Box<dyn Write + Send>>,
    name: String,
    tally: Tally,
    written: u64,
    /// Where the last run got to.
    begins: Option<Text>,
    resumed: u64,
    /// How the file gets its name; `None` of standard output.
    naming: Option<Naming>,
    /// How it can be gone on with; `None` where it can't.
    marking: Option<Marking>,
}

/// A file that is not whole yet.
struct Naming {
    file: File,
    partial: PathBuf,
    path: PathBuf,
}

/// When and where checkpoints are written.
struct Marking {
    run: Run,
    /// The digest of the accelerator's model.
    accelerator: Option<String>,
    file: File,
    path: PathBuf,
    /// What has not been marked yet.
    latest: Option<Text>,
    /// Bytes of the unpacked input before the last one.
    offset: u64,
    at: Instant,
}

impl Output {
    /// Opens the output; `None` when there is nothing to go on with, as it is finished.
    pub(super) fn open(options: &BatchOptions, run: &Run) -> Result<Option<Self>> {
        let path = &options.output;
        if is_dash(path) {
            ensure!(!options.resume, "--resume needs a file to go on with: -o FILE");
            return Ok(Some(Self {
                to: BufWriter::with_capacity(BUFFER, Box::new(io::stdout())),
                name: "standard output".into(),
                tally: Tally::default(),
                written: 0,
                begins: None,
                resumed: 0,
                naming: None,
                marking: None,
            }));
        }
        let from_stream = run.size.is_none();
        ensure!(!(from_stream && options.resume), "--resume needs an input that can be read again: a file");
        ensure!(!same(&options.input, path), "input and output are the same file");
        ensure!(!path.is_dir(), "{} is a folder; -o names a file", path.display());
        let (partial, mark) = (beside(path, ".partial"), beside(path, ".checkpoint"));
        if options.resume && path.exists() && !partial.exists() {
            // The last run may have been killed with the last step to do.
            remove(&mark)?;
            return Ok(None);
        }
        let file = locked(&partial)?;
        let resumed = resumed(options, run, &mark)?;
        let written = resumed.as_ref().map_or(0, |resumed| resumed.written);
        begin_at(&file, written).with_context(|| format!("{} can't be gone on with", partial.display()))?;
        if resumed.is_none() {
            remove(&mark)?;
        }
        let marking = Marking {
            run: run.clone(),
            file: file.try_clone()?,
            path: mark,
            latest: None,
            accelerator: resumed.as_ref().and_then(|resumed| resumed.accelerator.clone()),
            offset: resumed.as_ref().map_or(0, |resumed| resumed.input.offset),
            at: Instant::now(),
        };
        Ok(Some(Self {
            to: BufWriter::with_capacity(BUFFER, Box::new(file.try_clone()?)),
            name: path.display().to_string(),
            tally: resumed.as_ref().map_or_else(Tally::default, |resumed| resumed.tally),
            written,
            resumed: resumed.as_ref().map_or(0, |resumed| resumed.tally.rows),
            begins: resumed.map(|resumed| resumed.input),
            naming: Some(Naming { file, partial, path: path.clone() }),
            marking: (!from_stream).then_some(marking),
        }))
    }

    /// Where in the input to begin; `None` at its beginning.
    pub(super) fn begins(&self) -> Option<Text> {
        self.begins.clone()
    }

    /// The digest of the accelerator's model that the run before was bound to.
    pub(super) fn accelerator(&self) -> Option<String> {
        self.marking.as_ref().and_then(|marking| marking.accelerator.clone())
    }

    /// What is written by now.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether it goes to standard output.
    pub(super) fn is_stream(&self) -> bool {
        self.naming.is_none()
    }

    /// Writes the next block; `text` is how far the input was read with it.
    pub(super) fn write(&mut self, block: &Scored, text: Text) -> Result<()> {
        self.to.write_all(&block.bytes).with_context(|| self.unwritable())?;
        self.written += block.bytes.len() as u64;
        self.tally += block.tally;
        let due = self.marking.as_mut().is_some_and(|marking| {
            marking.accelerator.clone_from(&block.accelerator);
            marking.due(text)
        });
        if due { self.mark() } else { Ok(()) }
    }

    /// Brings everything to the disk, and then says so.
    fn mark(&mut self) -> Result<()> {
        self.to.flush().with_context(|| self.unwritable())?;
        let (written, tally) = (self.written, self.tally);
        let unwritable = self.unwritable();
        match &mut self.marking {
            Some(marking) => marking.mark(written, tally).with_context(|| unwritable),
            None => Ok(()),
        }
    }

    /// Keeps what was done when something ends the run, and says how to go on.
    pub(super) fn stopped(&mut self) -> String {
        let lines = self.tally.rows;
        match (self.mark(), &self.marking) {
            (Ok(()), Some(_)) => format!("stopped after line {lines}, which are kept; --resume goes on"),
            (Ok(()), None) => format!("stopped after {lines} lines"),
            (Err(error), _) => format!("stopped after {lines} lines ({error:#})"),
        }
    }

    /// Gives the file its name.
    pub(super) fn finish(mut self) -> Result<Report> {
        self.to.flush().with_context(|| self.unwritable())?;
        if let Some(Naming { file, partial, path }) = &self.naming {
            let name = || -> io::Result<()> {
                file.sync_all()?;
                fs::rename(partial, path)
            };
            name().with_context(|| self.unwritable())?;
        }
        if let Some(marking) = &self.marking {
            remove(&marking.path)?;
        }
        Ok(Report { tally: self.tally, bytes: self.written, to: self.name, resumed: self.resumed })
    }

    fn unwritable(&self) -> String {
        format!("{} can't be written", self.name)
    }
}

impl Marking {
    /// Takes note of how far it is, and whether that is far enough to mark it.
    fn due(&mut self, text: Text) -> bool {
        // What is packed comes to as much more as it has until now.
        let size = self.run.size.unwrap_or(u64::MAX) as f64 * text.offset as f64 / text.read.max(1) as f64;
        let far = (text.offset - self.offset) as f64 * SHARE >= size;
        self.latest = Some(text);
        far || self.at.elapsed() >= PERIOD
    }

    fn mark(&mut self, written: u64, tally: Tally) -> Result<()> {
        let Some(input) = self.latest.take() else { return Ok(()) };
        self.file.sync_data()?;
        (self.offset, self.at) = (input.offset, Instant::now());
        let accelerator = self.accelerator.clone();
        Checkpoint { run: self.run.clone(), input, written, tally, accelerator }.write(&self.path)
    }
}

/// The checkpoint to go on from, if that is asked for and there is one.
fn resumed(options: &BatchOptions, run: &Run, mark: &Path) -> Result<Option<Checkpoint>> {
    if options.resume {
        return Checkpoint::read(mark, run);
    }
    ensure!(
        options.restart || !mark.exists(),
        "a run that was interrupted left {}: --resume goes on with it, --restart begins again",
        mark.display()
    );
    Ok(None)
}

/// The partial file, which one process at a time writes.
fn locked(partial: &Path) -> Result<File> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).open(partial);
    let file = opened.with_context(|| format!("{} can't be written", partial.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("{} is being written by another process", partial.display()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} can't be locked", partial.display()))
        }
    }
}

/// Cuts off what is there beyond `written`, and goes on from there.
fn begin_at(mut file: &File, written: u64) -> Result<()> {
    let length = file.metadata()?.len();
    ensure!(
        length >= written,
        "it has {length} bytes, where the checkpoint says {written}; --restart begins again"
    );
    file.set_len(written)?;
    file.seek(SeekFrom::Start(written))?;
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} can't be removed", path.display()))
        }
        _ => Ok(()),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
