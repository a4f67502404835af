"""gunicorn's settings for a worker whose stacks are sampled: the gateway's own, and a timer.

The timer counts the worker's CPU, so a stack's share of the samples is its share of the CPU.
"""

import json
import os
import runpy
import signal
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

_own = runpy.run_path(str(Path(__file__).resolve().parent.parent / "gunicorn.conf.py"))
globals().update({name: value for name, value in _own.items() if not name.startswith("_")})

_INTERVAL = 0.001
_stacks: Counter[tuple[str, ...]] = Counter()


def post_worker_init(worker: Any) -> None:
    signal.signal(signal.SIGPROF, _sample)
    signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)


def worker_exit(server: Any, worker: Any) -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    samples = [[count, stack] for stack, count in _stacks.items()]
    Path(os.environ["BENCH_SAMPLES"]).write_text(json.dumps(samples))
    _own["worker_exit"](server, worker)


def _sample(number: int, frame: FrameType | None) -> None:
    """Innermost first: the line, then the functions that led there."""
    stack = [f"{frame.f_code.co_filename}:{frame.f_lineno}"] if frame else []
    while frame is not None:
        stack.append(f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}")
        frame = frame.f_back
    _stacks[tuple(stack)] += 1
