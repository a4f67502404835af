"""The benchmark measures, checks every answer it counts, and leaves nothing running."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import load, process, wire
from bench.load import Answer, LoadFailed, Plan
from bench.servers import ROOT, Upstream

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


def plan_for(upstream: Upstream, model: str, **more: Any) -> Plan:
    streamed = model != "whole"
    return Plan(
        port=upstream.port,
        worker=upstream.worker,
        path="/v1/chat/completions",
        key="none",
        body=wire.question(model, stream=streamed),
        connections=4,
        **more,
    )


def test_a_table_with_figures_comes_out() -> None:
    measures = "whole,limits,stream,translated"
    command = f"-m bench --only {measures} --pairs 1 --seconds 0.5 --patience 0".split()
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = {line[:33].strip(): line[33:].split() for line in done.stdout.splitlines()}
    bounds = {
        "whole": "2.5×",
        "whole, all limits": "2.5×",
        "stream": "3×",
        "stream, usage asked": "3×",
        "whole, openai door to Anthropic": "1.6×",
        "whole, anthropic door to OpenAI": "1.6×",
        "stream, openai door to Anthropic": "2×",
        "stream, anthropic door to OpenAI": "2×",
    }
    for name, bound in bounds.items():
        own, _, floor, _, ratio, found, verdict = lines[name]
        assert float(own) > 0 and float(floor) > 0
        assert float(ratio.removesuffix("×")) > 0
        assert (found, verdict in ("ok", "MISSED")) == (bound, True)


def test_what_it_started_ends_when_it_is_interrupted(tmp_path: Path) -> None:
    command = "-m bench --only whole --seconds 60 --patience 0".split()
    with open(tmp_path / "output", "wb") as output:
        bench = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=output, stderr=output)
    try:
        started = wait_for_load(bench.pid)
        bench.send_signal(signal.SIGINT)
        assert bench.wait(30) == 130
    finally:
        bench.kill()
        bench.wait()
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


def wait_for_load(pid: int) -> list[int]:
    """All processes below the benchmark's, once a load is among them."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        below = process.tree(pid)[1:]
        if any(b"bench.load" in Path(f"/proc/{one}/cmdline").read_bytes() for one in below):
            return below
        time.sleep(0.05)
    raise AssertionError("no load was started")


def test_an_unknown_measure_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--only", "whole,speed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'speed' is none of whole, limits," in done.stderr


def test_question_and_answer_are_of_one_kilobyte() -> None:
    assert len(wire.question("whole")) == len(wire.whole()) == 1024
    assert len(wire.question("stream", stream=True, usage=True)) == 1024


@pytest.mark.parametrize(("usage", "events"), [(False, 101), (True, 102)])
def test_a_stream_has_100_events_the_usage_if_asked_and_its_end(usage: bool, events: int) -> None:
    stream = wire.stream(usage=usage)
    assert len(stream) == events
    assert stream[-1] == wire.LAST
    assert (b'"total_tokens"' in stream[-2]) is usage
    assert all(230 <= len(event) <= 300 for event in stream[:99])


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_an_answer_is_read_wherever_the_network_cuts_it(size: int) -> None:
    chunked = (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nb\r\n, everybody\r\n0\r\n\r\n"
    )
    counted = HEAD + b"Content-Length: 16\r\n\r\nhello, everybody"
    for text in (chunked, counted, b"HTTP/1.1 100 Continue\r\n\r\n" + chunked):
        answer = Answer()
        for start in range(0, len(text), size):
            assert not answer.complete
            answer.feed(text[start : start + size])
        assert answer.complete
        assert (answer.status, bytes(answer.body)) == (200, b"hello, everybody")


def test_the_load_counts_whole_answers(upstream: Upstream) -> None:
    outcome = load.run(replace(plan_for(upstream, "whole", length=1024), seconds=0.2))
    assert outcome.answers >= 4
    assert outcome.cpu > 0


def test_the_load_reads_when_paced_events_were_sent(upstream: Upstream) -> None:
    outcome = load.run(plan_for(upstream, "paced-100-10", events=12))
    assert outcome.answers == 4
    assert 0 < outcome.late_median <= outcome.late_p99 <= outcome.late_most


@pytest.mark.parametrize(
    ("model", "expected", "fault"),
    [
        ("whole", {"length": 1000}, "1024 bytes instead of 1000"),
        ("stream", {"events": 100}, "101 events instead of 100"),
        ("paced-1-100", {"events": 102, "patience": 0}, "the time was up"),
    ],
)
def test_a_wrong_answer_fails_the_load(
    upstream: Upstream, model: str, expected: dict[str, int], fault: str
) -> None:
    with pytest.raises(LoadFailed, match=fault):
        load.run(plan_for(upstream, model, **expected))


def test_an_answer_that_is_cut_short_is_an_error() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Content-Length: 100\r\n\r\nnot all")
        writer.close()
        await writer.wait_closed()

    async def outcome() -> load.Outcome:
        async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await load.measure(Plan(port, os.getpid(), "/", "", "", 1, length=100))

    found = asyncio.run(outcome())
    assert (found.answers, found.errors) == (0, 1)
    assert found.first_error == "the connection closed before the answer's end"
