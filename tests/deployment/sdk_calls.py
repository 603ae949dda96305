"""Which actions of AWS a function's code takes, read from the source.

A function is handed a store as a narrow trait (`dyn Profiles`, `dyn Events`, …). What the DynamoDB store does for a trait
follows from its source: the SDK's operations in the trait's methods, and in whatever these call. Of `dyn Jobs`, which each
step of a batch uses otherwise, only those methods count that are called. Secrets Manager is asked by the functions whose
`main` takes keys, a table with its key of tombstones, or accelerators; S3 by those that call the store of objects, and Step
Functions by its SDK's builders.
"""

import re
from functools import cache
from pathlib import Path

from templates import ROOT

STORE = ROOT / "shared" / "src" / "store"
BATCH = ROOT / "shared" / "src" / "batch"
# The SDK's builders of operations, as `client.get_item()`.
OPERATION = re.compile(r"\.((?:batch_)?(?:get|put|delete|update|write)_item|query|scan|transact_\w+)\(\)")
# What makes a method of `DynamoDb` do what another one does.
CALL = re.compile(r"\bself\.(\w+)\(")
# Folding by the store itself: `fold(self, …)`.
FOLD = re.compile(r"\bfold\(self\b")
# How a function comes to a trait whose name it does not say.
TRAIT_OF_WORDS = {
    "aws::profiles()": "Profiles",
    "Memory::new(table": "Profiles",
    "warm_up(table": "LinkNotes",
}
DISTINCT_OF_MAIN = {
    "KeysSettings::required()": "KeysSecret",
    "aws::table()": "ErasureSecret",
    "aws::accelerators(": "AcceleratorSecret",
}


# What the store of objects does when it is asked for one thing. Without the right to list, S3 answers "not allowed" about an
# object that is missing, and nobody could say which it is; an upload that breaks off takes back what it has sent.
OBJECT_ACTIONS = {
    "head": {"s3:GetObject", "s3:ListBucket"},
    "get_opts": {"s3:GetObject", "s3:ListBucket"},
    "list": {"s3:ListBucket"},
    "put": {"s3:PutObject"},
    "put_opts": {"s3:PutObject"},
    "put_multipart": {"s3:PutObject", "s3:AbortMultipartUpload"},
}
# How a function comes to the objects through what is kept of a batch: the method of `Part` or `Found`, or the function.
OF_PARTS = {
    r"\bparts::found\(": "found",
    r"\.write\(&\w+\.objects": "write",
    r"\.read\(&\w+\.objects": "read",
}


def function_actions(function: str) -> set[str]:
    """The DynamoDB actions that a function's code takes."""
    code = code_of(ROOT / "functions" / function / "src")
    traits = set(re.findall(r"\bdyn (Profiles|Events|People|Folding|Loading|LinkNotes|NotingLinks|Everyone)\b", code))
    traits |= {trait for words, trait in TRAIT_OF_WORDS.items() if words in code}
    return job_actions(code).union(*(trait_actions(trait) for trait in traits))


def job_actions(code: str) -> frozenset[str]:
    """Those that come of calling `dyn Jobs`, by itself or by what the steps of a batch share."""
    if "run::fail(" in code:
        code += plain_function(BATCH / "run.rs", "fail")
    if "jobs::change(" in code:
        code += plain_function(STORE / "jobs.rs", "change")
    _, of_trait = store()
    called = {name for name in of_trait["Jobs"] if re.search(rf"\bjobs\s*\.\s*{name}\(", code)}
    return method_actions(called) if called else frozenset()


def function_object_actions(function: str) -> set[str]:
    """The actions of S3 that a function's code takes."""
    code = code_of(ROOT / "functions" / function / "src")
    objects = dict(functions(block_of(BATCH / "objects.rs", "impl Objects {")))
    parts = {name: plain_function(BATCH / "parts.rs", name) for name in OF_PARTS.values()}
    code += "".join(parts[name] for words, name in OF_PARTS.items() if re.search(words, code))
    names = {name for name in objects if re.search(rf"\bobjects\s*\.\s*{name}\(", code)}
    actions = set()
    while names:
        body = objects[names.pop()]
        for asked in re.findall(r"\bself\.store\s*\.\s*(\w+)\(", body):
            actions |= OBJECT_ACTIONS[asked]
        names |= {name for name in CALL.findall(body) if name in objects}
    return actions


def function_run_actions(function: str) -> set[str]:
    """The actions of Step Functions that a function's code takes."""
    code = code_of(ROOT / "functions" / function / "src")
    return {f"states:{pascal(found)}" for found in re.findall(r"\.((?:start|stop|describe)_\w*execution)\(\)", code)}


def function_secrets(function: str) -> set[str]:
    """The secrets that a function's code reads, as the template names them."""
    main = (ROOT / "functions" / function / "src" / "main.rs").read_text()
    return {secret for words, secret in DISTINCT_OF_MAIN.items() if words in main}


@cache
def trait_actions(trait: str) -> frozenset[str]:
    _, of_trait = store()
    names = set(of_trait[trait])
    if trait == "People":
        names |= set(of_trait["Profiles"])
    return method_actions(names)


def method_actions(names: set[str]) -> frozenset[str]:
    """The SDK's operations in these methods of the DynamoDB store, and in whatever they call."""
    methods, _ = store()
    asked = sorted(names)
    actions, seen = set(), set()
    while names:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        body = methods[name]
        actions |= {"dynamodb:" + pascal(operation) for operation in OPERATION.findall(body)}
        names |= {called for called in CALL.findall(body) if called in methods}
        if FOLD.search(body):
            names |= set(re.findall(r"\bstore\.(\w+)\(", (STORE / "fold.rs").read_text()))
    assert actions, f"no operation found for {asked}: has the store changed its shape?"
    return frozenset(actions)


@cache
def store() -> tuple[dict[str, str], dict[str, set[str]]]:
    """Every method of the DynamoDB store with its body, and the methods of each trait."""
    methods, of_trait = {}, {}
    for file in sorted((STORE / "dynamodb").glob("*.rs")):
        for trait, block in impl_blocks(file.read_text()):
            for name, body in functions(block):
                # A trait's method may have the name of another trait's: the union is the safe side.
                methods[name] = methods.get(name, "") + body
                if trait:
                    of_trait.setdefault(trait, set()).add(name)
    return methods, of_trait


def impl_blocks(text: str):
    for found in re.finditer(r"^impl (?:(\w+) for )?DynamoDb \{$", text, re.MULTILINE):
        end = text.index("\n}\n", found.end())
        yield found[1], text[found.end() : end]


def functions(block: str):
    starts = [*re.finditer(r"^    (?:pub(?:\([a-z]+\))? )?(?:async )?fn (\w+)", block, re.MULTILINE)]
    for start, following in zip(starts, [*starts[1:], None]):
        yield start[1], block[start.end() : following.start() if following else len(block)]


def block_of(file: Path, opening: str) -> str:
    text = file.read_text()
    start = text.index(opening)
    return text[start : text.index("\n}\n", start)]


def plain_function(file: Path, name: str) -> str:
    """A function's body, which stands by itself or in a block."""
    text = file.read_text()
    start = re.search(rf"^( *)pub (?:async )?fn {name}\b", text, re.MULTILINE)
    return text[start.end() : text.index(f"\n{start[1]}}}\n", start.end())]


def code_of(folder: Path) -> str:
    files = [file for file in sorted(folder.rglob("*.rs")) if file.name != "tests.rs"]
    return "\n".join(file.read_text() for file in files)


def pascal(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))
