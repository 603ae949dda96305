"""The templates as CloudFormation gets them: SAM's own translator over them, and their intrinsics resolved."""

import copy
import json
import os
import re
from functools import cache
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).resolve().parents[2]
NO_VALUE = object()
# The translator asks, and nothing else of AWS is.
os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"

# What a stage passes, where a template has no default; what is read from Systems Manager is what it holds there.
BARE = {
    "AWS::StackName": "marquee-test",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "Table": "people",
    "TableStream": "arn:aws:dynamodb:eu-central-1:123456789012:table/people/stream/2026-01-01T00:00:00.000",
    "ErasureSecret": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:erasure-abcdef",
    "PrivateSubnets": "",
    "FunctionSecurityGroup": "",
}
# The same with everything that can be turned on.
FULL = BARE | {
    "AcceleratorUrl": "https://gpu.office.example",
    "AcceleratorSecret": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:accelerator-abcdef",
    "PrivateSubnets": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "FunctionSecurityGroup": "sg-0123456789abcdef0",
    "CorsOrigins": "https://www.example.com,https://example.com",
    "VpnConnection": "vpn-0123456789abcdef0",
    "AlertEmail": "operator@example.com",
    "MonthlyBudget": "100",
    "ReservedConcurrency": "100",
    "TrafficExpected": "true",
}


def source(name: str) -> dict:
    """A template as it is written; `!Ref x` is `{"Ref": "x"}`."""
    return json.loads(json.dumps(yaml_parse((ROOT / name).read_text())))


def translated(parameters: dict, change=lambda template: None) -> dict:
    """What the transform makes of template.yaml, after `change` to what is written."""
    template = source("template.yaml")
    change(template)
    for resource in template["Resources"].values():
        # `sam deploy` uploads these.
        for uploaded in ("CodeUri", "ContentUri", "DefinitionUri"):
            if uploaded in resource["Properties"]:
                resource["Properties"][uploaded] = "s3://bucket/" + resource["Properties"][uploaded]
    return Translator({}, Parser()).translate(template, values(template, parameters))


def values(template: dict, parameters: dict) -> dict:
    defaults = {name: one["Default"] for name, one in template.get("Parameters", {}).items() if "Default" in one}
    return defaults | parameters


def resolved(template: dict, parameters: dict) -> dict:
    """The resources that these parameters bring, every intrinsic replaced: what a resource is named by CloudFormation
    becomes `${Name}`, and its attributes `${Name.Attribute}`."""
    known = values(template, parameters)
    conditions = template.get("Conditions", {})

    def holds(condition) -> bool:
        if isinstance(condition, str):
            return holds(conditions[condition])
        (operator, operands), = condition.items()
        match operator:
            case "Condition":
                return holds(operands)
            case "Fn::Equals":
                left, right = (of(operand) for operand in operands)
                return str(left) == str(right)
            case "Fn::Not":
                return not holds(operands[0])
            case "Fn::And":
                return all(holds(operand) for operand in operands)
            case "Fn::Or":
                return any(holds(operand) for operand in operands)
        raise AssertionError(f"an operator of conditions that is not known here: {operator}")

    def text(name: str, local: dict) -> str:
        if name in local:
            return str(of(local[name]))
        return str(known.get(name, "${" + name + "}"))

    def of(value):
        if isinstance(value, list):
            return [item for item in map(of, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (operator, operand), = value.items()
            match operator:
                case "Ref" if operand == "AWS::NoValue":
                    return NO_VALUE
                case "Ref":
                    return known.get(operand, "${" + operand + "}")
                case "Fn::GetAtt":
                    return "${" + (operand if isinstance(operand, str) else ".".join(operand)) + "}"
                case "Fn::Sub":
                    pattern, local = (operand, {}) if isinstance(operand, str) else operand
                    return re.sub(r"\$\{([^!}]+)\}", lambda found: text(found[1], local), pattern)
                case "Fn::Join":
                    return operand[0].join(map(str, of(operand[1])))
                case "Fn::Split":
                    return of(operand[1]).split(operand[0])
                case "Fn::If":
                    return of(operand[1] if holds(operand[0]) else operand[2])
        items = {key: of(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not NO_VALUE}

    made = {}
    for name, resource in template["Resources"].items():
        if "Condition" not in resource or holds(resource["Condition"]):
            made[name] = of({key: part for key, part in resource.items() if key != "Condition"})
    return made


def broken_rules(template: dict, parameters: dict) -> list[str]:
    """What the template's own rules say against these parameters, as CloudFormation says it before anything is made."""
    known = values(template, parameters)

    def holds(condition) -> bool:
        (operator, operands), = condition.items()
        match operator:
            case "Fn::Not":
                return not holds(operands[0])
            case "Fn::Equals":
                left, right = (known[o["Ref"]] if isinstance(o, dict) else o for o in operands)
                return str(left) == str(right)
        raise AssertionError(f"an operator of rules that is not known here: {operator}")

    return [
        assertion["AssertDescription"]
        for rule in template.get("Rules", {}).values()
        if holds(rule["RuleCondition"])
        for assertion in rule["Assertions"]
        if not holds(assertion["Assert"])
    ]


@cache
def service(kind: str) -> dict:
    """The resources of template.yaml, `bare` or `full`. Not to be changed."""
    parameters = {"bare": BARE, "full": FULL}[kind]
    return resolved(translated(parameters), parameters)


def of_type(resources: dict, kind: str) -> dict:
    return {name: copy.deepcopy(one) for name, one in resources.items() if one["Type"] == kind}
