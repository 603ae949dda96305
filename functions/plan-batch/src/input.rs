//! A batch's input, read once from its beginning to its end.

use std::io::{self, Write};

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use shared::api::batches::{BatchSource, FailureCode};
use shared::batch::Place;
use shared::batch::layout::Layout;
use shared::batch::lines::LINE_LIMIT;
use shared::batch::objects::Upload;
use shared::batch::parts::input_key;
use shared::batch::ranges::{Range, Ranges};
use shared::batch::run::Stop;
use shared::batch::unpack::{Packing, Unpacker};
use shared::store::jobs::{self, Job, Segment};

use crate::State;

/// How many segments of the table are read side by side.
const SEGMENTS: u32 = 8;

/// Packed bytes that are unpacked at a time: zstd makes up to 32,768 of one, which are 8 MiB.
const PACKED_STEP: usize = 256;
/// Most bytes that an input may unpack to: hundreds of millions of people, and an end for what is made to have none.
const UNPACKED_LIMIT: u64 = 16 << 30;

/// An input that is ready to be scored.
pub(super) struct Input {
    pub(super) key: String,
    pub(super) tag: Option<String>,
    pub(super) layout: Layout,
    pub(super) rows: u64,
    pub(super) ranges: Vec<Range>,
}

/// The input of a job: its lines, unpacked.
pub(super) async fn of(job: &Job, state: &State) -> Result<Input, Stop> {
    if job.source == BatchSource::AllUsers {
        enumerate(job, state).await?;
    }
    let (key, tag) = match &job.input {
        Some(url) => {
            let elsewhere = || {
                let here = state.objects.url("");
                Stop::Fault(FailureCode::InputMissing, format!("{url} is not below {here}"))
            };
            (state.objects.key(url).ok_or_else(elsewhere)?, job.input_tag.clone())
        }
        None => (input_key(&job.batch_id), None),
    };
    let object = state.objects.head(&key).await.map_err(Stop::reading)?;
    if object.size == 0 {
        // A night on which nobody is known is over at once.
        let nobody =
            || Input { key: key.clone(), tag: object.tag, layout: Layout::Json, rows: 0, ranges: Vec::new() };
        return if job.source == BatchSource::AllUsers { Ok(nobody()) } else { Err(empty(&key)) };
    }
    // Another one by now is told from the one that was meant, also when the run begins again.
    let tag = tag.or(object.tag);
    if job.input.is_some() && job.input_tag.is_none() {
        let bound = jobs::change(state.jobs.as_ref(), &job.batch_id, |job| {
            if job.input_tag.is_none() {
                job.input_tag.clone_from(&tag);
            }
        });
        bound.await?;
    }
    read(job, key, tag, state).await
}

fn empty(key: &str) -> Stop {
    Stop::Fault(FailureCode::InputEmpty, format!("{key} is empty: there is nobody in it"))
}

async fn read(job: &Job, key: String, tag: Option<String>, state: &State) -> Result<Input, Stop> {
    let unreadable = |detail: String| Stop::Fault(FailureCode::InputUnreadable, format!("{key}: {detail}"));
    let mut bytes = state.objects.read(&key, None, tag.as_deref()).await.map_err(Stop::reading)?;
    let mut head = Vec::new();
    while head.len() < 4 {
        let Some(chunk) = bytes.next().await else { break };
        head.extend_from_slice(&chunk.map_err(Stop::reading)?);
    }
    let packing = Packing::of(&head);
    if let Some(named) = Packing::named(&key).filter(|named| *named != packing) {
        let detail = format!("it is named as if it were {}, and is {}", named.name(), packing.name());
        return Err(unreadable(detail));
    }
    let unpacked_key = input_key(&job.batch_id);
    let mut upload = match packing {
        Packing::Plain => None,
        Packing::Gzip | Packing::Zstd => Some(state.objects.upload(&unpacked_key).await?),
    };
    let text = Text::new(Packing::named_csv(&key), upload.is_some());
    let mut unpacker = Unpacker::new(packing, text).map_err(|error| unreadable(error.to_string()))?;
    let cut_short = |error: io::Error| match error.downcast::<Fault>() {
        Ok(Fault(fault)) => unreadable(fault),
        Err(error) => unreadable(format!("{}: {error}", packing.name())),
    };
    let mut chunk = Some(head);
    while let Some(bytes_of_it) = chunk {
        // A step at a time, so that what is unpacked is on its way before there is more.
        for step in bytes_of_it.chunks(PACKED_STEP) {
            unpacker.push(step).map_err(&cut_short)?;
            hand_over(&mut unpacker.writer().unpacked, upload.as_mut()).await?;
        }
        chunk = match bytes.next().await {
            Some(chunk) => Some(chunk.map_err(Stop::reading)?.to_vec()),
            None => None,
        };
    }
    let mut text = unpacker.finish().map_err(&cut_short)?;
    hand_over(&mut text.unpacked, upload.as_mut()).await?;
    let (layout, ranges, rows) = text.finish().map_err(|Fault(fault)| unreadable(fault))?;
    if rows == 0 {
        return Err(empty(&key));
    }
    let (key, tag) = match upload {
        None => (key, tag),
        Some(upload) => {
            upload.finish().await?;
            let tag = state.objects.head(&unpacked_key).await?.tag;
            (unpacked_key, tag)
        }
    };
    Ok(Input { key, tag, layout, rows, ranges })
}

async fn hand_over(unpacked: &mut Vec<u8>, upload: Option<&mut Upload>) -> Result<(), Stop> {
    if let Some(upload) = upload.filter(|_| !unpacked.is_empty()) {
        upload.push(unpacked).await?;
        unpacked.clear();
    }
    Ok(())
}

/// A fault of the text, not of its packing.
#[derive(Debug)]
struct Fault(String);

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

/// The text as it is unpacked: its layout, and its lines cut into ranges.
struct Text {
    named_csv: bool,
    /// What came before the first line was complete.
    head: Option<Vec<u8>>,
    layout: Layout,
    ranges: Ranges,
    /// What is to be written elsewhere.
    unpacked: Vec<u8>,
    keeps: bool,
    /// Bytes that were.
    written: u64,
}

impl Text {
    fn new(named_csv: bool, keeps: bool) -> Self {
        let (head, layout) = (Some(Vec::new()), Layout::default());
        let (ranges, unpacked) = (Ranges::new(Place::START), Vec::new());
        Self { named_csv, head, layout, ranges, unpacked, keeps, written: 0 }
    }

    /// Goes by the first line.
    fn begin(&mut self) -> Result<(), Fault> {
        let head = self.head.take().unwrap_or_default();
        let end = head.iter().position(|byte| *byte == b'\n');
        let first_line = &head[..end.unwrap_or(head.len())];
        let (layout, is_header) = Layout::of(first_line, self.named_csv).map_err(Fault)?;
        let mut after = &head[..];
        if is_header {
            let offset = end.map_or(head.len(), |end| end + 1);
            self.ranges = Ranges::new(Place { offset: offset as u64, line: 2 });
            after = &head[offset..];
        }
        self.layout = layout;
        self.ranges.push(after);
        Ok(())
    }

    fn finish(mut self) -> Result<(Layout, Vec<Range>, u64), Fault> {
        if self.head.as_ref().is_some_and(|head| !head.is_empty()) {
            self.begin()?;
        }
        let (ranges, rows) = self.ranges.finish();
        Ok((self.layout, ranges, rows))
    }
}

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.keeps {
            self.unpacked.extend_from_slice(bytes);
            self.written += bytes.len() as u64;
            if self.written > UNPACKED_LIMIT {
                let detail = format!("it unpacks to more than {UNPACKED_LIMIT} bytes");
                return Err(io::Error::other(Fault(detail)));
            }
        }
        match &mut self.head {
            None => self.ranges.push(bytes),
            Some(head) => {
                head.extend_from_slice(bytes);
                if head.contains(&b'\n') || head.len() > LINE_LIMIT {
                    self.begin().map_err(io::Error::other)?;
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes everybody into the job's input, one a line, unless an earlier attempt has: the batch is of those who were known
/// then.
async fn enumerate(job: &Job, state: &State) -> Result<(), Stop> {
    let key = input_key(&job.batch_id);
    if state.objects.head(&key).await.is_ok() {
        return Ok(());
    }
    let mut upload = state.objects.upload(&key).await?;
    let mut from: Vec<Option<Option<String>>> = vec![Some(None); SEGMENTS as usize];
    // A page of each segment at a time, written in the order of the segments.
    while from.iter().any(Option::is_some) {
        let pages = from.iter().enumerate().filter_map(|(index, from)| {
            let (from, index) = (from.as_ref()?.as_deref(), index as u32);
            Some(async move {
                let page = state.everyone.users(Segment { index, of: SEGMENTS }, from).await?;
                Ok::<_, Stop>((index as usize, page))
            })
        });
        for (index, page) in try_join_all(pages.collect::<Vec<_>>()).await? {
            let lines: String =
                page.users.iter().map(|user| format!("{{\"user_id\":\"{user}\"}}\n")).collect();
            upload.push(lines.as_bytes()).await?;
            from[index] = page.next.map(Some);
        }
    }
    upload.finish().await?;
    Ok(())
}
