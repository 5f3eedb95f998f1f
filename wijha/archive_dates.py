"""Days of a classified archive: how they are read, and the columns of the charts over time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

PERIODS = 36
Dates = list[tuple[date, date, int]]
"""First and last day of what is a day, a month or a year, in order, each with its number of sentences."""
Days = list[tuple[date, int]]
"""Days in order, each with its number of sentences."""

WRITTEN = (
    "left(CAST(the_day AS VARCHAR), "
    "CASE WHEN the_day = the_last THEN 10 WHEN month(the_day) = month(the_last) THEN 7 ELSE 4 END)"
)
"""SQL for a date as fine as the archive has it."""
_UNITS = {"day": "%Y-%m-%d", "month": "%Y-%m", "quarter": "", "year": "%Y"}
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
    """SQL for the first day that the SQL `text` can mean, or null: year, month, day or day, month, year, from 1000 on.

    What most archives have comes first.
    """
    plain = _plain(text)
    tries = [
        f"WHEN regexp_matches({plain}, '^{form}$') THEN TRY_CAST(regexp_replace({plain}, '^{form}$', '{iso}') AS DATE)"
        for form, iso in _FORMS
    ]
    return f"CASE WHEN regexp_matches({text}, '{_USUAL}') THEN TRY_CAST(left({text}, 10) AS DATE) {' '.join(tries)} END"


def last_day_of(text: str, day: str) -> str:
    """SQL for the last day that the SQL `text` can mean, from `day`, the first; only a day has eight characters."""
    size, whole_year = f"length({_plain(text)})", f"make_date(year({day}), 12, 31)"
    coarse = f"WHEN {size} = 4 THEN {whole_year} WHEN {size} < 8 THEN last_day({day})"
    return f"CASE WHEN regexp_matches({text}, '{_USUAL}') THEN {day} {coarse} ELSE {day} END"


def _plain(text: str) -> str:
    """SQL without marks and other digits; ASCII is not translated: it takes a fifth of the time."""
    translated = f"translate({text}, '{_DIGITS}{_MARKS}', '{'0123456789' * 2}')"
    return f"trim(CASE WHEN regexp_matches({text}, '[^ -~]') THEN {translated} ELSE {text} END, '{_SPACES}')"


@dataclass(frozen=True)
class Calendar:
    """The columns of the charts: a unit of time, and the days from `first` to `last`."""

    unit: str
    first: date
    last: date

    @classmethod
    def of(cls, dates: Dates) -> Calendar:
        """The finest unit that most dates tell and that gives few enough columns, without days that are strays."""
        days = ((unit, _told(dates, unit)) for unit in _UNITS)
        calendars = (cls._over(unit, told) for unit, told in days if 2 * _sentences(told) > _sentences(dates))
        return next(each for each in calendars if each.unit == "year" or len(each.periods) < PERIODS)

    @classmethod
    def _over(cls, unit: str, days: Days) -> Calendar:
        shown = _fullest_years(_without_strays(days))
        return cls(unit, shown[0][0], shown[-1][0])

    @property
    def periods(self) -> list[str]:
        """Names of the columns."""
        days = range((self.last - self.first).days + 1)
        return list(dict.fromkeys(_period(self.first + timedelta(n), self.unit) for n in days))

    def period(self) -> str:
        """SQL for the column in which all days from the_day to the_last are, or an empty text."""
        start, end, first, last = (
            f"date_trunc('{self.unit}', {day})"
            for day in ("the_day", "the_last", f"DATE '{self.first}'", f"DATE '{self.last}'")
        )
        return f"CASE WHEN {start} = {end} AND {start} BETWEEN {first} AND {last} THEN {_NAMES[self.unit]} ELSE '' END"

    def notes(self, dates: Dates) -> list[str]:
        """Which of the dates are in no column, a sentence each."""
        notes, days, dated = [], _told(dates, self.unit), _sentences(dates)
        if coarse := dated - _sentences(days):
            notes.append(f"{coarse:,} of {dated:,} dated sentences have only a year or month and stand in no column.")
        unit = "day" if all(first == last for first, last, _ in dates) else self.unit
        first, last, earliest, latest = (_period(day, unit) for day in (self.first, self.last, days[0][0], days[-1][0]))
        names = set(self.periods)
        if outside := sum(count for day, count in days if _period(day, self.unit) not in names):
            notes.append(
                f"Not in the charts over time: {outside:,} of {dated:,} dated sentences, outside {first} to {last} "
                f"(the first of {earliest}, the last of {latest}); --since or --until show them."
            )
        return notes


def _told(dates: Dates, unit: str) -> Days:
    """First days of the dates that lie within one `unit`: a year tells no month."""
    return [(first, count) for first, last, count in dates if _period(first, unit) == _period(last, unit)]


def _sentences(dates: Dates | Days) -> int:
    return sum(each[-1] for each in dates)


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
    return f"{day.year}-Q{(day.month + 2) // 3}" if unit == "quarter" else day.strftime(_UNITS[unit])
