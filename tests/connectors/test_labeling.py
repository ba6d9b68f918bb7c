import pytest

from connectors.label_studio.labeling import InputKind, LabelingError, parse_labeling, single_choice

TEXT = '<Text name="text" value="$text"/>'
TWO = '<Choice value="A"/><Choice value="B"/>'
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


def test_two_supported_controls_need_a_name() -> None:
    second = f'<Choices name="second" toName="text">{TWO}</Choices>'
    config = f"<View>{TEXT}{CHOICES}{second}</View>"
    with pytest.raises(LabelingError, match=r"2 controls .* label, second; name the one to use"):
        parse_labeling(config)
    assert parse_labeling(config, control="second").from_name == "second"
    with pytest.raises(LabelingError, match="no control named 'third'"):
        parse_labeling(config, control="third")


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("", "found: no control at all"),
        ('<Labels name="l" toName="text"/>', r'found: <Labels name="l"> \(not <Choices>\)'),
        (CHOICES.replace("toName", 'choice="multiple" toName'), r'choice="multiple"'),
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
    assert "supported: one single-choice <Choices" in str(caught.value)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ('<Audio name="text" value="$a"/>', r'on <Audio name="text">'),
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
