import pytest

from connectors.label_studio.labeling import (
    ControlKind,
    InputKind,
    LabelingError,
    changes,
    parse_labeling,
    single_choice,
)

TEXT = '<Text name="text" value="$text"/>'
TWO = '<Choice value="A"/><Choice value="B"/>'
AMBIGUOUS = (
    '<Taxonomy name="t" toName="text"><Choice value="A"><Choice value="B"/></Choice>'
    '<Choice value="A / B"/></Taxonomy>'
)
CHOICES = f'<Choices name="label" toName="text">{TWO}</Choices>'


def test_single_choice_on_a_text() -> None:
    assert parse_labeling(f"<View>{TEXT}{CHOICES}</View>") == single_choice(
        "label", "text", InputKind.TEXT, "text", ("A", "B")
    )


@pytest.mark.parametrize("choice", ['choice="single"', 'choice="single-radio"', ""])
@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("Text", InputKind.TEXT),
        ("HyperText", InputKind.HYPERTEXT),
        ("Image", InputKind.IMAGE),
    ],
)
def test_every_supported_pair(choice: str, tag: str, kind: InputKind) -> None:
    config = (
        f'<View><{tag} name="o" value="$the key"/>'
        f'<Choices name="c" toName="o" {choice}>{TWO}</Choices></View>'
    )
    labeling = parse_labeling(config)
    assert (labeling.input_kind, labeling.data_key) == (kind, "the key")


def test_the_control_may_stand_before_its_object_and_among_others() -> None:
    config = (
        f'<View><Header value="Topic?"/>{CHOICES}<Rating name="r" toName="text"/>'
        f'<Choices name="many" toName="text" choice="multiple">{TWO}</Choices>{TEXT}</View>'
    )
    assert parse_labeling(config).from_name == "label"


def test_an_alias_stands_in_and_inner_choices_are_no_answers() -> None:
    config = (
        f'<View>{TEXT}<Choices name="label" toName="text"><Choice value="Cat" alias="c"/>'
        '<View><Choice value="Dog"><Choice value="Poodle"/></Choice></View>'
        '<Choice value="Ünïcode &amp; &lt;"/><Choice value="Dog"/></Choices></View>'
    )
    assert parse_labeling(config).labels == ("c", "Dog", "Ünïcode & <")


def test_names_are_read_as_the_page_reads_them_whatever_their_case() -> None:
    config = f'<view>{TEXT}<choices name="label" toname="text">{TWO}</choices></view>'
    assert parse_labeling(config).to_name == "text"


def test_all_controls_are_taken_together_or_the_one_that_is_named() -> None:
    second = f'<Choices name="second" toName="text">{TWO}</Choices>'
    config = f"<View>{TEXT}{CHOICES}{second}</View>"
    assert [each.name for each in parse_labeling(config).controls] == ["label", "second"]
    assert parse_labeling(config, control="second").from_name == "second"
    with pytest.raises(LabelingError, match="no control named 'third'"):
        parse_labeling(config, control="third")


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("", "found: no control at all"),
        ('<Labels name="l" toName="text"/>', r'found: <Labels name="l"> \(no <Label>'),
        ('<DateTime name="d" toName="text"/>', r'<DateTime name="d"> \(not a control'),
        ('<Rating name="r" toName="text" maxRating="many"/>', 'maxRating="many"'),
        ('<Taxonomy name="t" toName="text" apiUrl="https://x.example/t"/>', "apiUrl"),
        ('<Taxonomy name="t" toName="text"/>', "no <Choice>"),
        (
            AMBIGUOUS,
            "two of its paths read the same",
        ),
        ('<Pairwise name="p" toName="text"/>', "names not two objects"),
        (CHOICES.replace("toName", 'perRegion="true" toName'), r'perRegion="true"'),
        (CHOICES.replace("toName", 'allowNested="true" toName'), "answers with paths"),
        (CHOICES.replace("toName", 'visibleWhen="region-selected" toName'), "not always asked"),
        (CHOICES.replace('"text"', '"nowhere"'), r'toName="nowhere" names no object'),
        ('<Choices name="c" toName="text" value="$options"/>', "fewer than two <Choice>"),
        (CHOICES.replace('name="label"', ""), "has no name"),
    ],
)
def test_an_unsupported_control_is_named_with_what_is_supported(inside: str, message: str) -> None:
    with pytest.raises(LabelingError, match=message) as caught:
        parse_labeling(f"<View>{TEXT}{inside}</View>")
    assert "supported: Choices, Taxonomy" in str(caught.value)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ('<Audio name="text" value="a.wav"/>', r'on <Audio name="text">'),
        ('<Text name="text" value="$a $b"/>', 'not "\\$key"'),
        ('<Text name="text" value="fixed"/>', 'not "\\$key"'),
        ('<Text name="text" value="$a" valueType="url"/>', 'valueType="url"'),
        ('<Image name="text" valueList="$a"/>', 'not "\\$key"'),
    ],
)
def test_an_unsupported_object_is_named(shown: str, message: str) -> None:
    with pytest.raises(LabelingError, match=message):
        parse_labeling(f"<View>{shown}{CHOICES}</View>")


@pytest.mark.parametrize(
    "broken", ["", "<View>", "no xml", "<View>\0</View>", "<View>\ud800</View>"]
)
def test_broken_xml_is_a_labeling_error(broken: str) -> None:
    with pytest.raises(LabelingError, match=r"well-formed|Unicode"):
        parse_labeling(broken)


def test_entities_are_never_expanded() -> None:
    bomb = (
        '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        f'<View><Text name="text" value="&b;"/>{CHOICES}</View>'
    )
    with pytest.raises(LabelingError, match="DOCTYPE"):
        parse_labeling(bomb)


def test_a_huge_config_is_refused_and_deep_nesting_is_not_a_crash() -> None:
    with pytest.raises(LabelingError, match="2000013 characters"):
        parse_labeling(f"<View>{'x' * 2_000_000}</View>")
    deep = "<View>" * 20_000 + TEXT + CHOICES + "</View>" * 20_000
    assert parse_labeling(deep).labels == ("A", "B")


def test_what_is_not_always_asked_is_left_out_where_another_control_remains() -> None:
    about_region = CHOICES.replace("toName", 'perRegion="true" toName')
    second = about_region.replace('"label"', '"r"')
    labeling = parse_labeling(f"<View>{TEXT}{CHOICES}{second}</View>")
    assert [each.name for each in labeling.controls] == ["label"]
    assert labeling.left_out == ('<Choices name="r"> (perRegion="true")',)
    hidden = f'<View visibleWhen="choice-selected">{CHOICES.replace("label", "more")}</View>'
    shown = parse_labeling(f"<View>{TEXT}{CHOICES}{hidden}</View>")
    assert [each.name for each in shown.controls] == ["label"]
    assert shown.left_out == ('<Choices name="more"> (visibleWhen: not always asked)',)
    assert parse_labeling(f"<View>{TEXT}{hidden}</View>").from_name == "more"
    note = '<TextArea name="note" toName="text"/>'
    commented = parse_labeling(f"<View>{TEXT}{note}{CHOICES}</View>")
    assert [each.name for each in commented.controls] == ["label"]
    assert "need not be written" in commented.left_out[0]
    required = note.replace("toName", 'required="true" toName')
    both = parse_labeling(f"<View>{TEXT}{required}{CHOICES}</View>")
    assert [each.name for each in both.controls] == ["note", "label"]
    double = parse_labeling(f"<View>{TEXT}{CHOICES}{CHOICES}</View>")
    assert double.left_out == ('<Choices name="label"> (another control has this name)',)


PATHS = (
    '<Choice value="Food"><Choice value="Fruit" alias="f"/><Choice value="Bread"/></Choice>'
    '<Choice value="Tools"/>'
)
LABELS = '<Label value="PER"/><Label value="LOC" alias="l"/>'


@pytest.mark.parametrize(
    ("control", "kind", "labels"),
    [
        (f'<Choices choice="multiple" {{}}>{TWO}</Choices>', ControlKind.CHOICES, ("A", "B")),
        (
            f"<Taxonomy {{}}>{PATHS}</Taxonomy>",
            ControlKind.TAXONOMY,
            ("Food", "Food / f", "Food / Bread", "Tools"),
        ),
        (
            f'<Taxonomy maxUsages="1" leafsOnly="true" {{}}>{PATHS}</Taxonomy>',
            ControlKind.CHOICE,
            ("Food / f", "Food / Bread", "Tools"),
        ),
        ('<Rating maxRating="3" {}/>', ControlKind.RATING, ("1", "2", "3")),
        ("<Rating {}/>", ControlKind.RATING, ("1", "2", "3", "4", "5")),
        ("<Number {}/>", ControlKind.NUMBER, ()),
        ("<TextArea {}/>", ControlKind.TEXT, ()),
        (f"<Labels {{}}>{LABELS}</Labels>", ControlKind.SPANS, ("PER", "l")),
        (f"<ParagraphLabels {{}}>{LABELS}</ParagraphLabels>", ControlKind.REGIONS, ("PER", "l")),
        ("<Rectangle {}/>", ControlKind.REGIONS, ()),
    ],
)
def test_every_kind_of_control_is_read(
    control: str, kind: ControlKind, labels: tuple[str, ...]
) -> None:
    named = control.format('name="c" toName="text"')
    config = f"<View>{TEXT}{named}</View>"
    (found,) = parse_labeling(config).controls
    assert (found.kind, found.labels, found.data_keys) == (kind, labels, ("text",))
    assert parse_labeling(config).is_list == (kind in {ControlKind.CHOICE, ControlKind.RATING})


def test_a_pair_has_two_objects_and_is_other_unless_both_are_texts() -> None:
    pair = '<Pairwise name="p" toName="text, b" leftClass="one" rightClass="two"/>'
    (found,) = parse_labeling(f'<View>{TEXT}<Text name="b" value="$b"/>{pair}</View>').controls
    assert (found.labels, found.data_keys) == (("left", "right"), ("text", "b"))
    assert found.input_kind is InputKind.PAIR
    mixed = parse_labeling(f'<View>{TEXT}<Image name="b" value="$b"/>{pair}</View>')
    assert mixed.input_kind is InputKind.OTHER


LIST = '<List name="l" value="$answers"/>'


def test_a_ranker_is_asked_about_a_list_with_or_without_buckets() -> None:
    order = parse_labeling(f'<View>{LIST}<Ranker name="r" toName="l"/></View>')
    (found,) = order.controls
    assert (found.kind, found.labels, found.buckets) == (ControlKind.RANKING, (), ())
    assert (found.input_kind, found.data_keys) == (InputKind.LIST, ("answers",))
    assert not order.is_list
    buckets = '<Bucket name="best" title="Best"/><Bucket name="rest"/>'
    sorted_in = parse_labeling(f'<View>{LIST}<Ranker name="r" toName="l">{buckets}</Ranker></View>')
    assert sorted_in.controls[0].buckets == ("best", "rest")
    assert changes(order, sorted_in) == ["'r' now sorts into 'best', 'rest'"]
    assert changes(sorted_in, order) == ["'r' now sorts into one order"]


@pytest.mark.parametrize(
    ("ranker", "problem"),
    [
        ('<Ranker name="r" toName="text"/>', 'on <Text name="text">, not on a <List>'),
        ('<Ranker name="r" toName="l"><Bucket title="x"/></Ranker>', "a <Bucket> without a name"),
        (
            '<Ranker name="r" toName="l"><Bucket name="x"/><Bucket name="x"/></Ranker>',
            "two <Bucket> of one name",
        ),
    ],
)
def test_a_ranker_that_cannot_be_read_says_why(ranker: str, problem: str) -> None:
    with pytest.raises(LabelingError) as caught:
        parse_labeling(f"<View>{TEXT}{LIST}{ranker}</View>")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("shown", "input_kind", "kind"),
    [
        ("HyperText", InputKind.HYPERTEXT, ControlKind.REGIONS),
        ("Image", InputKind.IMAGE, ControlKind.REGIONS),
        ("Audio", InputKind.OTHER, ControlKind.REGIONS),
        ("Table", InputKind.TABLE, ControlKind.REGIONS),
        ("Text", InputKind.TEXT, ControlKind.SPANS),
    ],
)
def test_labels_are_spans_on_a_plain_text_only(
    shown: str, input_kind: InputKind, kind: ControlKind
) -> None:
    (found,) = parse_labeling(
        f'<View><{shown} name="o" value="$o"/><Labels name="l" toName="o">{LABELS}</Labels></View>'
    ).controls
    assert (found.input_kind, found.kind) == (input_kind, kind)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (CHOICES, []),
        (CHOICES.replace("toName", 'showInline="true" toName'), []),
        (CHOICES.replace("B", "C"), ["'label' no longer offers 'B'", "'label' now offers 'C'"]),
        (
            CHOICES.replace('"label"', '"topic"'),
            ["the control 'label' is gone", "the control 'topic' is new"],
        ),
        (
            CHOICES.replace("toName", 'choice="multiple" toName'),
            ["'label' asks for choices, not choice any more"],
        ),
    ],
)
def test_what_is_asked_otherwise_is_said_in_words(after: str, said: list[str]) -> None:
    before = parse_labeling(f"<View>{TEXT}{CHOICES}</View>")
    assert changes(before, parse_labeling(f"<View>{TEXT}{after}</View>")) == said
    other = parse_labeling(f"<View>{TEXT.replace('$text', '$body')}{CHOICES}</View>")
    assert changes(before, other) == ["'label' now asks about 'body' (text)"]
