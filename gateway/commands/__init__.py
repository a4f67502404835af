"""The commands of `flask --app app …`: clients, passwords, and what a start needs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import click
import orjson
from flask import Flask
from flask.cli import with_appcontext

from gateway import price_list
from gateway.commands.field_options import FieldsCommand, flag, payload_of
from gateway.commands.printed import clients_table, explained, usage_table
from gateway.context import current_gateway
from gateway.errors import GatewayError, InvalidFields, NotFound, Unavailable
from gateway.extensions import db
from gateway.memory import Memory
from gateway.preview import DOORS, Asked, door_of, preview
from gateway.store import admins
from gateway.store.client_book import LONGEST_GRACE, ClientBook, describe
from gateway.store.first_run import prepare
from gateway.store.migration import FOLDER, MigrationFailed
from gateway.store.stats import RANGES, stamp, statistics


def register(app: Flask) -> None:
    for command in (
        prepare_,
        create_client,
        list_clients,
        rotate_key,
        explain,
        reset_password,
        usage,
    ):
        app.cli.add_command(command)
    if click.get_current_context(silent=True):  # a worker has no use for Alembic's 10 MB
        from flask_migrate import Migrate

        Migrate(app, db, directory=str(FOLDER))


@click.command("prepare")
@with_appcontext
def prepare_() -> None:
    """Make the installation ready to serve.

    Applies migrations, makes the secret key, the first admin and a demo client, and unpacks the
    price list. It runs by itself before each start; on an installation that is up to date it
    changes nothing.

    If the password or the key that it prints got lost: reset-password, rotate-key demo.
    """
    try:
        prepare(current_gateway.settings, click.echo)
    except MigrationFailed as error:
        raise click.ClickException(str(error)) from error
    if not price_list.is_written(current_gateway.settings.data_dir):
        price_list.write(current_gateway.settings.data_dir)


@click.command("create-client", cls=FieldsCommand)
@click.argument("name")
@with_appcontext
def create_client(**given: Any) -> None:
    """Create a client called NAME and print its key, which is shown this once.

    \b
    A client of the demo provider, then one of OpenAI that asks for the key to use there:
      flask --app app create-client try
      flask --app app create-client shop --provider openai --api-key - --model gpt-4o-mini

    Limits take a whole number, or `none` where config.yaml sets a default for new clients.
    """
    with _failures_told():
        row, key = _book().create(payload_of(given))
    click.echo(f"Client {row.id}, {row.name!r}, is made. Its key, shown this once:", err=True)
    click.echo(key)


@click.command("list-clients")
@click.option("--json", "as_json", is_flag=True, help="All fields, as JSON.")
@with_appcontext
def list_clients(as_json: bool) -> None:
    """List the clients. Neither their keys nor those of their providers are shown."""
    with _failures_told():
        clients = [describe(row) for row in _rows(_book())]
    if as_json:
        click.echo(json.dumps(clients, indent=2, ensure_ascii=False))
    else:
        click.echo(clients_table(clients))


@click.command("rotate-key")
@click.argument("name_or_id")
@click.option(
    "--grace-seconds",
    type=click.IntRange(0, LONGEST_GRACE),
    default=0,
    show_default=True,
    help="How long older keys go on working.",
)
@with_appcontext
def rotate_key(name_or_id: str, grace_seconds: int) -> None:
    """Give a client a new key and print it; it is shown this once."""
    with _failures_told():
        row = _book().find(name_or_id)
        key = _book().rotate_key(row.id, grace_seconds)
    click.echo(f"The new key of client {row.id}, {row.name!r}, shown this once:", err=True)
    click.echo(key)


@click.command("explain")
@click.argument("name_or_id")
@click.option("--body", type=click.File("rb"), required=True, help="The question; - is stdin.")
@click.option("--door", type=click.Choice([*DOORS]), help="Whose dialect it is. [default: a guess]")
@click.option("--model", default="", help="At Gemini's door: the model in the path.")
@click.option("--stream", is_flag=True, help="At Gemini's door: streamGenerateContent.")
@click.option("--json", "as_json", is_flag=True, help="All of it, as JSON, and nothing shortened.")
@with_appcontext
def explain(
    name_or_id: str, body: BinaryIO, door: str | None, model: str, stream: bool, as_json: bool
) -> None:
    """Show what a client's question would come to, without asking anybody.

    Which targets there are, in their order; what each would be sent (its key is not shown); what
    would be left out of the question, and fetched for it; or the error that the client would get.

    \b
      echo '{"messages": [{"role": "user", "content": "Hello"}]}' |
        flask --app app explain shop --body -
      flask --app app explain shop --door gemini --model gemini-2.5-flash --body question.json
    """
    raw = body.read()
    asked = Asked(raw, door or door_of(raw), model, stream)
    if asked.door == "gemini" and not model:
        raise click.UsageError("--model: at Gemini's door the model stands in the path")
    gateway = current_gateway
    with _failures_told():
        client = gateway.clients.by_id(_book().find(name_or_id).id)
        memory = Memory(gateway.states, client.id)
        told = preview(client, gateway.ways, gateway.prices, gateway.fetcher, memory, asked)
    click.echo(orjson.dumps(told) if as_json else explained(client.name, told))


@click.command("reset-password")
@click.option("--username", default=admins.FIRST, show_default=True, help="Whose password.")
@with_appcontext
def reset_password(username: str) -> None:
    """Give an admin a new password and print it; their sessions end."""
    password = admins.new_password()
    with _failures_told():
        admins.set_password(current_gateway.engine, username, password)
    click.echo(f"The new password of {username!r}, shown this once:", err=True)
    click.echo(password)


@click.command("usage")
@click.option("--range", "name", type=click.Choice(list(RANGES)), default="24h", show_default=True)
@click.option("--client", "name_or_id", help="Of this client alone, by its name or id.")
@click.option("--json", "as_json", is_flag=True, help="All figures and the series, as JSON.")
@with_appcontext
def usage(name: str, name_or_id: str | None, as_json: bool) -> None:
    """Print what was asked, by whom and of which model: requests, errors, tokens, money, times.

    Costs are of the requests whose price was known. Latency is that of answers without an error,
    the first token that of streams; both in milliseconds.
    """
    with _failures_told():
        client_id = _book().find(name_or_id).id if name_or_id else None
        found = statistics(current_gateway.engine, name, client_id)
    if as_json:
        click.echo(json.dumps({"range": name, **found.told()}, indent=2, ensure_ascii=False))
        return
    click.echo(f"Since {stamp(found.since)} (UTC)\n")
    click.echo(usage_table("", [([], found.totals)]))
    clients = [([who or _nobody(number)], totals) for number, who, totals in found.by_client]
    click.echo(usage_table("client", clients))
    models = [([provider, model], totals) for provider, model, totals in found.by_model]
    click.echo(usage_table("provider model", models))


def _nobody(client_id: int) -> str:
    return f"client {client_id}, deleted" if client_id else "(without a key)"


@contextmanager
def _failures_told() -> Iterator[None]:
    """Exit status 2 for what was typed wrong, 1 for the rest, and what to do about it."""
    try:
        yield
    except InvalidFields as error:
        told = (f"{flag(name)}: {why}" for name, why in error.fields.items())
        raise click.UsageError("\n".join(told)) from error
    except NotFound as error:
        raise click.ClickException(f"{error.message} {_whom_there_is(error)}") from error
    except Unavailable as error:
        hint = "If it was never set up, run: flask --app app prepare"
        raise click.ClickException(f"{error.message}\n{hint}") from error
    except GatewayError as error:
        raise click.ClickException(error.message) from error


def _whom_there_is(error: NotFound) -> str:
    if error.code == "client_not_found":
        return "See: flask --app app list-clients"
    names = ", ".join(admins.usernames(current_gateway.engine))
    return f"There is: {names}" if names else "Run: flask --app app prepare"


def _book() -> ClientBook:
    return ClientBook.of(current_gateway)


def _rows(book: ClientBook) -> Iterator[Any]:
    after: int | None = 0
    while after is not None:
        rows, after = book.page(after)
        yield from rows
