"""Dates that a sentence names, counted from the day on which it was written."""

import re
from calendar import monthrange
from datetime import date, timedelta

from llm.offline.patterns import one_line, pattern

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ABROAD = {
    "montag": 0, "dienstag": 1, "mittwoch": 2, "donnerstag": 3, "freitag": 4, "samstag": 5, "sonntag": 6,
    "lunes": 0, "martes": 1, "miércoles": 2, "jueves": 3, "viernes": 4, "sábado": 5, "domingo": 6,
    "понеділка": 0, "вівторка": 1, "середи": 2, "четверга": 3, "п'ятниці": 4, "суботи": 5, "неділі": 6,
    "понедельника": 0, "вторника": 1, "среды": 2, "пятницы": 4, "субботы": 5, "воскресенья": 6,
}  # fmt: skip
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "couple": 2}
_MONTH = one_line(r"""
    (jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|
    nov(?:ember)?|dec(?:ember)?)\b\.?
""")
_LEAD = r"(?:no later than |not later than |by |before |until |till |due |on |for |bis |para el |до |к )"
_DAY = r"(mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"

_ISO = re.compile(r"\b(20\d\d)-(\d\d)-(\d\d)\b")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th|\.)?(?: of)? {_MONTH}(?:,? (20\d\d))?", re.IGNORECASE)
_MONTH_DAY = re.compile(rf"\b{_MONTH} (?:the )?(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (20\d\d))?", re.IGNORECASE)
_DOTTED = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(20\d\d)?(?![\d.])")
_ORDINAL = re.compile(r"\b(?:by|before|until|on|due) the (\d{1,2})(?:st|nd|rd|th)\b", re.IGNORECASE)
_WEEKDAY = pattern(
    rf"""
    (?<![\w@§])(?P<lead>{_LEAD}|since |last |from |every |each |next |this |coming )?(?P<lead2>next |this |
    coming )?{_DAY}\b(?!s\b)
    """
)
_ABROAD_DAY = re.compile("(?:bis|am|para el|el|до) (?:zum )?(" + "|".join(_ABROAD) + r")\b", re.IGNORECASE)
_IN_DAYS = pattern(
    r"""
    \b(?:in|within) (?:the next )?(?:a )?(\d{1,2}|an?|one|two|three|four|five|six|ten|couple)(?: of)? (day|week|
    hour|minute|min)s?\b
    """
)
_RELATIVE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (pattern(text), meaning)
    for text, meaning in (
        (r"\b(?:the )?day after tomorrow\b|\bübermorgen\b|\bpasado mañana\b|\bпіслязавтра\b|\bпослезавтра\b", "2"),
        (r"\btomorrow\b|\btmrw?\b|\bmañana\b|\bzavtra\b|\bзавтра\b|\b(?:bis )?morgen\b", "1"),
        (r"\b(?:eod|cob|end of (?:the )?day|today|tonight|this (?:morning|afternoon|evening)|after lunch)\b", "0"),
        (r"\b(?:heute|hoy|сьогодні|сегодня)\b", "0"),
        (r"\b(?:eow|end of (?:the|this) week|this week|diese woche|esta semana)\b", "week"),
        (r"\b(?:end of )?next week\b|\bnächste woche\b", "next week"),
        (r"\b(?:eom|end of (?:the|this) month|this month|month[ -]end)\b", "month"),
    )
)
_TRAILING = pattern(
    rf"""
    [\s,(–-]*\b(?:{_LEAD}|sometime |later |first thing |at some point )?(?:the )?(?:end of (?:the |this |
    next )?(?:day|week|month)|eod|eow|eom|cob|today|tonight|tomorrow(?: (?:morning|afternoon|evening|night))?|
    day after tomorrow|(?:next |this |coming )?{_DAY}(?: (?:morning|afternoon|evening|night|noon|eod))?|(?:next|
    this) (?:week|morning|afternoon|evening|month)|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}|
    {_MONTH} \d{{1,2}}(?:st|nd|rd|th)?|20\d\d-\d\d-\d\d|after lunch|завтра|сьогодні|сегодня|morgen|heute|mañana|
    hoy)(?: (?:at )?\d{{1,2}}(?::\d\d)?(?: ?[ap]m)?| noon)?\s*[,).!]*$
    """
)


def due_date(text: str, today: date) -> date | None:
    """The day that `text` names as a time to come, None when it names none.

    "Before Friday" and "by Friday" both give the Friday; a weekday alone is the next one, today included; "next Friday"
    lies in the following week; a day and month without a year is the next time that it comes round.
    """
    try:
        return _exact(text, today) or _named_day(text, today) or _relative(text, today)
    except (ValueError, OverflowError):
        return None


def without_deadline(text: str) -> str:
    """`text` without a time phrase at its end, unless a single word would be left."""
    stripped = _TRAILING.sub("", text)
    return stripped if len(stripped.split()) >= 2 else text


def _exact(text: str, today: date) -> date | None:
    if match := _ISO.search(text):
        return date(int(match[1]), int(match[2]), int(match[3]))
    if match := _DAY_MONTH.search(text):
        return _calendar_day(today, int(match[1]), _month(match[2]), match[3])
    if match := _MONTH_DAY.search(text):
        return _calendar_day(today, int(match[2]), _month(match[1]), match[3])
    if match := _DOTTED.search(text):
        return _calendar_day(today, int(match[1]), int(match[2]), match[3])
    if match := _ORDINAL.search(text):
        return _day_of_month(today, int(match[1]))
    return None


def _month(name: str) -> int:
    return _MONTHS.index(name[:3].lower()) + 1


def _calendar_day(today: date, day: int, month: int, year: str | None) -> date:
    if year:
        return date(int(year), month, day)
    found = date(today.year, month, day)
    return found if found >= today else date(today.year + 1, month, day)


def _day_of_month(today: date, day: int) -> date:
    if day >= today.day:
        return today.replace(day=day)
    following = today.replace(day=1) + timedelta(days=monthrange(today.year, today.month)[1])
    return following.replace(day=day)


def _named_day(text: str, today: date) -> date | None:
    for match in _WEEKDAY.finditer(text):
        lead = f"{match['lead'] or ''}{match['lead2'] or ''}".lower()
        if any(word in lead for word in ("since", "last", "from", "every", "each")):
            continue
        if len(match[3]) == len(match[0].strip()) and match[3].lower() in ("sun", "sat", "wed", "mon", "fri"):
            continue
        number = next(i for i, name in enumerate(_WEEKDAYS) if name.startswith(match[3][:3].lower()))
        ahead = (number - today.weekday()) % 7
        if "next" in lead:
            ahead = 7 - today.weekday() + number
        return today + timedelta(days=ahead)
    if abroad := _ABROAD_DAY.search(text):
        return today + timedelta(days=(_ABROAD[abroad[1].lower()] - today.weekday()) % 7)
    return None


def _relative(text: str, today: date) -> date | None:
    if match := _IN_DAYS.search(text):
        count = _NUMBERS.get(match[1].lower()) or int(match[1])
        days = {"day": 1, "week": 7}.get(match[2].lower(), 0)
        return today + timedelta(days=count * days)
    for relative, meaning in _RELATIVE:
        if relative.search(text):
            return _meant(meaning, today)
    return None


def _meant(meaning: str, today: date) -> date:
    to_friday = (4 - today.weekday()) % 7
    if meaning == "week":
        return today + timedelta(days=to_friday)
    if meaning == "next week":
        return today - timedelta(days=today.weekday()) + timedelta(days=11)
    if meaning == "month":
        return today.replace(day=monthrange(today.year, today.month)[1])
    return today + timedelta(days=int(meaning))
