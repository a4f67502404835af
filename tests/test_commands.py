"""The commands of `flask --app app …`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import Engine

from gateway import commands
from gateway.config import Settings, load
from gateway.store import admins
from gateway.store.client_book import ClientBook, describe
from gateway.store.client_fields import ClientFields
from gateway.store.clients import Client, ClientDirectory
from gateway.store.engine import open_engine
from gateway.store.first_run import prepare
from gateway.store.vault import Vault


@dataclass
class Parts:
    """As much of the app's Gateway as commands ask for."""

    settings: Settings
    engine: Engine
    vault: Vault
    changes: list[str] = field(default_factory=list)

    def changed(self) -> None:
        self.changes.append("changed")

    def client(self, key: str) -> Client | None:
        return ClientDirectory(self.engine, self.vault).by_key(key.strip())


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Parts]:
    """An installation that was never prepared."""
    settings = load({"GATEWAY_DATA_DIR": str(tmp_path / "data")})
    engine = open_engine(settings)
    yield Parts(settings, engine, Vault(settings))
    engine.dispose()


@pytest.fixture
def parts(bare: Parts) -> Parts:
    prepare(bare.settings, lambda text: None)
    return bare


def runner(parts: Parts) -> FlaskCliRunner:
    app = Flask(__name__)
    app.extensions["gateway"] = parts
    commands.register(app)
    return app.test_cli_runner()


def run(parts: Parts, *arguments: str, typed: str | None = None) -> Result:
    return runner(parts).invoke(args=list(arguments), input=typed)


COMMANDS = ["prepare", "create-client", "list-clients", "rotate-key", "explain", "reset-password"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_help(bare: Parts, command: str) -> None:
    result = run(bare, command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage:") and len(result.stdout.splitlines()) > 6


def test_prepare_says_how_to_come_in_once(bare: Parts) -> None:
    first, second = run(bare, "prepare"), run(bare, "prepare")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "password" in first.stdout and "\ncurl http://127.0.0.1:8090/v1/" in first.stdout
    assert second.stdout == "AI Gateway is starting at http://127.0.0.1:8090\n"


def test_prepare_that_fails_says_why_and_exits_with_1(bare: Parts) -> None:
    (bare.settings.data_dir / "gateway.db").write_bytes(b"no database" * 1000)
    result = run(bare, "prepare")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "file is not a database" in result.stderr
    assert "restore a backup" in result.stderr


def test_create_client_prints_the_key_alone(parts: Parts) -> None:
    result = run(parts, "create-client", "shop")
    assert result.exit_code == 0
    client = parts.client(result.stdout)
    assert client and client.name == "shop"
    assert "Client 2, 'shop', is made" in result.stderr
    assert parts.changes == ["changed"]


def test_create_client_has_an_option_for_each_field(parts: Parts) -> None:
    text = run(parts, "create-client", "--help").stdout
    options = {name.replace("_", "-") for name in ClientFields.model_fields if name != "name"}
    assert [option for option in options if f"--{option}" not in text] == []


def test_create_client_sets_every_field(parts: Parts) -> None:
    result = run(
        parts,
        *"create-client shop --description x --no-is-active --key-prefix sk-".split(),
        *"--provider azure-openai --api-key azure-1 --base-url https://az.example".split(),
        *"--api-version 2024-10-21 --model gpt-4o --allowed-models gpt-4o".split(),
        *"--allowed-models o3 --model-aliases gpt-*=gpt-4o --model-aliases a=b=c".split(),
        *"--fallback-models openai/gpt-4o --system-prompt kind --tool-mode gateway".split(),
        *"--server-tools * --strict-params --allow-unpriced --rate-limit-minute 1".split(),
        *"--rate-limit-hour 2 --rate-limit-day 3 --tokens-per-minute 4".split(),
        *"--max-concurrent 5 --quota-requests-day 6 --quota-input-tokens-day 7".split(),
        *"--quota-output-tokens-day 8 --max-input-tokens 9 --max-output-tokens 10".split(),
        *"--budget-usd-day 1.5 --budget-usd-month none --log-bodies full".split(),
        *"--expires-at 2030-01-31T12:00:00Z".split(),
    )
    assert result.exit_code == 0, result.stderr
    client = parts.client(result.stdout)
    book = ClientBook(parts.engine, parts.vault, parts.settings, parts.changed)
    told = describe(book.find("shop"))
    assert client and client.provider_api_key == "azure-1"
    assert client.model_aliases == {"gpt-*": "gpt-4o", "a": "b=c"}
    unset = {name for name, value in told.items() if value in (None, [], {}, "")}
    assert unset == {"budget_usd_month"}
    assert (told["is_active"], told["allowed_models"]) == (False, ["gpt-4o", "o3"])


def test_the_providers_key_can_come_from_standard_input(parts: Parts) -> None:
    arguments = ("create-client", "shop", "--provider", "openai", "--api-key", "-")
    result = run(parts, *arguments, typed="sk-from-a-pipe\nmore\n")
    client = parts.client(result.stdout)
    assert client and client.provider_api_key == "sk-from-a-pipe"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shop", "--provider", "opnai"], "--provider: should be one of"),
        (["shop", "--rate-limit-minute", "many"], "--rate-limit-minute: should be a valid integer"),
        (["shop", "--rate-limit-minute", "0"], "--rate-limit-minute: should be greater than"),
        (["shop", "--budget-usd-day", "-1"], "--budget-usd-day: should be greater than"),
        (["shop", "--provider", "openai-compatible"], "--base-url: is required"),
        (["shop", "--api-key", "secret word"], "--api-key: should be 1 to 4000 ASCII"),
        (["shop", "--model-aliases", "gpt-4o"], "--model-aliases: should be ALIAS=TARGET"),
        (["shop", "--tool-mode", "both"], "'--tool-mode'"),
        (["shop", "--colour", "red"], "No such option"),
        (["demo"], "NAME: is the name of another client"),
        ([], "Missing argument 'NAME'"),
    ],
)
def test_what_is_typed_wrong_exits_with_2(parts: Parts, arguments: list[str], told: str) -> None:
    result = run(parts, "create-client", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "secret word" not in result.stderr


def test_list_clients_is_a_table(parts: Parts) -> None:
    run(parts, "create-client", "shop", "--no-is-active")
    head, *rows = [line.split() for line in run(parts, "list-clients").stdout.splitlines()]
    assert head == "id name provider default model api key hint is active expires".split()
    assert [(row[0], row[1], row[-2], row[-1]) for row in rows] == [
        ("1", "demo", "yes", "-"),
        ("2", "shop", "no", "-"),
    ]


def test_list_clients_as_json_has_all_fields_and_no_key(parts: Parts) -> None:
    key = run(parts, "create-client", "shop", "--api-key", "sk-upstream").stdout.strip()
    output = run(parts, "list-clients", "--json").stdout
    demo, shop = json.loads(output)
    assert (demo["name"], shop["name"]) == ("demo", "shop")
    assert shop["has_provider_api_key"] is True
    assert key not in output and "sk-upstream" not in output


def test_list_clients_lists_them_all(parts: Parts) -> None:
    book = ClientBook(parts.engine, parts.vault, parts.settings, parts.changed)
    for number in range(120):
        book.create({"name": f"client {number}"})
    assert len(json.loads(run(parts, "list-clients", "--json").stdout)) == 121


def test_rotate_key_by_name_and_by_id(parts: Parts) -> None:
    first = run(parts, "create-client", "shop").stdout
    second = run(parts, "rotate-key", "shop").stdout
    third = run(parts, "rotate-key", "2", "--grace-seconds", "60").stdout
    works = [parts.client(key) is not None for key in (first, second, third)]
    assert works == [False, True, True]
    assert len(parts.changes) == 3


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["rotate-key", "nobody"], 1, "See: flask --app app list-clients"),
        (["rotate-key", "demo", "--grace-seconds", "-1"], 2, "--grace-seconds"),
        (["reset-password", "--username", "nobody"], 1, "There is: admin"),
    ],
)
def test_a_failure_says_what_to_do(
    parts: Parts, arguments: list[str], status: int, told: str
) -> None:
    result = run(parts, *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert told in result.stderr


def test_reset_password_prints_the_new_one_alone(parts: Parts) -> None:
    password = run(parts, "reset-password").stdout.strip()
    assert admins.check(parts.engine, "admin", password)


@pytest.mark.parametrize(
    "arguments",
    [["create-client", "x"], ["list-clients"], ["rotate-key", "demo"], ["reset-password"]],
)
def test_an_installation_that_was_never_prepared_is_told_how(
    bare: Parts, arguments: list[str]
) -> None:
    result = run(bare, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "run: flask --app app prepare" in result.stderr
