"""Support tickets in plausible words, of eight topics; from some week on they speak otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from policies.domain import BoolArray, IntArray

LABELS = ("billing", "bug", "cancel", "delivery", "login", "praise", "refund", "return")
SHARES = (0.19, 0.15, 0.09, 0.18, 0.13, 0.06, 0.12, 0.08)
# What each topic is taken for when somebody is wrong: mostly the first.
TAKEN_FOR = {
    "billing": ("refund", "cancel"),
    "bug": ("login", "delivery"),
    "cancel": ("billing", "refund"),
    "delivery": ("return", "bug"),
    "login": ("bug", "billing"),
    "praise": ("delivery", "bug"),
    "refund": ("billing", "return"),
    "return": ("delivery", "refund"),
}
# Whose wording changes with the new products of the tenth week.
CHANGING = ("delivery", "refund")
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="topic" toName="text" choice="single">'
    + "".join(f'<Choice value="{label}"/>' for label in LABELS)
    + "</Choices></View>"
)
SOURCES = ("mail", "web", "app", "phone", "press")
_SOURCE_SHARES = (0.42, 0.31, 0.18, 0.085, 0.005)
_OPENINGS = (
    "Hello,",
    "Hi there,",
    "Good morning,",
    "Dear team,",
    "Hey,",
    "To whom it may concern,",
)
_ENDINGS = (
    "Please look into it.",
    "Thank you in advance.",
    "I need an answer this week.",
    "This is the second time I write.",
    "Best regards.",
    "Can somebody call me back?",
)
_PRODUCTS = ("kettle", "desk lamp", "headphones", "backpack", "router", "coffee grinder", "tent")
_NEW_PRODUCTS = ("solar charger", "balcony battery", "inverter kit", "garden bundle")
_SAYINGS = {
    "billing": (
        "the invoice for my {product} shows the wrong amount",
        "I was charged twice for the {product} on my card statement",
        "the VAT number on the invoice {number} is missing",
        "why does my monthly bill list a {product} that I never ordered",
    ),
    "bug": (
        "the app crashes when I open the page of the {product}",
        "the search shows an error code {number} and an empty screen",
        "your website freezes at the last step for the {product}",
        "since the update the basket loses the {product}",
    ),
    "cancel": (
        "please cancel my subscription number {number} at the end of the month",
        "I want to end the contract for the {product}",
        "stop the order of the {product} before it leaves the warehouse",
        "I no longer need the membership, please terminate it",
    ),
    "delivery": (
        "the parcel with the {product} has not arrived yet",
        "tracking for order {number} has not moved for nine days",
        "the courier left the {product} with a neighbour I do not know",
        "when will the {product} be shipped",
    ),
    "login": (
        "I cannot sign in, the password reset mail never comes",
        "my account is locked after the code {number} was refused",
        "two-factor sign-in fails on my new phone",
        "the login page says that my user name is unknown",
    ),
    "praise": (
        "the {product} is wonderful, and your support was quick and kind",
        "thank you for the great help with order {number}",
        "I recommend you to all my friends, the {product} is excellent",
        "what a pleasant surprise, the {product} came a day early",
    ),
    "refund": (
        "I still wait for the money back for the {product}",
        "the refund of order {number} was promised two weeks ago",
        "please transfer the amount for the broken {product} to my account",
        "only half of the price of the {product} was paid back",
    ),
    "return": (
        "I would like to send the {product} back, it does not fit",
        "where do I get the return label for order {number}",
        "the {product} has a scratch, how do I exchange it",
        "the drop-off point refused my parcel with the {product}",
    ),
}
_NEW_SAYINGS = {
    "delivery": (
        "the freight forwarder asks for a time slot for the {product} on a pallet",
        "nobody told me that the {product} needs a crane at the kerb",
    ),
    "refund": (
        "the subsidy for the {product} was not taken off the price as advertised",
        "the grant office wants proof before the rebate on the {product} is paid out",
    ),
}


def ticket_data(
    rng: np.random.Generator, topics: IntArray, later: BoolArray
) -> list[dict[str, Any]]:
    """A task's data for each of these topics (places in ``LABELS``); ``later`` ones speak anew."""
    n = len(topics)
    sources = rng.choice(len(SOURCES), size=n, p=_SOURCE_SHARES)
    numbers = rng.integers(100_000, 999_999, size=n)
    picks = rng.integers(0, 1_000_000, size=(n, 4))
    return [
        {
            "text": _text(LABELS[topic], pick, number, later=new),
            "source": SOURCES[source],
            "ticket": f"T-{number}-{place}",
        }
        for place, (topic, pick, number, source, new) in enumerate(
            zip(
                topics.tolist(),
                picks.tolist(),
                numbers.tolist(),
                sources.tolist(),
                later.tolist(),
                strict=True,
            )
        )
    ]


def _text(label: str, pick: Sequence[int], number: int, *, later: bool) -> str:
    sayings = (_NEW_SAYINGS if later and label in _NEW_SAYINGS else _SAYINGS)[label]
    products = _NEW_PRODUCTS if later and label in _NEW_SAYINGS else _PRODUCTS
    says = sayings[pick[0] % len(sayings)]
    said = says.format(product=products[pick[1] % len(products)], number=number)
    return f"{_OPENINGS[pick[2] % len(_OPENINGS)]} {said}. {_ENDINGS[pick[3] % len(_ENDINGS)]}"
