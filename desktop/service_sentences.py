"""What the services say, in the language of the window.

Serving and backend speak English only: their sentences go into logs, over HTTP and to commands.
The window matches what it is told against the templates of those sentences, "The file is larger
than {value} MB.", and shows the translated template with the same values. What matches none stays
English. So nothing changes at the services, and an older or remote backend is translated, too.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from desktop.translation import ENGLISH, FOLDER, current_language, tr_number, tr_plural

CATALOGUE = "services.json"
"""Templates and their translations, beside the catalogue of the window."""
_MAX_LENGTH = 2000
"""Characters; what is longer is a log or a report, no sentence."""
_MAX_SENTENCES = 24
_MAX_PER_TEMPLATE = 6
"""Sentences that are tried as one template."""
_MAX_DEPTH = 3
"""Of sentences within the values of others."""
_PLACEHOLDER = re.compile(r"{(\w+)}")
_WORD = re.compile(r"(?<![\w{}])[^\W\d_]{2,}(?![\w{}])")
_SENTENCE_END = re.compile(r"(?<=[.?!]) (?=[A-Z\d`“~/(])")
_SIZE = re.compile(r"[\d,.]+ ?(?:B|kB|MB|GB|TB|%)")
_COUNTED = re.compile(r"(?P<number>\d[\d,]*) (?P<word>[a-z]+(?: [a-z]+)*)")
_COUNT = "{count} "


@dataclass(frozen=True)
class Template:
    """A sentence of the services, and what it is in another language."""

    english: str
    translation: str

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches a whole text; its groups are the values in their order."""
        return re.compile("(.*?)".join(map(re.escape, self.literals)), re.DOTALL)

    @functools.cached_property
    def literals(self) -> list[str]:
        """The English text between the values."""
        return _PLACEHOLDER.split(self.english)[::2]

    @property
    def specificity(self) -> int:
        """How many characters a text has to have at their places to match."""
        return sum(map(len, self.literals))

    @functools.cached_property
    def _ends_with_placeholder(self) -> bool:
        """Whether its last value is a sentence, or the end of one: "It is damaged. {why}"."""
        *_, before, after = ["", *self.literals]
        return not after and before.endswith((". ", ".", ": "))

    def values_in(self, text: str, knows: Callable[[str], bool]) -> dict[str, str] | None:
        """Return the values of `text` by their names; None unless it is this sentence.

        A value may be "Dr. Who", but does not go on over other sentences, as `knows` says.
        """
        if not all(literal in text for literal in self.literals):
            return None  # much faster than the pattern
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        names = _PLACEHOLDER.findall(self.english)
        values: dict[str, str] = {}
        for place, (name, value) in enumerate(zip(names, found.groups(), strict=True)):
            first = place == 0 and not self.literals[0] and value.endswith((".", "?", "!"))
            last = place == len(names) - 1 and self._ends_with_placeholder
            if not (first or last) and _SENTENCE_END.search(value) and knows(value):
                return None  # it goes on beyond the end of this sentence
            if value.endswith((".", "?", "!")) and not self.literals[place + 1] and not last:
                return None  # a sentence, of which this is but how it begins
            if values.setdefault(name, value) != value:
                return None
        return values

    def filled(self, values: Mapping[str, str]) -> str:
        return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), self.translation)


class SentenceCatalogue:
    """Finds the template of a sentence among all: those that share its rarest word are tried."""

    def __init__(self, translations: Mapping[str, str]) -> None:
        """`translations` are templates by their English ones."""
        templates = [Template(*pair) for pair in translations.items()]
        counts = Counter(word for each in templates for word in set(_WORD.findall(each.english)))
        self._by_word: dict[str, list[Template]] = defaultdict(list)
        for each in templates:
            words = _WORD.findall(each.english)
            self._by_word[min(words, key=lambda word: counts[word]) if words else ""].append(each)

    def translated(self, text: str, depth: int = 0) -> str:
        """Return `text` with each sentence translated that is known."""
        if not text or len(text) > _MAX_LENGTH or depth > _MAX_DEPTH:
            return text
        parts = _SENTENCE_END.split(text)
        if len(parts) > _MAX_SENTENCES:
            return text
        shown: list[str] = []
        at = 0
        while at < len(parts):
            for end in range(min(len(parts), at + _MAX_PER_TEMPLATE), at, -1):
                following = " ".join(parts[end : end + 2])
                found = self._sentence(" ".join(parts[at:end]), depth, following)
                if found is not None:
                    shown.append(found)
                    at = end
                    break
            else:
                shown.append(parts[at])
                at += 1
        return " ".join(shown)

    def _sentence(self, text: str, depth: int, following: str = "") -> str | None:
        """Return one sentence translated; None if it is not known."""
        if (found := self._whole(text, depth, following)) is not None:
            return found
        # As `serving.errors.storage_error` puts them together.
        for colon in re.finditer(": ", text):
            what, why = text[: colon.start()], text[colon.end() :]
            if _SENTENCE_END.search(what) or _SENTENCE_END.search(why):
                continue
            if (left := self._whole(what, depth)) is not None:
                bare = why.removesuffix(".")
                return f"{left}: {self._value(bare, depth)}{why[len(bare) :]}"
        return None

    def _whole(self, text: str, depth: int, following: str = "") -> str | None:
        """Return what is one template as a whole, `following` being what comes behind it."""

        def is_translatable(value: str) -> bool:
            return self._is_translatable(value, following)

        for template in self._candidates(text):
            values = template.values_in(text, is_translatable)
            if values is not None:
                translated = {name: self._value(value, depth) for name, value in values.items()}
                return template.filled(translated)
        return None

    def _is_translatable(self, value: str, following: str) -> bool:
        """Whether a value goes on over a sentence, whose end may be cut off or follow it."""
        starts = range(1, len(_SENTENCE_END.split(value)))
        parts = _SENTENCE_END.split(f"{value}. {following}" if following else value)
        return any(
            each.values_in(whole, lambda _: False) is not None
            for start in starts
            for end in range(start + 1, len(parts) + 1)
            for whole in (" ".join(parts[start:end]), f"{' '.join(parts[start:end])}.")
            for each in self._candidates(whole)
        )

    def _candidates(self, text: str) -> Sequence[Template]:
        words = {*_WORD.findall(text), ""}
        found = [each for word in words for each in self._by_word.get(word, ())]
        return sorted(found, key=lambda each: -each.specificity)

    def _value(self, value: str, depth: int) -> str:
        bare = value.strip()
        if " " not in bare and "%" not in bare:
            return value  # a name, a path or a number
        if bare != value:
            return value.replace(bare, self._value(bare, depth))
        if _SIZE.fullmatch(value):
            return tr_number(value)
        if (found := _COUNTED.fullmatch(value)) and (counted := _counted(*found.groups())):
            return counted
        return self.translated(value, depth + 1)


def translated(text: str) -> str:
    """Return a text of the services in the language of the window, as far as it is known."""
    language = current_language()
    return text if language == ENGLISH else _translated(text, language)


@functools.lru_cache(maxsize=1024)  # states of the fleet are shown with every look at it
def _translated(text: str, language: str) -> str:
    return _catalogue(language).translated(text)


@functools.cache
def _catalogue(language: str) -> SentenceCatalogue:
    path = FOLDER / language / "LC_MESSAGES" / CATALOGUE
    try:
        return SentenceCatalogue(json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        return SentenceCatalogue({})


def _counted(number: str, word: str) -> str:
    """Return a number of something as `formats.plural` says it; empty if that is not known."""
    for singular in _singulars(word):
        one = _COUNT + singular
        shown = tr_plural(one, one, int(number.replace(",", "")))
        if shown != one:
            return shown.format(count=tr_number(number))
    return ""


def _singulars(word: str) -> Iterator[str]:
    yield word
    for plural, singular in (("ies", "y"), ("es", ""), ("s", "")):
        if word.endswith(plural):
            yield word.removesuffix(plural) + singular
