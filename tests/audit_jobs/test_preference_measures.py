"""Measures of judges on cases that can be counted by hand, and beside other implementations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom, binomtest

from audit_jobs.measures.preferences.choices import Choices, fit_choices, standard_errors
from audit_jobs.measures.preferences.cycles import cyclic_by_judge, intransitivity, triples_of
from audit_jobs.measures.preferences.designs import LENGTH, NAME, PLACE, design_of
from audit_jobs.measures.preferences.judged import (
    UNKNOWN,
    Judged,
    criteria,
    gold_labels,
    judged,
    ratings_of_judged,
)
from audit_jobs.measures.preferences.lengths import length_bias
from audit_jobs.measures.preferences.position import position_bias, sign_test
from audit_jobs.measures.preferences.shares import clustered_share
from audit_jobs.measures.preferences.verdicts import verdicts
from policies.intervals import wilson
from policies.judgments import Choice, Judgment, Order, PreferencePair
from tests.fakes.preference_judges import simulated

ORDERS = {"": None, ":ab": Order.AB, ":ba": Order.BA}


def judgment(said: str, criterion: str = "") -> Judgment:
    """``ann=a`` or ``ann:ba=tie``."""
    key, _, choice = said.partition("=")
    name, colon, order = key.partition(":")
    return Judgment(
        judge=name, choice=Choice(choice), order=ORDERS[colon + order], criterion=criterion
    )


def pair(
    name: str, *said: str, answers: tuple[str, str] = ("one", "other"), prompt: str = "Why?"
) -> PreferencePair:
    return PreferencePair(
        id=name,
        prompt=prompt,
        response_a=answers[0],
        response_b=answers[1],
        judgments=tuple(map(judgment, said)),
    )


def beats(*results: str, judge: str = "ann", prompt: str = "Why?") -> list[PreferencePair]:
    """Pairs in which the first letter is preferred to the second: "xy"; "x=y" is a tie."""
    return [
        pair(
            f"{prompt}{judge}{result}",
            f"{judge}={'tie' if '=' in result else 'a'}",
            answers=(result[0], result[-1]),
            prompt=prompt,
        )
        for result in results
    ]


def test_a_repeat_is_its_first_pair_once_more_with_its_answers_turned() -> None:
    first = pair("1", "ann:ab=a", "bob=tie")
    again = replace(
        pair("2", "ann:ab=b", "eve:ba=a", answers=("other", "one")), repeat_of="1", gold=Choice.B
    )
    third = replace(pair("3", "ann=a"), repeat_of="2")
    data = judged([first, again, third])
    assert data.question_names == ("1",)
    said = {
        (data.judge_names[judge], record): (choice, shown)
        for judge, record, choice, shown in zip(
            data.judge.tolist(),
            data.record.tolist(),
            data.choice.tolist(),
            data.first.tolist(),
            strict=True,
        )
    }
    # Ann chose "one" each time: first it stood first, then second, then nobody knows.
    assert said == {
        ("ann", 0): (1, 1),
        ("bob", 0): (0, 0),
        ("ann", 1): (1, -1),
        ("eve", 1): (-1, 1),
        ("ann", 2): (1, 0),
    }
    assert gold_labels(data) == {"1": "a"}
    assert len(ratings_of_judged(data)) == 3  # each judge's first word


def test_a_repeat_without_its_first_pair_or_in_a_ring_is_a_question_of_its_own() -> None:
    lost = replace(pair("1", "ann=a"), repeat_of="9")
    other = replace(pair("2", "ann=a", answers=("one", "else")), repeat_of="1")
    ring = [replace(pair(name, "ann=a"), repeat_of=of) for name, of in (("3", "4"), ("4", "3"))]
    assert judged([lost, other, *ring]).question_names == ("1", "2", "3", "4")


def test_who_says_nothing_is_counted_and_no_more() -> None:
    data = judged([pair("1", "ann=none", "bob=a"), pair("2", "ann=none")])
    assert data.judge_names == ("ann", "bob")
    assert (data.silent.tolist(), len(data)) == ([2, 0], 1)


def test_criteria_are_apart_from_the_preference() -> None:
    both = replace(pair("1", "ann=a"), judgments=(judgment("ann=a"), judgment("ann=b", "safe")))
    assert criteria([both]) == ("safe",)
    assert judged([both]).choice.tolist() == [1]
    assert judged([both], "safe").choice.tolist() == [-1]


def test_lengths_are_doublings_of_characters_and_one() -> None:
    data = judged([pair("1", answers=("x" * 7, "x")), pair("2", answers=("", "xxx"))])
    assert data.doublings.tolist() == [2.0, -2.0]


def test_a_choice_without_deviation_is_a_logistic_regression() -> None:
    data = simulated(3, prompts=400, answers=3, length=0.4, place=0.3)
    design = design_of(data, NAME, LENGTH, PLACE)
    fitted = fit_choices(design.choices)
    assert (fitted.spread, fitted.converged) == (0.0, True)
    prompts = data.prompt[design.questions]
    errors = standard_errors(design.choices, fitted, prompts)
    table = design.choices.columns
    other = sm.GLM(design.choices.chosen.astype(float), table, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": prompts[design.choices.group]}
    )
    assert fitted.coefficients == pytest.approx(other.params, abs=2e-3)
    # Statsmodels corrects for the number of coefficients too: n - 1 by n - 3.
    assert errors[:3] == pytest.approx(other.bse, rel=5e-3)


def test_the_deviation_is_integrated_out_exactly() -> None:
    """The gradient vanishes where a far finer grid has its greatest likelihood."""
    data = simulated(1, prompts=300, judges=3, spread=3.0, place=0.4)
    choices = design_of(data, PLACE).choices
    fitted = fit_choices(choices)
    points = np.linspace(-8, 8, 2_001)
    mass = np.exp(-(points**2) / 2)
    mass /= mass.sum()
    sign = np.where(choices.chosen, 1.0, -1.0)[:, None]

    def loss(effect: float, spread: float) -> float:
        odds = choices.columns * effect + spread * points
        by_choice = np.log(expit(sign * odds))
        by_group = np.add.reduceat(by_choice, np.arange(0, len(sign), 3), axis=0)
        drawn = (effect**2 + 0.0) / 50.0
        return -float(np.log(np.exp(by_group) @ mass).sum()) + drawn

    best = loss(fitted.coefficients[0], fitted.spread)
    for effect, spread in ((0.02, 0.0), (-0.02, 0.0), (0.0, 0.1), (0.0, -0.1)):
        assert loss(fitted.coefficients[0] + effect, fitted.spread + spread) > best - 1e-4


@pytest.mark.parametrize("cells", [1, 700])
def test_questions_taken_some_at_a_time_are_fitted_as_all_at_once(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one cell a question has more choices than are taken at a time: it is taken whole."""
    data = simulated(2, prompts=60, judges=3, spread=2.0, length=0.3, ties=0.2)
    choices = design_of(data, NAME, LENGTH, PLACE).choices
    whole = fit_choices(choices)
    monkeypatch.setattr("audit_jobs.measures.preferences.choices._CELLS", cells)
    parts = fit_choices(choices)
    assert len(np.unique(np.bincount(choices.group))) > 1
    assert parts.coefficients == pytest.approx(whole.coefficients, abs=1e-6)
    assert parts.spread == pytest.approx(whole.spread, abs=1e-5)
    assert parts.residuals == pytest.approx(whole.residuals, abs=1e-5)


def test_a_column_that_tells_every_choice_stays_finite() -> None:
    table = np.array([[1.0], [-1.0]] * 50)
    choices = Choices(columns=table, chosen=table[:, 0] > 0, group=np.arange(100))
    fitted = fit_choices(choices)
    assert 3 < fitted.coefficients[0] < 20
    assert np.abs(fitted.residuals).max() < 0.05


def test_nothing_known_of_a_question_is_a_coin() -> None:
    choices = Choices(columns=np.empty((4, 0)), chosen=np.ones(4, bool), group=np.arange(4))
    assert fit_choices(choices).residuals.tolist() == [0.5] * 4


@pytest.mark.parametrize(("up", "down"), [(9, 1), (5, 5), (0, 7), (320, 281)])
def test_pulls_of_one_size_are_counted_as_the_binomial_test_does(up: int, down: int) -> None:
    pulls = np.array([0.5] * up + [-0.5] * down)
    assert sign_test(pulls) == binomtest(up, up + down).pvalue


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(-100, 100), min_size=1, max_size=9))
def test_pulls_of_all_sizes_are_turned_over_in_every_way(hundredths: list[int]) -> None:
    pulls = np.array(hundredths) / 100  # what is under 1e-9 is nothing to the test
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(pulls))).reshape(len(pulls), -1)
    sums = np.abs(pulls @ signs)
    exact = (sums >= abs(pulls.sum()) - 1e-9).mean()
    assert sign_test(pulls) == pytest.approx(exact, abs=0.025)


def test_many_pulls_are_as_good_as_normal() -> None:
    pulls = np.random.default_rng(4).normal(0.15, 1, 199)
    one_more = np.append(pulls, 1e-6)
    assert sign_test(pulls) == pytest.approx(sign_test(one_more), abs=0.01)


def test_without_any_order_nothing_is_said_of_places() -> None:
    assert position_bias(judged([pair("1", "ann=a"), pair("2", "ann:ab=tie")])) is None


def test_one_order_and_one_choice_a_question_is_the_binomial_test() -> None:
    pairs = [pair(str(at), f"ann:ab={'a' if at < 70 else 'b'}") for at in range(100)]
    found = position_bias(judged(pairs))
    assert found is not None
    bias, judges = found
    assert (bias.one_order, bias.found) == (True, True)
    assert bias.p_value == judges[0].p_value == binomtest(70, 100).pvalue
    assert (bias.first, bias.a_first.value) == (wilson(70, 100), 1.0)
    assert bias.effect.value == pytest.approx(np.log(7 / 3), abs=0.01)
    assert bias.share.value == pytest.approx(0.7, abs=0.01)


def test_judgements_of_unknown_order_tell_of_answers_and_not_of_places() -> None:
    plain = [pair(str(at), f"ann:{'ab' if at % 2 else 'ba'}=a") for at in range(40)]
    told = [replace(each, judgments=(*each.judgments, judgment("bob=a"))) for each in plain]
    found = position_bias(judged(told))
    assert found is not None
    assert set(found[1]) == {0}
    assert found[0].first.n == found[0].share.n == 40
    assert found[0].p_value > 0.9


def test_swapped_questions_keep_the_answer_or_the_place() -> None:
    said = {
        "answer": ("ann:ab=a", "ann:ba=a"),
        "first": ("ann:ab=a", "ann:ba=b"),
        "second": ("ann:ab=b", "ann:ba=a"),
        "first too": ("bob:ab=a", "bob:ba=b"),
        "tie": ("ann:ab=tie", "ann:ba=b"),
        "ties": ("ann:ab=tie", "ann:ba=tie"),
        "once": ("ann:ab=a", "bob:ba=b"),
    }
    found = position_bias(judged([pair(name, *each) for name, each in said.items()]))
    assert found is not None
    swapped = found[0].swapped
    assert swapped is not None
    assert (swapped.first_twice, swapped.second_twice) == (2, 1)
    assert swapped.answer_kept == wilson(2, 6)
    assert swapped.place_kept == wilson(3, 6)


def test_a_ring_is_a_cycle_and_an_order_is_none() -> None:
    ring = intransitivity(judged(beats("xy", "yz", "zx")))
    order = intransitivity(judged(beats("xy", "yz", "xz")))
    assert ring is not None
    assert order is not None
    assert (ring.cycles, ring.triples, ring.p_value, ring.p_fewer) == (1, 1, 0.25, 1.0)
    assert (order.cycles, order.triples, order.p_value, order.p_fewer) == (0, 1, 1.0, 0.75)
    assert (ring.cyclic.value, ring.by_noise) == (1.0, None)


def test_three_answers_that_are_not_all_compared_or_tied_make_no_triple() -> None:
    assert intransitivity(judged(beats("xy", "yz"))) is None
    assert intransitivity(judged(beats("xy", "yz", "z=x"))) is None
    whole = judged([*beats("xy", "yz", "z=x"), *beats("xy", "yz", "zx", prompt="How?")])
    found = intransitivity(whole)
    assert found is not None
    assert (found.triples, found.tied, found.prompts) == (1, 1, 1)


def test_the_majority_decides_a_direction_and_each_judge_has_cycles_of_his_own() -> None:
    said = [
        *beats("xy", "yz", "zx", judge="ann"),
        *beats("xy", "yz", "xz", judge="bob"),
        *beats("xy", "yz", "xz", judge="eve"),
    ]
    data = judged(said)
    found = intransitivity(data)
    assert found is not None
    assert (found.cycles, found.triples) == (0, 1)
    own = cyclic_by_judge(data)
    assert [own[judge].value for judge in range(3)] == [1.0, 0.0, 0.0]


def test_answers_of_one_text_are_one_and_texts_of_other_prompts_are_others() -> None:
    assert intransitivity(judged(beats("xx", "xy", "yx"))) is None
    apart = [*beats("xy", "yz"), *beats("zx", prompt="How?")]
    assert intransitivity(judged(apart)) is None


def test_triples_that_share_no_pair_are_binomial() -> None:
    rings = [each for at in range(6) for each in beats("xy", "yz", "zx", prompt=str(at))]
    orders = [each for at in range(6, 10) for each in beats("xy", "yz", "xz", prompt=str(at))]
    found = intransitivity(judged(rings + orders))
    assert found is not None
    assert found.p_value == pytest.approx(binom.sf(5, 10, 0.25))
    assert found.p_fewer == pytest.approx(binom.cdf(6, 10, 0.25))


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(list(combinations("uvwxyz", 2))), st.sampled_from([-1, 1]), min_size=3
    )
)
def test_cycles_are_those_that_a_walk_through_all_triples_finds(
    won: dict[tuple[str, str], int],
) -> None:
    results = ["".join(two if sign > 0 else two[::-1]) for two, sign in won.items()]
    found = intransitivity(judged(beats(*results)))
    over = set(results)
    whole = [
        three
        for three in combinations("uvwxyz", 3)
        if all(one + other in over or other + one in over for one, other in combinations(three, 2))
    ]
    rings = [
        three
        for three in whole
        if any({a + b, b + c, c + a} <= over for a, b, c in (three, three[::-1]))
    ]
    if not whole:
        assert found is None
        return
    assert found is not None
    assert (found.cycles, found.triples) == (len(rings), len(whole))


def test_prompts_with_too_many_answers_are_left_out_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("audit_jobs.measures.preferences.cycles._MOST_WEDGES", 3)
    many = ["".join(two) for two in combinations("uvwxyz", 2)]
    data = judged([*beats(*many, prompt="Many"), *beats("xy", "yz", "zx")])
    assert triples_of(data).left_out == 1
    found = intransitivity(data)
    assert found is not None
    assert (found.triples, found.left_out) == (1, 1)


def test_length_says_nothing_of_answers_of_one_length() -> None:
    assert length_bias(judged([pair("1", "ann=a", answers=("one", "two"))])) is None


def test_the_longer_answer_is_counted_and_ties_are_not() -> None:
    said = ["a", "a", "a", "b", "tie"]
    pairs = [
        pair(str(at), f"ann={choice}", answers=("x" * 15, "x" * 7), prompt=str(at))
        for at, choice in enumerate(said)
    ]
    found = length_bias(judged(pairs))
    assert found is not None
    assert (found.longer_preferred.value, found.longer_preferred.n) == (0.75, 4)
    assert found.beside_gold is None


def test_length_beside_gold_is_what_length_adds_to_what_is_right() -> None:
    """Longer answers are often right ones here: a part of what length seems to do."""
    data = simulated(5, prompts=400, answers=3, length=1.0, spread=1.0, gold=True)
    found = length_bias(data)
    assert found is not None
    assert found.beside_gold is not None
    assert found.per_doubling.low is not None
    assert found.beside_gold.value is not None
    assert found.found
    assert 0 < found.beside_gold.value < found.per_doubling.low


def test_a_verdict_is_the_consensus_with_its_votes() -> None:
    pairs = [pair(str(at), "ann=a", "bob=a", "eve=a") for at in range(8)]
    pairs += [pair(f"b{at}", "ann=b", "bob=b", "eve=b") for at in range(8)]
    pairs += [pair("split", "ann=a", "bob=a", "eve=tie"), pair("nobody"), pair("mute", "ann=none")]
    found = {each.id: each for each in verdicts(pairs)}
    assert set(found) == {each.id for each in pairs} - {"nobody", "mute"}
    split = found["split"]
    assert (split.choice, split.judges) == (Choice.A, 3)
    assert split.votes == {Choice.A: 2, Choice.B: 0, Choice.TIE: 1}
    assert split.confidence is not None
    assert found["0"].confidence is not None
    assert 0.5 < split.confidence < found["0"].confidence <= 1


def test_what_all_judges_call_a_is_no_tie_however_rare_ties_are() -> None:
    same = {"a": ("ann=a", "bob=a", "eve=a"), "b": ("ann=b", "bob=b", "eve=b")}
    for ties in range(4):
        said = [*(same["a"],) * 9, *(same["b"],) * 5, *(("ann=a", "bob=tie", "eve=a"),) * ties]
        found = verdicts([pair(str(at), *each) for at, each in enumerate(said)])
        assert [each.choice.value for each in found] == ["a"] * 9 + ["b"] * 5 + ["a"] * ties


def test_a_verdict_does_not_depend_on_which_answer_is_called_a() -> None:
    random = np.random.default_rng(2)
    said = random.choice(["a", "b", "tie"], (60, 3), p=[0.5, 0.3, 0.2])
    other = {"a": "b", "b": "a", "tie": "tie"}
    pairs = [
        pair(str(at), *(f"{name}={word}" for name, word in zip("xyz", words, strict=True)))
        for at, words in enumerate(said.tolist())
    ]
    turned = [
        pair(str(at), *(f"{name}={other[word]}" for name, word in zip("xyz", words, strict=True)))
        for at, words in enumerate(said.tolist())
    ]
    for one, same in zip(verdicts(pairs), verdicts(turned), strict=True):
        assert one.confidence == pytest.approx(same.confidence, abs=1e-9)
        if len({*one.votes.values()}) == 3:  # no two choices stand equally high
            assert other[one.choice.value] == same.choice.value


def test_where_no_two_judges_share_a_pair_nothing_tells_how_sure_a_verdict_is() -> None:
    alone, other = verdicts([pair("1", "ann=a"), pair("2", "bob=b")])
    assert (alone.choice, other.choice) == (Choice.A, Choice.B)
    assert alone.confidence is other.confidence is None
    assert verdicts([pair("1")]) == []


def shares(hits: Sequence[int], cluster: Sequence[int]) -> tuple[float | None, ...]:
    found = clustered_share(np.array(hits, bool), np.array(cluster, np.int64))
    return found.value, found.low, found.high


def test_a_share_of_clusters_is_less_certain_than_one_of_single_observations() -> None:
    hits = [1, 0, 1, 1, 0, 1] * 20
    _, low, high = shares(hits, range(120))
    _, wide_low, wide_high = shares(sorted(hits), [at // 6 for at in range(120)])
    assert None not in (low, high, wide_low, wide_high)
    assert float(wide_low or 0) < float(low or 0) < 4 / 6 < float(high or 0) < float(wide_high or 0)


def test_a_share_of_all_and_of_nothing_has_bounds_that_can_be() -> None:
    value, low, high = shares([1] * 10, range(10))
    assert (value, high) == (1.0, 1.0)
    assert low == pytest.approx(wilson(10, 10).low, abs=1e-6)
    assert shares([], []) == (None, None, None)


def test_a_design_keeps_only_what_differs() -> None:
    data = simulated(0, prompts=20)
    plain = replace(data, doublings=np.zeros_like(data.doublings), first=np.ones_like(data.first))
    design = design_of(plain, NAME, LENGTH, PLACE)
    assert design.columns == (NAME,)
    assert (data.gold == UNKNOWN).all()


def empty() -> Judged:
    return judged([])


def test_of_no_judgements_nothing_is_said() -> None:
    data = empty()
    assert position_bias(data) is None
    assert length_bias(data) is None
    assert intransitivity(data) is None
    assert cyclic_by_judge(data) == {}
