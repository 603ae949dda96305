"""Which actions of AWS a function's code takes, read from the source.

A function is handed a store as a narrow trait (`dyn Profiles`, `dyn Events`, …). What the DynamoDB store does for a trait
follows from its source: the SDK's operations in the trait's methods, and in whatever these call. Secrets Manager is asked
by the functions whose `main` takes keys, a table with its key of tombstones, or accelerators.
"""

import re
from functools import cache
from pathlib import Path

from templates import ROOT

STORE = ROOT / "shared" / "src" / "store"
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


def function_actions(function: str) -> set[str]:
    """The DynamoDB actions that a function's code takes."""
    code = code_of(ROOT / "functions" / function / "src")
    traits = set(re.findall(r"\bdyn (Profiles|Events|People|Folding|Loading|LinkNotes|NotingLinks)\b", code))
    traits |= {trait for words, trait in TRAIT_OF_WORDS.items() if words in code}
    return set().union(*(trait_actions(trait) for trait in traits))


def function_secrets(function: str) -> set[str]:
    """The secrets that a function's code reads, as the template names them."""
    main = (ROOT / "functions" / function / "src" / "main.rs").read_text()
    return {secret for words, secret in DISTINCT_OF_MAIN.items() if words in main}


@cache
def trait_actions(trait: str) -> frozenset[str]:
    methods, of_trait = store()
    names = set(of_trait[trait])
    if trait == "People":
        names |= set(of_trait["Profiles"])
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
    assert actions, f"no operation found for {trait}: has the store changed its shape?"
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


def code_of(folder: Path) -> str:
    files = [file for file in sorted(folder.rglob("*.rs")) if file.name != "tests.rs"]
    return "\n".join(file.read_text() for file in files)


def pascal(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))
