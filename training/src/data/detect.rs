//! Which files of a source are interactions and items, and in which format: by name where names are fixed, else by
//! the first line.

use super::DataError;
use super::fields::{Delimiter, Fields};
use super::parse;
use super::source::{Member, Source};

/// A format of interactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventFormat {
    MovieLensCsv,
    MovieLensDat,
    /// `user \t item \t rating [\t time]`: NCF's `.rating` and ml-100k's `u.data`.
    Rating,
    Personalize,
    LightGcn,
    RecBole,
}

/// A format of item metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemFormat {
    MovieLensCsv,
    MovieLensDat,
    MovieLens100k,
    Personalize,
    RecBole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Events(EventFormat),
    Items(ItemFormat),
}

/// The files to read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) events: (EventFormat, Member),
    pub(super) items: Option<(ItemFormat, Member)>,
}

/// Finds the one file of interactions, and its items file if there is one.
pub(super) fn find(source: &mut Source) -> Result<Found, DataError> {
    let kinds = kinds(source)?;
    let events = kinds.iter().filter_map(|(kind, member)| match kind {
        Kind::Events(format) => Some((*format, member.clone())),
        Kind::Items(_) => None,
    });
    let path = source.path().to_owned();
    let (format, member) = only(source, events.collect())?.ok_or(DataError::Unrecognised { path })?;
    let items = match format {
        EventFormat::MovieLensCsv if !source.is_single() => {
            only(source, items_beside(&kinds, ItemFormat::MovieLensCsv, &member))?
        }
        EventFormat::MovieLensCsv => named(source, &member, "movies.csv", ItemFormat::MovieLensCsv),
        EventFormat::MovieLensDat => named(source, &member, "movies.dat", ItemFormat::MovieLensDat),
        EventFormat::Rating if member.name == "u.data" => {
            named(source, &member, "u.item", ItemFormat::MovieLens100k)
        }
        EventFormat::RecBole => {
            let name = member.label.strip_suffix(".gz").unwrap_or(&member.label);
            let item = format!("{}.item", name.strip_suffix(".inter").unwrap_or(name));
            named(source, &member, &item, ItemFormat::RecBole)
        }
        EventFormat::Personalize => only(source, items_beside(&kinds, ItemFormat::Personalize, &member))?,
        EventFormat::Rating | EventFormat::LightGcn => None,
    };
    Ok(Found { events: (format, member), items })
}

/// Finds the one items file.
pub(super) fn find_items(source: &mut Source) -> Result<(ItemFormat, Member), DataError> {
    let items = kinds(source)?.into_iter().filter_map(|(kind, member)| match kind {
        Kind::Items(format) => Some((format, member)),
        Kind::Events(_) => None,
    });
    let path = source.path().to_owned();
    only(source, items.collect())?.ok_or(DataError::NoItems { path })
}

fn named(source: &Source, events: &Member, name: &str, format: ItemFormat) -> Option<(ItemFormat, Member)> {
    source.companion(events, name).map(|member| (format, member))
}

fn items_beside(kinds: &[(Kind, Member)], format: ItemFormat, events: &Member) -> Vec<(ItemFormat, Member)> {
    let fits =
        |(kind, member): &&(Kind, Member)| *kind == Kind::Items(format) && member.folder == events.folder;
    kinds.iter().filter(fits).map(|(_, member)| (format, member.clone())).collect()
}

fn only<F>(source: &Source, mut found: Vec<(F, Member)>) -> Result<Option<(F, Member)>, DataError> {
    if found.len() > 1 {
        let candidates = found.into_iter().map(|(_, member)| member.label).collect();
        return Err(DataError::Ambiguous { path: source.path().to_owned(), candidates });
    }
    Ok(found.pop())
}

/// Every member of a known format. Of a folder or zip only the names that formats use are looked into.
fn kinds(source: &mut Source) -> Result<Vec<(Kind, Member)>, DataError> {
    let (single, mut kinds) = (source.is_single(), Vec::new());
    for member in source.members().to_vec() {
        let mut kind = by_name(&member.name, single);
        if kind.is_none() && (single || member.name.ends_with(".csv")) {
            let mut lines = source.lines(&member)?;
            kind = if single { by_line(lines.first()?) } else { lines.next()?.and_then(by_line) };
        }
        if kind.is_none() && member.name == "ratings.csv" {
            // Not by its header; by its name it is meant to be, and its reader says which column it lacks.
            kind = Some(Kind::Events(EventFormat::MovieLensCsv));
        }
        kinds.extend(kind.map(|kind| (kind, member)));
    }
    Ok(kinds)
}

/// By a name that a format fixes. Of a single file any `.rating` will do, of a folder NCF's training part alone.
fn by_name(name: &str, single: bool) -> Option<Kind> {
    let events = match name {
        "ratings.dat" => EventFormat::MovieLensDat,
        "u.data" => EventFormat::Rating,
        "train.txt" => EventFormat::LightGcn,
        "movies.dat" => return Some(Kind::Items(ItemFormat::MovieLensDat)),
        "u.item" => return Some(Kind::Items(ItemFormat::MovieLens100k)),
        _ if name.ends_with(".train.rating") => EventFormat::Rating,
        _ if name.ends_with(".rating") && single => EventFormat::Rating,
        _ if name.ends_with(".inter") => EventFormat::RecBole,
        _ if name.ends_with(".item") => return Some(Kind::Items(ItemFormat::RecBole)),
        _ => return None,
    };
    Some(Kind::Events(events))
}

/// By the first line.
fn by_line(line: &[u8]) -> Option<Kind> {
    let mut fields = Fields::default();
    fields.split(line, Delimiter::Tab).ok()?;
    if fields.iter().all(is_typed) {
        let is = |name: &str| fields.iter().any(|field| field.starts_with(name.as_bytes()));
        return match (is("user_id:"), is("item_id:")) {
            (true, true) => Some(Kind::Events(EventFormat::RecBole)),
            (false, true) => Some(Kind::Items(ItemFormat::RecBole)),
            _ => None,
        };
    }
    if matches!(fields.len(), 3 | 4) {
        let rated = parse::number(fields.get(2), "").is_ok();
        return rated.then_some(Kind::Events(EventFormat::Rating));
    }
    by_columns(line).or_else(|| by_shape(line, &mut fields))
}

/// RecBole's header says the type of each column.
fn is_typed(field: &[u8]) -> bool {
    [b":token".as_slice(), b":token_seq", b":float", b":float_seq"].iter().any(|kind| field.ends_with(kind))
}

/// By the columns of a csv header.
fn by_columns(line: &[u8]) -> Option<Kind> {
    let mut fields = Fields::default();
    fields.split(line, Delimiter::Comma).ok()?;
    let has = |name: &str| fields.iter().any(|field| field.eq_ignore_ascii_case(name.as_bytes()));
    if has("userId") && has("movieId") && has("rating") {
        Some(Kind::Events(EventFormat::MovieLensCsv))
    } else if has("movieId") && has("title") {
        Some(Kind::Items(ItemFormat::MovieLensCsv))
    } else if has("USER_ID") && has("ITEM_ID") {
        Some(Kind::Events(EventFormat::Personalize))
    } else if has("ITEM_ID") {
        Some(Kind::Items(ItemFormat::Personalize))
    } else {
        None
    }
}

/// By the shape of a row, where there is no header.
fn by_shape(line: &[u8], fields: &mut Fields) -> Option<Kind> {
    fields.split(line, Delimiter::Colons).ok()?;
    match fields.len() {
        4 if parse::number(fields.get(2), "").is_ok() => {
            return Some(Kind::Events(EventFormat::MovieLensDat));
        }
        3 => return Some(Kind::Items(ItemFormat::MovieLensDat)),
        _ => {}
    }
    let mut tokens = line.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty());
    let numbers = tokens.clone().count() > 1 && tokens.all(|token| token.iter().all(u8::is_ascii_digit));
    numbers.then_some(Kind::Events(EventFormat::LightGcn))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{events, folder, items, read_files, read_path, sentence};
    use super::super::{ReadOptions, read};
    use super::*;

    #[test]
    fn a_single_file_is_known_by_its_first_line() {
        for (first, want) in [
            ("\"userId\",\"movieId\",\"rating\"", Kind::Events(EventFormat::MovieLensCsv)),
            ("MOVIEID,TITLE", Kind::Items(ItemFormat::MovieLensCsv)),
            ("TIMESTAMP,item_id,User_Id", Kind::Events(EventFormat::Personalize)),
            ("ITEM_ID", Kind::Items(ItemFormat::Personalize)),
            ("1::1193::5::978300760", Kind::Events(EventFormat::MovieLensDat)),
            ("1::Toy Story (1995)::Animation|Comedy", Kind::Items(ItemFormat::MovieLensDat)),
            ("196\t242\t3\t881250949", Kind::Events(EventFormat::Rating)),
            ("0\t25\t5", Kind::Events(EventFormat::Rating)),
            ("user_id:token\titem_id:token\trating:float", Kind::Events(EventFormat::RecBole)),
            ("item_id:token\tmovie_title:token_seq", Kind::Items(ItemFormat::RecBole)),
            ("0 1 2 3", Kind::Events(EventFormat::LightGcn)),
        ] {
            assert_eq!(by_line(first.as_bytes()), Some(want), "{first}");
        }
        for prose in
            ["movieId,imdbId,tmdbId", "userId,movieId,tag,timestamp", "Dear reader", "1,2,3", "user_id:token"]
        {
            assert_eq!(by_line(prose.as_bytes()), None, "{prose}");
        }
    }

    #[test]
    fn when_nothing_fits_it_says_what_it_looked_for() {
        let said = sentence(&[("notes.txt", b"1 2 3"), ("tags.csv", b"userId,movieId,tag\n1,2,x\n")]);
        assert!(said.starts_with("no interactions found in "), "{said}");
        for name in
            ["ratings.csv", "ratings.dat", "u.data", "USER_ID", ".inter", ".train.rating", "train.txt"]
        {
            assert!(said.contains(name), "{said}");
        }
    }

    #[test]
    fn two_data_sets_in_one_folder_have_to_be_told_apart() {
        let said = sentence(&[("a.train.rating", b"1\t2\t3\t4\n"), ("b.train.rating", b"1\t2\t3\t4\n")]);
        assert!(
            said.ends_with("holds more than one data set (a.train.rating, b.train.rating); name one of them")
        );
    }

    #[test]
    fn ratings_csv_without_its_columns_is_told_which_it_lacks() {
        let said = sentence(&[("ratings.csv", b"user,movieId,rating\n1,2,3\n")]);
        assert_eq!(said, "ratings.csv has no column userId; its columns are user, movieId, rating");
        assert_eq!(sentence(&[("ratings.csv", b"")]), "ratings.csv is empty");
    }

    #[test]
    fn beside_a_single_file_its_companion_is_found() {
        let files = folder(&[
            ("ratings.csv", b"userId,movieId,rating\n1,2,3\n"),
            ("movies.csv", b"movieId,title,genres\n2,Heat (1995),Action\n"),
            ("Games.inter", b"user_id:token\titem_id:token\n1\t7\n"),
            ("Games.item", b"item_id:token\ttitle:token_seq\n7\tGo\n"),
        ]);
        let data = read_path(&files.path().join("ratings.csv")).unwrap();
        assert_eq!(items(&data), ["2|Heat|1995|Action"]);
        assert_eq!(items(&read_path(&files.path().join("Games.inter")).unwrap()), ["7|Go|0|"]);
    }

    #[test]
    fn items_may_be_named_apart_and_then_count_for_more() {
        let files = folder(&[
            ("d/ratings.csv", b"userId,movieId,rating\n1,2,3\n1,9,3\n"),
            ("d/movies.csv", b"movieId,title,genres\n1,One (2001),A\n2,Two (2002),B\n"),
            ("extra.csv", b"ITEM_ID,NAME,GENRES\n3,Three,C\n2,Zwei,\n"),
            ("notes.csv", b"a,b\n1,2\n"),
        ]);
        let with = |name: &str| {
            let options = ReadOptions { items: Some(files.path().join(name)), ..ReadOptions::default() };
            read(&files.path().join("d"), &options)
        };
        let data = with("extra.csv").unwrap();
        assert_eq!(items(&data), ["1|One|2001|A", "2|Zwei|2002|B", "3|Three|0|C", "9||0|"]);
        assert_eq!(events(&data), ["1 2 3 0", "1 9 3 1"]);
        assert!(with("notes.csv").unwrap_err().to_string().starts_with("no item metadata found in "));
    }

    #[test]
    fn an_unknown_file_name_does_not_matter() {
        let data =
            read_files(&[("rating.csv", b"userId,movieId,rating\n1,2,3\n"), ("README.txt", b"1 2")]).unwrap();
        assert_eq!(events(&data), ["1 2 3 0"]);
    }
}
