"""Tools at every door with every kind of provider: the whole table, in pass-through.

Each cell is a conversation that the door's own SDK holds. What the client hears is what the model
said; what the vendor is told is what the client said, and a question by the types of the vendor's
own SDK. The table is printed at the end of the run.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from typing import Any

import pytest

from tests import spoken
from tests.doors.tool_clients import CONVERSATIONS, PNG, Conversation, Function, Heard, Result
from tests.judges import Judges
from tests.running import Running
from tests.spoken import Call, Said
from tests.told import Told, offered, told
from tests.upstream import Received, Upstream

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ZONE = {"type": "object", "properties": {"zone": {"type": "string", "enum": ["CET", "UTC"]}}}
TOOLS = (
    Function("weather", "What the weather is like in a city.", CITY),
    Function("clock", "What time it is.", ZONE),
)
WEATHER = Call("call_a1b2c3d4e", "weather", {"city": "Zürich"})
CLOCK = Call("call_f5g6h7i8j", "clock", {"zone": "CET"})
SNOW, TIME = Result("It snows: −3 °C"), Result("12:30")


@dataclass(frozen=True)
class Turn:
    """The user's question, the calls that the model answers with, what they gave, its last word."""

    question: str
    called: Said
    results: tuple[Result, ...]
    answered: Said = Said("So it is.")


ONE = Turn("Ask weather, please.", Said("", (WEATHER,)), (SNOW,))
SCENARIOS: dict[str, tuple[Turn, ...]] = {
    "one call": (ONE,),
    "two parallel calls": (
        Turn("Ask weather and clock.", Said("", (WEATHER, CLOCK)), (SNOW, TIME)),
    ),
    "call + text": (Turn("Ask weather.", Said("Let me look. ", (WEATHER,)), (SNOW,)),),
    "result with error": (
        Turn("Ask weather.", ONE.called, (Result("There is no such city.", is_error=True),)),
    ),
    "result with image": (Turn("Ask weather.", ONE.called, (Result("A map:", image=PNG),)),),
    "second turn": (ONE, Turn("And what says clock?", Said("", (CLOCK,)), (TIME,))),
}


@dataclass(frozen=True)
class Vendor:
    """`path`: what its address has behind the host."""

    dialect: str
    path: str
    model: str


PROVIDERS = {
    "openai": Vendor("openai", "/v1", "gpt-5"),
    "anthropic": Vendor("anthropic", "", "claude-sonnet-5"),
    "gemini": Vendor("gemini", "", "gemini-3-flash"),
    "azure-openai": Vendor("openai", "", "gpt-5"),
    "mistral": Vendor("openai", "/v1", "mistral-large-latest"),
    "ollama": Vendor("openai", "/v1", "qwen3"),
    "demo": Vendor("openai", "", "demo"),
}
# What a cell cannot show; it is asked all the same, and shows the rest.
REASONS = {
    ("demo", "call + text"): "the demo calls or speaks, never both",
    ("demo", "result with image"): "the demo has no eyes: it repeats the text alone",
}
EACH_WAY = [
    pytest.param(door, provider, scenario, stream, id=f"{door}-{provider}-{scenario}-{form}")
    for door in CONVERSATIONS
    for provider in PROVIDERS
    for scenario in SCENARIOS
    for form, stream in (("whole", False), ("stream", True))
]


@pytest.fixture(scope="module")
def judges() -> Iterator[Judges]:
    with Judges() as judges:
        yield judges


@pytest.mark.parametrize(("door", "provider", "scenario", "stream"), EACH_WAY)
def test_a_cell(
    gateway: Running,
    upstream: Upstream,
    judges: Judges,
    record_property: Callable[[str, Any], None],
    door: str,
    provider: str,
    scenario: str,
    stream: bool,
) -> None:
    vendor, turns = PROVIDERS[provider], SCENARIOS[scenario]
    key = _client(gateway, upstream, provider)
    conversation = CONVERSATIONS[door](gateway.origin, key, vendor.model, TOOLS)
    reason = REASONS.get((provider, scenario))
    with closing(conversation):
        if provider == "demo":
            _held_with_the_demo(conversation, turns, stream)
        else:
            _script(upstream, vendor.dialect, turns)
            _held(conversation, turns, stream)
    if provider != "demo":
        bodies = [received.json for received in upstream.requests]
        for body in bodies:
            assert judges.complaint(vendor.dialect, body) is None
            assert offered(vendor.dialect, body) == [astuple(tool) for tool in TOOLS]
        assert told(vendor.dialect, bodies[-1]) == _expected(provider, turns)
    record_property("tool cell", [door, provider, scenario, stream, reason])


def test_the_table_has_no_empty_cell() -> None:
    cells = [way.values for way in EACH_WAY]
    assert len(set(cells)) == len(cells) == 3 * 7 * 6 * 2
    assert all(provider in PROVIDERS and named in SCENARIOS for provider, named in REASONS)


def _client(gateway: Running, upstream: Upstream, provider: str) -> str:
    if provider == "demo":
        return gateway.client(provider="demo")
    return gateway.client(
        provider=provider,
        provider_base_url=upstream.origin + PROVIDERS[provider].path,
        provider_api_key="k",
    )


def _script(upstream: Upstream, dialect: str, turns: Sequence[Turn]) -> None:
    said = iter([each for turn in turns for each in (turn.called, turn.answered)])

    def answer(received: Received) -> Any:
        return spoken.answer(dialect, next(said), received)

    upstream.always(answer)


def _held(conversation: Conversation, turns: Sequence[Turn], stream: bool) -> None:
    """The conversation, in which the client hears what the model says."""
    for turn in turns:
        conversation.say(turn.question)
        heard = conversation.ask(stream=stream)
        calls = [(call.name, call.arguments) for call in turn.called.calls]
        assert (heard.text, heard.called) == (turn.called.text, calls)
        assert heard.finish == conversation.called
        _ids_are_fit(heard)
        conversation.answer(heard, turn.results)
        heard = conversation.ask(stream=stream)
        assert (heard.text, heard.calls) == (turn.answered.text, [])
        assert (heard.finish, heard.usage) == (conversation.stopped, (9, 4))


def _ids_are_fit(heard: Heard) -> None:
    ids = [id for id, _, _ in heard.calls]
    assert len(set(ids)) == len(ids) or not any(ids)  # Gemini's own API gives none


def _held_with_the_demo(conversation: Conversation, turns: Sequence[Turn], stream: bool) -> None:
    """It calls the tools that the user names, and repeats what they gave."""
    for turn in turns:
        conversation.say(turn.question)
        heard = conversation.ask(stream=stream)
        assert [name for name, _ in heard.called] == [call.name for call in turn.called.calls]
        assert (heard.text, heard.finish) == ("", conversation.called)
        _ids_are_fit(heard)
        conversation.answer(heard, turn.results)
        heard = conversation.ask(stream=stream)
        assert (heard.calls, heard.finish) == ([], conversation.stopped)
        assert all(result.text in heard.text for result in turn.results)


def _expected(provider: str, turns: Sequence[Turn]) -> list[Told]:
    """All that was said before the last answer."""
    said: list[Told] = []
    for turn in turns:
        said.append(("says", "user", turn.question))
        if turn.called.text:
            said.append(("says", "assistant", turn.called.text))
        said += [("calls", call.name, call.arguments) for call in turn.called.calls]
        for call, result in zip(turn.called.calls, turn.results, strict=True):
            said.append(("gives", call.name, result.text, result.is_error))
        images = [("shows", result.image) for result in turn.results if result.image]
        if images and provider == "mistral":
            said.append(("says", "assistant", "OK"))  # no user may follow a tool there
        said += images
        said.append(("says", "assistant", turn.answered.text))
    return said[:-1]
