"""One rule for class names, whichever way they come in."""

from __future__ import annotations

import pytest

from serving.class_names import MAX_CLASS_NAME, ClassNameError, checked_class_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cat", "cat"),
        ("  giant \t\n panda\u00a0", "giant panda"),
        ("cafe\u0301", "caf\u00e9"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("\U0001f469\u200d\U0001f33e", "\U0001f469\u200d\U0001f33e"),
        # What people type by habit in Persian, and nobody sees.
        (
            "\u06a9\u062a\u0627\u0628\u200c \u0645\u06cc\u200c\u200c\u0634\u0648\u062f\u200c",
            "\u06a9\u062a\u0627\u0628 \u0645\u06cc\u200c\u0634\u0648\u062f",
        ),
        ("x" * MAX_CLASS_NAME, "x" * MAX_CLASS_NAME),
    ],
    ids=ascii,
)
def test_a_class_name_is_kept_in_one_form(text: str, name: str) -> None:
    assert checked_class_name(text) == name


@pytest.mark.parametrize(
    "name",
    [
        "\u0627\u0633\u0628\u200c\u0647\u0627",  # Persian
        "\u06f2\u06f0\u200c\u0633\u0627\u0644\u0647",
        "\u0915\u094d\u200d\u0937",  # Hindi: conjuncts, and a half form at the end
        "\u0930\u093e\u0937\u094d\u200c\u091f\u094d\u0930",
        "\u0915\u094d\u200d",
        "\u09b0\u200d\u09cd\u09af\u09be\u09ac",  # Bengali
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala
        "\u845b\U000e0100\u98fe",  # Japanese, a form of a place's name
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f9d1\U0001f3fd\u200d\U0001f680",
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "\u2764\ufe0f\u200d\U0001f525",
        "1\ufe0f\u20e3 otter",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\u0e19\u0e32\u0e01",
        "\u05d7\u05ea\u05d5\u05dc",
    ],
    ids=ascii,
)
def test_what_a_script_or_an_emoji_is_spelled_with_is_kept(name: str) -> None:
    assert checked_class_name(name) == name


@pytest.mark.parametrize(
    "text",
    [
        *("o\u200btter", "ot\u202eter", "ot\u00adter", "otter\u2060", "\u200eotter", "o\ufefftter"),
        *(
            "ot\u200cter",
            "ot\u200dter",
            "\u0432\u044b\u200c\u0434\u0440\u0430",
            "\u6c34\u200d\u737a",
        ),
        *("ot\ufe0fter", "otter\ufe00", "ot\u034fter", "ot\U000e0100ter", "ot\u180bter", "1\ufe0f"),
        *("ot\U000e0074ter", "\U0001f3f4\U000e0067", "\U0001f9a6\u200d", "\U0001f9a6\u200dotter"),
        *("caf\ufffd", "\ufffd", "\u3164", "\u2800\u2800", "\u115fotter", "\u17b4\u1780"),
    ],
    ids=ascii,
)
def test_a_name_that_looks_like_another_one_is_refused_or_becomes_it(text: str) -> None:
    # Idle joiners are left out; everything else is refused.
    folded = {"\U0001f9a6\u200d": "\U0001f9a6"}
    if text in folded:
        assert checked_class_name(text) == folded[text]
        return
    with pytest.raises(ClassNameError, match="cannot be shown"):
        checked_class_name(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "   ", "\n\t", "a" * (MAX_CLASS_NAME + 1)),
        *("tab\x07bell", "a\x00b", "a\x1b[31mb", "a\x7fb"),
        *("\ud800", "\ue000", "abc\u202edef", "\ufeffcat", "\uffff"),
    ],
    ids=ascii,
)
def test_what_cannot_name_a_class_is_refused(text: str) -> None:
    with pytest.raises(ClassNameError) as caught:
        checked_class_name(text)
    assert caught.value.advice
