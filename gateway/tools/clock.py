"""Tools that tell the time."""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.tools.function import ToolFailed


def get_time(time_zone: str = "UTC") -> str:
    """The current date and time in a time zone, in ISO 8601 with the offset from UTC.

    time_zone: an IANA name such as Europe/Berlin or America/New_York
    """
    return _now(time_zone).isoformat(timespec="seconds")


def get_date(time_zone: str = "UTC") -> str:
    """Today's date in a time zone, with the day of the week and the ISO week.

    time_zone: an IANA name such as Europe/Berlin or America/New_York
    """
    now = _now(time_zone)
    year, week, day = now.isocalendar()
    return f"{now.date().isoformat()} ({_DAYS[day - 1]}, week {week} of {year})"


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _now(time_zone: str) -> datetime:
    try:
        zone = ZoneInfo(time_zone)
    except (ValueError, OSError, KeyError):
        raise ToolFailed(f"There is no time zone {time_zone[:100]!r}.") from None
    return datetime.now(zone)
