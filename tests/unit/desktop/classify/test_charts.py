from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from desktop.classify.charts import BINS, PhotoFacts, charts_of, column_words, confidence_bin

FACTS = PhotoFacts(
    5,
    ["cat", "dog", "", "cat", "=ox"],
    [confidence_bin(score) for score in (0.95, 0.3, -1.0, 1.0, 0.7)],
    [confidence_bin(0.3)],
    [datetime(2024, 2, 28)],
)


def test_classes_come_the_most_frequent_first() -> None:
    charts = charts_of(FACTS)
    assert charts.classes == (("cat", 2), ("=ox", 1), ("dog", 1))
    assert charts.class_words() == "cat 2, =ox 1, dog 1"
    many = charts_of(PhotoFacts(9, list("abcdefghi"), [confidence_bin(0.5)] * 9, []))
    assert many.class_words() == "a 1, b 1, c 1, d 1, e 1, 4 more classes"


def test_each_confidence_is_in_one_column_and_unsure_ones_are_marked() -> None:
    columns = charts_of(FACTS).confidence
    assert len(columns) == BINS
    assert sum(each.photos for each in columns) == 4
    assert column_words(columns) == "30 to 40%: 1 (1 unsure), 70 to 80%: 1, 90 to 100%: 2"


@pytest.mark.parametrize("score", [number / 10 for number in range(11)])
def test_a_whole_tenth_begins_its_column(score: float) -> None:
    columns = charts_of(PhotoFacts(1, ["a"], [confidence_bin(score)], [])).confidence
    assert columns[min(9, round(10 * score))].photos == 1


def test_nothing_that_is_known_makes_no_chart() -> None:
    charts = charts_of(PhotoFacts(2, [], [], []))
    assert (charts.classes, charts.confidence, charts.time) == ((), (), ())
    assert charts.class_words() == "No answer yet"


@pytest.mark.parametrize(
    ("days", "first", "last", "columns"),
    [
        (0, "2024-02-28", "2024-02-28", 1),
        (2, "2024-02-28", "2024-03-01", 3),
        (400, "2024-02", "2025-04", 15),
        (4000, "2024", "2035", 12),
    ],
)
def test_time_is_in_days_months_or_years_without_a_gap(
    days: int, first: str, last: str, columns: int
) -> None:
    begin = datetime(2024, 2, 28, 23, 59)
    dates = [begin, begin + timedelta(days=days)]
    time = charts_of(PhotoFacts(2, [], [], [], dates)).time
    assert (time[0].words, time[-1].words, len(time)) == (first, last, columns)
    assert sum(each.photos for each in time) == 2


def test_photos_of_many_days_are_counted_by_month_and_by_year() -> None:
    days = [datetime(2023, 1, 1, 8) + timedelta(days=day) for day in range(730)]
    by_month = charts_of(PhotoFacts(len(days), [], [], [], days)).time
    assert [each.photos for each in by_month[:3]] == [31, 28, 31]
    assert len(by_month) == 24
    years = [datetime(year, 7, 1) for year in (2001, 2001, 2004, 2010) for _ in range(5)]
    by_year = charts_of(PhotoFacts(len(years), [], [], [], years)).time
    assert column_words(by_year) == "2001: 10, 2004: 5, 2010: 5"


def test_the_table_has_every_chart_and_no_formula() -> None:
    lines = charts_of(FACTS).table().splitlines()
    assert lines[:3] == ["Class\tPhotos\tShare", "cat\t2\t40%", "'=ox\t1\t20%"]
    assert "30 to 40%\t1\t1" in lines
    assert lines[-1] == "2024-02-28\t1"
