"""What programs can ask over HTTP, from the description that the app itself serves."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backend.app import create_app
from backend.bootstrap import build_runtime
from backend.settings import Settings
from backend.web.openapi.document import document_of

_HEAD = """# HTTP

What programs can ask. A running server tells the same at `/openapi.json`, as OpenAPI 3.1; the file
is [openapi.json](openapi.json). Written by `make docs` from `backend/web/openapi/`.

Every error has one shape, `{"error": {"code": ..., "message": ...}}`: the code is for programs, the
message names the field and the way out.
"""
_PAGE = "text/html"


def openapi_file() -> str:
    """The document as the app serves it."""
    return json.dumps(_document(), indent=1, ensure_ascii=False) + "\n"


def http_page() -> str:
    """A heading for each route that programs ask, and the pages for people as a list."""
    document = _document()
    found = list(_operations(document))
    told = "".join(_entry(*each) for each in found if not _for_people(each[2]))
    shapes = "".join(_shape(*each) for each in document["components"]["schemas"].items())
    pages = "".join(
        f"| `{method} {path}` | {operation['summary']} |\n"
        for method, path, operation in found
        if _for_people(operation)
    )
    proofs = "".join(
        f"| `{name}` | {each['description']} |\n"
        for name, each in document["components"]["securitySchemes"].items()
    )
    return (
        f"{_HEAD}\n## Who may ask\n\n| proof | what it is |\n|---|---|\n{proofs}{told}"
        f"\n## Shapes\n{shapes}"
        f"\n## Pages for people\n\n| route | what it shows or does |\n|---|---|\n{pages}"
    )


def _document() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        runtime = build_runtime(Settings(data_dir=Path(folder)))
        document = document_of(create_app(runtime))
        runtime.sessions.kw["bind"].dispose()
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _for_people(operation: dict[str, Any]) -> bool:
    answers = operation["responses"]
    return "303" in answers or _PAGE in answers.get("200", {"content": {}})["content"]


def _entry(method: str, path: str, operation: dict[str, Any]) -> str:
    lines = [f"## {method} {path}", f"{operation['summary']}."]
    if "description" in operation:
        lines.append(operation["description"])
    proofs = " or ".join(f"`{name}`" for each in operation["security"] for name in each)
    lines.append(f"Proof: {proofs or 'none is asked for'}.")
    headers = [each for each in operation.get("parameters", ()) if each["in"] == "header"]
    lines += [f"Header `{each['name']}`: {each['description']}" for each in headers]
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        lines.append(f"Body: {_type(content['schema'])}, such as")
        lines.append(f"```json\n{json.dumps(content['example'])}\n```")
    answers = [
        f"| {status} | {_answer_type(answer)} | {answer['description']} |"
        for status, answer in operation["responses"].items()
        if status != "default"
    ]
    lines.append("\n".join(["| status | body | meaning |", "|---|---|---|", *answers]))
    return "\n" + "\n\n".join(lines) + "\n"


def _answer_type(answer: dict[str, Any]) -> str:
    ((kind, content),) = answer["content"].items()
    return _type(content["schema"]) if kind == "application/json" else f"`{kind.split(';')[0]}`"


def _shape(name: str, schema: dict[str, Any]) -> str:
    """A heading with the keys of a shape."""
    needed = schema.get("required", ())
    rows = "".join(
        f"| `{key}`{'' if key in needed else ' (may be left out)'} | {_type(each)} "
        f"| {each.get('description', '')} |\n"
        for key, each in schema.get("properties", {}).items()
    )
    kinds = f" {_type(schema)}." if "anyOf" in schema else ""
    table = f"\n| key | type | meaning |\n|---|---|---|\n{rows}" if rows else ""
    return f"\n### {name}\n\n{schema['description']}{kinds}\n{table}"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if "items" in schema else "empty list"
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "properties" in schema:
        return "object with " + ", ".join(f"`{key}`" for key in schema["properties"])
    kinds = schema.get("type", "anything")
    return kinds if isinstance(kinds, str) else " or ".join(kinds)
