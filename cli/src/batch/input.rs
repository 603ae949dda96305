//! Reading: a thread that unpacks the input and cuts it into blocks.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow, bail, ensure};
use sha2::{Digest, Sha256};
use shared::batch::layout::Layout;
use shared::batch::lines::LINE_LIMIT;
use shared::batch::unpack::{Packing, Unpacker};
use shared::batch::{Block, Cutter, Place};
use shared::model::manifest::hex;
use tokio::sync::mpsc::Sender;

use super::checkpoint::Text;
use super::is_dash;

/// Bytes that are read at a time.
const CHUNK: usize = 64 * 1024;

/// An open input.
pub(super) struct Input {
    from: Box<dyn Read + Send>,
    name: String,
    /// Bytes of the file; `None` of a stream.
    size: Option<u64>,
}

/// What the reader says, in this order: the layout once, then blocks.
pub(super) enum Message {
    Layout(Layout),
    Block(Box<ReadBlock>),
}

/// A block, and how far the text had been read with it.
pub(super) struct ReadBlock {
    pub(super) block: Block,
    pub(super) text: Text,
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self> {
        if is_dash(path) {
            return Ok(Self { from: Box::new(io::stdin()), name: "standard input".into(), size: None });
        }
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("{name} can't be read"))?;
        let metadata = file.metadata().with_context(|| format!("{name} can't be read"))?;
        ensure!(!metadata.is_dir(), "{name} is a folder; one file is scored at a time");
        // A pipe has no length.
        let size = metadata.is_file().then_some(metadata.len());
        ensure!(size != Some(0), "{name} is empty: there is nobody in it");
        Ok(Self { from: Box::new(file), name, size })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Reads it on a thread, from where `begins` says that the last run got to.
    pub(super) fn read(self, begins: Option<Text>, to: Sender<Message>) -> JoinHandle<Result<()>> {
        thread::spawn(move || self.run(begins, to))
    }

    fn run(mut self, begins: Option<Text>, to: Sender<Message>) -> Result<()> {
        let mut chunk = vec![0; CHUNK];
        let mut filled = fill(&mut self.from, &mut chunk).with_context(|| self.unreadable())?;
        let packing = Packing::of(&chunk[..filled]);
        if let Some(named) = Packing::named(&self.name).filter(|named| *named != packing) {
            bail!("{} is named as if it were {}, and is {}", self.name, named.name(), packing.name());
        }
        let reading = Reading {
            head: Some(Vec::new()),
            named_csv: Packing::named_csv(&self.name),
            begins,
            cutter: None,
            sha: Sha256::new(),
            offset: 0,
            read: 0,
            to,
        };
        let mut unpacker = Unpacker::new(packing, reading)?;
        let fault = |error: io::Error, reading: &Reading, name: &str| match error.downcast::<Fault>() {
            Ok(Fault(fault)) => anyhow!("{name}: {fault}"),
            Err(error) => anyhow!("{name}, {}: after line {}: {error}", packing.name(), reading.line() - 1),
        };
        while filled > 0 {
            unpacker.writer().read += filled as u64;
            if let Err(error) = unpacker.push(&chunk[..filled]) {
                if unpacker.writer().to.is_closed() {
                    return Ok(());
                }
                return Err(fault(error, unpacker.writer(), &self.name));
            }
            filled = fill(&mut self.from, &mut chunk).with_context(|| self.unreadable())?;
        }
        let reading = unpacker.finish().map_err(|error| {
            anyhow!("{}, {}: its end is missing or damaged: {error}", self.name, packing.name())
        })?;
        reading.finish().map_err(|fault| anyhow!("{}: {}", self.name, fault.0))
    }

    fn unreadable(&self) -> String {
        format!("{} can't be read", self.name)
    }
}

/// Reads until the buffer is full or nothing follows.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A fault of the text, not of its packing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Fault(String);

/// Nobody waits for more blocks.
const GONE: &str = "nobody reads on";

/// The text as it is unpacked.
struct Reading {
    /// What came before the first line was complete.
    head: Option<Vec<u8>>,
    named_csv: bool,
    /// How far the last run got.
    begins: Option<Text>,
    /// Here once what was done before is passed over.
    cutter: Option<Cutter>,
    /// Of the text up to `offset`.
    sha: Sha256,
    offset: u64,
    /// Bytes of the file.
    read: u64,
    to: Sender<Message>,
}

impl Write for Reading {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = match &mut self.head {
            Some(head) => {
                head.extend_from_slice(bytes);
                if head.contains(&b'\n') || head.len() > LINE_LIMIT { self.begin() } else { Ok(()) }
            }
            None => self.take(bytes),
        };
        taken.map(|()| bytes.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Reading {
    /// The line that comes next.
    fn line(&self) -> u64 {
        self.begins.as_ref().map_or(1, |begins| begins.line)
    }

    /// Goes by the first line.
    fn begin(&mut self) -> Result<(), Fault> {
        let head = self.head.take().unwrap_or_default();
        let end = head.iter().position(|byte| *byte == b'\n');
        let (layout, is_header) =
            Layout::of(&head[..end.unwrap_or(head.len())], self.named_csv).map_err(Fault)?;
        let after_header = end.map_or(head.len(), |end| end + 1);
        self.send(Message::Layout(layout))?;
        if self.begins.is_none() {
            let (offset, line) = if is_header { (after_header as u64, 2) } else { (0, 1) };
            self.begins = Some(Text { offset, line, sha256: None, read: 0 });
        }
        self.take(&head)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Some(begins) = self.begins.clone() else { return Ok(()) };
        let before = usize::try_from(begins.offset.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let (before, mut rest) = bytes.split_at(before.min(bytes.len()));
        self.sha.update(before);
        self.offset += before.len() as u64;
        if self.offset < begins.offset {
            return Ok(());
        }
        if self.cutter.is_none() {
            self.same_as_before(&begins)?;
            self.cutter = Some(Cutter::new(Place { offset: begins.offset, line: begins.line }));
        }
        let Some(mut cutter) = self.cutter.take() else { return Ok(()) };
        let mut at = self.offset;
        let text = rest;
        let start = self.offset;
        let outcome = cutter.push(text, |block| {
            let end = usize::try_from(block.to.offset - start).unwrap_or(usize::MAX).min(text.len());
            self.sha.update(&text[usize::try_from(at - start).unwrap_or(end).min(end)..end]);
            at = block.to.offset;
            rest = &text[end..];
            self.hand_over(block)
        });
        self.sha.update(rest);
        self.offset += text.len() as u64;
        self.cutter = Some(cutter);
        outcome
    }

    /// That what was done before is still what is in the file.
    fn same_as_before(&self, begins: &Text) -> Result<(), Fault> {
        match &begins.sha256 {
            Some(sha256) if *sha256 != hex(&self.sha.clone().finalize()) => Err(Fault(format!(
                "the first {} lines are not those that were scored before; --restart begins again",
                begins.line - 1
            ))),
            _ => Ok(()),
        }
    }

    fn hand_over(&mut self, block: Block) -> Result<(), Fault> {
        let Place { offset, line } = block.to;
        let text = Text { offset, line, sha256: Some(hex(&self.sha.clone().finalize())), read: self.read };
        self.begins = Some(text.clone());
        self.send(Message::Block(Box::new(ReadBlock { block, text })))
    }

    fn send(&self, message: Message) -> Result<(), Fault> {
        self.to.blocking_send(message).map_err(|_| Fault(GONE.into()))
    }

    /// When nothing follows.
    fn finish(mut self) -> Result<(), Fault> {
        if self.head.as_ref().is_some_and(|head| !head.is_empty()) {
            self.begin()?;
        }
        if let Some(begins) = self.begins.clone().filter(|begins| self.offset < begins.offset) {
            return Err(Fault(format!(
                "it ends before line {}, which was scored before; --restart begins again",
                begins.line
            )));
        }
        match self.cutter.take().and_then(Cutter::finish) {
            Some(block) => self.hand_over(block),
            None => Ok(()),
        }
    }
}
