//! Amazon Personalize's import files: csv with upper-case headers in any order.
//!
//! <https://docs.aws.amazon.com/personalize/latest/dg/interactions-datasets.html>

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::build::{Builder, NewEvent};
use super::fields::{Delimiter, Fields};
use super::header::{Column, Header};
use super::lines::{Lines, Walk};
use super::parse::{self, Fault};
use super::{DataError, NO_KIND};

/// Reads interactions: `USER_ID`, `ITEM_ID`, `TIMESTAMP`, and `EVENT_TYPE`, `EVENT_VALUE` where there are, each of
/// which may be empty.
pub(super) fn interactions(lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    let header = Header::read(lines, Delimiter::Comma)?;
    let (user, item) = (header.require("USER_ID")?, header.require("ITEM_ID")?);
    let time = header.require("TIMESTAMP")?;
    let (kind, value) = (header.find(&["EVENT_TYPE"]), header.find(&["EVENT_VALUE"]));
    builder.set_timed(true);
    let mut fields = Fields::default();
    let walk = Walk { headed: true, skip: builder.skip, across_lines: false };
    let bad = lines.each(walk, |row| {
        fields.split_to(row, Delimiter::Comma, header.width())?;
        let new = NewEvent {
            user: parse::id(user.of(&fields), &user.name)?,
            item: parse::id(item.of(&fields), &item.name)?,
            value: match filled(value.as_ref(), &fields) {
                Some((text, column)) => parse::number(text, column)?,
                None => f32::NAN,
            },
            time: Some(parse::time(time.of(&fields), &time.name)?),
            kind: match filled(kind.as_ref(), &fields) {
                Some((text, column)) => builder.kind(parse::text(text, column)?, column)?,
                None => NO_KIND,
            },
        };
        builder.event(&new)
    })?;
    builder.add_skipped(bad);
    Ok(())
}

/// Reads items: `ITEM_ID`, and `TITLE` or `NAME`, `GENRES` or `GENRE` (joined by `|`), `YEAR` or else the year of
/// `CREATION_TIMESTAMP`, where there are, each of which may be empty.
pub(super) fn items(lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    let header = Header::read(lines, Delimiter::Comma)?;
    let item = header.require("ITEM_ID")?;
    let (title, genres) = (header.find(&["TITLE", "NAME"]), header.find(&["GENRES", "GENRE"]));
    let (year, created) = (header.find(&["YEAR"]), header.find(&["CREATION_TIMESTAMP"]));
    let mut fields = Fields::default();
    let walk = Walk { headed: true, skip: builder.skip, across_lines: true };
    let bad = lines.each(walk, |row| {
        fields.split_to(row, Delimiter::Comma, header.width())?;
        let id = parse::id(item.of(&fields), &item.name)?;
        let title = match filled(title.as_ref(), &fields) {
            Some((text, column)) => parse::text(text, column)?.to_owned(),
            None => String::new(),
        };
        let year = match (filled(year.as_ref(), &fields), filled(created.as_ref(), &fields)) {
            (Some((text, column)), _) => parse::year(text, column)?,
            (None, Some((text, column))) => year_of(text, column)?,
            (None, None) => 0,
        };
        let genres = match filled(genres.as_ref(), &fields) {
            Some((text, column)) => builder.genres(parse::text(text, column)?.split('|'), column)?,
            None => Vec::new(),
        };
        builder.describe(id, title, year, genres)
    })?;
    builder.add_skipped(bad);
    Ok(())
}

/// An optional column's text and name, if there is such a column and the row fills it.
fn filled<'a>(column: Option<&'a Column>, fields: &'a Fields) -> Option<(&'a [u8], &'a str)> {
    column.map(|column| (column.of(fields), column.name.as_str())).filter(|(text, _)| !text.is_empty())
}

/// The year, in UTC, of a time.
fn year_of(text: &[u8], column: &str) -> Result<u16, Fault> {
    let year =
        Timestamp::from_millisecond(parse::time(text, column)?).ok().map(|time| time.to_zoned(TimeZone::UTC));
    // `parse::time` keeps to the years 1 to 9999, which both take.
    Ok(year.and_then(|time| u16::try_from(time.year()).ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{events, items, read_files, read_skipping, sentence};
    use super::super::{DataError, NO_KIND};

    #[test]
    fn interactions_and_items_are_told_apart_by_their_columns() {
        let interactions = b"EVENT_TYPE,TIMESTAMP,ITEM_ID,USER_ID,EVENT_VALUE\nclick,1586731606,b,u-1,\n\
            watch,1586731607000,a,u-1,0.5\n,1586731606,a,u-2,1\nclick,1,c,u-2,2\n";
        let metadata = b"item_id,Title,GENRES,CREATION_TIMESTAMP,DESCRIPTION\na,\"Aa, The\",Drama|War,0,\"two\nlines\"\n\
            b,,,,\nd,Dd,,1577836800,x\n";
        let users = b"USER_ID,AGE\nu-1,30\n";
        let files =
            [("interactions.csv", interactions.as_slice()), ("items.csv", metadata), ("users.csv", users)];
        let data = read_files(&files).unwrap();
        assert_eq!(items(&data), ["a|Aa, The|1970|Drama,War", "b||0|", "d|Dd|2020|", "c||0|"]);
        assert_eq!(
            events(&data),
            ["u-1 b NaN 1586731606000", "u-1 a 0.5 1586731607000", "u-2 a 1 1586731606000", "u-2 c 2 1000",]
        );
        assert_eq!(data.event_types, ["click", "watch"]);
        assert_eq!(data.events.iter().map(|event| event.kind).collect::<Vec<_>>(), [0, 1, NO_KIND, 0]);
    }

    #[test]
    fn a_year_column_counts_before_the_time_of_creation() {
        let files = [
            ("i.csv", b"USER_ID,ITEM_ID,TIMESTAMP\n1,a,1\n".as_slice()),
            (
                "m.csv",
                b"ITEM_ID,NAME,GENRE,YEAR,CREATION_TIMESTAMP\na,A,War,1999,1577836800\nb,B,,,1577836799\n",
            ),
        ];
        assert_eq!(items(&read_files(&files).unwrap()), ["a|A|1999|War", "b|B|2019|"]);
    }

    #[test]
    fn a_bad_row_is_named_by_line_and_column_as_the_file_spells_it() {
        let with = |row: &str| format!("User_ID,ITEM_ID,TIMESTAMP,EVENT_VALUE\n1,a,1,\n{row}\n");
        let said = |row: &str| sentence(&[("x.csv", with(row).as_bytes())]);
        assert_eq!(said("/,a,1,"), {
            "x.csv, line 3, column User_ID: `/` is not an id (letters, digits and . _ : @ - alone, a letter or digit first)"
        });
        assert_eq!(
            said("1,a,now,"),
            "x.csv, line 3, column TIMESTAMP: `now` is not a time (seconds since 1970)"
        );
        assert_eq!(said("1,a,1,much"), "x.csv, line 3, column EVENT_VALUE: `much` is not a number");
        assert_eq!(read_skipping(&[("x.csv", with("1,a,1").as_bytes())]).unwrap().skipped, 1);
        let files = [
            ("i.csv", b"USER_ID,ITEM_ID,TIMESTAMP\n1,a,1\n".as_slice()),
            ("m.csv", b"ITEM_ID,YEAR\na,MCMXC\n"),
        ];
        assert_eq!(sentence(&files), "m.csv, line 2, column YEAR: `MCMXC` is not a year");
    }

    #[test]
    fn interactions_without_times_are_refused_and_two_item_files_too() {
        let said = sentence(&[("x.csv", b"USER_ID,ITEM_ID\n1,a\n")]);
        assert_eq!(said, "x.csv has no column TIMESTAMP; its columns are USER_ID, ITEM_ID");
        let events = b"USER_ID,ITEM_ID,TIMESTAMP\n1,a,1\n".as_slice();
        let outcome =
            read_files(&[("i.csv", events), ("a.csv", b"ITEM_ID\na\n"), ("b.csv", b"ITEM_ID\nb\n")]);
        assert!(matches!(outcome, Err(DataError::Ambiguous { .. })));
    }
}
