"""What is shipped: nothing that turns data into code, an inventory of it, and how it is audited."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("policies", "connectors", "backend", "audit_jobs", "requirements", "docker")
SHIPPED = [
    *sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")),
    ROOT / "labelgate.py",
]
# Reading what these wrote runs what stands in it; the last two are how RQ would pickle.
MODULES = {
    *("_pickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "pickle", "shelve"),
    *("DefaultSerializer", "PickleSerializer"),
}
BUILTINS = {"__import__", "compile", "eval", "exec"}
METHODS = {"full_load", "load_module", "read_pickle", "to_pickle", "unsafe_load"}
OWNED = {("os", "system"), ("torch", "load"), ("yaml", "load"), ("yaml", "load_all")}
SWITCHES = {"allow_pickle", "shell"}
# A file without any of these words has none of the above, and need not be parsed.
WORDS = re.compile(
    "|".join(
        [
            *(rf"\b{name}\b" for name in MODULES),
            *(rf"(?<![.\w]){name}\(" for name in BUILTINS),
            *(rf"\.{name}\(" for name in METHODS),
            *(rf"\b{owner}\.{name}\(" for owner, name in OWNED),
            *(rf"\b{name}\s*=" for name in SWITCHES),
        ]
    )
)
AUDIT_JSON = {
    "dependencies": [
        {"name": "flask", "version": "3.1", "vulns": []},
        {"name": "six", "skip_reason": "not found"},
        {
            "name": "pillow",
            "version": "1.0",
            "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}],
        },
    ]
}


def unsafe(source: str) -> list[str]:
    """Every place of a module that can turn data into code, as `line: what`."""
    return [
        f"{node.lineno}: {what}"  # type: ignore[attr-defined]  # whatever is found has a line
        for node in ast.walk(ast.parse(source))
        for what in _unsafe(node)
    ]


def _unsafe(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [each.name for each in names if each.name.partition(".")[0] in MODULES]
        case ast.ImportFrom(module=module, names=names):
            named = [(module or "").partition(".")[0], *(each.name for each in names)]
            return [each for each in named if each in MODULES]
        case ast.Call(func=function, keywords=keywords):
            switched = [str(each.arg) for each in keywords if _switches_on(each)]
            return [*switched, *_called(function)]
    return []


def _switches_on(keyword: ast.keyword) -> bool:
    """`allow_pickle=True`, `shell=anything`: all but a plain False."""
    off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
    return keyword.arg in SWITCHES and not off


def _called(function: ast.expr) -> list[str]:
    match function:
        case ast.Name(id=name) if name in BUILTINS:
            return [f"{name}()"]
        case ast.Attribute(attr=name) if name in METHODS:
            return [f".{name}()"]
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if (owner, name) in OWNED:
            return [f"{owner}.{name}()"]
    return []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import marshal as m",
        "from rq.serializers import DefaultSerializer",
        "eval(text)",
        "exec(text)",
        "yaml.load(text)",
        "torch.load(file)",
        "frame.to_pickle(file)",
        "numpy.load(file, allow_pickle=True)",
        "subprocess.run(line, shell=True)",
        "os.system(line)",
    ],
)
def test_the_search_finds_what_turns_data_into_code(source: str) -> None:
    assert len(unsafe(source)) == 1
    assert WORDS.search(source)


@pytest.mark.parametrize(
    "source", ["yaml.safe_load(text)", "re.compile(text)", "numpy.load(f, allow_pickle=False)"]
)
def test_the_search_leaves_alone_what_does_not(source: str) -> None:
    assert unsafe(source) == []


def test_nothing_that_is_shipped_turns_data_into_code() -> None:
    assert len(SHIPPED) > 300
    texts = {file: file.read_text(encoding="utf-8") for file in SHIPPED}
    found = {
        f"{file.relative_to(ROOT)}:{place}"
        for file, text in texts.items()
        if WORDS.search(text)
        for place in unsafe(text)
    }
    assert found == set()


@pytest.fixture
def audit() -> ModuleType:
    spec = spec_from_file_location("audit", ROOT / "requirements" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def auditor(folder: Path, said: str, code: int = 0) -> list[str]:
    """A program in the place of pip-audit that says this, whatever it is asked."""
    program = folder / "auditor.py"
    program.write_text(f"import sys\nprint({said!r})\nsys.exit({code})\n", encoding="utf-8")
    return [sys.executable, str(program)]


def test_a_known_weakness_fails_the_audit(
    audit: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = auditor(tmp_path, json.dumps(AUDIT_JSON), 1)
    assert audit.main(["runtime.txt"], audit.Auditor(command), tmp_path / "one.txt") == 1
    told = capsys.readouterr().out
    assert "runtime.txt: 2 packages audited, 1 weaknesses; unknown there: six" in told
    assert "pillow 1.0: PYSEC-1, mended in 1.1, 2.0" in told


@pytest.mark.parametrize(
    "said", ["", json.dumps({"dependencies": [{"name": "six", "skip_reason": "not found"}]})]
)
def test_an_index_that_does_not_answer_is_said_and_is_no_failure(
    audit: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], said: str
) -> None:
    command = auditor(tmp_path, said, 1)
    assert audit.main(["runtime.txt"], audit.Auditor(command), tmp_path / "one.txt") == 0
    assert "runtime.txt: NOT audited" in capsys.readouterr().out


def test_the_probe_is_the_first_package_with_all_its_hashes(audit: ModuleType) -> None:
    pin = audit.first_pin(ROOT / "requirements" / "runtime.txt")
    assert re.fullmatch(r"[\w-]+==\S+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+.*", pin)


def test_ci_audits_and_the_inventory_has_every_package_that_is_shipped(tmp_path: Path) -> None:
    assert "make audit" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "for lock in runtime embeddings hosting" in makefile
    lock = ROOT / "requirements" / "runtime.txt"
    place = tmp_path / "sbom.json"
    subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", lock),
            *("--pyproject", ROOT / "pyproject.toml", "--output-reproducible"),
            *("--output-file", place),
        ],
        check=True,
        capture_output=True,
    )
    inventory = json.loads(place.read_text(encoding="utf-8"))
    pinned = set(re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock.read_text("utf-8"), re.MULTILINE))
    assert pinned == {(each["name"], each["version"]) for each in inventory["components"]}
    for each in inventory["components"]:
        assert each["externalReferences"][0]["hashes"], each["name"]
    assert inventory["metadata"]["component"]["name"] == "labelgate"
