//! Times as RFC 3339 writes them. The parser of times takes more forms than the contract names (no seconds, a zone's name,
//! a space for the T), so that the form is checked here; which days a month has is left to it.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::DateTime;

/// A dot and as many digits as the parser of times takes.
const NANOSECONDS: usize = 10;

/// The epoch milliseconds of `2026-03-12T19:05:43.250+01:00`; what is finer is cut off, and a time that is past the last day
/// of the year 9999 by its offset is taken for that day's end.
pub(super) fn millis(text: &str) -> Option<i64> {
    let (seconds, fraction, offset) = parts(text)?;
    let text = if fraction.len() <= NANOSECONDS {
        Cow::Borrowed(text)
    } else {
        format!("{seconds}{}{offset}", &fraction[..NANOSECONDS]).into()
    };
    let timestamp = text.parse().or_else(|error: jiff::Error| match seconds.parse::<DateTime>() {
        Ok(_) => Ok(Timestamp::MAX),
        Err(_) => Err(error),
    });
    timestamp.ok().map(Timestamp::as_millisecond)
}

/// The year that is written: by the offset, it may be another one in UTC.
pub(super) fn year(text: &str) -> Option<u16> {
    parts(text)?.0.get(..4)?.parse().ok()
}

/// `2026-03-12T19:05:43`, `.250` and `+01:00`.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    const SECONDS: &str = "0000-00-00T00:00:00";
    let (seconds, rest) = text.split_at_checked(SECONDS.len())?;
    let (fraction, offset) = rest.split_at(rest.find(|c: char| c != '.' && !c.is_ascii_digit())?);
    let is_fraction = match fraction.strip_prefix('.') {
        Some(digits) => !digits.is_empty() && !digits.contains('.'),
        None => fraction.is_empty(),
    };
    (is_like(seconds, SECONDS) && is_fraction && is_offset(offset)).then_some((seconds, fraction, offset))
}

fn is_offset(text: &str) -> bool {
    let numeric = is_like(text, "+00:00") || is_like(text, "-00:00");
    is_like(text, "Z") || (numeric && text.get(1..3).is_some_and(|hours| hours < "24"))
}

/// Whether there are digits where `shape` has zeros, and else what it has, in either case.
fn is_like(text: &str, shape: &str) -> bool {
    let like = |byte: u8, shape| match shape {
        b'0' => byte.is_ascii_digit(),
        shape => byte.eq_ignore_ascii_case(&shape),
    };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(|(byte, shape)| like(byte, shape))
}
