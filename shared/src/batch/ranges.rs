//! Text cut into ranges, which are scored side by side.

use serde::{Deserialize, Serialize};

use super::lines::Place;

/// Most ranges of a batch: as JSON they take some 60 bytes each, and a state of Step Functions holds 256 KiB.
pub const RANGES_LIMIT: usize = 2_000;
/// Lines of a range, as long as there are not too many: some seconds of work.
const LINES: u64 = 20_000;
/// Bytes of a range, likewise.
const BYTES: u64 = 4 * 1024 * 1024;

/// Whole lines of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Bytes before the first.
    pub from: u64,
    /// Bytes before what follows the last.
    pub to: u64,
    /// The number of the first.
    pub first_line: u64,
}

impl Range {
    /// Where it begins.
    #[must_use]
    pub const fn begins(self) -> Place {
        Place { offset: self.from, line: self.first_line }
    }
}

/// Cuts what it is told into ranges. Where there would be too many, two neighbours become one, and those that follow are
/// twice as large.
#[derive(Clone, Debug)]
pub struct Ranges {
    ranges: Vec<Range>,
    /// What the coming range has so far.
    open: Range,
    /// The line that comes after the whole lines so far.
    next_line: u64,
    /// Bytes so far.
    offset: u64,
    scale: u64,
}

impl Ranges {
    /// Begins at a place.
    #[must_use]
    pub fn new(Place { offset, line }: Place) -> Self {
        let open = Range { from: offset, to: offset, first_line: line };
        Self { ranges: Vec::new(), open, next_line: line, offset, scale: 1 }
    }

    /// Takes the bytes that follow.
    pub fn push(&mut self, bytes: &[u8]) {
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.open.to = self.offset + end as u64 + 1;
            self.next_line += 1;
            let Range { from, to, first_line } = self.open;
            if self.next_line - first_line >= LINES * self.scale || to - from >= BYTES * self.scale {
                self.close();
            }
        }
        self.offset += bytes.len() as u64;
    }

    /// The ranges when nothing follows, and how many lines they have.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Range>, u64) {
        if self.open.to < self.offset {
            // The last line lacks its end.
            self.open.to = self.offset;
            self.next_line += 1;
        }
        if self.open.from < self.open.to {
            self.close();
        }
        let first = self.ranges.first().map_or(self.next_line, |first| first.first_line);
        (self.ranges, self.next_line - first)
    }

    fn close(&mut self) {
        let next = Range { from: self.open.to, to: self.open.to, first_line: self.next_line };
        self.ranges.push(std::mem::replace(&mut self.open, next));
        if self.ranges.len() == RANGES_LIMIT {
            let pairs = self.ranges.chunks(2);
            let joined = |pair: &[Range]| Range { to: pair[pair.len() - 1].to, ..pair[0] };
            self.ranges = pairs.map(joined).collect();
            self.scale *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8], step: usize) -> (Vec<Range>, u64) {
        let mut ranges = Ranges::new(Place { offset: 7, line: 2 });
        text.chunks(step).for_each(|chunk| ranges.push(chunk));
        ranges.finish()
    }

    #[test]
    fn ranges_are_whole_lines_that_follow_each_other() {
        let text: Vec<u8> = (0..70_000).flat_map(|i| format!("{{\"k\": {i}}}\n").into_bytes()).collect();
        let whole = cut(&text, text.len());
        let without_end = cut(&text[..text.len() - 1], 1_000);
        for ((ranges, lines), length) in
            [(&whole, text.len()), (&without_end, text.len() - 1), (&cut(&text, 777), text.len())]
        {
            assert_eq!((*lines, ranges.len()), (70_000, 4));
            let mut at = (7, 2);
            for range in ranges {
                assert_eq!((range.from, range.first_line), at);
                let part = &text[(range.from - 7) as usize..((range.to - 7) as usize).min(length)];
                assert!(part.first() == Some(&b'{'));
                at = (range.to, range.first_line + memchr::memchr_iter(b'\n', part).count() as u64);
            }
            assert_eq!(at.0, 7 + length as u64);
        }
        assert_eq!(cut(b"", 1), (vec![], 0));
        assert_eq!(cut(b"\n\n{", 1).1, 3);
    }

    #[test]
    fn there_are_never_too_many() {
        let mut ranges = Ranges::new(Place::START);
        let range = vec![b'\n'; LINES as usize];
        for _ in 0..RANGES_LIMIT + 1 {
            ranges.push(&range);
        }
        let (ranges, lines) = ranges.finish();
        assert_eq!(lines, LINES * (RANGES_LIMIT as u64 + 1));
        assert!((RANGES_LIMIT / 2..RANGES_LIMIT).contains(&ranges.len()), "{}", ranges.len());
        assert!(ranges.windows(2).all(|pair| pair[0].to == pair[1].from));
    }
}
