"""The demo provider: an upstream inside the gateway, offline, for a newcomer's first calls."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from gateway.providers.base import Provider, Question, Target
from gateway.providers.demo import MODELS, DemoAnswer, open_demo
from gateway.upstream import Answer, Upstream


@dataclass(frozen=True, kw_only=True)
class Demo(Provider):
    """Answers by itself; `tokens_per_second` is the pace of its streams, 0 for none."""

    tokens_per_second: float = 0.0

    def chat(self, upstream: Upstream, target: Target, question: Question) -> Answer:
        return _Inside(open_demo(orjson.loads(question.body), self.tokens_per_second))


class _Inside:
    """An Answer that comes from nowhere: it paces itself, so no timeout applies to it."""

    def __init__(self, demo: DemoAnswer) -> None:
        self._demo = demo
        self.status = demo.status
        self.connect: float | None = None
        self.headers: Mapping[str, str] = demo.headers

    @property
    def complete(self) -> bool:
        return False

    def read_head(self, timeout: float) -> None:
        pass

    def read_block(self, timeout: float) -> bytes:
        return self._demo.read_block()

    def close(self) -> None:
        self._demo.close()


DEMO = Demo(
    id="demo",
    title="The demo provider",
    base_url="demo:",
    key="optional",
    embed_path=None,
    models_path=None,
    models=MODELS,
    file_urls=True,
)
