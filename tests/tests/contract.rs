//! The table of routes, the OpenAPI document, `template.yaml` and the running service name the same routes, and say the same
//! of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};
use shared::api::routes::{ROUTES, Route, Scope};
use tests::{Request, Service, root};

use crate::answers::text;

/// Every method that somebody may try.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Method and path of a route.
type Key = (String, String);

fn key(route: &Route) -> Key {
    (route.method.to_owned(), route.path.to_owned())
}

#[test]
fn the_committed_document_names_the_routes_of_the_table_and_their_scopes() -> Result<()> {
    let document: Value = serde_json::from_str(&fs::read_to_string(root().join("docs/openapi.json"))?)?;
    let mut described = BTreeMap::<Key, Option<&str>>::new();
    for (path, item) in document["paths"].as_object().context("paths")? {
        for (method, operation) in item.as_object().context("a path")? {
            let public =
                operation.get("security").is_some_and(|security| security == &Value::Array(Vec::new()));
            let scope = operation.get("x-scope").map(text);
            assert_eq!(public, scope.is_none(), "{method} {path} is public or needs a scope");
            described.insert((method.to_uppercase(), path.clone()), scope);
        }
    }
    let table: BTreeMap<_, _> =
        ROUTES.iter().map(|route| (key(route), route.scope.map(Scope::name))).collect();
    assert_eq!(described, table);
    assert_eq!(
        document["security"],
        serde_json::json!([{"bearer": []}]),
        "the deployed service asks for keys"
    );
    Ok(())
}

#[test]
fn the_template_gives_each_route_to_its_function() -> Result<()> {
    let routed: BTreeMap<Key, String> =
        template_routes(&template()?)?.into_iter().map(|route| (route.key, route.function)).collect();
    let table: BTreeMap<_, _> = ROUTES.iter().map(|route| (key(route), route.function.to_owned())).collect();
    assert_eq!(routed, table);
    Ok(())
}

#[test]
fn the_template_asks_for_a_key_on_every_route_but_the_public_ones() -> Result<()> {
    let template = template()?;
    let auth = &template["Resources"]["Api"]["Properties"]["Auth"];
    let default = text(&auth["DefaultAuthorizer"]);
    assert!(auth["Authorizers"].get(default).is_some(), "{auth}");
    let identity = &auth["Authorizers"][default]["Identity"];
    assert_eq!(identity["Context"], serde_json::json!(["routeKey"]), "else one route's answer opens another");
    for route in template_routes(&template)? {
        let (method, path) = &route.key;
        let public = ROUTES.iter().any(|listed| key(listed) == route.key && listed.scope.is_none());
        let expected = public.then_some("NONE");
        assert_eq!(route.authorizer.as_deref(), expected, "{method} {path}");
    }
    Ok(())
}

#[test]
fn the_template_builds_every_function_that_the_table_names() -> Result<()> {
    let template = template()?;
    let built: BTreeSet<_> = functions(&template)?.map(|(_, function)| function).collect();
    for route in ROUTES {
        assert!(built.contains(route.function), "{}", route.function);
        assert!(
            root().join("functions").join(route.function).join("Cargo.toml").is_file(),
            "{}",
            route.function
        );
    }
    Ok(())
}

#[test]
fn the_service_answers_the_methods_of_the_table_and_no_other() -> Result<()> {
    let service = Service::demo()?;
    let paths: BTreeSet<_> = ROUTES.iter().map(|route| route.path).collect();
    for path in paths {
        let allowed: BTreeSet<_> = ROUTES.iter().filter(|r| r.path == path).map(|r| r.method).collect();
        for method in METHODS {
            let reply = service.send(&Request::new(method, &path.replace("{id}", "alien-1979")))?;
            let unknown_route = reply.status == 404 && reply.json()["code"] == "not_found";
            let taken = reply.status != 405 && !unknown_route;
            assert_eq!(taken, allowed.contains(method), "{method} {path}: {reply:?}");
            if !taken {
                assert_eq!(reply.status, 405, "{method} {path}: {reply:?}");
                let allow = reply.headers.get("allow").context("405 has Allow")?;
                // A router that answers GET answers HEAD.
                let named: BTreeSet<_> =
                    allow.split(',').map(str::trim).filter(|name| *name != "HEAD").collect();
                assert_eq!(named, allowed, "{method} {path}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_service_answers_the_committed_document_as_an_open_one_has_it() -> Result<()> {
    let mut committed: Value = serde_json::from_str(&fs::read_to_string(root().join("docs/openapi.json"))?)?;
    committed["security"] = serde_json::json!([{}, {"bearer": []}]);
    let reply = Service::demo()?.send(&Request::new("GET", "/openapi.json"))?;
    assert_eq!((reply.status, reply.media_type()), (200, "application/json"));
    assert_eq!(reply.json(), committed);
    Ok(())
}

/// A route as the template has it.
struct Routed {
    key: Key,
    function: String,
    authorizer: Option<String>,
}

fn template_routes(template: &Value) -> Result<Vec<Routed>> {
    let mut routes = Vec::new();
    for (resource, function) in functions(template)? {
        let events = resource["Properties"]["Events"].as_object();
        for event in events.into_iter().flatten().map(|(_, event)| event).filter(|e| e["Type"] == "HttpApi") {
            let properties = &event["Properties"];
            routes.push(Routed {
                key: (text(&properties["Method"]).to_owned(), text(&properties["Path"]).to_owned()),
                function: function.to_owned(),
                authorizer: properties["Auth"]["Authorizer"].as_str().map(str::to_owned),
            });
        }
    }
    Ok(routes)
}

/// The functions of the template, each with the folder that it is built from.
fn functions(template: &Value) -> Result<impl Iterator<Item = (&Value, &str)>> {
    let resources = template["Resources"].as_object().context("Resources")?.values();
    let functions = resources.filter(|resource| resource["Type"] == "AWS::Serverless::Function");
    Ok(functions.map(|function| {
        let code = text(&function["Properties"]["CodeUri"]);
        (function, code.strip_prefix("functions/").unwrap_or_else(|| panic!("{code} is not in functions/")))
    }))
}

fn template() -> Result<Value> {
    let source = fs::read_to_string(root().join("template.yaml"))?;
    let documents = Yaml::load_from_str(&source)?;
    Ok(json(documents.first().context("template.yaml is empty")?))
}

/// YAML as JSON; of CloudFormation's tags (`!Ref Api`) only what they are put on.
fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Mapping(mapping) => Value::Object(
            mapping.iter().map(|(name, value)| (word(name), json(value))).collect::<Map<_, _>>(),
        ),
        Yaml::Sequence(sequence) => sequence.iter().map(json).collect(),
        Yaml::Tagged(_, tagged) => json(tagged),
        Yaml::Value(Scalar::Boolean(boolean)) => (*boolean).into(),
        Yaml::Value(Scalar::Integer(integer)) => (*integer).into(),
        Yaml::Value(Scalar::FloatingPoint(number)) => number.into_inner().into(),
        Yaml::Value(Scalar::String(string)) => string.as_ref().into(),
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            panic!("unexpected in a template: {yaml:?}")
        }
    }
}

fn word(yaml: &Yaml<'_>) -> String {
    yaml.as_str().unwrap_or_else(|| panic!("a name is expected, found {yaml:?}")).to_owned()
}
