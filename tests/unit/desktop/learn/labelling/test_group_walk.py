"""Walking through groups of photos that look alike."""

from __future__ import annotations

from backend.contract import Cluster
from desktop.learn.labelling.group_walk import GroupWalk


def walk_of(*groups: str) -> GroupWalk:
    """Each letter is a photo."""
    walk = GroupWalk()
    walk.refill(Cluster(number, list(images)) for number, images in enumerate(groups, 1))
    return walk


def photos(walk: GroupWalk) -> str:
    return "" if walk.current is None else "".join(walk.current.images)


def test_a_name_is_for_the_photos_that_were_not_taken_out() -> None:
    walk = walk_of("abcd", "ef")
    for image in "bcb":  # b is put back
        walk.toggle(image)
    named = walk.name()
    assert named is not None
    assert ("".join(named.images), "".join(named.excluded)) == ("abd", "c")
    assert (photos(walk), walk.number, walk.total) == ("ef", 2, 2)
    assert not walk.excluded


def test_a_group_of_which_all_were_taken_out_gets_no_name() -> None:
    walk = walk_of("ab", "c")
    walk.toggle("a")
    walk.toggle("b")
    assert walk.name() is None
    assert photos(walk) == "ab"


def test_what_was_taken_out_belongs_to_the_group_that_is_made_of_it_later() -> None:
    walk = walk_of("abc")
    walk.toggle("c")
    walk.name()
    walk.refill([Cluster(1, ["c"])])
    assert (photos(walk), set(walk.excluded)) == ("c", set())
    named = walk.name()
    assert named is not None
    assert named.images == ("c",)


def test_photos_of_other_groups_cannot_be_taken_out() -> None:
    walk = walk_of("ab", "c")
    walk.toggle("c")
    walk.name()
    assert not walk.excluded


def test_new_groups_leave_the_shown_one_and_do_not_bring_named_photos_back() -> None:
    walk = walk_of("abc", "de", "fg")
    walk.toggle("c")
    walk.name()
    walk.refill([Cluster(1, list("adx")), Cluster(2, list("b")), Cluster(3, list("cy"))])
    assert photos(walk) == "de"
    walk.forward()
    assert photos(walk) == "x"
    walk.forward()
    assert photos(walk) == "cy"  # what was taken out may be in another group


def test_a_group_that_was_skipped_does_not_come_back() -> None:
    walk = walk_of("abc", "de")
    walk.skip()
    walk.refill([Cluster(1, list("abcx"))])
    assert photos(walk) == "de"
    walk.forward()
    assert photos(walk) == "x"


def test_what_was_answered_elsewhere_leaves_its_group_and_may_return() -> None:
    walk = walk_of("abc", "de")
    walk.remove("ade")
    assert (photos(walk), walk.total) == ("bc", 1)
    walk.readmit("d")
    walk.refill([Cluster(1, list("ad"))])
    walk.forward()
    assert photos(walk) == "d"


def test_taking_a_name_back_shows_its_group_as_it_was_named() -> None:
    walk = walk_of("abc", "de")
    walk.toggle("c")
    named = walk.name()
    assert named is not None
    walk.name()
    assert walk.current is None
    assert walk.take_back(named.images)
    assert (photos(walk), set(walk.excluded)) == ("abc", {"c"})
    assert walk.back() is False


def test_what_was_taken_out_stays_out_when_the_groups_are_made_again() -> None:
    walk = walk_of("abc", "defg", "hi")
    walk.toggle("c")
    walk.forward()
    walk.toggle("g")
    walk.back()
    assert set(walk.excluded) == {"c"}
    # As when the page is left and shown again: e was labelled elsewhere meanwhile, x is new.
    walk.refill([Cluster(1, list("dfgx")), Cluster(2, list("gh"))])
    assert set(walk.excluded) == {"c"}
    walk.forward()
    assert (photos(walk), set(walk.excluded)) == ("dfgx", {"g"})
    walk.toggle("g")  # it belongs all the same
    walk.back()
    walk.refill([Cluster(1, list("dfgx")), Cluster(2, list("gh"))])
    walk.forward()
    assert not walk.excluded
    walk.forward()
    assert (photos(walk), set(walk.excluded)) == ("gh", set())


def test_what_was_taken_out_stays_out_when_photos_are_answered_elsewhere() -> None:
    walk = walk_of("abc", "defg")
    walk.toggle("c")
    walk.forward()
    walk.toggle("g")
    walk.back()
    walk.remove("abd")
    assert (photos(walk), walk.total) == ("c", 2)
    walk.forward()
    assert (photos(walk), set(walk.excluded)) == ("efg", {"g"})
