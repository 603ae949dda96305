//! Text cut into lines, and lines into blocks: what is scored at once. It is told the bytes as they come.

use crate::accelerator::contract;
use crate::api::http::BODY_LIMIT;

/// Most lines of a block: as many as an accelerator takes a call. Some thousand answers of 500 items are then in memory at a
/// time, whatever the length of the input.
pub const BLOCK_LINES: usize = contract::BATCH_LIMIT;
/// Bytes after which a block is closed: lines are short, or at least few of them are long.
const BLOCK_BYTES: usize = 1024 * 1024;
/// Longest line in bytes, without its end: what a body may have over HTTPS.
pub const LINE_LIMIT: usize = BODY_LIMIT;
/// How much is kept of a line that is longer, to show it.
const HEAD: usize = 256;

/// A place between two lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes before it.
    pub offset: u64,
    /// The number of the line that begins here; the first is 1.
    pub line: u64,
}

impl Place {
    /// Before everything.
    pub const START: Self = Self { offset: 0, line: 1 };
}

/// Lines that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where its first line begins.
    pub from: Place,
    /// Where the line after its last begins.
    pub to: Place,
    bytes: Vec<u8>,
    lines: Vec<Span>,
}

/// Where a line ends in the bytes of its block, and whether only its head is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    end: usize,
    too_long: bool,
}

/// A line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number; the first is 1.
    pub number: u64,
    /// Its text; the beginning of it where it is too long.
    pub text: &'a [u8],
    /// Whether it has more than [`LINE_LIMIT`] bytes.
    pub too_long: bool,
}

impl Block {
    fn at(place: Place) -> Self {
        Self { from: place, to: place, bytes: Vec::new(), lines: Vec::new() }
    }

    /// How many lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines in order. A byte order mark in front of the first of a file is no part of it.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let starts = std::iter::once(0).chain(self.lines.iter().map(|span| span.end));
        starts.zip(&self.lines).zip(self.from.line..).map(|((start, span), number)| {
            let text = &self.bytes[start..span.end];
            let text = if number == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
            Line { number, text, too_long: span.too_long }
        })
    }
}

/// Cuts what it is told into blocks.
#[derive(Debug)]
pub struct Cutter {
    block: Block,
    /// Bytes of the line that is coming, those among them that are not kept included.
    line_length: usize,
    /// Where its bytes begin in the block.
    line_start: usize,
}

impl Cutter {
    /// Begins at a place.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { block: Block::at(place), line_length: 0, line_start: 0 }
    }

    /// Takes the bytes that follow, and hands over what blocks they complete.
    ///
    /// # Errors
    /// As `full` says, which ends it.
    pub fn push<E>(
        &mut self,
        mut bytes: &[u8],
        mut full: impl FnMut(Block) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.keep(&bytes[..end]);
            self.end_line(1);
            bytes = &bytes[end + 1..];
            if self.block.lines.len() == BLOCK_LINES || self.block.bytes.len() >= BLOCK_BYTES {
                let next = Block::at(self.block.to);
                self.line_start = 0;
                full(std::mem::replace(&mut self.block, next))?;
            }
        }
        self.keep(bytes);
        Ok(())
    }

    /// What is left when nothing follows: the last line may lack its end.
    #[must_use]
    pub fn finish(mut self) -> Option<Block> {
        if self.line_length > 0 {
            self.end_line(0);
        }
        (!self.block.is_empty()).then_some(self.block)
    }

    fn keep(&mut self, part: &[u8]) {
        self.line_length += part.len();
        if self.line_length <= LINE_LIMIT {
            self.block.bytes.extend_from_slice(part);
        } else {
            let missing = HEAD.saturating_sub(self.block.bytes.len() - self.line_start);
            self.block.bytes.extend_from_slice(&part[..part.len().min(missing)]);
            self.block.bytes.truncate(self.line_start + HEAD);
        }
    }

    fn end_line(&mut self, end: usize) {
        let too_long = self.line_length > LINE_LIMIT;
        self.block.lines.push(Span { end: self.block.bytes.len(), too_long });
        let Place { offset, line } = self.block.to;
        self.block.to = Place { offset: offset + (self.line_length + end) as u64, line: line + 1 };
        self.line_length = 0;
        self.line_start = self.block.bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// The blocks of a text that comes in pieces of these sizes.
    fn cut(text: &[u8], sizes: &[usize]) -> Vec<Block> {
        let (mut cutter, mut blocks, mut rest) = (Cutter::new(Place::START), Vec::new(), text);
        for size in sizes.iter().cycle() {
            let (part, after) = rest.split_at((*size).min(rest.len()));
            let Ok(()) = cutter.push(part, |block| {
                blocks.push(block);
                Ok::<_, Infallible>(())
            });
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        blocks.extend(cutter.finish());
        blocks
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_text_however_it_comes(
            text in prop::collection::vec(prop::sample::select(b"ab\n".to_vec()), 0..1_000),
            sizes in prop::collection::vec(1_usize..90, 1..9),
        ) {
            let blocks = cut(&text, &sizes);
            let mut expected: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            if expected.last().is_some_and(|last| last.is_empty()) {
                expected.pop();
            }
            let lines: Vec<Line<'_>> = blocks.iter().flat_map(Block::lines).collect();
            prop_assert!(lines.iter().map(|line| line.text).eq(expected));
            prop_assert!(lines.iter().zip(1..).all(|(line, number)| line.number == number && !line.too_long));
            prop_assert!(blocks.iter().all(|block| (1..=BLOCK_LINES).contains(&block.len())));
            // Each block begins where the one before ends, and can be cut out of the text.
            let mut place = Place::START;
            for block in &blocks {
                prop_assert_eq!(block.from, place);
                let alone = &text[block.from.offset as usize..block.to.offset as usize];
                let mut cutter = Cutter::new(block.from);
                let mut again = Vec::new();
                let Ok(()) = cutter.push(alone, |block| { again.push(block); Ok::<_, Infallible>(()) });
                again.extend(cutter.finish());
                prop_assert_eq!(&again, &vec![block.clone()]);
                place = block.to;
            }
            prop_assert_eq!(place.offset, text.len() as u64);
        }
    }

    #[test]
    fn of_a_line_that_is_too_long_its_beginning_is_kept_and_its_neighbours_are_whole() {
        let long = vec![b'x'; LINE_LIMIT + 1];
        let text = [b"before\n", long.as_slice(), b"\nafter"].concat();
        for sizes in [[7_usize], [1_000], [1 << 20]] {
            let blocks = cut(&text, &sizes);
            let lines: Vec<_> = blocks.iter().flat_map(Block::lines).collect();
            let expected = [(&b"before"[..], false), (&long[..HEAD], true), (b"after", false)];
            assert!(lines.iter().map(|line| (line.text, line.too_long)).eq(expected));
            assert_eq!(blocks.last().map(|block| block.to.offset), Some(text.len() as u64));
            assert!(blocks.iter().map(|block| block.bytes.len()).sum::<usize>() < 1_000, "it is not kept");
        }
        let just = vec![b'x'; LINE_LIMIT];
        assert_eq!(cut(&just, &[999])[0].lines().next().map(|line| line.text.len()), Some(LINE_LIMIT));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        let blocks = cut(b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n", &[2]);
        let lines: Vec<_> = blocks[0].lines().map(|line| line.text.len()).collect();
        assert_eq!(lines, [2, 5]);
    }
}
