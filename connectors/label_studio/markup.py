"""The elements of a labelling config's XML. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from connectors.label_studio.controls import LabelingError

MAX_CONFIG_CHARS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element; names in lower case, as Label Studio's own page reads them.

    ``conditional`` says that it, or one around it, is shown under a condition only.
    """

    name: str
    shown_name: str
    attributes: dict[str, str]
    conditional: bool = False
    children: list[Element] = field(default_factory=list)

    def described(self) -> str:
        """The element as people find it in the config."""
        name = self.attributes.get("name")
        return f'<{self.shown_name} name="{name}">' if name else f"<{self.shown_name}>"

    def outermost(self, name: str) -> Iterator[Element]:
        """The elements of that name inside, in order, but none inside another one."""
        waiting = list(reversed(self.children))
        while waiting:
            found = waiting.pop()
            if found.name == name:
                yield found
            else:
                waiting.extend(reversed(found.children))

    def key(self) -> str | None:
        """``$key`` -> key; None for a literal, a template of several keys, or nothing."""
        match = re.fullmatch(r"\$([^${}\s][^${}]*)", self.attributes.get("value", "").strip())
        return match[1] if match else None


def elements_of(label_config: str) -> list[Element]:
    """All elements in document order. Refuses a DOCTYPE, so that no entity is ever expanded."""
    if len(label_config) > MAX_CONFIG_CHARS:
        raise LabelingError(
            f"the labelling config has {len(label_config)} characters; "
            f"at most {MAX_CONFIG_CHARS} are read"
        )
    found: list[Element] = []
    open_elements: list[Element] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        lowered = {key.lower(): value for key, value in attributes.items()}
        around = open_elements[-1] if open_elements else None
        element = Element(
            name=name.lower(),
            shown_name=name,
            attributes=lowered,
            conditional="visiblewhen" in lowered or (around is not None and around.conditional),
        )
        if around is not None:
            around.children.append(element)
        open_elements.append(element)
        found.append(element)

    def end(name: str) -> None:
        del name
        open_elements.pop()

    def doctype(*declaration: object) -> None:
        del declaration
        raise LabelingError("the labelling config has a DOCTYPE; take it out: it is never needed")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(label_config, True)  # noqa: FBT003 - expat takes it by position only
    except expat.ExpatError as error:
        raise LabelingError(
            f"the labelling config is not well-formed XML: line {error.lineno}, "
            f"column {error.offset}: {expat.ErrorString(error.code)}"
        ) from error
    except UnicodeEncodeError as error:
        raise LabelingError(f"the labelling config is not valid Unicode text: {error}") from error
    return found
