"""Every key of a policy file with type, bounds, default and meaning, from the schema itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policies.schema import Policy

_HEAD = """# Keys of a policy

Written by `make docs` from `policies/schema.py`; change it there. [The guide](policy.md) says what
to do with them. Any other key is refused, with the nearest that there is. Where a default depends
on stakes or tiers, the meaning says so.

Editors that complete YAML by a JSON schema can take [policy.schema.json](policy.schema.json); what
must hold between keys only `labelgate policy check` knows.
"""
_ROUTE = "As a route it has one more key, `tier`: where it matches, the task goes to that tier.\n\n"
_TOP = "The whole file"
_PREFIX = "#/$defs/"
_WORDS = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
}
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "under",
    "minItems": "items at least:",
    "maxItems": "items at most:",
}
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A mapping of the file: the path where it stands first, its kind where there are several."""

    path: str
    kind: str | None
    schema: Schema

    @property
    def title(self) -> str:
        """Its heading."""
        return self.path if self.kind is None else f"{self.path}, kind {self.kind}"

    @property
    def link(self) -> str:
        """A link to its heading."""
        anchor = re.sub(r"[^\w -]", "", self.title.lower()).replace(" ", "-")
        return f"[{self.kind or self.path}](#{anchor})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The parts by their names in the schema, and which names are a condition with a tier."""

    definitions: dict[str, Schema]
    routes: dict[str, str]
    parts: dict[str, Part]


def policy_schema_file() -> str:
    """The JSON schema, for editors."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= Policy.model_json_schema()
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def policy_keys_page() -> str:
    """A heading for each mapping of the file, the whole first."""
    document = read_document()
    return _HEAD + "".join(_entry(name, document) for name in document.parts)


def read_document() -> Document:
    """Every mapping of a policy, in the order in which a reader meets them."""
    whole = Policy.model_json_schema()
    definitions = whole["$defs"]
    routes = dict(_routes(definitions))
    parts = {"": Part(path=_TOP, kind=None, schema=whole)}
    for name, path in _met("", whole, definitions, routes, {""}):
        kind = definitions[name]["properties"].get("kind", {}).get("const")
        parts[name] = Part(path=path, kind=kind, schema=definitions[name])
    return Document(definitions=definitions, routes=routes, parts=parts)


def meaning(key: str, schema: Schema, document: Document) -> str:
    """What a key means: its own description, else that of the section that it is."""
    if "description" in schema:
        return str(schema["description"]).replace("``", "`")
    if "const" in schema and key == "kind":
        return "Says which of these it is."
    name = next(_references(schema), None)
    said = document.definitions[name].get("description", "") if name else ""
    return " ".join(said.split("\n\n")[0].split()).replace("``", "`")


def _routes(definitions: dict[str, Schema]) -> Iterator[tuple[str, str]]:
    """The names of routes with those of the conditions that they are, but for their tier."""
    keys = {name: each.get("properties", {}).keys() for name, each in definitions.items()}
    for name in definitions:
        stem = name.removesuffix("Route")
        for other in (stem, f"{stem}Of"):
            if other != name and other in keys and keys[name] - keys[other] == {"tier"}:
                yield name, other


def _met(
    path: str,
    schema: Schema,
    definitions: dict[str, Schema],
    routes: dict[str, str],
    seen: set[str],
) -> Iterator[tuple[str, str]]:
    """The names of mappings below a schema, each with the path under which it is met first."""
    below: list[tuple[str, str]] = []
    for key, value in schema["properties"].items():
        for reference in _references(value):
            name = routes.get(reference, reference)
            if name not in seen and "properties" in definitions[name]:
                seen.add(name)
                below.append((name, f"{path}.{key}" if path else key))
    for name, here in below:
        yield name, here
        yield from _met(here, definitions[name], definitions, routes, seen)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].removeprefix(_PREFIX)
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _references(each)


def _entry(name: str, document: Document) -> str:
    part = document.parts[name]
    said = part.schema.get("description", "").replace("``", "`")
    route = _ROUTE if name in document.routes.values() else ""
    rows = "".join(_row(key, part.schema, document) for key in part.schema["properties"])
    head = "| key | type | default | meaning |\n|---|---|---|---|\n"
    return f"\n## {part.title}\n\n{said}\n\n{route}{head}{rows}"


def _row(key: str, whole: Schema, document: Document) -> str:
    schema = whole["properties"][key]
    needed = key in whole.get("required", ())
    default = "must be given" if needed else _default(schema)
    cells = (f"`{key}`", _type(schema, document), default, meaning(key, schema, document))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _type(schema: Schema, document: Document) -> str:
    """The type in words, with its bounds."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_PREFIX)
        name = document.routes.get(name, name)
        if name in document.parts:
            return document.parts[name].link
        return _type(document.definitions[name], document)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            shown = [each for each in schema[key] if each.get("type") != "null"]
            return " or ".join(dict.fromkeys(_type(each, document) for each in shown))
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    return _plain_type(schema, document) + _bounds(schema)


def _plain_type(schema: Schema, document: Document) -> str:
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'], document)}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        of = _type(inner, document) if isinstance(inner, dict) else "anything"
        return f"mapping of texts to {of}"
    return _WORDS.get(str(schema.get("type")), "anything")


def _bounds(schema: Schema) -> str:
    said = [f"{word} {schema[key]:g}" for key, word in _BOUNDS.items() if key in schema]
    said += [f"like `{schema['pattern']}`"] if "pattern" in schema else []
    return f" ({', '.join(said)})" if said else ""


def _default(schema: Schema) -> str:
    default = schema.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict):
        return ""
    return f"`{json.dumps(default, ensure_ascii=False)}`"
