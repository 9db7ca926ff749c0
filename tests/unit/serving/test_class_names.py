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
        ("x" * MAX_CLASS_NAME, "x" * MAX_CLASS_NAME),
    ],
    ids=ascii,
)
def test_a_class_name_is_kept_in_one_form(text: str, name: str) -> None:
    assert checked_class_name(text) == name


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
