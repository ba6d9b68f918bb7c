"""The reference is what the code says, and the code says all of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import jsonschema  # type: ignore[import-untyped]  # has no types
import pytest
import yaml

from backend.app import create_app
from backend.settings import Settings
from backend.store.columns import Base
from backend.web.state import NAME, Web
from docs import reference
from docs.reference.metrics import figures
from docs.reference.policy_keys import Part, meaning, policy_schema_file, read_document
from docs.reference.tables import mappers
from policies.schema import Policy
from tests.fakes.breaker_project import RUN, breaker_project, trip

ROOT = Path(__file__).parents[2]
COMMANDS = list(reference.commands())
DOCUMENT = read_document()


@pytest.mark.parametrize("page", list(reference.PAGES))
def test_every_page_is_what_the_code_says(page: str) -> None:
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert written == reference.PAGES[page](), f"docs/{page} is not up to date: run `make docs`"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_says_what_it_means(name: str) -> None:
    assert Settings.model_fields[name].description, f"{name} has no description"


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[path for path, _ in COMMANDS])
def test_every_command_and_option_has_help(path: str, command: click.Command) -> None:
    assert command.help, f"`{path}` has no help"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"`{path}`: {parameter.name} has no help"


@pytest.mark.parametrize("part", DOCUMENT.parts.values(), ids=lambda part: part.title)
def test_every_key_of_a_policy_has_a_meaning(part: Part) -> None:
    for key, schema in part.schema["properties"].items():
        assert meaning(key, schema, DOCUMENT), f"{part.title}: {key} has no description"


def test_every_section_of_a_policy_has_a_heading() -> None:
    shown = {id(part.schema) for part in DOCUMENT.parts.values()}
    for name, schema in DOCUMENT.definitions.items():
        if "properties" in schema and name not in DOCUMENT.routes:
            assert id(schema) in shown, f"{name} is not on the page"
    titles = [part.title for part in DOCUMENT.parts.values()]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize(
    "preset", sorted((ROOT / "policies" / "presets").glob("*.yaml")), ids=lambda path: path.name
)
def test_the_schema_for_editors_takes_the_presets(preset: Path) -> None:
    document = yaml.safe_load(preset.read_text(encoding="utf-8"))
    Policy.model_validate(document)
    schema = json.loads(policy_schema_file())
    jsonschema.Draft202012Validator(schema).validate(document)
    broken = {**document, "stakes": "none"}
    assert not jsonschema.Draft202012Validator(schema).is_valid(broken)


def test_every_table_is_on_the_page_and_says_what_it_holds() -> None:
    shown = {mapper.local_table for mapper in mappers()}
    assert shown == set(Base.metadata.tables.values())
    for mapper in mappers():
        own = vars(mapper.class_).get("__doc__")
        assert own, f"{mapper.class_.__name__} has no docstring"


def test_every_figure_of_a_full_store_is_on_the_page_with_its_labels(tmp_path: Path) -> None:
    """An empty store names them all: what a busy one exports is compared."""
    worked = breaker_project(tmp_path, breaker={"average_run": RUN, "recall": False})
    trip(worked)
    app = create_app(worked.runtime)
    app.test_client().get("/health")
    state: Web = app.extensions[NAME]
    state.metrics.count_inferences(1, {"stored": 1})
    known = {figure.name: figure for figure in figures()}
    sampled = 0
    for family in state.metrics.registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        assert known[name].meaning == family.documentation
        assert (known[name].kind, bool(family.documentation)) == (family.type, True)
        for sample in family.samples:
            sampled += 1
            assert set(sample.labels) - {"le"} == set(known[name].labels), sample
    assert sampled > 40


def test_no_page_of_the_reference_names_this_machine() -> None:
    for page in reference.PAGES:
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        assert not re.search(r"/(tmp|home|root|work)/", text), page
