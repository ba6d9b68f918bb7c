import pytest

from connectors.label_studio.comparisons import (
    Comparison,
    answers_shown,
    choice_between,
    compared_names,
    comparisons_of,
    said_by_control,
)
from connectors.label_studio.labeling import parse_labeling
from policies.answer_texts import RANK, ranking_text
from policies.judgments import Choice

TEXTS = "".join(f'<Text name="{name}" value="${name}"/>' for name in ("prompt", "left", "right"))
PAIR = '<Pairwise name="better" toName="left,right"/>'
LIST = '<List name="answers" value="$answers"/>'
DATA = {
    "prompt": "Why?",
    "left": "Because.",
    "right": 42,
    "answers": [{"id": "x", "body": "X"}, {"id": "y", "title": "Y"}, {"id": "z", "html": " "}],
}


def comparisons(controls: str) -> tuple[Comparison, ...]:
    return comparisons_of(parse_labeling(f"<View>{TEXTS}{LIST}{controls}</View>"), "prompt")


def test_a_pairwise_is_the_preference_and_the_next_one_a_criterion() -> None:
    first, second = comparisons(PAIR + PAIR.replace("better", "safer"))
    assert (first.criterion, second.criterion) == ("", "safer")
    assert answers_shown(first, DATA) == {"left": "Because.", "right": "42"}
    assert list(compared_names(first, ["left", "right"])) == [("left", "right")]
    said = {"better": "left", "safer": "right"}
    assert choice_between(first, said, "left", "right") is Choice.A
    assert choice_between(first, said, "right", "left") is Choice.B
    assert choice_between(second, said, "left", "right") is Choice.B
    with pytest.raises(ValueError, match="'A' is no side of 'better'"):
        choice_between(first, {"better": "A"}, "left", "right")


def test_a_choice_of_tie_or_none_speaks_where_no_side_is_picked() -> None:
    even = '<Choices name="even" toName="prompt"><Choice value="tie"/><Choice value="none"/>'
    (pair,) = comparisons(f"{PAIR}{even}</Choices>")
    assert choice_between(pair, {"better": None, "even": "tie"}, "left", "right") is Choice.TIE
    assert choice_between(pair, {"even": "none"}, "left", "right") is Choice.NONE
    assert choice_between(pair, {"better": "right", "even": "tie"}, "left", "right") is Choice.B
    assert choice_between(pair, {}, "left", "right") is Choice.NONE


def test_another_choice_is_no_part_of_the_comparison() -> None:
    why = '<Choices name="why" toName="prompt"><Choice value="tie"/><Choice value="style"/>'
    (pair,) = comparisons(f"{PAIR}{why}</Choices>")
    assert [control.name for control in pair.controls] == ["better"]


def test_a_ranking_compares_every_two_items_and_items_without_a_text_are_none() -> None:
    (ranked,) = comparisons('<Ranker name="r" toName="answers"/>')
    shown = answers_shown(ranked, DATA)
    assert shown == {"x": "X", "y": "Y"}
    assert list(compared_names(ranked, list(shown))) == [("x", "y")]
    said = said_by_control(
        parse_labeling(f'<View>{LIST}<Ranker name="r" toName="answers"/></View>'),
        ranking_text({RANK: ["y", "x"]}),
    )
    assert choice_between(ranked, said, "x", "y") is Choice.B
    assert choice_between(ranked, said, "x", "gone") is Choice.NONE


def test_items_of_one_bucket_are_alike_and_of_those_outside_nothing_is_said() -> None:
    buckets = "".join(f'<Bucket name="{name}"/>' for name in ("zenith", "middle"))
    (sorted_in,) = comparisons(f'<Ranker name="r" toName="answers">{buckets}</Ranker>')
    said = {"r": ranking_text({"middle": ["a"], "zenith": ["b", "c"]})}
    assert choice_between(sorted_in, said, "a", "b") is Choice.B  # in the order of the config
    assert choice_between(sorted_in, said, "b", "c") is Choice.TIE
    assert choice_between(sorted_in, said, "a", "d") is Choice.NONE


def stars(*names: str) -> str:
    return "".join(
        f'<Rating name="{name}" toName="{name.rpartition("_")[2]}" maxRating="10"/>'
        for name in names
    )


def test_stars_for_each_answer_are_preferences_and_criteria_by_their_place() -> None:
    names = ("overall_left", "overall_right", "tone_left", "tone_right", "ease_prompt")
    overall, tone = comparisons(stars(*names))
    assert (overall.criterion, tone.criterion) == ("", "tone")
    said = {"overall_left": "10", "overall_right": "9", "tone_left": "2", "tone_right": "2"}
    assert choice_between(overall, said, "left", "right") is Choice.A
    assert choice_between(tone, said, "left", "right") is Choice.TIE
    assert choice_between(tone, {"tone_left": "2"}, "left", "right") is Choice.NONE


def test_beside_a_pairwise_stars_are_criteria() -> None:
    both = comparisons(PAIR + stars("tone_left", "tone_right"))
    assert [each.criterion for each in both] == ["", "tone"]
    assert comparisons(PAIR + stars("tone_left"))[1:] == ()


def test_a_config_without_two_answers_compares_nothing() -> None:
    yes = '<Choices name="c" toName="left"><Choice value="Yes"/><Choice value="No"/></Choices>'
    assert comparisons(yes) == comparisons(yes + stars("tone_left")) == ()
