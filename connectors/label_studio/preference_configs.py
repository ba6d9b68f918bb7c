"""Labelling configs that fit the tasks which ``labelgate preferences pair`` makes. Pure."""

from __future__ import annotations

_PROMPT = """\
  <Header value="{question}"/>
  <Text name="prompt" value="$prompt"/>
"""
_TIES = """\
  <Choices name="even" toName="prompt" choice="single" showInline="true">
    <Choice value="tie" hint="Both are equally good"/>
    <Choice value="none" hint="Neither can be judged"/>
  </Choices>
"""


def pairwise_config(*, ties: bool) -> str:
    """Two answers side by side, of which one is picked; with ``ties`` also neither of them."""
    question = "Which answer is better?" + (" Say tie or none where no one is." if ties else "")
    return (
        "<View>\n"
        + _PROMPT.format(question=question)
        + '  <View style="display: grid; grid-template-columns: 1fr 1fr; gap: 1em">\n'
        '    <Text name="left" value="$left"/>\n'
        '    <Text name="right" value="$right"/>\n'
        "  </View>\n"
        '  <Pairwise name="better" toName="left,right"/>\n' + (_TIES if ties else "") + "</View>\n"
    )


def ranking_config() -> str:
    """All answers in a list that is put in order."""
    return (
        "<View>\n"
        + _PROMPT.format(question="Put the answers in order, the best one first.")
        + '  <List name="answers" value="$answers"/>\n'
        '  <Ranker name="rank" toName="answers"/>\n'
        "</View>\n"
    )
