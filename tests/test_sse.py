"""Server-sent events, however the network cut them."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.sse import Cutter, TooLong, data_of, events, has_data, name_of

BOM = b"\xef\xbb\xbf"
ENDS = (b"\n", b"\r\n", b"\r")
VALUES = (
    b"{}",
    b'{"a":"\xe2\x80\xa8\xc2\x85"}',
    b" [DONE]",
    b"x: y",
    "é\u2029".encode(),
    b"\xff",
    b"",
)
LINES = st.sampled_from(
    [b"", b"", b": comment", b":", b"event: ping", b"id: 7", b"retry", b"data", b"database: x"]
) | st.sampled_from([b"data: ", b"data:"]).flatmap(
    lambda name: st.sampled_from(VALUES).map(lambda value: name + value)
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Lines of all kinds; their ends are of one kind, or mixed."""
    ends = draw(st.sampled_from([*((end,) for end in ENDS), ENDS]))
    lines = draw(st.lists(st.tuples(LINES, st.sampled_from(ends)), max_size=15))
    text = b"".join(line + end for line, end in lines)
    start = draw(st.sampled_from([b"", b"", BOM, BOM[:2]]))
    return start + text + draw(st.sampled_from([b"", b"", b"data: half", b"\r"]))


@st.composite
def cut(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """The same bytes in pieces, some of them empty."""
    places = draw(st.lists(st.integers(0, len(stream)), max_size=20))
    return pieces(stream, places)


def pieces(stream: bytes, places: Iterable[int]) -> list[bytes]:
    return [stream[start:end] for start, end in pairwise([0, *sorted(places), len(stream)])]


def read(parts: Sequence[bytes]) -> tuple[list[bytes], bytes]:
    cutter = Cutter(1 << 20)
    return [block for part in parts if (block := cutter.feed(part))], cutter.rest()


def told(stream: bytes) -> list[bytes]:
    """The data of each event by the letter of the standard, of the unfinished last one too."""
    found: list[bytes] = []
    data: list[bytes] = []
    for line in [*re.split(rb"\r\n|\n|\r", stream.removeprefix(BOM)), b""]:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                data.append(value.removeprefix(b" "))
        else:
            found.append(b"\n".join(data))
            data = []
    return [data for data in found if data]


def data_in(blocks: Iterable[bytes]) -> list[bytes]:
    return [data for block in blocks for event in events(block) if (data := data_of(event))]


class TestAnyCut:
    @given(streams().flatmap(lambda stream: st.tuples(st.just(stream), cut(stream))))
    @example((b"data: a\n\r", [b"data: a\n\r", b""]))
    def test_keeps_every_byte(self, stream_and_parts: tuple[bytes, list[bytes]]) -> None:
        stream, parts = stream_and_parts
        blocks, rest = read(parts)
        assert b"".join(blocks) + rest == stream.removeprefix(BOM)

    @given(streams().flatmap(lambda stream: st.tuples(st.just(stream), cut(stream))))
    @example((b"data: a\r\ndata: b\r\n\r\n", [b"data: a\r", b"\ndata: b\r\n\r", b"\n"]))
    @example((b"data: a\r\r\ndata: b\r\r", [b"data: a\r\r", b"\ndata: b\r\r"]))
    def test_gives_the_same_events(self, stream_and_parts: tuple[bytes, list[bytes]]) -> None:
        stream, parts = stream_and_parts
        blocks, rest = read(parts)
        assert data_in([*blocks, rest]) == told(stream)

    @given(streams().flatmap(lambda stream: st.tuples(st.just(stream), cut(stream))))
    def test_is_after_an_event(self, stream_and_parts: tuple[bytes, list[bytes]]) -> None:
        blocks, _ = read(stream_and_parts[1])
        for block in blocks:
            assert re.search(rb"(?:\r\n|\n|\r)(?:\r\n|\n|\r)\Z", block)
            assert b"".join(events(block)) == block

    @given(streams())
    def test_and_byte_by_byte(self, stream: bytes) -> None:
        blocks, rest = read(pieces(stream, range(1, len(stream))))
        assert data_in([*blocks, rest]) == told(stream)


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_an_event_leaves_when_it_is_whole(end: bytes) -> None:
    event = b"data: a" + end + b"data: b" + end + end
    cutter = Cutter(100)
    for _ in range(3):
        given = [cutter.feed(bytes([byte])) for byte in event]
        assert given == [b""] * (len(event) - 1) + [event]
    assert cutter.rest() == b""


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=repr)
def test_many_events_leave_together(end: bytes) -> None:
    one, two = b"data: 1" + end * 2, b": 2" + end * 2
    cutter = Cutter(100)
    assert cutter.feed(one + two + b"data: ") == one + two
    assert cutter.feed(b"3" + end * 2) == b"data: 3" + end * 2


def test_a_lone_cr_at_the_end_waits_for_its_lf_no_longer_than_the_next_bytes() -> None:
    cutter = Cutter(100)
    assert cutter.feed(b"data: 1\n\r") == b""
    assert cutter.feed(b"data: 2") == b"data: 1\n\r"
    assert cutter.rest() == b"data: 2"


class TestTooLong:
    def test_is_what_has_no_end_within_the_limit(self) -> None:
        cutter = Cutter(10)
        assert cutter.feed(b"data: 1234") == b""
        with pytest.raises(TooLong, match="10 bytes"):
            cutter.feed(b"5")

    def test_is_not_a_long_stream_of_short_events(self) -> None:
        cutter = Cutter(10)
        for _ in range(100):
            assert cutter.feed(b"data: 1\n\ndata") == b"data: 1\n\n"
            assert cutter.feed(b": 2\n\n") == b"data: 2\n\n"

    @given(st.binary(max_size=60), st.integers(0, 40), st.integers(1, 7))
    def test_comes_at_the_latest_when_a_piece_is_over_it(
        self, stream: bytes, limit: int, size: int
    ) -> None:
        cutter = Cutter(limit)
        held = 0
        for part in pieces(stream, range(size, len(stream), size)):
            try:
                block = cutter.feed(part)
            except TooLong:
                assert held + len(part) > limit
                return
            held += len(part) - len(block)
            assert held <= limit + len(BOM)


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: {}\n\n", b"{}"),
        (b"data:{}\n\n", b"{}"),
        (b"data:  {}\n\n", b" {}"),
        (b"data: {}\r\n\r\n", b"{}"),
        (b"data: [DONE]\r\n\n", b"[DONE]"),
        (b"data: a\rdata: b\n\n", b"a\nb"),
        (b"data: {}\r\r", b"{}"),
        (b"event: x\ndata: 1\nid: 7\ndata: 2\n\n", b"1\n2"),
        (b"data: a\ndata\ndata: b\n\n", b"a\n\nb"),
        (b": comment\ndata: x\n\n", b"x"),
        (b"\ndata: x\n\n", b"x"),
        (b": data: x\n\n", b""),
        (b"data:\n\n", b""),
        (b"event: ping\n\n", b""),
        (b"dataset: x\n\n", b""),
        (b" data: x\n\n", b""),
        ("data: \u2028\u0085\n\n".encode(), "\u2028\u0085".encode()),
    ],
)
def test_data_of_an_event(event: bytes, data: bytes) -> None:
    assert data_of(event) == data


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (b"event: ping\ndata: {}\n\n", "ping"),
        (b"data: {}\r\nevent:ping\r\n\r\n", "ping"),
        (b'data: "event: x"\n\n', None),
        (b": event: x\n\n", None),
        (b"data: {}\n\n", None),
    ],
)
def test_name_of_an_event(event: bytes, name: str | None) -> None:
    assert name_of(event) == name


@pytest.mark.parametrize(
    ("block", "whether"),
    [
        (b"data: 1\n\n", True),
        (b": x\n\ndata: 1\n\n", True),
        (b"event: ping\n\n", True),
        (b": OPENROUTER PROCESSING\n\n", False),
        (b": x\r\n\r\n\r\n: data: y\r\n\r\n", False),
        (b"\n\n", False),
        (b"", False),
    ],
)
def test_whether_a_block_has_data(block: bytes, whether: bool) -> None:
    assert has_data(block) is whether
