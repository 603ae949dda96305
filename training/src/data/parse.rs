//! What may stand in a field, and what is said when something else does.

use shared::api::id::{ID_LENGTH, is_valid};

use super::DataError;

/// Times from this on, in either direction, are milliseconds already: as seconds it is the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// 0001-01-01 and 9999-12-31, the years that an RFC 3339 time can name, in epoch milliseconds.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// Characters of a faulty text that a message quotes.
const QUOTED: usize = 40;

/// Why a row was not taken; where it is comes from [`Lines`](super::lines::Lines).
#[derive(Debug)]
pub(super) enum Fault {
    /// A column holds something else than it should.
    Column { column: String, problem: String },
    /// The row as a whole is wrong.
    Row(String),
    /// A quoted field goes on, perhaps in the next line.
    OpenQuote,
    /// Not the row's fault: the indices are used up.
    TooMany { what: &'static str, limit: u64 },
}

impl Fault {
    pub(super) fn column(column: &str, problem: impl Into<String>) -> Self {
        Self::Column { column: column.to_owned(), problem: problem.into() }
    }

    /// The error for a row at this place.
    pub(super) fn at(self, file: &str, line: u64) -> DataError {
        let file = file.to_owned();
        match self {
            Self::Column { column, problem } => {
                DataError::BadRow { file, line, column: Some(column), problem }
            }
            Self::Row(problem) => DataError::BadRow { file, line, column: None, problem },
            Self::OpenQuote => {
                let problem = "a quote is opened and not closed".to_owned();
                DataError::BadRow { file, line, column: None, problem }
            }
            Self::TooMany { what, limit } => DataError::TooMany { file, what, limit },
        }
    }
}

/// An id by the rule that all of Marquee has for them.
pub(super) fn id<'a>(text: &'a [u8], column: &str) -> Result<&'a str, Fault> {
    if let Ok(id) = std::str::from_utf8(text)
        && is_valid(id)
    {
        return Ok(id);
    }
    let problem = if text.is_empty() {
        "the id is empty".to_owned()
    } else if text.len() > ID_LENGTH {
        format!("{} is longer than {ID_LENGTH} characters", quote(text))
    } else {
        format!("{} is not an id (letters, digits and . _ : @ - alone, a letter or digit first)", quote(text))
    };
    Err(Fault::column(column, problem))
}

/// A finite number.
pub(super) fn number(text: &[u8], column: &str) -> Result<f32, Fault> {
    // What nearly every rating looks like. A quotient of whole numbers is rounded as parsing would round it.
    match *text {
        [ones @ b'0'..=b'9'] => return Ok(f32::from(ones - b'0')),
        [ones @ b'0'..=b'9', b'.', tenths @ b'0'..=b'9'] => {
            return Ok(f32::from((ones - b'0') * 10 + (tenths - b'0')) / 10.0);
        }
        _ => {}
    }
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f32>().ok());
    match parsed {
        Some(number) if number.is_finite() => Ok(number),
        Some(_) => Err(Fault::column(column, format!("{} is not a finite number", quote(text)))),
        None if text.is_empty() => Err(Fault::column(column, "a number is missing")),
        None => Err(Fault::column(column, format!("{} is not a number", quote(text)))),
    }
}

/// Epoch milliseconds from a time in seconds, or in milliseconds from 1e11 on.
pub(super) fn time(text: &[u8], column: &str) -> Result<i64, Fault> {
    let read = || std::str::from_utf8(text).ok();
    let whole = seconds(text).or_else(|| read()?.parse::<i64>().ok());
    let milliseconds = match whole {
        Some(time) if (-MILLISECONDS_FROM < time) && (time < MILLISECONDS_FROM) => Some(time * 1000),
        Some(time) => Some(time),
        // RecBole writes times as floats: `8.8125e8`, `964982703.0`.
        None => {
            read().and_then(|text| text.parse::<f64>().ok()).filter(|time| time.is_finite()).map(|time| {
                // `as` saturates, and what it saturates to is out of range.
                (if time.abs() < MILLISECONDS_FROM as f64 { time * 1000.0 } else { time }).round() as i64
            })
        }
    };
    match milliseconds {
        Some(time) if TIMES.contains(&time) => Ok(time),
        Some(_) => Err(Fault::column(
            column,
            format!(
                "{} is not a time between the years 1 and 9999 (seconds or milliseconds since 1970)",
                quote(text)
            ),
        )),
        None if text.is_empty() => Err(Fault::column(column, "a time is missing")),
        None => Err(Fault::column(column, format!("{} is not a time (seconds since 1970)", quote(text)))),
    }
}

/// Up to twelve digits: what nearly every time looks like.
fn seconds(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 12 {
        return None;
    }
    text.iter().try_fold(0, |whole, byte| byte.is_ascii_digit().then(|| whole * 10 + i64::from(byte - b'0')))
}

/// Text that has to be UTF-8.
pub(super) fn text<'a>(text: &'a [u8], column: &str) -> Result<&'a str, Fault> {
    std::str::from_utf8(text).map_err(|_| Fault::column(column, format!("{} is not UTF-8 text", quote(text))))
}

/// A year from 1 to 9999, or 0 for an empty text.
pub(super) fn year(text: &[u8], column: &str) -> Result<u16, Fault> {
    if text.is_empty() {
        return Ok(0);
    }
    let year = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u16>().ok());
    year.filter(|year| (1..=9999).contains(year))
        .ok_or_else(|| Fault::column(column, format!("{} is not a year", quote(text))))
}

/// The text in backticks, cut short, control characters escaped.
pub(super) fn quote(text: &[u8]) -> String {
    // The cut is in characters; four bytes hold any.
    let text = String::from_utf8_lossy(&text[..text.len().min(QUOTED * 4 + 4)]);
    let mut shown = String::new();
    for character in text.chars().take(QUOTED) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    let cut = if text.chars().count() > QUOTED { "…" } else { "" };
    format!("`{shown}{cut}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem<T: std::fmt::Debug>(outcome: Result<T, Fault>) -> String {
        outcome.unwrap_err().at("f", 1).to_string().replace("f, line 1, column c: ", "")
    }

    #[test]
    fn ids_are_those_of_the_design() {
        for good in ["1", "tt0114709", "a.b_c:d@e-f", &"x".repeat(128)] {
            assert_eq!(id(good.as_bytes(), "c").unwrap(), good);
        }
        assert_eq!(problem(id(b"", "c")), "the id is empty");
        assert_eq!(
            problem(id(&[b'x'; 129], "c")),
            format!("`{}…` is longer than 128 characters", "x".repeat(40))
        );
        let not = "is not an id (letters, digits and . _ : @ - alone, a letter or digit first)";
        assert_eq!(problem(id(b"-1", "c")), format!("`-1` {not}"));
        assert_eq!(problem(id("ü".as_bytes(), "c")), format!("`ü` {not}"));
        assert_eq!(problem(id(b"a\x00b", "c")), format!("`a\\u{{0}}b` {not}"));
    }

    #[test]
    fn numbers_are_finite() {
        assert_eq!(number(b"3.5", "c").unwrap(), 3.5);
        assert_eq!(number(b"-1e3", "c").unwrap(), -1000.0);
        assert_eq!(problem(number(b"abc", "c")), "`abc` is not a number");
        assert_eq!(problem(number(b"", "c")), "a number is missing");
        for infinite in ["inf", "NaN", "1e39"] {
            assert_eq!(
                problem(number(infinite.as_bytes(), "c")),
                format!("`{infinite}` is not a finite number")
            );
        }
    }

    #[test]
    fn seconds_become_milliseconds_and_milliseconds_stay() {
        assert_eq!(time(b"964982703", "c").unwrap(), 964_982_703_000);
        assert_eq!(time(b"964982703.5", "c").unwrap(), 964_982_703_500);
        assert_eq!(time(b"8.8125e8", "c").unwrap(), 881_250_000_000);
        assert_eq!(time(b"99999999999", "c").unwrap(), 99_999_999_999_000);
        assert_eq!(time(b"100000000000", "c").unwrap(), 100_000_000_000);
        assert_eq!(time(b"1586731606000", "c").unwrap(), 1_586_731_606_000);
        assert_eq!(time(b"-1", "c").unwrap(), -1000);
        assert_eq!(problem(time(b"yesterday", "c")), "`yesterday` is not a time (seconds since 1970)");
        assert_eq!(problem(time(b"", "c")), "a time is missing");
        let beyond = "is not a time between the years 1 and 9999 (seconds or milliseconds since 1970)";
        for text in ["1586731606000000000", "1e300", "-99999999999", "-9223372036854775808"] {
            assert_eq!(problem(time(text.as_bytes(), "c")), format!("`{text}` {beyond}"));
        }
    }

    #[test]
    fn short_ratings_are_what_the_standard_library_reads() {
        for tenths in 0..100 {
            let text = format!("{}.{}", tenths / 10, tenths % 10);
            assert_eq!(
                number(text.as_bytes(), "c").unwrap().to_bits(),
                text.parse::<f32>().unwrap().to_bits()
            );
        }
        assert_eq!(number(b"7", "c").unwrap(), 7.0);
    }

    #[test]
    fn years_and_text_say_what_they_are_not() {
        assert_eq!(year(b"1995", "c").unwrap(), 1995);
        assert_eq!(year(b"", "c").unwrap(), 0);
        assert_eq!(problem(year(b"V", "c")), "`V` is not a year");
        assert_eq!(problem(year(b"10000", "c")), "`10000` is not a year");
        assert_eq!(problem(text(b"Am\xe9lie", "c")), "`Am\u{fffd}lie` is not UTF-8 text");
    }
}
