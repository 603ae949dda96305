//! The numbers of a tensor in JSON: flat, or nested in the order of rows.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

/// JSON numbers in order, however they were nested. An `f64` holds every `INT32` and `FP32` exactly. Texts and the like,
/// which a tensor that nobody asked for may hold, stand in it as what is not a number.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Numbers(pub(super) Vec<f64>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut numbers = Vec::new();
        deserializer.deserialize_seq(Elements(&mut numbers))?;
        Ok(Self(numbers))
    }
}

/// Appends the elements of an array.
struct Elements<'a>(&'a mut Vec<f64>);

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Element(self.0))?.is_some() {}
        Ok(())
    }
}

/// Appends one element, which is a number or an array of such. The depth is bounded by the parser.
struct Element<'a>(&'a mut Vec<f64>);

impl<'de> serde::de::DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or an array of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<(), A::Error> {
        Elements(self.0).visit_seq(elements)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.0.push(number);
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.visit_f64(f64::NAN)
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.visit_f64(f64::NAN)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.visit_f64(f64::NAN)
    }
}
