//! The files of "Neural Collaborative Filtering" (He et al. 2017, <https://arxiv.org/abs/1708.05031>): `.rating` for
//! training, and a test of one positive against given negatives per user.

use std::path::Path;

use super::build::{Builder, NewEvent};
use super::fields::{Delimiter, Fields};
use super::lines::{Lines, Walk};
use super::parse::{self, Fault, quote};
use super::source::Source;
use super::{DataError, NO_KIND};

/// One test of NCF's: is the positive ranked above the negatives?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NcfCase {
    /// User id, as in the training file.
    pub user: String,
    /// The item that was left out of the user's training events.
    pub positive: String,
    /// Items the user has no event with; 99 in the published files.
    pub negatives: Vec<String>,
}

/// Reads `.train.rating` or ml-100k's `u.data`: `user \t item \t rating`, and seconds where there are.
pub(super) fn ratings(lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    let mut fields = Fields::default();
    // The first good row says whether there are times.
    let mut width = None;
    let walk = Walk { headed: false, skip: builder.skip, across_lines: false };
    let bad = lines.each(walk, |row| {
        let row = rating_row(row, &mut fields, width)?;
        builder.event(&NewEvent {
            user: row.user,
            item: row.item,
            value: row.value,
            kind: NO_KIND,
            time: row.time,
        })?;
        width = Some(if row.time.is_some() { 4 } else { 3 });
        Ok(())
    })?;
    builder.set_timed(width == Some(4));
    builder.add_skipped(bad);
    Ok(())
}

struct RatingRow<'a> {
    user: &'a str,
    item: &'a str,
    value: f32,
    time: Option<i64>,
}

fn rating_row<'a>(row: &[u8], fields: &'a mut Fields, width: Option<usize>) -> Result<RatingRow<'a>, Fault> {
    fields.split(row, Delimiter::Tab)?;
    let width = width.unwrap_or(if fields.len() == 3 { 3 } else { 4 });
    fields.split_to(row, Delimiter::Tab, width)?;
    Ok(RatingRow {
        user: parse::id(fields.get(0), "user")?,
        item: parse::id(fields.get(1), "item")?,
        value: parse::number(fields.get(2), "rating")?,
        time: if width == 4 { Some(parse::time(fields.get(3), "timestamp")?) } else { None },
    })
}

/// Reads NCF's two test files, whose lines belong together: `user \t item \t rating \t time`, and
/// `(user,item) \t negative \t negative …`. Either may be gzipped.
///
/// # Errors
///
/// As [`read`](super::read), and [`DataError::Unpaired`] when the files do not name the same pairs in the same order.
/// No row is skipped: a test with some of its cases is another test.
pub fn read_ncf_test(test_rating: &Path, negatives: &Path) -> Result<Vec<NcfCase>, DataError> {
    let mut pairs = Vec::new();
    let mut fields = Fields::default();
    each_row(test_rating, |row, _| {
        let row = rating_row(row, &mut fields, None)?;
        pairs.push((row.user.to_owned(), row.item.to_owned()));
        Ok(())
    })?;
    let (mut cases, mut unpaired) = (Vec::with_capacity(pairs.len()), None);
    let mut fields = Fields::default();
    each_row(negatives, |row, line| {
        let case = negative_row(row, &mut fields)?;
        match pairs.get(cases.len()) {
            Some((user, item)) if *user == case.user && *item == case.positive => {}
            other if unpaired.is_none() => {
                let there = other.map_or("no row".to_owned(), |(user, item)| format!("({user},{item})"));
                unpaired = Some(format!(
                    "line {line} is for ({},{}), there it is {there}",
                    case.user, case.positive
                ));
            }
            _ => {}
        }
        cases.push(case);
        Ok(())
    })?;
    if unpaired.is_none() && cases.len() < pairs.len() {
        unpaired = Some(format!("it has {} rows where there are {}", cases.len(), pairs.len()));
    }
    let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    match unpaired {
        Some(problem) => {
            Err(DataError::Unpaired { ratings: name(test_rating), negatives: name(negatives), problem })
        }
        None => Ok(cases),
    }
}

/// Gives every row of a file, and its line number, to `take`.
fn each_row(path: &Path, mut take: impl FnMut(&[u8], u64) -> Result<(), Fault>) -> Result<(), DataError> {
    let mut source = Source::open(path)?;
    let [member] = source.members() else {
        return Err(DataError::Unrecognised { path: path.to_owned() });
    };
    let member = member.clone();
    let mut lines = source.lines(&member)?;
    let mut row = lines.first()?.to_vec();
    loop {
        take(&row, lines.line()).map_err(|fault| fault.at(lines.file(), lines.line()))?;
        match lines.next()? {
            Some(next) => next.clone_into(&mut row),
            None => return Ok(()),
        }
    }
}

fn negative_row(row: &[u8], fields: &mut Fields) -> Result<NcfCase, Fault> {
    fields.split(row, Delimiter::Tab)?;
    let pair = fields.get(0);
    let inner = pair.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")"));
    let comma = inner.and_then(|inner| inner.iter().position(|&byte| byte == b','));
    let (Some(inner), Some(comma)) = (inner, comma) else {
        return Err(Fault::column("pair", format!("{} is not (user,item)", quote(pair))));
    };
    let user = parse::id(inner[..comma].trim_ascii(), "pair")?.to_owned();
    let positive = parse::id(inner[comma + 1..].trim_ascii(), "pair")?.to_owned();
    let ids = fields.iter().enumerate().skip(1).filter(|(_, text)| !text.is_empty());
    let negatives = ids
        .map(|(index, text)| parse::id(text, &format!("negative {index}")).map(str::to_owned))
        .collect::<Result<Vec<_>, _>>()?;
    if negatives.is_empty() {
        return Err(Fault::Row("there are no negatives".to_owned()));
    }
    Ok(NcfCase { user, positive, negatives })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{events, folder, gzipped, read_files, sentence};
    use super::*;

    #[test]
    fn training_files_are_read_with_and_without_times() {
        let files = [
            ("ml-1m.train.rating", b"0\t32\t4\t978824330\n".as_slice()),
            ("ml-1m.test.rating", b"0\t1\t1\t1\n"),
        ];
        let data = read_files(&files).unwrap();
        assert_eq!(events(&data), ["0 32 4 978824330000"]);
        assert!(data.timed);
        let data = read_files(&[("p.train.rating", b"0\t32\t1\n0\t5\t1\n")]).unwrap();
        assert_eq!(events(&data), ["0 32 1 0", "0 5 1 1"]);
        assert!(!data.timed);
        let said = sentence(&[("p.train.rating", b"0\t32\t1\n0\t5\t1\t9\n")]);
        assert_eq!(said, "p.train.rating, line 2: 4 columns where 3 should be");
        let said = sentence(&[("p.train.rating", b"0\t32\n")]);
        assert_eq!(said, "p.train.rating, line 1: 2 columns where 4 should be");
    }

    fn test_files(rating: &str, negative: &str) -> Result<Vec<NcfCase>, DataError> {
        let files =
            folder(&[("t.rating", rating.as_bytes()), ("t.negative.gz", &gzipped(negative.as_bytes()))]);
        read_ncf_test(&files.path().join("t.rating"), &files.path().join("t.negative.gz"))
    }

    #[test]
    fn a_case_is_a_pair_and_its_negatives() {
        let cases =
            test_files("0\t25\t5\t978824351\n1\t133\t3\t1\n", "(0,25)\t1064\t174\t\r\n\n(1, 133)\t9\n")
                .unwrap();
        let case = |user: &str, positive: &str, negatives: &[&str]| NcfCase {
            user: user.to_owned(),
            positive: positive.to_owned(),
            negatives: negatives.iter().map(|&id| id.to_owned()).collect(),
        };
        assert_eq!(cases, [case("0", "25", &["1064", "174"]), case("1", "133", &["9"])]);
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let said = |rating, negative| test_files(rating, negative).unwrap_err().to_string();
        let unpaired = "t.negative.gz does not belong to t.rating: ";
        assert_eq!(said("0\t25\t5\n1\t3\t5\n", "(0,25)\t1\n(2,3)\t1\n"), {
            format!("{unpaired}line 2 is for (2,3), there it is (1,3)")
        });
        assert_eq!(said("0\t25\t5\n", "(0,25)\t1\n(2,3)\t1\n"), {
            format!("{unpaired}line 2 is for (2,3), there it is no row")
        });
        assert_eq!(
            said("0\t25\t5\n1\t3\t5\n", "(0,25)\t1\n"),
            format!("{unpaired}it has 1 rows where there are 2")
        );
    }

    #[test]
    fn a_bad_row_is_named_by_line_and_column() {
        let said = |negative| test_files("0\t25\t5\n", negative).unwrap_err().to_string();
        assert_eq!(said("0,25\t1\n"), "t.negative.gz, line 1, column pair: `0,25` is not (user,item)");
        assert_eq!(said("(0,25)\n"), "t.negative.gz, line 1: there are no negatives");
        let not = "is not an id (letters, digits and . _ : @ - alone, a letter or digit first)";
        assert_eq!(said("(0,25)\t1\t/\n"), format!("t.negative.gz, line 1, column negative 2: `/` {not}"));
        assert_eq!(said(""), "t.negative.gz is empty");
    }
}
