"""Days of a classified archive: how they are read, and the columns of the charts over time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

PERIODS = 36
Days = list[tuple[date, int]]
"""Days in order, each with its number of sentences."""

_UNITS = (("day", 1, "%Y-%m-%d"), ("month", 30, "%Y-%m"), ("quarter", 91, ""), ("year", 365, "%Y"))
_NAMES = {
    "day": "strftime(the_day, '%Y-%m-%d')",
    "month": "strftime(the_day, '%Y-%m')",
    "quarter": "concat(year(the_day), '-Q', quarter(the_day))",
    "year": "strftime(the_day, '%Y')",
}
_YEAR, _PART, _REST = r"([1-9]\d{3})", r"[-/](\d\d?)", r"(?:\D.*)?"
_USUAL = r"^[1-9]\d{3}-\d\d-\d\d(?:\D.*)?$"
_FORMS = (
    (rf"{_YEAR}{_PART}{_PART}{_REST}", r"\1-\2-\3"),
    (rf"(\d\d?){_PART}[-/]{_YEAR}{_REST}", r"\3-\2-\1"),
    (rf"{_YEAR}(\d\d)(\d\d){_REST}", r"\1-\2-\3"),
    (rf"{_YEAR}{_PART}", r"\1-\2-1"),
    (_YEAR, r"\1-1-1"),
)
_DIGITS = "٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹"
_MARKS = "\u061c\u200e\u200f"  # ARABIC LETTER MARK, LEFT-TO-RIGHT MARK, RIGHT-TO-LEFT MARK
_SPACES = " \t\r\n\xa0"  # the last is NO-BREAK SPACE


def day_of(text: str) -> str:
    """SQL for the day that the SQL `text` gives, or null: year, month, day or day, month, year, the year from 1000 on.

    What most archives have comes first, and ASCII is not translated: it takes a fifth of the time.
    """
    translated = f"translate({text}, '{_DIGITS}{_MARKS}', '{'0123456789' * 2}')"
    plain = f"trim(CASE WHEN regexp_matches({text}, '[^ -~]') THEN {translated} ELSE {text} END, '{_SPACES}')"
    tries = [
        f"WHEN regexp_matches({plain}, '^{form}$') THEN TRY_CAST(regexp_replace({plain}, '^{form}$', '{iso}') AS DATE)"
        for form, iso in _FORMS
    ]
    return f"CASE WHEN regexp_matches({text}, '{_USUAL}') THEN TRY_CAST(left({text}, 10) AS DATE) {' '.join(tries)} END"


@dataclass(frozen=True)
class Calendar:
    """The columns of the charts: a unit of time, and the days from `first` to `last`."""

    unit: str
    first: date
    last: date

    @classmethod
    def of(cls, days: Days) -> Calendar:
        """The finest unit that gives few enough columns, for all days but stray ones and those of too many years."""
        shown = _fullest_years(_without_strays(days))
        first, last = shown[0][0], shown[-1][0]
        return cls(
            next((name for name, size, _ in _UNITS if (last - first).days / size < PERIODS - 1), "year"), first, last
        )

    @property
    def periods(self) -> list[str]:
        """Names of the columns."""
        days = range((self.last - self.first).days + 1)
        return list(dict.fromkeys(_period(self.first + timedelta(n), self.unit) for n in days))

    def period(self) -> str:
        """SQL for the column that the_day is in, or an empty text."""
        return f"CASE WHEN the_day BETWEEN '{self.first}' AND '{self.last}' THEN {_NAMES[self.unit]} ELSE '' END"

    def outside(self, days: Days) -> int:
        """Sentences of the days that are in no column."""
        return sum(count for day, count in days if not self.first <= day <= self.last)


def _without_strays(days: Days) -> Days:
    """The days but a fiftieth of the sentences at either end that is a year, and the span of the others, away."""
    counts = [count for _, count in days]
    few = max(sum(counts) // 50, int(sum(counts) >= 10))
    low = sum(seen <= few for seen in accumulate(counts))
    high = len(days) - 1 - sum(seen <= few for seen in accumulate(reversed(counts)))
    far = max(timedelta(365), days[high][0] - days[low][0])
    while low and days[low][0] - days[low - 1][0] <= far:
        low -= 1
    while high < len(days) - 1 and days[high + 1][0] - days[high][0] <= far:
        high += 1
    return days[low : high + 1]


def _fullest_years(days: Days) -> Days:
    """The days of the years in a row, as many as there are columns, that have most sentences; the last such years."""
    sizes: Counter[int] = Counter()
    for day, count in days:
        sizes[day.year] += count
    starts = range(days[0][0].year, max(days[0][0].year, days[-1][0].year - PERIODS + 1) + 1)
    start = max(starts, key=lambda year: (sum(sizes[year + n] for n in range(PERIODS)), year))
    return [(day, count) for day, count in days if start <= day.year < start + PERIODS]


def _period(day: date, unit: str) -> str:
    names = {name: form for name, _, form in _UNITS}
    return f"{day.year}-Q{(day.month + 2) // 3}" if unit == "quarter" else day.strftime(names[unit])
