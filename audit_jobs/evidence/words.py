"""The words of an evidence pack, for somebody who has never seen Labelgate."""

from __future__ import annotations

ABOUT = (
    (
        "Labels of this project come from two sources: people, and a model whose label is "
        "accepted without a person where a policy allows it. This report tells what was promised "
        "about the second kind, on which evidence, what blind checks found, who looked at what, "
        "and what went wrong. It stands on its own: nothing else is needed to read it."
    ),
    (
        "Every figure stands with a 95 % interval and the number of observations (n) that it "
        "rests on. What was not measured is called undefined; it is never shown as nought."
    ),
)

WORDS = {
    "policy": (
        "a text file, written and reviewed by the project's admins, that decides for each label "
        "whether it may be accepted or which people must look at it; it is named by the hash of "
        "its content"
    ),
    "promise": (
        "of the labels accepted without a person, at most this share is wrong, with at least this "
        "certainty"
    ),
    "control slice": (
        "a random share of all tasks that people label without seeing the model's answer; the "
        "thresholds rest on it alone"
    ),
    "certificate": (
        "the evidence for a threshold: how many control answers, how many errors among those at "
        "or above it, and the promise that this proves"
    ),
    "holdout": (
        "tasks that people label and no model ever learns from; every version is measured on them"
    ),
    "audit": (
        "a second look, by more expert people who do not see the accepted label, at a random "
        "share of the accepted tasks"
    ),
    "breaker": (
        "the detector that stops accepting once audits say that the promise no longer holds"
    ),
    "recall": ("taking back what was accepted since the last good point, and asking people"),
    "alpha": (
        "Krippendorff's coefficient of agreement: 1 is full agreement, 0 what chance would give"
    ),
    "drift": ("tasks have become different from those that the model was trained on"),
    "ledger": (
        "the list of all decisions; each entry holds the hash of the one before, so that none can "
        "be changed, removed or slipped in later without breaking every hash that follows"
    ),
}
