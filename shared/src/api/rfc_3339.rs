//! Times as RFC 3339 writes them. The parser of times takes more forms than the contract names (no seconds, a zone's name,
//! a space for the T), so that the form is checked here; which days a month has is left to it.

use std::borrow::Cow;

/// A dot and as many digits as the parser of times takes.
const NANOSECONDS: usize = 10;

/// The epoch milliseconds of `2026-03-12T19:05:43.250+01:00`; what is finer is cut off.
pub(super) fn millis(text: &str) -> Option<i64> {
    let (seconds, fraction, offset) = parts(text)?;
    let text = if fraction.len() <= NANOSECONDS {
        Cow::Borrowed(text)
    } else {
        format!("{seconds}{}{offset}", &fraction[..NANOSECONDS]).into()
    };
    Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())
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
