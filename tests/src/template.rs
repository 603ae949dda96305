//! The SAM template, read as the YAML that it is.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::{Process, command};
use crate::{root, venv};

/// YAML to JSON; `!Ref x` becomes `{"Ref": "x"}`, and so every other tag.
const SCRIPT: &str = r#"
import json, sys, yaml

class Loader(yaml.SafeLoader):
    pass

def tagged(loader, tag, node):
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    return {tag: loader.construct_mapping(node, deep=True)}

Loader.add_multi_constructor("!", tagged)
with open(sys.argv[1]) as template:
    print(json.dumps(yaml.load(template, Loader)))
"#;

/// `template.yaml` as JSON.
///
/// # Errors
/// When it is not YAML.
pub fn template() -> Result<Value> {
    let mut python = command(&venv().python());
    python.args(["-c", SCRIPT]).arg(root().join("template.yaml"));
    let finished = Process::spawn(python)?.finish()?;
    ensure!(finished.status.success(), "template.yaml can't be read: {finished}");
    serde_json::from_str(&finished.stdout).context("YAML becomes JSON")
}
