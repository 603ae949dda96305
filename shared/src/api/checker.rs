//! The second pass: walks a JSON value and collects every fault with its JSON Pointer (RFC 6901).

use serde_json::{Map, Value};

use super::error::{Fault, FaultCode};

/// A type that can say everything that is wrong with a JSON value meant for it.
///
/// `check` finds no fault exactly when deserialising the value succeeds; property tests hold the two together.
pub trait Check {
    /// Adds every fault of `value` to `checker`.
    fn check(value: &Value, checker: &mut Checker);
}

/// Collects faults; knows where in the document it is.
#[derive(Default)]
pub struct Checker {
    pointer: String,
    faults: Vec<Fault>,
}

impl Checker {
    /// Every fault of `value` as a `T`, in document order.
    #[must_use]
    pub fn run<T: Check>(value: &Value) -> Vec<Fault> {
        let mut checker = Self::default();
        T::check(value, &mut checker);
        checker.faults
    }

    /// Records a fault at the current place.
    pub fn fault(&mut self, code: FaultCode, detail: impl Into<String>) {
        self.faults.push(Fault { pointer: self.pointer.clone(), code, detail: detail.into() });
    }

    /// Records a fault at a field of the current place.
    pub fn fault_at(&mut self, field: &str, code: FaultCode, detail: impl Into<String>) {
        self.within(field, |checker| checker.fault(code, detail));
    }

    /// The object at the current place; a fault when it is something else, and one for each unknown field.
    pub fn object<'v>(&mut self, value: &'v Value, known: &[&str]) -> Option<&'v Map<String, Value>> {
        let Some(object) = value.as_object() else {
            self.wrong_type(value, "an object");
            return None;
        };
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            self.fault_at(
                name,
                FaultCode::UnknownField,
                format!("unknown field; known are {}", known.join(", ")),
            );
        }
        Some(object)
    }

    /// Checks a field that may be absent.
    pub fn optional<T: Check>(&mut self, object: &Map<String, Value>, field: &str) {
        if let Some(value) = object.get(field) {
            self.within(field, |checker| T::check(value, checker));
        }
    }

    /// Checks a field that must be there.
    pub fn required<T: Check>(&mut self, object: &Map<String, Value>, field: &str) {
        match object.get(field) {
            Some(value) => self.within(field, |checker| T::check(value, checker)),
            None => self.fault_at(field, FaultCode::Missing, "this field is required"),
        }
    }

    /// Checks each element of the array at the current place.
    pub fn elements<T: Check>(&mut self, elements: &[Value]) {
        for (index, element) in elements.iter().enumerate() {
            self.within(&index.to_string(), |checker| T::check(element, checker));
        }
    }

    /// The string at the current place.
    pub fn string<'v>(&mut self, value: &'v Value) -> Option<&'v str> {
        if value.as_str().is_none() {
            self.wrong_type(value, "a string");
        }
        value.as_str()
    }

    /// Records that the value at the current place is of another type than `expected`.
    pub fn wrong_type(&mut self, value: &Value, expected: &str) {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.fault(FaultCode::WrongType, format!("expected {expected}, found {found}"));
    }

    fn within(&mut self, token: &str, check: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
        check(self);
        self.pointer.truncate(length);
    }
}

impl Check for bool {
    fn check(value: &Value, checker: &mut Checker) {
        if !value.is_boolean() {
            checker.wrong_type(value, "true or false");
        }
    }
}
