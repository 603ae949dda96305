//! The schemas that the document names, collected as its operations are described.

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value, json};

use super::schema::{absent_not_null, known_formats, plain_words};

/// What is read and what is written: a type may look different in each, and a name is used for one look only.
pub(super) struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    /// None yet.
    pub(super) fn new() -> Self {
        let settings = || {
            let settings = SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            });
            settings
                .with_transform(RecursiveTransform(plain_words))
                .with_transform(RecursiveTransform(known_formats))
                .with_transform(RecursiveTransform(absent_not_null))
        };
        Self {
            requests: settings().for_deserialize().into_generator(),
            answers: settings().for_serialize().into_generator(),
        }
    }

    /// The schema of what a body is read as.
    pub(super) fn request<T: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<T>().into()
    }

    /// The schema of what is answered.
    pub(super) fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().into()
    }

    /// The parameter `id` of a path.
    pub(super) fn path<T: JsonSchema>(&mut self) -> Vec<Value> {
        vec![json!({"name": "id", "in": "path", "required": true, "schema": self.request::<T>()})]
    }

    /// The parameters of a query that is read as a `T`.
    pub(super) fn query<T: JsonSchema>(&mut self) -> Vec<Value> {
        let schema = self.requests.root_schema_for::<T>();
        let fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        fields.into_iter().map(|(name, schema)| parameter(&name, schema)).collect()
    }

    /// All of them, by name.
    pub(super) fn into_components(mut self) -> Map<String, Value> {
        let mut schemas = self.requests.take_definitions(true);
        schemas.append(&mut self.answers.take_definitions(true));
        schemas
    }
}

fn parameter(name: &str, mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    json!({"name": name, "in": "query", "required": false, "description": description, "schema": schema})
}
