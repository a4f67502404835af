"""docs/providers.md says what the table says."""

from pathlib import Path

from gateway.config import PROVIDER_IDS
from gateway.providers import PROVIDERS
from gateway.providers.document import page

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_is_what_the_table_gives() -> None:
    assert (ROOT / "docs" / "providers.md").read_text() == page(), (
        "run: python -m gateway.providers.document > docs/providers.md"
    )


def test_every_provider_is_one_that_a_client_may_name() -> None:
    assert set(PROVIDERS) <= set(PROVIDER_IDS)
