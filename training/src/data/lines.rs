//! Rows of a text file with their line numbers, whatever the file is packed in.
//!
//! The csv crate is not used: its line numbers drift with CRLF and blank lines, and one stray quote makes it take the
//! rest of a file for one field. Here a row that does not close its quote is one bad row, and the next line is the
//! next row.

use std::io::{self, BufRead, Read};

use super::DataError;
use super::parse::Fault;
use super::source::TooLarge;

/// Longest line, in bytes. The longest real ones are LightGCN's (`user item item …`): 16 MiB are two million
/// seven-digit items of one user.
const MAX_LINE: usize = 16 << 20;

/// Lines of the longest row whose quoted field holds line breaks (descriptions do): after these the quote is a
/// stray one, which costs its own row and not the file.
const MAX_LINES_OF_A_ROW: usize = 64;

/// A file being read line by line.
pub(super) struct Lines<'a> {
    file: String,
    input: Box<dyn BufRead + 'a>,
    packed: bool,
    /// The current row, without its line end.
    row: Vec<u8>,
    /// Line number of the row's first line, from 1; 0 before the first.
    line: u64,
    /// Lines of the current row.
    height: u64,
    /// Lines read ahead and handed back, last first.
    ahead: Vec<Vec<u8>>,
}

/// How to go through the rows of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    /// Whether a header has been read, for the error when nothing follows.
    pub(super) headed: bool,
    /// Count bad rows instead of failing.
    pub(super) skip: bool,
    /// Whether a quoted field may go on in the next line. It may among items; an event has no such field, and there
    /// two stray quotes would make one row of all the lines between them.
    pub(super) across_lines: bool,
}

impl<'a> Lines<'a> {
    /// `packed`: whether `input` unpacks something, so that its errors speak of damage.
    pub(super) fn new(file: String, input: Box<dyn BufRead + 'a>, packed: bool) -> Self {
        Self { file, input, packed, row: Vec::new(), line: 0, height: 1, ahead: Vec::new() }
    }

    /// The file's name, as errors give it.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// The current row's line number, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The next line that is not blank, without line end and byte order mark; None at the end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, DataError> {
        loop {
            self.line += self.height;
            self.height = 1;
            self.row.clear();
            if !self.append_line()? {
                return Ok(None);
            }
            if self.line == 1 && self.row.starts_with(b"\xef\xbb\xbf") {
                self.row.drain(..3);
            }
            if !self.row.trim_ascii().is_empty() {
                return Ok(Some(&self.row));
            }
        }
    }

    /// The first row, or [`DataError::Empty`].
    pub(super) fn first(&mut self) -> Result<&[u8], DataError> {
        if self.next()?.is_none() {
            return Err(DataError::Empty { file: self.file.clone() });
        }
        Ok(&self.row)
    }

    /// Gives every further row to `take`, and returns how many were bad. A row with a fault ends the reading, or
    /// with [`Walk::skip`] is counted.
    ///
    /// No row at all is [`DataError::NoRows`] or [`DataError::Empty`]; no good one is [`DataError::AllRowsBad`].
    pub(super) fn each(
        &mut self,
        walk: Walk,
        mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<u64, DataError> {
        let (mut good, mut bad, mut first) = (0, 0, String::new());
        while let Some(row) = self.next()? {
            let mut outcome = take(row);
            while walk.across_lines && matches!(outcome, Err(Fault::OpenQuote)) && self.extend()? {
                outcome = take(&self.row);
            }
            let Err(fault) = outcome else {
                good += 1;
                continue;
            };
            if !matches!(fault, Fault::Column { .. }) {
                self.keep_first_line();
            }
            let error = fault.at(&self.file, self.line);
            if !walk.skip || !matches!(error, DataError::BadRow { .. }) {
                return Err(error);
            }
            if bad == 0 {
                first = error.to_string();
            }
            bad += 1;
        }
        let file = self.file.clone();
        match (good, bad) {
            (0, 0) if walk.headed => Err(DataError::NoRows { file }),
            (0, 0) => Err(DataError::Empty { file }),
            (0, rows) => Err(DataError::AllRowsBad { file, rows, first }),
            _ => Ok(bad),
        }
    }

    /// Joins the next line onto the row; false if there is none or the row is long enough.
    fn extend(&mut self) -> Result<bool, DataError> {
        if self.height as usize >= MAX_LINES_OF_A_ROW {
            return Ok(false);
        }
        self.row.push(b'\n');
        let joined = self.append_line()?;
        if joined {
            self.height += 1;
        } else {
            self.row.pop();
        }
        Ok(joined)
    }

    /// The joining was wrong: the row is its first line, and the others are rows of their own.
    fn keep_first_line(&mut self) {
        if self.height > 1 {
            let mut lines =
                self.row.split(|&byte| byte == b'\n').skip(1).map(<[u8]>::to_vec).collect::<Vec<_>>();
            lines.reverse();
            self.ahead.append(&mut lines);
            self.height = 1;
        }
    }

    /// Appends one line without its end; false at the end of the file.
    fn append_line(&mut self) -> Result<bool, DataError> {
        if let Some(line) = self.ahead.pop() {
            self.row.extend_from_slice(&line);
            return Ok(true);
        }
        let before = self.row.len();
        let read = (&mut self.input).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut self.row);
        match read {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(read_error(&self.file, self.packed, error)),
        }
        if self.row.len() > before + MAX_LINE {
            let line = self.line + self.height - 1;
            return Err(DataError::LineTooLong { file: self.file.clone(), line, limit: MAX_LINE });
        }
        if self.row.last() == Some(&b'\n') {
            self.row.pop();
            if self.row.len() > before && self.row.last() == Some(&b'\r') {
                self.row.pop();
            }
        }
        Ok(true)
    }
}

/// What a failed read means: damage if the bytes were being unpacked, else what the system says.
pub(super) fn read_error(file: &str, packed: bool, error: io::Error) -> DataError {
    let file = file.to_owned();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TooLarge>()) {
        Some(&TooLarge { limit }) => DataError::TooLarge { file, limit },
        None if packed && error.kind() == io::ErrorKind::Unsupported => {
            DataError::Unsupported { file, reason: error.to_string() }
        }
        None if packed && error.raw_os_error().is_none() => {
            let ended = error.kind() == io::ErrorKind::UnexpectedEof;
            let reason = if ended { "it ends too early".to_owned() } else { error.to_string() };
            DataError::Corrupt { file, reason }
        }
        None => DataError::Io { file, reason: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Lines<'_> {
        Lines::new("f.csv".to_owned(), Box::new(text), false)
    }

    fn walk(skip: bool, across_lines: bool) -> Walk {
        Walk { headed: true, skip, across_lines }
    }

    fn numbered(text: &[u8]) -> Vec<(u64, String)> {
        let mut lines = lines(text);
        let mut found = Vec::new();
        while let Some(row) = lines.next().unwrap().map(|row| String::from_utf8_lossy(row).into_owned()) {
            found.push((lines.line(), row));
        }
        found
    }

    #[test]
    fn line_numbers_count_blank_lines_and_both_line_ends() {
        let want = [(2, " a ".to_owned()), (4, "b\r".to_owned()), (6, "c".to_owned())];
        assert_eq!(numbered(b"\n a \r\n\nb\r\r\n \t\nc"), want);
    }

    #[test]
    fn a_byte_order_mark_counts_as_nothing() {
        assert_eq!(numbered(b"\xef\xbb\xbfa\nb"), [(1, "a".to_owned()), (2, "b".to_owned())]);
        assert!(numbered(b"\xef\xbb\xbf\n").is_empty());
    }

    /// Takes rows that have an even number of quotes.
    fn closed(row: &[u8]) -> Result<(), Fault> {
        let quotes = row.iter().filter(|&&byte| byte == b'"').count();
        if quotes % 2 == 1 { Err(Fault::OpenQuote) } else { Ok(()) }
    }

    #[test]
    fn a_quoted_line_break_joins_lines_and_the_next_row_keeps_its_number() {
        let (mut seen, text) = (Vec::new(), b"\"a\r\nb\",c\nd\nbad".as_slice());
        let error = lines(text).each(walk(false, true), |row| {
            closed(row)?;
            seen.push(String::from_utf8_lossy(row).into_owned());
            if row == b"bad" { Err(Fault::Row("bad".to_owned())) } else { Ok(()) }
        });
        assert_eq!(seen, ["\"a\nb\",c", "d", "bad"]);
        assert_eq!(error.unwrap_err().to_string(), "f.csv, line 4: bad");
    }

    #[test]
    fn a_stray_quote_costs_its_own_row_alone() {
        let mut text = b"\"stray\n".to_vec();
        text.extend(b"good\n".repeat(200));
        let mut rows = 0;
        let bad = lines(&text).each(walk(true, true), |row| closed(row).inspect(|()| rows += 1));
        assert_eq!((bad.unwrap(), rows), (1, 200));
        let error = lines(b"good\n\"stray").each(walk(false, true), closed).unwrap_err();
        assert_eq!(error.to_string(), "f.csv, line 2: a quote is opened and not closed");
    }

    #[test]
    fn where_rows_are_lines_two_stray_quotes_cost_two_rows() {
        let mut rows = 0;
        let text = b"a\n\"b\nc\n\"d\ne\n".as_slice();
        let bad = lines(text).each(walk(true, false), |row| closed(row).inspect(|()| rows += 1));
        assert_eq!((bad.unwrap(), rows), (2, 3));
    }

    #[test]
    fn nothing_to_read_is_said() {
        let nothing = |text: &'static [u8], headed| {
            lines(text).each(Walk { headed, ..walk(false, false) }, |_| Ok(())).unwrap_err().to_string()
        };
        assert_eq!(nothing(b"", false), "f.csv is empty");
        assert_eq!(nothing(b" \r\n\n", true), "f.csv has a header but no rows");
        assert_eq!(lines(b"\n\n").first().unwrap_err().to_string(), "f.csv is empty");
        let error =
            lines(b"a\nb").each(walk(true, false), |_| Err(Fault::Row("bad".to_owned()))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "f.csv has no good row: all 2 are bad, the first one: f.csv, line 1: bad"
        );
    }

    #[test]
    fn an_endless_line_is_refused() {
        let input = Box::new(io::BufReader::new(io::repeat(b'x')));
        let error = Lines::new("f".to_owned(), input, false).next().unwrap_err().to_string();
        assert_eq!(error, "f, line 1: the line is longer than 16777216 bytes, so this is not a text table");
    }
}
