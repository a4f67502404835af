"""All probes of one client, in their order, each result as it comes."""

import time
from collections.abc import Iterator

from gateway.catalogue import listed_now
from gateway.context import Gateway
from gateway.errors import GatewayError
from gateway.probes import verdicts
from gateway.probes.asking import Heard, ask, in_time, tested
from gateway.probes.table import PROBES, not_tried
from gateway.probes.verdicts import Verdict, is_of_all, quoted
from gateway.routing import own_provider
from gateway.store.clients import Client
from gateway.store.connection_tests import Result

_FEATURES = {
    "tools": verdicts.tools,
    "parallel_tools": verdicts.parallel_tools,
    "json_schema": verdicts.json_schema,
    "image": verdicts.image,
}
_NO_MODEL = "No model was named, and the client has no default model."


def probed(gateway: Gateway, client: Client, model: str | None) -> Iterator[Result]:
    """The result of each of the PROBES; `model` is a name that the client may use.

    Without one, a provider's only model is taken.
    """
    client = tested(client)
    began = time.monotonic()
    verdict, names = _list(gateway, client, model)
    yield _result("models", verdict, round((time.monotonic() - began) * 1000))
    model = model or (names[0] if len(names) == 1 else None)
    if model is None:
        yield from (not_tried(name, _NO_MODEL) for name in list(PROBES)[1:])
        return
    yield from _asked(gateway, client, model)


def _asked(gateway: Gateway, client: Client, model: str) -> Iterator[Result]:
    heard = ask(gateway, client, model, "whole")
    whole = verdicts.whole(heard)
    yield _told("whole", whole, heard)
    if is_of_all(heard.error):
        why = "The first question failed for a reason that would meet all others."
        yield from (not_tried(name, why) for name in list(PROBES)[2:])
        return
    heard = ask(gateway, client, model, "stream")
    yield _told("stream", verdicts.stream(heard), heard)
    if heard.error is None:
        yield _told("stream_usage", verdicts.stream_usage(heard), heard)
    else:
        yield not_tried("stream_usage", "The stream failed.")
    if whole.status == "failed":
        why = "These are asked for in whole answers, and a whole answer failed."
        yield from (not_tried(name, why) for name in _FEATURES)
        return
    yield from _features(gateway, client, model)


def _features(gateway: Gateway, client: Client, model: str) -> Iterator[Result]:
    known: dict[str, Verdict] = {}
    for name, judge in _FEATURES.items():
        tools = known.get("tools")
        if name == "parallel_tools" and tools and tools.status in ("failed", "not_supported"):
            yield not_tried(name, "There is no single tool call either.")
            continue
        heard = ask(gateway, client, model, name)
        known[name] = judge(heard)
        yield _told(name, known[name], heard)


def _list(gateway: Gateway, client: Client, model: str | None) -> tuple[Verdict, list[str]]:
    """What the vendor's list shows, and the models in it."""
    try:
        provider = own_provider(client, gateway.ways)
        with in_time(gateway):
            listed = listed_now(client, gateway.ways, gateway.model_lists)
    except GatewayError as error:
        return verdicts.failed(error), []
    if listed is None:
        known = len(provider.models)
        more = f" The gateway knows {known} of its models by name." if known else ""
        return Verdict("not_supported", f"There is no list at this provider.{more}"), []
    names = [one["id"] for one in listed]
    told = f"{len(names):,} model{'' if len(names) == 1 else 's'}."
    if model is not None and "/" not in model and names and not client.model_aliases:
        among = "is" if model in names else "is not"
        told += f" {quoted(model)} {among} among them."
    return Verdict("ok", told), names


def _told(name: str, verdict: Verdict, heard: Heard) -> Result:
    model, request_id = heard.model, heard.exchange.request_id
    return _result(name, verdict, heard.ms, model, request_id)


def _result(
    name: str,
    verdict: Verdict,
    ms: int,
    model: str | None = None,
    request_id: str | None = None,
) -> Result:
    return {
        "probe": name,
        "status": verdict.status,
        "detail": verdict.detail,
        "ms": ms,
        "model": model,
        "request_id": request_id,
    }
