"""Days of a classified archive: how they are read, and the columns of the charts over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

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
_FORMATS = "['%Y-%m-%d', '%Y/%m/%d', '%d/%m/%Y', '%Y-%m', '%Y']"


def day_of(text: str) -> str:
    """SQL for the day that the SQL `text` gives, or null."""
    return f"CAST(try_strptime(left({text}, 10), {_FORMATS}) AS DATE)"


@dataclass(frozen=True)
class Calendar:
    """The columns of the charts: a unit of time, and the days from `first` to `last`."""

    unit: str
    first: date
    last: date

    @classmethod
    def of(cls, days: Days) -> Calendar:
        """The finest unit that gives few enough columns, for all days but those of too many years."""
        shown = [(day, count) for day, count in days if day.year > days[-1][0].year - PERIODS]
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


def _period(day: date, unit: str) -> str:
    names = {name: form for name, _, form in _UNITS}
    return f"{day.year}-Q{(day.month + 2) // 3}" if unit == "quarter" else day.strftime(names[unit])
