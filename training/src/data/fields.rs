//! A row cut into its fields.

use super::parse::Fault;

/// How the fields of a row are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delimiter {
    /// Commas, with double quotes (RFC 4180).
    Comma,
    /// One tab.
    Tab,
    /// Two colons, as in ml-1m.
    Colons,
    /// One bar, as in ml-100k's u.item.
    Bar,
}

/// The fields of one row; reused from row to row.
#[derive(Debug, Default)]
pub(super) struct Fields {
    text: Vec<u8>,
    /// Start and end of each field in `text`.
    spans: Vec<(usize, usize)>,
}

impl Fields {
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// One field, without spaces around it.
    pub(super) fn get(&self, index: usize) -> &[u8] {
        let (start, end) = self.spans[index];
        self.text[start..end].trim_ascii()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Cuts a row into its fields.
    pub(super) fn split(&mut self, row: &[u8], delimiter: Delimiter) -> Result<(), Fault> {
        self.text.clear();
        self.spans.clear();
        match delimiter {
            Delimiter::Comma if row.contains(&b'"') => return self.split_quoted(row),
            Delimiter::Comma => self.split_at(row, b','),
            Delimiter::Tab => self.split_at(row, b'\t'),
            Delimiter::Bar => self.split_at(row, b'|'),
            Delimiter::Colons => self.split_at_colons(row),
        }
        Ok(())
    }

    /// As [`Fields::split`], and the number of fields must be `width`.
    pub(super) fn split_to(&mut self, row: &[u8], delimiter: Delimiter, width: usize) -> Result<(), Fault> {
        self.split(row, delimiter)?;
        if self.len() == width {
            return Ok(());
        }
        let have = self.len();
        Err(Fault::Row(format!("{have} column{} where {width} should be", if have == 1 { "" } else { "s" })))
    }

    fn split_at(&mut self, row: &[u8], delimiter: u8) {
        self.text.extend_from_slice(row);
        let mut start = 0;
        for (index, &byte) in row.iter().enumerate() {
            if byte == delimiter {
                self.spans.push((start, index));
                start = index + 1;
            }
        }
        self.spans.push((start, row.len()));
    }

    fn split_at_colons(&mut self, row: &[u8]) {
        self.text.extend_from_slice(row);
        let (mut start, mut index) = (0, 0);
        while index + 1 < row.len() {
            if row[index] == b':' && row[index + 1] == b':' {
                self.spans.push((start, index));
                start = index + 2;
                index += 2;
            } else {
                index += 1;
            }
        }
        self.spans.push((start, row.len()));
    }

    fn split_quoted(&mut self, row: &[u8]) -> Result<(), Fault> {
        let mut rest = row;
        loop {
            let start = self.text.len();
            let end = if rest.first() == Some(&b'"') {
                self.take_quoted(&rest[1..])? + 1
            } else {
                let end = rest.iter().position(|&byte| byte == b',').unwrap_or(rest.len());
                self.text.extend_from_slice(&rest[..end]);
                end
            };
            self.spans.push((start, self.text.len()));
            match rest.get(end) {
                None => return Ok(()),
                Some(b',') => rest = &rest[end + 1..],
                Some(_) => {
                    let column = self.len();
                    return Err(Fault::Row(format!("text follows the closing quote of column {column}")));
                }
            }
        }
    }

    /// Takes what stands up to the closing quote; the length up to and with that quote.
    fn take_quoted(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let mut index = 0;
        loop {
            let length = rest[index..].iter().position(|&byte| byte == b'"').ok_or(Fault::OpenQuote)?;
            self.text.extend_from_slice(&rest[index..index + length]);
            index += length + 1;
            if rest.get(index) != Some(&b'"') {
                return Ok(index);
            }
            self.text.push(b'"');
            index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(row: &[u8], delimiter: Delimiter) -> Result<Vec<String>, Fault> {
        let mut fields = Fields::default();
        fields.split(row, delimiter)?;
        Ok(fields.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect())
    }

    #[test]
    fn each_delimiter_splits_and_spaces_around_fields_go() {
        assert_eq!(split(b"1, 2 ,,x", Delimiter::Comma).unwrap(), ["1", "2", "", "x"]);
        assert_eq!(split(b"1\t2\t", Delimiter::Tab).unwrap(), ["1", "2", ""]);
        assert_eq!(split(b"1::a:b::::c", Delimiter::Colons).unwrap(), ["1", "a:b", "", "c"]);
        assert_eq!(split(b"1|a||c", Delimiter::Bar).unwrap(), ["1", "a", "", "c"]);
    }

    #[test]
    fn quoted_fields_hold_commas_quotes_and_line_breaks() {
        let row = "1,\"Big, \"\"the\"\"\nfilm\",\"\",Drama".as_bytes();
        assert_eq!(split(row, Delimiter::Comma).unwrap(), ["1", "Big, \"the\"\nfilm", "", "Drama"]);
        assert_eq!(split(b"1,5\" disk", Delimiter::Comma).unwrap(), ["1", "5\" disk"]);
    }

    #[test]
    fn an_open_quote_and_text_after_a_closed_one_are_faults() {
        assert!(matches!(split(b"1,\"a,b", Delimiter::Comma), Err(Fault::OpenQuote)));
        let Err(Fault::Row(problem)) = split(b"1,\"a\"b,c", Delimiter::Comma) else {
            panic!("not a row fault")
        };
        assert_eq!(problem, "text follows the closing quote of column 2");
    }

    #[test]
    fn a_row_of_another_width_is_a_fault_of_the_row() {
        let fault = Fields::default().split_to(b"1", Delimiter::Comma, 4).unwrap_err();
        assert_eq!(fault.at("r.csv", 3).to_string(), "r.csv, line 3: 1 column where 4 should be");
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read_as_it_was(fields in prop::collection::vec("[a-z\", \n;é]{0,8}", 1..6)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(&fields).unwrap();
            let row = writer.into_inner().unwrap();
            let trimmed: Vec<_> = fields.iter().map(|field| field.trim().to_owned()).collect();
            prop_assert_eq!(split(row.strip_suffix(b"\n").unwrap(), Delimiter::Comma).unwrap(), trimmed);
        }

        #[test]
        fn no_row_makes_it_panic(row in prop::collection::vec(prop::sample::select(b"a\",:|\t\n".to_vec()), 0..40)) {
            for delimiter in [Delimiter::Comma, Delimiter::Tab, Delimiter::Colons, Delimiter::Bar] {
                let _ = split(&row, delimiter);
            }
        }
    }
}
