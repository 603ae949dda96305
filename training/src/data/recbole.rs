//! RecBole's atomic files: tab-separated, with the type of each column in the header (`user_id:token`).
//!
//! <https://recbole.io/docs/user_guide/data/atomic_files.html>

use super::build::{Builder, NewEvent};
use super::fields::{Delimiter, Fields};
use super::header::Header;
use super::lines::{Lines, Walk};
use super::parse;
use super::{DataError, NO_KIND, title};

/// Reads `.inter`: `user_id`, `item_id`, and `rating`, `timestamp` where there are.
pub(super) fn events(lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    let header = Header::read(lines, Delimiter::Tab)?;
    let (user, item) = (header.require("user_id")?, header.require("item_id")?);
    let (rating, time) = (header.find(&["rating"]), header.find(&["timestamp"]));
    builder.set_timed(time.is_some());
    let mut fields = Fields::default();
    let walk = Walk { headed: true, skip: builder.skip, across_lines: false };
    let bad = lines.each(walk, |row| {
        fields.split_to(row, Delimiter::Tab, header.width())?;
        builder.event(&NewEvent {
            user: parse::id(user.of(&fields), &user.name)?,
            item: parse::id(item.of(&fields), &item.name)?,
            value: match &rating {
                Some(rating) => parse::number(rating.of(&fields), &rating.name)?,
                None => f32::NAN,
            },
            kind: NO_KIND,
            time: time.as_ref().map(|time| parse::time(time.of(&fields), &time.name)).transpose()?,
        })
    })?;
    builder.add_skipped(bad);
    Ok(())
}

/// Reads `.item`: `item_id`, a column named like a title or name, one named like genres or classes (separated by
/// spaces), and `release_year`.
///
/// RecBole's own ml-100k says `V` for a year in one row, so a year that is none is unknown and not a fault.
pub(super) fn items(lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    let header = Header::read(lines, Delimiter::Tab)?;
    let item = header.require("item_id")?;
    let like = |words: &'static [&'static str]| {
        header.find_by(move |name| words.iter().any(|word| name.to_ascii_lowercase().contains(word)))
    };
    let name = like(&["title"]).or_else(|| like(&["name"]));
    let genres = like(&["genre"]).or_else(|| like(&["class", "categories"]));
    let year = header.find(&["release_year", "year"]);
    let mut fields = Fields::default();
    let walk = Walk { headed: true, skip: builder.skip, across_lines: false };
    let bad = lines.each(walk, |row| {
        fields.split_to(row, Delimiter::Tab, header.width())?;
        let id = parse::id(item.of(&fields), &item.name)?;
        let name = match &name {
            Some(column) => title::article_first(parse::text(column.of(&fields), &column.name)?),
            None => String::new(),
        };
        let year = year.as_ref().map_or(0, |column| parse::year(column.of(&fields), "").unwrap_or(0));
        let genres = match &genres {
            Some(column) => {
                let text = parse::text(column.of(&fields), &column.name)?;
                builder.genres(text.split(' '), &column.name)?
            }
            None => Vec::new(),
        };
        builder.describe(id, name, year, genres)
    })?;
    builder.add_skipped(bad);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{events, items, read_files, sentence};

    #[test]
    fn atomic_files_are_read_with_the_item_file_of_the_same_stem() {
        let inter = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n\
            186\t302\t3\t8.9171774e8\n";
        let item = b"item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n\
            242\tKolya\t1996\tComedy\n1412\tLand Before Time, The\tV\tAnimation Children's\n";
        let other = b"item_id:token\n7\n";
        let files = [
            ("ml.inter", inter.as_slice()),
            ("ml.item", item),
            ("x.item", other),
            ("ml.user", b"user_id:token\n"),
        ];
        let data = read_files(&files).unwrap();
        let want = ["242|Kolya|1996|Comedy", "1412|The Land Before Time|0|Animation,Children's", "302||0|"];
        assert_eq!(items(&data), want);
        assert_eq!(events(&data), ["196 242 3 881250949000", "186 302 3 891717740000"]);
        assert!(data.timed);
    }

    #[test]
    fn rating_and_time_may_be_missing() {
        let data = read_files(&[("a.inter", b"item_id:token\tuser_id:token\n7\tu\n8\tu\n")]).unwrap();
        assert_eq!(events(&data), ["u 7 NaN 0", "u 8 NaN 1"]);
        assert!(!data.timed);
    }

    #[test]
    fn a_bad_row_and_a_missing_column_are_named() {
        let said = sentence(&[("a.inter", b"user_id:token\titem_id:token\trating:float\nu\t7\t\n")]);
        assert_eq!(said, "a.inter, line 2, column rating: a number is missing");
        let said = sentence(&[("a.inter", b"uid:token\titem_id:token\nu\t7\n")]);
        assert_eq!(said, "a.inter has no column user_id; its columns are uid, item_id");
        let said = sentence(&[("a.inter", b"user_id:token\titem_id:token\nu\t7\t9\n")]);
        assert_eq!(said, "a.inter, line 2: 3 columns where 2 should be");
    }
}
