"""Projects of every kind for the stage: what each shows, asks, and what people say to it.

Most show a field of the same name, and every one has labels and words of its own: an answer that
came from another project's model cannot pass for one of this project's.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import Labeling, parse_labeling
from policies.answer_texts import set_text, spans_text
from tests.end_to_end.stage import CONFIG, Stage, text_of

# A task's data and the truth about it, as ``policies.answer_texts`` writes it.
Task = tuple[dict[str, Any], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of project: its labelling config, its policy's own words, and its tasks by place.

    ``accepts`` says whether its policy lets sure answers be accepted, ``by_meaning`` that only
    sentence vectors can tell its texts apart, ``after`` how many new labels start another training.
    """

    name: str
    config: str
    model: str
    task: Callable[[int], Task]
    accepts: bool = False
    by_meaning: bool = False
    after: int = 1_000

    @property
    def labeling(self) -> Labeling:
        """What it asks."""
        return parse_labeling(self.config)

    @property
    def rules(self) -> str:
        """The policy below the tiers."""
        accept = "{max_error_rate: 0.2, confidence: 0.8}" if self.accepts else "never"
        return f"""\
auto_accept: {accept}
control: {{share: 0.05}}
holdout: {{share: 0.2}}
retrain: {{after_annotations: {self.after}, minimum_labels: 20}}
"""


def kinds(upstream: str) -> tuple[Kind, ...]:
    """One of each; the last one's model is the server at ``upstream``."""
    return (
        Kind(name="text", config=CONFIG, model='embeddings: "off"', task=_text, after=8),
        Kind(
            name="meaning",
            config=_config("Text", "Choices", "sort", tuple(_SORTS)),
            model="kind: embedded",
            task=_word,
            by_meaning=True,
        ),
        Kind(
            name="image",
            config=_config("Image", "Choices", "hour", _HOURS),
            model="kind: embedded",
            task=_image,
        ),
        Kind(
            name="spans",
            config=_config("Text", "Labels", "entity", ("PER", "LOC")),
            model="kind: embedded",
            task=_spans,
            accepts=True,
        ),
        Kind(
            name="multi-label",
            config=_config("Text", 'Choices choice="multiple"', "aspect", tuple(_ASPECTS)),
            model="kind: embedded",
            task=_aspects,
            accepts=True,
        ),
        Kind(
            name="tabular",
            config=_config("Text", "Choices", "verdict", ("grant", "refuse")),
            model="fields: [amount, years, job]",
            task=_application,
        ),
        Kind(
            name="upstream",
            config=_config("Text", "Choices", "initial", tuple(_FRUIT)),
            model=f'kind: upstream, url: "{upstream}", train: true',
            task=_fruit,
        ),
    )


def open_project(stage: Stage, kind: Kind, places: Sequence[int], labelled: int) -> Stage:
    """Another project on the stage, with the tasks of these places; the first ones are labelled.

    By ann, who imports her answers with the tasks, as teams do that labelled elsewhere before.
    """
    project_id = stage.label_studio.project(kind.name, kind.config)
    opened = replace(stage, project_id=project_id, truth={}, submitted=[])
    import_tasks(opened, kind, places[:labelled], labelled=True)
    import_tasks(opened, kind, places[labelled:], labelled=False)
    return opened


def import_tasks(stage: Stage, kind: Kind, places: Sequence[int], *, labelled: bool) -> None:
    """Import the tasks of these places, with ann's answers or none."""
    known = {place: kind.task(place) for place in places}
    rows: list[dict[str, Any]] = [
        {
            "data": {**data, "place": place},
            "annotations": [{"result": result_of(kind.labeling, truth, data=data)}]
            if labelled
            else [],
        }
        for place, (data, truth) in known.items()
    ]
    response = stage.client.post(
        f"/api/projects/{stage.project_id}/import",
        headers={"Authorization": f"Token {stage.tokens['ann']}"},
        json=rows,
    )
    assert response.status_code == 201, response.text
    truths = {
        task["id"]: known[task["data"]["place"]][1]
        for task in stage.tasks()
        if task["data"]["place"] in known
    }
    assert len(truths) == len(places)
    stage.truth.update(truths)


def _config(shown: str, control: str, name: str, labels: Sequence[str]) -> str:
    """One control (its tag, and attributes where it has any) on one object of this tag."""
    tag, key = control.split(maxsplit=1)[0], shown.lower()
    inside = "Label" if tag == "Labels" else "Choice"
    offered = "".join(f'<{inside} value="{label}"/>' for label in labels)
    return (
        f'<View><{shown} name="{key}" value="${key}"/>'
        f'<{control} name="{name}" toName="{key}">{offered}</{tag}></View>'
    )


def _text(place: int) -> Task:
    text, topic = text_of(place)
    return {"text": text}, topic


_SORTS = {
    "animal": "hamster badger falcon salmon donkey otter raven tiger beetle walrus gecko heron "
    "ferret lobster camel squid moose parrot toad swan lynx magpie",
    "dish": "lasagne risotto omelette goulash paella burrito dumplings porridge pancakes ramen "
    "casserole meatballs ravioli stew quiche curry pudding kebab pizza tortilla couscous gnocchi",
    "city": "Paris London Tokyo Berlin Madrid Vienna Chicago Toronto Sydney Mumbai Moscow Cairo "
    "Lisbon Dublin Prague Athens Boston Seattle Warsaw Helsinki Stockholm Budapest",
}


def _word(place: int) -> Task:
    """One word that no other of the first 66 has: nothing but its meaning tells the sort."""
    sort = tuple(_SORTS)[place % 3]
    return {"text": _SORTS[sort].split()[place // 3 % 22]}, sort


_HOURS = ("dawn", "noon", "dusk")
_SKIES = ((230, 150, 160), (90, 160, 240), (40, 30, 80))


def _image(place: int) -> Task:
    """A sky of one colour, each a little different."""
    red, green, blue = _SKIES[place % 3]
    shade = place * 7 % 20
    sky = Image.new("RGB", (16, 16), (red - shade, green - shade, blue - shade))
    file = io.BytesIO()
    sky.save(file, "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"image": uri}, _HOURS[place % 3]


_PEOPLE = ("Anna", "Boris", "Clara", "David", "Elena")
_TOWNS = ("Oslo", "Lima", "Kyoto", "Quito")


def _spans(place: int) -> Task:
    """Who goes where; in every fourth nobody does."""
    if place % 4 == 3:
        return {"text": f"the weather stays calm on day {place}"}, spans_text([])
    person, town = _PEOPLE[place % 5], _TOWNS[place // 2 % 4]
    text = f"{person} travels to {town} on day {place}"
    start = text.index(town)
    return {"text": text}, spans_text([(0, len(person), "PER"), (start, start + len(town), "LOC")])


_ASPECTS = {
    "price": "expensive costly bargain overpriced",
    "service": "waiter rude friendly staff",
    "taste": "delicious bland salty sweet",
}
_TOGETHER = (
    ("price",),
    ("service",),
    ("taste",),
    ("price", "service"),
    ("service", "taste"),
    ("price", "taste"),
)


def _aspects(place: int) -> Task:
    aspects = _TOGETHER[place % 6]
    words = [_ASPECTS[aspect].split()[(place + step) % 4] for aspect in aspects for step in (0, 1)]
    return {"text": f"{' '.join(words)} meal {place}"}, set_text(aspects)


def _application(place: int) -> Task:
    """The text tells nothing; the amount alone decides."""
    amount = place * 37 % 100 * 10
    return {
        "text": f"application {place}",
        "amount": amount,
        "years": place % 9,
        "job": ("baker", "smith", "nurse")[place % 3],
    }, "grant" if amount < 500 else "refuse"


_FRUIT = {"K": "kiwi kumquat", "M": "mango melon", "P": "pear plum"}


def _fruit(place: int) -> Task:
    """What the server of ``label_studio_ml_program`` says once it was trained: the initial."""
    initial = tuple(_FRUIT)[place % 3]
    return {"text": f"{_FRUIT[initial].split()[place % 2]} basket {place}"}, initial
