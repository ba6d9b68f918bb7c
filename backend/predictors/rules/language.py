"""Which language a text is written in."""

from __future__ import annotations

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

# Shorter texts are too often a word that several languages share.
_LEAST_LETTERS = 10
# Under one half another language may be as likely.
_LEAST_PROBABILITY = 0.5
_READ = 5_000  # characters of a text; more of them change no answer


def language_of(text: str) -> tuple[str, float] | None:
    """The ISO 639 code with its probability; None for a text that is too short or undetermined.

    >>> language_of("Ich habe meine Karte verloren.")[0]
    'de'
    >>> language_of("ok, 12345")
    """
    read = text[:_READ]
    if sum(map(str.isalpha, read)) < _LEAST_LETTERS:
        return None
    code, probability = _identifier().classify(read)
    return (code, probability) if probability >= _LEAST_PROBABILITY else None


@cache
def known_languages() -> frozenset[str]:
    """The codes of all languages that can be told."""
    return frozenset(_identifier().labels) - {"zxx"}  # zxx: what is no language


@cache
def _identifier() -> LanguageIdentifier:
    """Loaded when it is first asked: it takes a second and is seldom needed."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
