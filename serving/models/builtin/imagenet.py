"""The thousand classes of ImageNet, with names that people use."""

from __future__ import annotations

from dataclasses import dataclass

from serving.models.builtin.catalog import RESOURCES

NAMES_FILE = RESOURCES / "imagenet_classes.txt"
"""WordNet's id, a tab, the names separated by commas; in the order of a network's outputs."""

_DISAMBIGUATED = {
    "n02012849": "crane (bird)",
    "n03126707": "crane (machine)",
    "n03710637": "maillot (tights)",
    "n03710721": "maillot (tank suit)",
    # Its first name is that of the garment, but for the capital.
    "n02113186": "Cardigan Welsh corgi",
}
"""Class names of those whose first name is another's too."""


@dataclass(frozen=True)
class ImagenetClass:
    """One class."""

    wordnet_id: str
    name: str
    """No other class has it, capitals aside."""
    other_names: tuple[str, ...]
    """What else it is called, the most usual first; none is the name of another class."""


def imagenet_classes() -> tuple[ImagenetClass, ...]:
    """Return the classes in the order of a network's outputs."""
    names: dict[str, list[str]] = {}
    for line in NAMES_FILE.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            wordnet_id, text = line.split("\t")
            names[wordnet_id] = text.split(", ")
    chosen = {key: _DISAMBIGUATED.get(key, first) for key, (first, *_) in names.items()}
    taken = {name.casefold() for name in chosen.values()}
    return tuple(
        ImagenetClass(
            key, name, tuple(other for other in names[key] if other.casefold() not in taken)
        )
        for key, name in chosen.items()
    )
