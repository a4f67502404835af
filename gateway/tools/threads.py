"""Work that would keep a worker's other calls waiting, done in a native thread."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import gevent

P = ParamSpec("P")
T = TypeVar("T")


def apart(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` gives, or raises. Who waits can be interrupted; the thread itself cannot."""
    value, error = gevent.get_hub().threadpool.apply(_caught, (work, args, kwargs))
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]


def _caught(work: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, Exception | None]:
    """In a thread: what is raised there would be printed."""
    try:
        return work(*args, **kwargs), None
    except Exception as error:
        return None, error
