//! Numbers with a range: [`BoundedInt`] and [`BoundedFloat`].

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Number, Value};

use super::checker::{Check, Checker};
use super::error::FaultCode;

/// An integer between `MIN` and `MAX`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct BoundedInt<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> BoundedInt<MIN, MAX> {
    /// The number; `None` outside the range.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number < MIN || number > MAX { None } else { Some(Self(number)) }
    }

    /// The number nearest to `number` in the range.
    #[must_use]
    pub const fn clamped(number: u64) -> Self {
        if number < MIN {
            Self(MIN)
        } else if number > MAX {
            Self(MAX)
        } else {
            Self(number)
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The integer that a number is. JSON has one kind of number: 10.0 is the integer 10, as JSON Schema has it too.
pub(super) fn integer(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| number.as_f64().and_then(whole))
}

/// The integer that a number with a fraction or an exponent is.
pub(super) fn whole(number: f64) -> Option<i64> {
    // 2^63. Below it and above its negative every f64 is an i64; the negative itself is also what a reader of JSON makes of
    // the integers that are too small.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (number.fract() == 0.0 && number.abs() < LIMIT).then_some(number as i64)
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for BoundedInt<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?;
        integer(&number)
            .and_then(|number| Self::new(u64::try_from(number).ok()?))
            .ok_or_else(|| de::Error::custom(format_args!("expected {MIN} to {MAX}, found {number}")))
    }
}

impl<const MIN: u64, const MAX: u64> Check for BoundedInt<MIN, MAX> {
    fn check(value: &Value, checker: &mut Checker) {
        match value {
            Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() != 0.0) => {
                checker.fault(FaultCode::WrongType, format!("expected an integer, found {number}"));
            }
            Value::Number(number) => {
                let number_in_range =
                    integer(number).and_then(|number| Self::new(u64::try_from(number).ok()?));
                if number_in_range.is_none() {
                    checker.fault(FaultCode::OutOfRange, format!("expected {MIN} to {MAX}, found {number}"));
                }
            }
            other => checker.wrong_type(other, "an integer"),
        }
    }
}

/// A number between `MIN` / 10 and `MAX` / 10, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct BoundedFloat<const MIN: u32, const MAX: u32>(f32);

impl<const MIN: u32, const MAX: u32> BoundedFloat<MIN, MAX> {
    const RANGE: std::ops::RangeInclusive<f64> = MIN as f64 / 10.0..=MAX as f64 / 10.0;

    /// The number; `None` outside the range.
    #[must_use]
    pub fn new(number: f64) -> Option<Self> {
        Self::RANGE.contains(&number).then_some(Self(number as f32))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f32 {
        self.0
    }

    fn rule() -> String {
        format!("expected {} to {}", Self::RANGE.start(), Self::RANGE.end())
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for BoundedFloat<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| de::Error::custom(format_args!("{}, found {number}", Self::rule())))
    }
}

impl<const MIN: u32, const MAX: u32> Check for BoundedFloat<MIN, MAX> {
    fn check(value: &Value, checker: &mut Checker) {
        match value.as_f64() {
            Some(number) if Self::new(number).is_some() => {}
            Some(number) => {
                checker.fault(FaultCode::OutOfRange, format!("{}, found {number}", Self::rule()));
            }
            None => checker.wrong_type(value, "a number"),
        }
    }
}
