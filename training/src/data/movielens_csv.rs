//! MovieLens as csv: ml-latest-small, ml-20m, ml-25m, ml-32m.
//!
//! `ratings.csv` has `userId,movieId,rating,timestamp` (seconds), `movies.csv` has `movieId,title,genres` with the
//! year in the title and genres joined by `|`.

use super::build::{Builder, NewEvent};
use super::fields::{Delimiter, Fields};
use super::header::Header;
use super::lines::{Lines, Walk};
use super::parse;
use super::{DataError, NO_KIND, title};

/// Reads `ratings.csv`; a file without `timestamp` is one without times.
pub(super) fn ratings(lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    let header = Header::read(lines, Delimiter::Comma)?;
    let (user, item) = (header.require("userId")?, header.require("movieId")?);
    let (rating, time) = (header.require("rating")?, header.find(&["timestamp"]));
    builder.set_timed(time.is_some());
    let mut fields = Fields::default();
    let walk = Walk { headed: true, skip: builder.skip, across_lines: false };
    let bad = lines.each(walk, |row| {
        fields.split_to(row, Delimiter::Comma, header.width())?;
        builder.event(&NewEvent {
            user: parse::id(user.of(&fields), &user.name)?,
            item: parse::id(item.of(&fields), &item.name)?,
            value: parse::number(rating.of(&fields), &rating.name)?,
            kind: NO_KIND,
            time: time.as_ref().map(|time| parse::time(time.of(&fields), &time.name)).transpose()?,
        })
    })?;
    builder.add_skipped(bad);
    Ok(())
}

/// Reads `movies.csv`.
pub(super) fn movies(lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    let header = Header::read(lines, Delimiter::Comma)?;
    let (item, name) = (header.require("movieId")?, header.require("title")?);
    let genres = header.find(&["genres"]);
    let mut fields = Fields::default();
    let walk = Walk { headed: true, skip: builder.skip, across_lines: true };
    let bad = lines.each(walk, |row| {
        fields.split_to(row, Delimiter::Comma, header.width())?;
        let id = parse::id(item.of(&fields), &item.name)?;
        let (name, year) = title::split_year(parse::text(name.of(&fields), &name.name)?);
        let genres = match &genres {
            Some(column) => {
                let text = parse::text(column.of(&fields), &column.name)?;
                builder.genres(text.split('|'), &column.name)?
            }
            None => Vec::new(),
        };
        builder.describe(id, title::article_first(&name), year, genres)
    })?;
    builder.add_skipped(bad);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{events, items, read_files, read_skipping, sentence};

    const MOVIES: &[u8] = "movieId,title,genres\r\n1,Toy Story (1995),Adventure|Animation\r\n\
        29,\"City of Lost Children, The (Cité des enfants perdus, La) (1995)\",Drama\r\n\
        40697,Babylon 5,(no genres listed)\r\n"
        .as_bytes();

    #[test]
    fn items_come_in_the_order_of_movies_csv_then_of_first_appearance() {
        let ratings =
            b"userId,movieId,rating,timestamp\n7,99,4.0,964982703\n1,29,0.5,847434962\n7,98,5,1\n7,29,3,1\n";
        let data = read_files(&[("movies.csv", MOVIES), ("ratings.csv", ratings)]).unwrap();
        assert_eq!(
            items(&data),
            [
                "1|Toy Story|1995|Adventure,Animation",
                "29|The City of Lost Children (La Cité des enfants perdus)|1995|Drama",
                "40697|Babylon 5|0|",
                "99||0|",
                "98||0|",
            ]
        );
        assert_eq!(data.users, ["7", "1"]);
        assert_eq!(
            events(&data),
            ["7 99 4 964982703000", "1 29 0.5 847434962000", "7 98 5 1000", "7 29 3 1000",]
        );
        assert!(data.timed && data.skipped == 0 && data.event_types.is_empty());
    }

    #[test]
    fn columns_may_stand_in_any_order_with_others_between() {
        let ratings = b"\xef\xbb\xbfrating,x,MOVIEID,userId\r\n4,,5,6\r\n\r\n4,,5,6\r\n";
        let data = read_files(&[("ratings.csv", ratings)]).unwrap();
        assert!(!data.timed);
        assert_eq!(events(&data), ["6 5 4 0", "6 5 4 1"], "repeated events are kept, in file order");
    }

    #[test]
    fn a_bad_row_is_named_by_line_and_column() {
        let with = |row: &str| {
            let text = format!("userId,movieId,rating,timestamp\r\n1,2,3,4\r\n\r\n{row}\r\n5,6,1,8\r\n");
            sentence(&[("ratings.csv", text.as_bytes())])
        };
        assert_eq!(with("1,31,abc,1260759144"), "ratings.csv, line 4, column rating: `abc` is not a number");
        assert_eq!(
            with("1,31,inf,1260759144"),
            "ratings.csv, line 4, column rating: `inf` is not a finite number"
        );
        assert_eq!(with(",31,3,4"), "ratings.csv, line 4, column userId: the id is empty");
        assert_eq!(with("1,31,3,"), "ratings.csv, line 4, column timestamp: a time is missing");
        assert_eq!(with("1,31,3"), "ratings.csv, line 4: 3 columns where 4 should be");
        assert_eq!(with("1,\"31,3,4"), "ratings.csv, line 4: a quote is opened and not closed");
        let not = "is not an id (letters, digits and . _ : @ - alone, a letter or digit first)";
        assert_eq!(with("1,a b,3,4"), format!("ratings.csv, line 4, column movieId: `a b` {not}"));
    }

    #[test]
    fn bad_rows_are_counted_when_skipped_and_leave_nothing_behind() {
        let ratings = b"userId,movieId,rating,timestamp\n8,9,x,1\n1,2,3,4\n1,2,3\n1,\"2,3,4\n5,6,\"7\",8\n";
        let movies = b"movieId,title,genres\n1,One (2001),A\n!,Two (2002),B\n3,Three,C\n";
        let data = read_skipping(&[("ratings.csv", ratings), ("movies.csv", movies)]).unwrap();
        assert_eq!(events(&data), ["1 2 3 4000", "5 6 7 8000"]);
        assert_eq!((data.skipped, data.users.len(), data.items.len()), (4, 2, 4));
        let said = read_skipping(&[("ratings.csv", b"userId,movieId,rating\n1,2,x\n1,2,\n")])
            .unwrap_err()
            .to_string();
        assert!(
            said.starts_with(
                "ratings.csv has no good row: all 2 are bad, the first one: ratings.csv, line 2"
            )
        );
    }

    #[test]
    fn a_title_may_span_lines_and_lines_are_counted_on() {
        let movies = b"movieId,title,genres\n1,\"One\nand only (2001)\",A\n2,Two,\n3,\"Th\xffree\",C\n";
        let said = sentence(&[("ratings.csv", b"userId,movieId,rating\n1,2,3\n"), ("movies.csv", movies)]);
        assert_eq!(said, "movies.csv, line 5, column title: `Th\u{fffd}ree` is not UTF-8 text");
    }

    #[test]
    fn a_header_without_rows_is_said() {
        let header = b"userId,movieId,rating,timestamp\n";
        assert_eq!(sentence(&[("ratings.csv", header)]), "ratings.csv has a header but no rows");
    }
}
