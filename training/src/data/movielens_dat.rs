//! MovieLens before it was csv: ml-1m and ml-10m (`::` between columns), ml-100k's `u.item` (`|`).
//!
//! ml-1m and ml-100k write titles in Latin-1, ml-10m in UTF-8: a row that is UTF-8 is taken as that, any other as
//! windows-1252, which agrees with Latin-1 on every printable character.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;

use super::build::{Builder, NewEvent};
use super::fields::{Delimiter, Fields};
use super::lines::{Lines, Walk};
use super::parse;
use super::{DataError, NO_KIND, title};

/// The flags at the end of `u.item`, after "unknown", in the order of ml-100k's `u.genre`.
const U_ITEM_GENRES: [&str; 18] = [
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];

/// Reads `ratings.dat`: `user::movie::rating::seconds`.
pub(super) fn ratings(lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    builder.set_timed(true);
    let mut fields = Fields::default();
    let walk = Walk { headed: false, skip: builder.skip, across_lines: false };
    let bad = lines.each(walk, |row| {
        fields.split_to(row, Delimiter::Colons, 4)?;
        builder.event(&NewEvent {
            user: parse::id(fields.get(0), "user")?,
            item: parse::id(fields.get(1), "movie")?,
            value: parse::number(fields.get(2), "rating")?,
            kind: NO_KIND,
            time: Some(parse::time(fields.get(3), "timestamp")?),
        })
    })?;
    builder.add_skipped(bad);
    Ok(())
}

/// Reads `movies.dat`: `movie::title (year)::genre|genre`.
pub(super) fn movies(lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    let mut fields = Fields::default();
    let walk = Walk { headed: false, skip: builder.skip, across_lines: false };
    let bad = lines.each(walk, |row| {
        fields.split_to(row, Delimiter::Colons, 3)?;
        let id = parse::id(fields.get(0), "movie")?;
        let (name, year) = title::split_year(&latin(fields.get(1)));
        let genres = builder.genres(latin(fields.get(2)).split('|'), "genres")?;
        builder.describe(id, title::article_first(&name), year, genres)
    })?;
    builder.add_skipped(bad);
    Ok(())
}

/// Reads `u.item`: `movie|title (year)|release date|video date|URL` and 19 flags, the first for "unknown".
pub(super) fn u_item(lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    let mut fields = Fields::default();
    let walk = Walk { headed: false, skip: builder.skip, across_lines: false };
    let bad = lines.each(walk, |row| {
        fields.split_to(row, Delimiter::Bar, 6 + U_ITEM_GENRES.len())?;
        let id = parse::id(fields.get(0), "movie")?;
        let (name, year) = title::split_year(&latin(fields.get(1)));
        let flagged = fields.iter().skip(6).zip(U_ITEM_GENRES);
        let genres =
            builder.genres(flagged.filter(|(flag, _)| *flag == b"1").map(|(_, genre)| genre), "genres")?;
        builder.describe(id, title::article_first(&name), year, genres)
    })?;
    builder.add_skipped(bad);
    Ok(())
}

fn latin(text: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(text) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(text).0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{events, items, read_files, read_skipping, sentence, zipped};
    use super::super::testing::{folder, read_path};

    const RATINGS: &[u8] = b"1::1193::5::978300760\n1::661::3.5::978302109\n";

    #[test]
    fn ml_1m_is_read_with_titles_in_latin_1_and_in_utf_8() {
        let movies =
            b"661::Mis\xe9rables, Les (1995)::Drama|Musical\n1193::Am\xc3\xa9lie (2001)::Children's\n";
        let zip =
            zipped(&[("ml-1m/movies.dat", movies), ("ml-1m/ratings.dat", RATINGS), ("ml-1m/README", b"x")]);
        let files = folder(&[("ml-1m.zip", &zip)]);
        let data = read_path(&files.path().join("ml-1m.zip")).unwrap();
        assert_eq!(items(&data), ["661|Les Misérables|1995|Drama,Musical", "1193|Amélie|2001|Children's"]);
        assert_eq!(events(&data), ["1 1193 5 978300760000", "1 661 3.5 978302109000"]);
        assert!(data.timed);
    }

    #[test]
    fn ml_100k_is_read_with_genres_by_flag() {
        let flags =
            |set: usize| (0..19).map(|flag| if flag == set { "|1" } else { "|0" }).collect::<String>();
        let mut items_file =
            format!("1|Toy Story (1995)|01-Jan-1995||http://x/?a=1{}\n", flags(3)).into_bytes();
        items_file
            .extend(format!("267|unknown||||{}\n", &flags(0)[1..]).replace("||||", "||||").into_bytes());
        items_file.extend(b"3|Caf\xe9, Le (1995)|||");
        items_file.extend(format!("{}\n", flags(18)).into_bytes());
        let ratings = b"196\t1\t3\t881250949\n186\t302\t3\t891717742\n";
        let data =
            read_files(&[("u.data", ratings), ("u.item", &items_file), ("u.genre", b"unknown|0\n")]).unwrap();
        assert_eq!(
            items(&data),
            ["1|Toy Story|1995|Animation", "267|unknown|0|", "3|Le Café|1995|Western", "302||0|"]
        );
        assert_eq!(events(&data)[0], "196 1 3 881250949000");
    }

    #[test]
    fn a_bad_row_is_named_by_line_and_column() {
        let said = sentence(&[("ratings.dat", b"1::1193::5::978300760\n1::661::x::978302109\n")]);
        assert_eq!(said, "ratings.dat, line 2, column rating: `x` is not a number");
        let said = sentence(&[("ratings.dat", RATINGS), ("movies.dat", b"1::Heat (1995)\n")]);
        assert_eq!(said, "movies.dat, line 1: 2 columns where 3 should be");
        let said = sentence(&[("u.data", b"1\t2\t3\t4\n"), ("u.item", b"1|Heat (1995)|\n")]);
        assert_eq!(said, "u.item, line 1: 3 columns where 24 should be");
        let data = read_skipping(&[("ratings.dat", b"1::2::3::4\n1::661::x::978302109\n1::2\n")]).unwrap();
        assert_eq!((data.events.len(), data.skipped), (1, 2));
    }
}
