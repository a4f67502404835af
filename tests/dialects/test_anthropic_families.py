"""Which models take what, and how models are listed."""

from typing import get_args

import anthropic
import pytest
from anthropic.types import ModelInfo
from anthropic.types.model import Model

from gateway.dialects.anthropic import VERSIONS, model_entry, models_page, rejects_sampling
from gateway.dialects.anthropic.families import FAMILIES, family_of
from tests.dialects.anthropic_sdk import WHOLE
from tests.upstream import Json, Upstream

KNOWN = get_args(get_args(Model)[0])


@pytest.mark.parametrize("model", KNOWN)
def test_every_model_that_the_sdk_names_has_its_family(model: str) -> None:
    assert any(part in model for names, _ in FAMILIES[:-1] for part in names)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-opus-4-8", True),
        ("claude-opus-4-7", True),
        ("claude-sonnet-5", True),
        ("claude-haiku-5-5", True),
        ("anthropic/claude-opus-5", True),
        ("claude-fable-5-2", True),
        ("claude-unheard-of-9", True),
        ("claude-opus-4-6", False),
        ("claude-haiku-4-5-20251001", False),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", False),
        ("anthropic/claude-sonnet-4.5", False),
        ("claude-3-opus-latest", False),
        ("glm-5", False),
    ],
)
def test_some_models_refuse_to_be_sampled(model: str, expected: bool) -> None:
    assert rejects_sampling(model) is expected


@pytest.mark.parametrize(
    ("model", "max_output", "thinking"),
    [
        ("claude-opus-4-20250514", 32_000, "budget"),
        ("claude-sonnet-4-0", 64_000, "budget"),
        ("claude-opus-4-1-20250805", 32_000, "budget"),
        ("claude-3-7-sonnet-latest", 64_000, "budget"),
        ("claude-3-5-haiku-20241022", 8_192, "none"),
        ("claude-3-haiku-20240307", 4_096, "none"),
        ("claude-sonnet-4.6", 128_000, "either"),
        ("claude-haiku-5-5", 128_000, "adaptive"),
    ],
)
def test_families_differ(model: str, max_output: int, thinking: str) -> None:
    family = family_of(model)
    assert (family.max_output, family.thinking) == (max_output, thinking)


def test_recorded_questions_that_were_answered_fit_their_families() -> None:
    for row in WHOLE:
        family, asked = family_of(row.request["model"]), row.request
        kind = asked.get("thinking", {}).get("type")
        assert kind != "adaptive" or family.thinking in ("adaptive", "either")
        assert kind != "enabled" or family.thinking in ("budget", "either")
        config = asked.get("output_config", {})
        assert "format" not in config or family.formats
        assert "effort" not in config or config["effort"] in family.efforts


def test_the_versions_are_in_order() -> None:
    assert list(VERSIONS) == sorted(VERSIONS)


def test_the_sdk_reads_the_list_of_models() -> None:
    rows = [
        {"id": "claude-x", "object": "model", "created": 1_700_000_000, "owned_by": "anthropic"},
        {"id": "gpt-y", "created": 1_700_000_000_000.0, "display_name": "GPT Y"},
        {"id": "m/z", "created": "soon", "name": "Z", "max_tokens": 4096},
    ]
    with Upstream() as upstream:
        upstream.always(Json(models_page(rows)))
        with anthropic.Anthropic(base_url=upstream.origin, api_key="k") as client:
            listed = list(client.models.list())
    assert [(model.id, model.display_name) for model in listed] == [
        ("claude-x", "claude-x"),
        ("gpt-y", "GPT Y"),
        ("m/z", "Z"),
    ]
    days = [model.created_at.isoformat() for model in listed]
    assert days == ["2023-11-14T22:13:20+00:00"] * 2 + ["1970-01-01T00:00:00+00:00"]
    assert listed[2].max_tokens == 4096


def test_an_empty_list_has_neither_first_nor_last() -> None:
    assert models_page([]) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize("created", [None, True, "x", [], -1e300, 1e300, float("nan"), 0, 1.5])
def test_any_day_makes_an_entry(created: object) -> None:
    ModelInfo.model_validate(model_entry({"id": "m", "created": created}))
