"""llmock plays the vendors, breaks down as they do, and judges the gateway as their client."""

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.environments import python_environment
from tests.running import Answered, Running, free_port

HERE = Path(__file__).parent
# Each vendor's address there, and a model of it.
VENDORS = {
    "openai": ("/v1", "gpt-4o-mini"),
    "anthropic": ("/anthropic", "claude-3-5-sonnet-20241022"),
    "gemini": ("/gemini", "gemini-2.5-flash"),
    "mistral": ("/mistral/v1", "mistral-large-latest"),
    "groq": ("/groq/openai/v1", "llama-3.3-70b-versatile"),
    # Its own address ends without /v1, and one is taken off.
    "perplexity": ("/perplexity/v1/v1", "sonar"),
    "xai": ("/xai/v1", "grok-3"),
    # It has Cohere's native surface alone: what it answers well, the gateway never asks.
    "cohere": ("/cohere", "command-r-plus"),
}
ANSWERING = [vendor for vendor in VENDORS if vendor != "cohere"]

streamed_or_not = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


class Judge:
    """A running llmock."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def breaks(self, vendors: Iterable[str], **behaviour: Any) -> None:
        """Each of these vendors behaves so, once if nothing else is said."""
        told = [{**behaviour, "match": {"provider": vendor}} for vendor in vendors]
        self.ask("POST", "/scenario", {"behaviors": told})

    def verdict(self) -> dict[str, Any]:
        verdict: dict[str, Any] = self.ask("GET", "/verdict")
        return verdict

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.origin}/_llmock{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def _llmock() -> Iterator[Judge]:
    python = python_environment(HERE / "llmock.txt")
    port = free_port()
    command = [str(python.with_name("llmock")), "serve", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--log-level", "warning"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    judge = Judge(f"http://127.0.0.1:{port}")
    try:
        for _ in range(600):
            try:
                judge.verdict()
                break
            except OSError:
                assert process.poll() is None
                process_waits(process)
        yield judge
    finally:
        process.terminate()
        process.wait()


def process_waits(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        pass


@pytest.fixture
def llmock(_llmock: Judge) -> Judge:
    _llmock.ask("POST", "/reset")
    return _llmock


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that asks again, as it does when nobody says otherwise."""
    settings = {"upstream": {"max_retries": 2, "max_retry_delay": 5}}
    with Running(tmp_path_factory.mktemp("patient"), settings) as running:
        yield running


Ask = Callable[[str, bool], Answered]


@pytest.fixture
def ask(patient: Running, llmock: Judge) -> Ask:
    """Asks one vendor, streamed or not, by a client whose provider it is."""
    keys = {
        vendor: patient.client(
            provider=vendor, provider_base_url=llmock.origin + path, provider_api_key="k"
        )
        for vendor, (path, _) in VENDORS.items()
    }
    question = [{"role": "user", "content": "Hello"}]

    def asked(vendor: str, stream: bool) -> Answered:
        body = {"model": VENDORS[vendor][1], "messages": question, "stream": stream}
        return patient.chat(keys[vendor], body)

    return asked


@streamed_or_not
def test_it_waits_as_long_as_a_vendor_asks(llmock: Judge, ask: Ask, stream: bool) -> None:
    llmock.breaks(ANSWERING, type="fail", status=429, retry_after=0.7)
    for answer in _all(ANSWERING, lambda vendor: ask(vendor, stream)):
        assert answer.status == 200 and _text(answer, stream)
    assert _clean(llmock) == (len(ANSWERING), 2 * len(ANSWERING))


@streamed_or_not
@pytest.mark.parametrize("status", [500, 503, 529])
def test_it_asks_again_after_an_outage(llmock: Judge, ask: Ask, stream: bool, status: int) -> None:
    llmock.breaks(ANSWERING, type="fail", status=status, times=2)
    for answer in _all(ANSWERING, lambda vendor: ask(vendor, stream)):
        assert answer.status == 200 and _text(answer, stream)
    assert _clean(llmock) == (len(ANSWERING), 3 * len(ANSWERING))


@pytest.mark.parametrize("status", [429, 503])
def test_it_gives_up_in_the_end(llmock: Judge, ask: Ask, status: int) -> None:
    llmock.breaks(VENDORS, type="fail", status=status, times=None)
    for answer in _all(VENDORS, lambda vendor: ask(vendor, False)):
        assert answer.status == status
    assert _clean(llmock) == (len(VENDORS), 3 * len(VENDORS))


@streamed_or_not
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_it_asks_once_for_what_cannot_be_mended(
    llmock: Judge, ask: Ask, stream: bool, status: int
) -> None:
    llmock.breaks(VENDORS, type="fail", status=status)
    for answer in _all(VENDORS, lambda vendor: ask(vendor, stream)):
        assert answer.status == (502 if status in (401, 403) else status)
    assert _clean(llmock) == (len(VENDORS), len(VENDORS))


@pytest.mark.parametrize("kind", ["truncate", "disconnect"])
def test_a_stream_that_ends_before_its_first_event_is_asked_for_again(
    llmock: Judge, ask: Ask, kind: str
) -> None:
    llmock.breaks(ANSWERING, type="stream_fault", kind=kind, after_chunks=0)
    for answer in _all(ANSWERING, lambda vendor: ask(vendor, True)):
        assert answer.status == 200 and _text(answer, True)
    assert _clean(llmock) == (len(ANSWERING), 2 * len(ANSWERING))


@pytest.mark.parametrize("kind", ["truncate", "disconnect"])
def test_half_a_stream_does_not_look_whole_so_that_its_caller_asks_again(
    llmock: Judge, ask: Ask, kind: str
) -> None:
    llmock.breaks(ANSWERING, type="stream_fault", kind=kind, after_chunks=4)
    for answer in _all(ANSWERING, lambda vendor: ask(vendor, True)):
        assert answer.status == 200 and not _text(answer, True)
    for answer in _all(ANSWERING, lambda vendor: ask(vendor, True)):
        assert answer.status == 200 and _text(answer, True)
    assert _clean(llmock) == (len(ANSWERING), 2 * len(ANSWERING))


def test_garbage_in_a_stream_reaches_its_caller_as_that_or_as_an_error(
    llmock: Judge, ask: Ask
) -> None:
    llmock.breaks(ANSWERING, type="stream_fault", kind="malformed", after_chunks=4)
    for answer in _all(ANSWERING, lambda vendor: ask(vendor, True)):
        assert answer.status == 200 and not _text(answer, True)
    # It warns of all who read on to the end: it cannot know that the caller was told.
    verdict = llmock.verdict()
    assert verdict["passed"]
    assert {found["code"] for found in verdict["findings"]} <= {"malformed_chunk_ignored"}


def _all(vendors: Iterable[str], ask: Callable[[str], Answered]) -> list[Answered]:
    """All at a time."""
    with ThreadPoolExecutor(len(VENDORS)) as pool:
        return list(pool.map(ask, vendors))


def _text(answer: Answered, stream: bool) -> str:
    """What it says; "" where a caller's SDK would raise an error."""
    if not stream:
        return str(answer.json["choices"][0]["message"]["content"])
    lines = [line[6:] for line in answer.body.split(b"\n") if line.startswith(b"data: ")]
    if lines[-1:] != [b"[DONE]"]:
        return ""
    try:
        choices = [choice for line in lines[:-1] for choice in json.loads(line)["choices"]]
    except (KeyError, ValueError):
        return ""
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def _clean(llmock: Judge) -> tuple[int, int]:
    """The calls and attempts that were seen, when there was nothing to find fault with."""
    verdict = llmock.verdict()
    assert verdict["findings"] == []
    return verdict["calls"], verdict["attempts"]
