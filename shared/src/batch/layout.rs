//! How a person is written on a line: JSON, ours or Amazon Personalize's, or CSV.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::lines::{LINE_LIMIT, Line};
use crate::api::batches::{Asked, Person};
use crate::api::entries::Entries;
use crate::api::ranking::ITEMS_LIMIT;
use crate::api::recommendation::K;
use crate::api::{self, Check, Checker, ItemId, Problem, ProblemCode, UserId};

/// How lines are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One JSON object a line: ours, or Amazon Personalize's.
    #[default]
    Json,
    /// Values with commas between them, under these columns.
    Csv(Vec<Column>),
}

/// A column of a CSV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// The person's id.
    UserId,
    /// Ids of items, oldest first, with spaces or `|` between them.
    History,
    /// How many items to answer.
    K,
    /// Ids of items to put in order, with spaces or `|` between them.
    Items,
}

impl Column {
    const ALL: [Self; 4] = [Self::UserId, Self::History, Self::K, Self::Items];

    const fn name(self) -> &'static str {
        match self {
            Self::UserId => "user_id",
            Self::History => "history",
            Self::K => "k",
            Self::Items => "items",
        }
    }
}

/// One line, read.
#[derive(Debug)]
pub struct Row<'a> {
    /// Its number.
    pub line: u64,
    /// The line as JSON: what the output repeats.
    pub input: Cow<'a, [u8]>,
    /// What is asked for, or everything that is wrong.
    pub asked: Result<Asked, Problem>,
}

/// How many unknown columns are named.
const NAMED: usize = 5;

impl Layout {
    /// The layout of a file whose first line this is, and whether that line is a header. A file that is named `.csv` must
    /// have one; of another it is taken for one when every column in it is known.
    ///
    /// # Errors
    /// Names the columns that are not known.
    pub fn of(first_line: &[u8], named_csv: bool) -> Result<(Self, bool), String> {
        let first_line = first_line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first_line);
        if !named_csv
            && (first_line.trim_ascii().is_empty() || first_line.trim_ascii_start().starts_with(b"{"))
        {
            return Ok((Self::Json, false));
        }
        let cells = cells(first_line);
        let (mut columns, mut unknown) = (Vec::new(), Vec::new());
        for cell in &cells {
            // As others write it: USER_ID, userId, user id.
            let plain = |name: &str| name.to_ascii_lowercase().replace([' ', '_', '-'], "");
            match Column::ALL.into_iter().find(|column| plain(column.name()) == plain(cell)) {
                Some(column) if !columns.contains(&column) => columns.push(column),
                _ => unknown.push(cell.clone()),
            }
        }
        match (unknown.is_empty(), named_csv) {
            (true, _) => Ok((Self::Csv(columns), true)),
            (false, false) => Ok((Self::Json, false)),
            (false, true) => {
                let known = Column::ALL.map(Column::name).join(", ");
                let unknown: Vec<_> =
                    unknown.iter().take(NAMED).map(|name| format!("{:?}", short(name))).collect();
                Err(format!(
                    "line 1 must name the columns, each once: {known}; it has {}",
                    unknown.join(", ")
                ))
            }
        }
    }

    /// Reads a line; `k` is for whoever doesn't say how many items.
    #[must_use]
    pub fn read<'a>(&self, line: Line<'a>, k: K) -> Row<'a> {
        let Line { number, text, too_long } = line;
        if too_long {
            let detail = format!("the line has more than {LINE_LIMIT} bytes");
            let problem = Problem::new(ProblemCode::BodyTooLarge, detail);
            return Row { line: number, input: quoted(text), asked: Err(problem) };
        }
        let text: Cow<'a, [u8]> = match self {
            Self::Json => text.trim_ascii().into(),
            Self::Csv(columns) => match object(columns, text) {
                Ok(object) => Value::Object(object).to_string().into_bytes().into(),
                Err(problem) => return Row { line: number, input: quoted(text), asked: Err(problem) },
            },
        };
        let asked = person(&text).map(|person| person.asked(k));
        let is_json = !matches!(&asked, Err(problem) if problem.code == ProblemCode::MalformedJson)
            || serde_json::from_slice::<Value>(&text).is_ok();
        let input = if is_json { text } else { quoted(&text).into_owned().into() };
        Row { line: number, input, asked }
    }
}

fn person(text: &[u8]) -> Result<Person, Problem> {
    match api::parse::<Person>(text) {
        Err(problem) if problem.errors.iter().any(|fault| fault.pointer == "/userId") => {
            api::parse::<PersonalizePerson>(text).map(Person::from)
        }
        outcome => outcome,
    }
}

/// A person as Amazon Personalize's batch jobs have them
/// (<https://docs.aws.amazon.com/personalize/latest/dg/batch-data-upload.html>).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PersonalizePerson {
    user_id: UserId,
    #[serde(default)]
    item_list: Option<Entries<ItemId, 1, ITEMS_LIMIT>>,
    #[serde(default)]
    num_results: Option<K>,
}

impl Check for PersonalizePerson {
    fn check(value: &Value, checker: &mut Checker) {
        let Some(object) = checker.object(value, &["userId", "itemList", "numResults"]) else { return };
        checker.required::<UserId>(object, "userId");
        // Exports write what is not there as null.
        let there: Map<_, _> = object
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        checker.optional::<Entries<ItemId, 1, ITEMS_LIMIT>>(&there, "itemList");
        checker.optional::<K>(&there, "numResults");
    }
}

impl From<PersonalizePerson> for Person {
    fn from(person: PersonalizePerson) -> Self {
        use crate::api::batches::{RankedPerson, RecommendedPerson};
        let user_id = Some(person.user_id);
        match person.item_list {
            Some(items) => Self::Rank(RankedPerson { user_id, history: Entries::default(), items }),
            None => Self::Recommend(RecommendedPerson {
                user_id,
                k: person.num_results,
                ..RecommendedPerson::default()
            }),
        }
    }
}

/// The cells of a line of CSV (RFC 4180); one that goes over several lines can't be.
fn cells(text: &[u8]) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut record = csv::ByteRecord::new();
    // Reading from memory does not fail.
    let _ = reader.read_byte_record(&mut record);
    record.iter().map(|cell| String::from_utf8_lossy(cell.trim_ascii()).into_owned()).collect()
}

/// The object that a row of CSV means; an empty cell says nothing.
fn object(columns: &[Column], text: &[u8]) -> Result<Map<String, Value>, Problem> {
    let cells = cells(text);
    if cells.len() != columns.len() && !cells.is_empty() {
        let detail = format!("{} values under {} columns", cells.len(), columns.len());
        return Err(Problem::new(ProblemCode::InvalidRequest, detail));
    }
    let value = |(column, cell): (&Column, String)| {
        let value = match column {
            Column::UserId => json!(cell),
            Column::K => cell.parse::<serde_json::Number>().map_or(json!(cell), Value::Number),
            Column::History | Column::Items => {
                cell.split([' ', '|']).filter(|id| !id.is_empty()).map(str::to_owned).collect()
            }
        };
        (column.name().to_owned(), value)
    };
    Ok(columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()).map(value).collect())
}

/// What is no JSON, as the string that begins as it does.
fn quoted(text: &[u8]) -> Cow<'static, [u8]> {
    Value::String(short(&String::from_utf8_lossy(text))).to_string().into_bytes().into()
}

/// At most 256 characters of a text.
fn short(text: &str) -> String {
    let mut start: String = text.chars().take(256).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::FaultCode;

    const TEN: K = K::clamped(10);

    fn codes(row: &Row<'_>) -> Vec<(String, FaultCode)> {
        let faults = row.asked.as_ref().err().into_iter().flat_map(|problem| &problem.errors);
        faults.map(|fault| (fault.pointer.clone(), fault.code)).collect()
    }

    fn read<'a>(layout: &Layout, text: &'a [u8]) -> Row<'a> {
        layout.read(Line { number: 7, text, too_long: false }, TEN)
    }

    fn input(row: &Row<'_>) -> String {
        String::from_utf8(row.input.to_vec()).unwrap()
    }

    #[test]
    fn a_line_is_repeated_as_it_came_and_what_is_no_json_as_a_string() {
        let row = read(&Layout::Json, b" {\"user_id\":  \"ada\"} \r");
        assert_eq!((input(&row).as_str(), row.line), ("{\"user_id\":  \"ada\"}", 7));
        assert!(row.asked.is_ok());
        let row = read(&Layout::Json, b"{\"k\": 0}");
        assert_eq!(
            (input(&row).as_str(), codes(&row)),
            ("{\"k\": 0}", vec![("/k".into(), FaultCode::OutOfRange)])
        );
        // A key twice is JSON, and no request.
        let row = read(&Layout::Json, b"{\"k\": 1, \"k\": 2}");
        assert_eq!(input(&row), "{\"k\": 1, \"k\": 2}");
        for (text, shown) in [
            (&b"nonsense"[..], "\"nonsense\""),
            (b"", "\"\""),
            (b"{\"k\": 1", "\"{\\\"k\\\": 1\""),
            (b"\xff", "\"\u{fffd}\""),
        ] {
            let row = read(&Layout::Json, text);
            assert_eq!(input(&row), shown);
            assert_eq!(row.asked.unwrap_err().code, ProblemCode::MalformedJson);
        }
    }

    #[test]
    fn personalize_people_are_read() {
        for (text, same) in [
            (r#"{"userId": "4638"}"#, r#"{"user_id": "4638"}"#),
            (r#"{"userId": "4638", "numResults": 3}"#, r#"{"user_id": "4638", "k": 3}"#),
            (r#"{"userId": "4638", "itemList": ["a", "b"]}"#, r#"{"user_id": "4638", "items": ["a", "b"]}"#),
        ] {
            let row = read(&Layout::Json, text.as_bytes());
            assert_eq!(
                row.asked.as_ref().unwrap(),
                read(&Layout::Json, same.as_bytes()).asked.as_ref().unwrap()
            );
            assert_eq!(input(&row), text);
        }
        let row = read(&Layout::Json, br#"{"userId": "-", "user_id": "a"}"#);
        assert_eq!(
            codes(&row),
            [("/user_id".into(), FaultCode::UnknownField), ("/userId".into(), FaultCode::InvalidId)]
        );
    }

    #[test]
    fn csv_is_told_by_its_name_or_its_header() {
        let csv = |columns: &[Column]| Ok((Layout::Csv(columns.to_vec()), true));
        assert_eq!(Layout::of(b"user_id", false), csv(&[Column::UserId]));
        assert_eq!(
            Layout::of(b"\xef\xbb\xbfUSER_ID,History,\"k\"\r", false),
            csv(&[Column::UserId, Column::History, Column::K])
        );
        assert_eq!(Layout::of(b"{\"user_id\": 1}", false), Ok((Layout::Json, false)));
        assert_eq!(Layout::of(b"", false), Ok((Layout::Json, false)));
        assert_eq!(Layout::of(b"nonsense", false), Ok((Layout::Json, false)));
        let said = Layout::of(b"user_id,age,user_id", true).unwrap_err();
        assert!(said.ends_with("it has \"age\", \"user_id\""), "{said}");
    }

    #[test]
    fn a_row_of_csv_is_the_object_that_it_means() {
        let layout = Layout::Csv(vec![Column::UserId, Column::History, Column::K]);
        let row = read(&layout, b"ada,\"alpha|bravo charlie\",3\r");
        assert_eq!(input(&row), r#"{"history":["alpha","bravo","charlie"],"k":3,"user_id":"ada"}"#);
        assert!(row.asked.is_ok());
        assert_eq!(input(&read(&layout, b",alpha,")), r#"{"history":["alpha"]}"#);
        assert_eq!(codes(&read(&layout, b"ada,,many")), [("/k".into(), FaultCode::WrongType)]);
        let short = read(&layout, b"ada,alpha");
        assert_eq!(short.asked.as_ref().unwrap_err().detail, "2 values under 3 columns");
        assert_eq!(input(&short), "\"ada,alpha\"");
    }
}
