"""The OpenAPI 3.1 document of an app: its routes, the views' docstrings, and ``operations``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from backend.web.access import need_of
from backend.web.openapi.operations import OPERATIONS, PASSWORD, Answer, Operation
from backend.web.openapi.schemas import SCHEMAS, Schema, reference

PAGES = "backend.web.pages."
STATIC = "static"
SECURITY: Schema = {
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "LABELGATE_USERNAME and LABELGATE_PASSWORD. A server without them answers "
        "its own machine alone, and asks for none.",
    },
    "accountToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "Of an account, made by `labelgate accounts token NAME`; begins with lga_.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "labelgate",
        "description": "A browser's, from /sign-in; over https its name is __Host-labelgate. What it "
        "sends carries the session's `csrf`.",
    },
    "webhookSecret": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Labelgate-Secret",
        "description": "Written into Label Studio's webhook by `labelgate connect`.",
    },
    "inferenceToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "Made by `labelgate inferences token --project P`.",
    },
}
# What any of them proves is a role.
VISITOR = (*PASSWORD, "accountToken", "session")
_SENTENCE = re.compile(r"(?<=[.:?]) (?=[A-Z])|\n\n")
_PARTS = re.compile(r"<(?:(?P<kind>\w+)(?:\([^)]*\))?:)?(?P<name>\w+)>")
_KINDS: dict[str | None, Schema] = {"int": {"type": "integer", "minimum": 0}}
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_FILES = {
    ".yaml": "application/yaml",
    ".json": "application/json",
    ".csv": "text/csv",
    ".md": "text/markdown",
}
_ERROR = {
    "description": "Every error: a code for programs, a message for people.",
    "content": {"application/json": {"schema": reference("Error")}},
}


class UndescribedRouteError(LookupError):
    """A route for programs has no entry in ``operations``; the message names it."""


def document_of(app: Flask) -> dict[str, Any]:
    """The document of every route of the app. Raises ``UndescribedRouteError``."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if rule.endpoint == STATIC:
            continue
        path = paths.setdefault(_PARTS.sub(r"{\g<name>}", rule.rule), {})
        for method in _methods(rule):
            path[method.lower()] = _operation(app, rule, method)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Labelgate",
            "version": version("labelgate"),
            "summary": "Human-in-the-loop quality layer for Label Studio.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": SCHEMAS, "securitySchemes": SECURITY},
    }


def _methods(rule: Rule) -> Iterator[str]:
    return (method for method in _METHODS if method in (rule.methods or ()))


def _operation(app: Flask, rule: Rule, method: str) -> dict[str, Any]:
    view = app.view_functions[rule.endpoint]
    described = _described(rule, method, view.__module__)
    summary, *rest = _SENTENCE.split(inspect.cleandoc(view.__doc__ or rule.endpoint))
    need = need_of(view)
    needs = [] if need is None else [f"Needs the role {need.role.name.lower()}."]
    text = " ".join(" ".join([*rest, *needs]).replace("``", "`").split())
    told: dict[str, Any] = {
        "operationId": f"{rule.endpoint}.{method.lower()}",
        "tags": [rule.endpoint.split(".")[0]],
        "summary": summary.replace("``", "`").removesuffix("."),
    }
    if text:
        told["description"] = text
    proof = described.proof if need is None else VISITOR
    told["security"] = [{name: []} for name in proof]
    if parameters := [*_path_parameters(rule), *_header_parameters(described)]:
        told["parameters"] = parameters
    if body := _body(described, method):
        told["requestBody"] = body
    answers = {str(status): _answer(answer) for status, answer in described.answers.items()}
    told["responses"] = answers | {"default": _ERROR}
    return told


def _described(rule: Rule, method: str, module: str) -> Operation:
    found = OPERATIONS.get((rule.endpoint, method))
    if found is not None:
        return found
    if not f"{module}.".startswith(PAGES):
        raise UndescribedRouteError(
            f"{method} {rule.rule}: describe {rule.endpoint!r} in backend/web/openapi/operations.py"
        )
    if method == "GET":
        ending = re.search(r"\.\w+$", rule.rule)
        kind = _FILES.get(ending[0] if ending else "", "text/html")
        return Operation(answers={200: Answer(meaning="For people.", content_type=kind)})
    done = Answer(meaning="Done: leads to the page that shows it.", content_type="")
    return Operation(answers={303: done}, proof=PASSWORD)


def _path_parameters(rule: Rule) -> Iterator[Schema]:
    for part in _PARTS.finditer(rule.rule):
        yield {
            "name": part["name"],
            "in": "path",
            "required": True,
            "schema": _KINDS.get(part["kind"], {"type": "string"}),
        }


def _header_parameters(described: Operation) -> Iterator[Schema]:
    for name, said in described.headers.items():
        yield {"name": name, "in": "header", "description": said, "schema": {"type": "string"}}


def _body(described: Operation, method: str) -> Schema | None:
    if described.body is not None:
        content: Schema = {"schema": reference(described.body), "example": described.example}
        return {"required": True, "content": {"application/json": content}}
    if method == "POST" and 303 in described.answers:
        form = {"type": "object", "description": "The fields of the form on the page."}
        return {"content": {"application/x-www-form-urlencoded": {"schema": form}}}
    return None


def _answer(answer: Answer) -> Schema:
    if not answer.content_type:
        return {"description": answer.meaning}
    content = {answer.content_type: {"schema": answer.schema}}
    return {"description": answer.meaning, "content": content}
