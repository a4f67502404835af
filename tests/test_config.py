"""Settings: the file, the environment over it, and a clear line for whatever is wrong."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from gateway.config import (
    ENVIRONMENT,
    PROVIDER_IDS,
    ROOT,
    ConfigError,
    McpServer,
    Origin,
    PriceOverride,
    ProviderCredentials,
    Section,
    Settings,
    accepted,
    load,
)

SHIPPED = ROOT / "config.yaml"
VARIABLES = {key: variable for variable, key in ENVIRONMENT.items()}


def leaves() -> Iterator[tuple[str, FieldInfo]]:
    """Every setting that has a value of its own, with its dotted key."""
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from ((f"{name}.{inner}", one) for inner, one in kind.model_fields.items())
        elif name not in ("providers", "prices"):
            yield name, field


LEAVES = dict(leaves())
CREDENTIALS = {f"providers.<id>.{n}": f for n, f in ProviderCredentials.model_fields.items()}
PRICES = {f"prices.<id>.<model>.{n}": f for n, f in PriceOverride.model_fields.items()}
SERVERS = {f"tools.mcp_servers.<n>.{n}": f for n, f in McpServer.model_fields.items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def read(file: Path, text: str, **environ: str) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load(environ, file)


def refusal(file: Path, text: str, **environ: str) -> str:
    """What is said about `text`, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        read(file, text, **environ)
    return str(caught.value).replace(f"{file}: ", "")


def nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def setting(values: Settings, key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        found = getattr(found, part)
    return found.get_secret_value() if isinstance(found, SecretStr) else found


# The shipped file and the document.


def test_the_shipped_file_names_every_setting_once_and_nothing_else() -> None:
    shipped = yaml.safe_load(SHIPPED.read_text())
    named = []
    for name, value in shipped.items():
        named += [f"{name}.{inner}" for inner in value] if isinstance(value, dict) else [name]
    assert named == [*LEAVES, "providers", "prices"]


def test_the_shipped_file_holds_the_defaults() -> None:
    shipped = yaml.safe_load(SHIPPED.read_text())
    for key, field in LEAVES.items():
        section, _, name = key.rpartition(".")
        written = shipped[section][name] if section else shipped[name]
        default = str(field.default) if isinstance(field.default, Path) else field.default
        assert (key, written) == (key, default)
    assert load({}, SHIPPED) == Settings()


def test_each_setting_of_the_shipped_file_has_its_meaning_above_it() -> None:
    lines = SHIPPED.read_text().splitlines()
    above = {}
    section = ""
    for before, line in zip(lines, lines[1:], strict=False):
        if match := re.match(r"( *)(\w+):", line):
            section = section if match[1] else match[2]
            above[f"{section}.{match[2]}" if match[1] else match[2]] = before.strip()
    everything = {**LEAVES, **Settings.model_fields}
    assert above == {
        key: f"# {field.description}" + (f" ({VARIABLES[key]})" if key in VARIABLES else "")
        for key, field in everything.items()
    }


def test_the_examples_of_the_shipped_file_load_when_uncommented(file: Path) -> None:
    text, examples = SHIPPED.read_text().split("\nproviders:\n")
    text += "\nproviders:\n" + re.sub("^  # ", "  ", examples, flags=re.M)
    names = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY")
    got = read(file, text, **dict.fromkeys(names, "sk-1"))
    assert [*got.providers] == ["openai", "anthropic", "azure-openai", "ollama"]
    assert got.providers["azure-openai"].api_version == "2024-10-21"
    assert got.prices["openai"] == {
        "gpt-4o": PriceOverride(
            input=Decimal("2.5"), output=Decimal(10), cached_input=Decimal("1.25")
        )
    }


def test_the_document_has_a_row_for_each_setting() -> None:
    rows = []
    for key, field in {**LEAVES, **CREDENTIALS, **PRICES, **SERVERS}.items():
        default = field.default
        plain = isinstance(default, str | Path)
        shown = "" if field.is_required() else f"`{default if plain else json.dumps(default)}`"
        variable = f"`{VARIABLES[key]}`" if key in VARIABLES else ""
        takes = accepted(field).rstrip(",")
        rows.append(f"| `{key}` | {shown} | {takes} | {field.description} | {variable} |")
    document = (ROOT / "docs" / "configuration.md").read_text()
    assert [line for line in document.splitlines() if line.startswith("| `")] == rows


def test_the_document_names_every_variable_and_provider() -> None:
    document = (ROOT / "docs" / "configuration.md").read_text()
    for name in (*ENVIRONMENT, "GATEWAY_CONFIG", *PROVIDER_IDS):
        assert f"`{name}`" in document


# What is read.


def test_values_of_the_file_replace_defaults(file: Path) -> None:
    got = read(file, "server: {port: 9000}\ndefaults: {budget_usd_day: 2.5}\n")
    assert (got.server.port, got.server.host) == (9000, "127.0.0.1")
    assert got.defaults.budget_usd_day == Decimal("2.5")


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "server:\n", "providers:\n", "\ufeffserver:\n"]
)
def test_what_is_left_empty_is_default(file: Path, text: str) -> None:
    assert read(file, text) == Settings()


def test_credentials_of_providers(file: Path) -> None:
    got = read(
        file,
        "providers:\n  openai: {api_key: sk-1}\n"
        "  azure-openai: {api_version: 2024-10-21}\n  ollama:\n",
    ).providers
    key = got["openai"].api_key
    assert key is not None and key.get_secret_value() == "sk-1"
    assert got["azure-openai"].api_version == "2024-10-21"
    assert got["ollama"] == ProviderCredentials()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().server.port = 1


def test_secrets_are_not_in_the_settings_own_text(file: Path) -> None:
    got = read(
        file,
        "secret_key: hunter2\nadmin: {password: hunter2}\nupstream: {proxy: 'http://u:hunter2@p'}\n"
        "database: {url: 'postgres://u:hunter2@h/d'}\nproviders: {openai: {api_key: hunter2}}\n",
    )
    assert "hunter2" not in repr(got) + str(got)


def test_a_missing_file_at_the_usual_place_is_all_defaults(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "gateway" / "config", tmp_path / "gateway" / "config")
    code = "from gateway.config import Settings, load; assert load({}) == Settings()"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_gateway_config_names_the_file(file: Path) -> None:
    file.write_text("server: {port: 9001}")
    assert load({"GATEWAY_CONFIG": str(file)}).server.port == 9001
    assert load({"GATEWAY_CONFIG": ""}) == load({}, SHIPPED)


def test_the_data_folder_is_beside_app_py_unless_absolute(tmp_path: Path) -> None:
    assert Settings().data_dir == ROOT / "data"
    assert Settings(data_dir=tmp_path).data_dir == tmp_path


@pytest.mark.parametrize(
    ("written", "url"),
    [
        (None, "sqlite:////srv/gateway.db"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
    ],
)
def test_database_url(written: str | None, url: str) -> None:
    got = Settings.model_validate({"data_dir": "/srv", "database": {"url": written}})
    assert got.database_url == url


# The environment.

OVERRIDES: dict[str, tuple[str, Any]] = {
    "GATEWAY_DATA_DIR": ("/srv/data", Path("/srv/data")),
    "GATEWAY_SECRET_KEY": ("s", "s"),
    "GATEWAY_ADMIN_PASSWORD": ("${not} filled", "${not} filled"),
    "GATEWAY_ADMIN_TOKEN": ("t" * 32, "t" * 32),
    "DATABASE_URL": ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
    "REDIS_URL": ("redis://127.0.0.1:6379/1", "redis://127.0.0.1:6379/1"),
    "HOST": ("0.0.0.0", "0.0.0.0"),
    "PORT": ("9002", 9002),
    "WEB_CONCURRENCY": ("4", 4),
}


@pytest.mark.parametrize("variable", ENVIRONMENT)
def test_the_environment_wins_over_the_file(file: Path, variable: str) -> None:
    text, value = OVERRIDES[variable]
    key = ENVIRONMENT[variable]
    written = yaml.safe_dump(nested(key, "sqlite:///other" if key == "database.url" else "7" * 33))
    assert setting(read(file, written, **{variable: text}), key) == value


@pytest.mark.parametrize("variable", ENVIRONMENT)
def test_an_empty_variable_counts_as_unset(variable: str) -> None:
    assert load({variable: ""}, SHIPPED) == Settings()


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        load({"PORT": "abc"}, SHIPPED)
    assert str(caught.value) == (
        'environment: PORT = "abc" (server.port): not accepted; a whole number from 1 to 65535 is'
    )


def test_an_override_does_not_hide_that_its_section_is_wrong(file: Path) -> None:
    assert refusal(file, "server: x", PORT="1").startswith("server = ")


def test_variables_in_the_file_are_filled_in(file: Path) -> None:
    text = "server: {host: '${A}.${B:-x}', port: '${P:-9003}'}\nadmin: {token: '${T:-}'}\n"
    got = read(file, text, A="a", P="")
    assert (got.server.host, got.server.port, got.admin.token) == ("a.x", 9003, None)


def test_variables_in_a_list_are_filled_in(file: Path) -> None:
    got = read(file, "fetch: {allow: ['${NET}', minio.lan, 'fd00::/8']}", NET="10.0.0.0/8")
    assert got.fetch.allow == ["10.0.0.0/8", "minio.lan", "fd00::/8"]


@pytest.mark.parametrize("environ", [{}, {"NOPE": ""}])
def test_an_unset_variable_without_default_is_named(file: Path, environ: dict[str, str]) -> None:
    text = "providers: {openai: {api_key: 'sk-${NOPE}'}}\nserver: {port: '${NOPE}'}"
    lines = refusal(file, text, **environ).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        'providers.openai.api_key = "${NOPE}"',
        'server.port = "${NOPE}"',
    ]
    assert all("not set" in line for line in lines)


def test_an_unset_variable_does_not_matter_where_the_environment_wins(file: Path) -> None:
    assert read(file, "server: {port: '${NOPE}'}", PORT="9004").server.port == 9004


def test_a_wrong_value_that_was_filled_in_is_shown_as_written(file: Path) -> None:
    assert refusal(file, "server: {port: '${P}'}", P="hunter2").startswith('server.port = "${P}":')


# What is refused.

PORT = "a whole number from 1 to 65535 is"
TEXT = "text (in quotes if it looks like a number)"
SECTION = "a section of `name: value` lines is"
WRONG = [
    ("server: {port: abc}", f'server.port = "abc": not accepted; {PORT}'),
    ("server: {port: 0}", f"server.port = 0: not accepted; {PORT}"),
    ("server: {port: 65536}", f"server.port = 65536: not accepted; {PORT}"),
    ("server: {port: 1.5}", f"server.port = 1.5: not accepted; {PORT}"),
    ("server: {port: true}", f"server.port = true: not accepted; {PORT}"),
    ("server: {port: }", f"server.port = null: not accepted; {PORT}"),
    ("server: {port: [1]}", f"server.port = a list: not accepted; {PORT}"),
    ("server: {port: {a: 1}}", f"server.port = a mapping: not accepted; {PORT}"),
    ("server: {port: .inf}", f"server.port = inf: not accepted; {PORT}"),
    ("server: {host: ''}", f'server.host = "": not accepted; {TEXT} is'),
    ("server: {host: 1}", f"server.host = 1: not accepted; {TEXT} is"),
    ("fetch: {ports: 80}", "fetch.ports = 80: not accepted; a list of whole numbers is"),
    ("fetch: {ports: [a]}", "fetch.ports = a list: not accepted; a list of whole numbers is"),
    (
        "fetch: {ports: [0]}",
        "fetch.ports = a list: not accepted; a list of whole numbers from 1 to 65535 is",
    ),
    ("fetch: {allow: lan}", 'fetch.allow = "lan": not accepted; a list of texts is'),
    (
        "fetch: {allow: [10.0.0.1/8]}",
        "fetch.allow = a list: not accepted; "
        "a list of names of hosts, addresses and networks such as 10.0.0.0/8 is",
    ),
    ("tools: {modules: [no.py]}", "tools.modules = a list: not accepted; a list of paths of exis"),
    ("tools: {mcp_servers: {}}", "tools.mcp_servers = a mapping: not accepted; a list of sections"),
    ("server: 1", f"server = (a number, not shown): not accepted; {SECTION}"),
    ("server: []", f"server = a list: not accepted; {SECTION}"),
    ("data_dir: ''", 'data_dir = "": not accepted; a path is'),
    ('data_dir: "a\\0"', 'data_dir = "a\\u0000": not accepted; a path is'),
    ("logging: {level: loud}", 'logging.level = "loud": not accepted; one of debug, info,'),
    ("logging: {level: off}", "logging.level = false: not accepted; one of debug, info,"),
    ("metrics: {enabled: 7}", "metrics.enabled = 7: not accepted; true or false is"),
    ("metrics: {username: a}", "metrics.password = null: not accepted; a password with a user"),
    ("metrics: {password: a}", "metrics.password = (1 characters, not shown): not accepted; a"),
    ("oidc: {issuer: 'http://id.example'}", 'oidc.issuer = "http://id.example": not accepted; an'),
    ("oidc: {client_id: a}", 'oidc.client_id = "a": not accepted; a client_id with an issuer'),
    (
        "oidc: {issuer: 'https://id.example', client_secret: b, admins: [a@b.c]}",
        "oidc.client_id = null: not accepted; a client_id with an issuer",
    ),
    (
        "oidc: {issuer: 'https://id.example', client_id: a, client_secret: b}",
        "oidc.admins = null: not accepted; somebody who may come in",
    ),
    ("oidc: {admins: ['@b']}", "oidc.admins = a list: not accepted; a list of e-mail addresses"),
    ("oidc: {allowed_domains: ['@b.c']}", "oidc.allowed_domains = a list: not accepted; a list"),
    ("oidc: {public_url: 'https://a/b'}", 'oidc.public_url = "https://a/b": not accepted; an'),
    ("metrics: {username: 'a:b', password: c}", 'metrics.username = "a:b": not accepted; a name'),
    ("upstream: {idle_timeout: 0}", "upstream.idle_timeout = 0: not accepted; a number above 0"),
    ("upstream: {idle_timeout: .nan}", "upstream.idle_timeout = nan: not accepted; a number"),
    ("upstream: {max_retries: 11}", "upstream.max_retries = 11: not accepted; a whole number"),
    ("upstream: {proxy: 'socks5://h'}", "upstream.proxy = (10 characters, not shown): not"),
    ("upstream: {ca_bundle: nope}", 'upstream.ca_bundle = "nope": not accepted; the path of an'),
    ("database: {url: 'mysql://h/d'}", "database.url = (11 characters, not shown): not accepted;"),
    ("admin: {token: short}", "admin.token = (5 characters, not shown): not accepted; ASCII text"),
    (f"admin: {{token: '{'ä' * 32}'}}", "admin.token = (32 characters, not shown): not accepted;"),
    ("admin: {password: 1}", f"admin.password = (a number, not shown): not accepted; {TEXT}"),
    ("defaults: {max_concurrent: 0}", "defaults.max_concurrent = 0: not accepted; a whole number"),
    ("defaults: {budget_usd_day: -1}", "defaults.budget_usd_day = -1: not accepted; a number"),
    ("providers: []", f"providers = a list: not accepted; {SECTION}"),
    ("providers: {openai: x}", "providers.openai = (1 characters, not shown): not accepted; a sec"),
    ("providers: {openai: {base_url: 'h/v1'}}", "providers.openai.base_url = (4 characters, not"),
    ("providers: {openai: {base_url: 'http://'}}", "providers.openai.base_url = (7 characters"),
    ("providers: {openai: {base_url: 'http://h?a=1'}}", "providers.openai.base_url = (12 char"),
    ('providers: {openai: {api_key: "a\\n"}}', "providers.openai.api_key = (2 characters, not"),
    ("server: {prot: 1}", "server.prot = 1: no such setting; did you mean port? server has: host,"),
    ("sever: {}", "sever = a mapping: no such setting; did you mean server? the file has: data"),
    ("1: 2", "1: no such setting; the file has: data_dir,"),
    ("server: {1: 2}", "server.1: no such setting; server has: host, port,"),
    ('server: {"a\\nb": 2}', 'server."a\\nb" = 2: no such setting; server has: host, port,'),
    ("providers: {opnai: {}}", "providers.opnai: no such provider; did you mean openai? providers"),
    ("providers: {1: {}}", "providers.1: no such provider; providers has: gemini,"),
    ("providers: {groq: {key: 1}}", "providers.groq.key = (a number, not shown): no such setting;"),
    ("prices: []", f"prices = a list: not accepted; {SECTION}"),
    ("prices: {opnai: {}}", "prices.opnai: no such provider; did you mean openai? providers has"),
    ("prices: {openai: 1}", f"prices.openai = (a number, not shown): not accepted; {SECTION}"),
    ("prices: {openai: {x: 1}}", "prices.openai.x = (a number, not shown): not accepted; a sec"),
    ("prices: {openai: {1: {}}}", "prices.openai.1: not accepted; a model's name as text"),
    ("prices: {openai: {x: {input: -1}}}", "prices.openai.x.input = -1: not accepted; a number"),
    ("prices: {openai: {x: {inptu: 1}}}", "prices.openai.x.inptu = 1: no such setting; did you"),
    ("prices: {openai: {x: {output: 1}}}", "prices.openai.x = a mapping: not accepted; a price"),
    ("- 1", "line 1: not accepted; `name: value` lines are"),
    ("server", "line 1: not accepted; `name: value` lines are"),
    ("server: {}\nserver: {}", "line 2: server stands here for the second time"),
    ("server:\n  port: 1\n  port: 2", "line 3: port stands here for the second time"),
    ("server: [", "line 1: "),
    ("server: {}\n  port: 1", "line 2: "),
    ("server: {}\n---\nadmin: {}", "line 2: "),
    ("server: &a {}\nadmin: *a", "line 2: an alias (*name) is not accepted"),
    ("server: {}\nadmin: !x y", "line 2: a tag (!name) is not accepted"),
    ("server: {port: !!int x}", "line 1: a value of another kind than it claims to be"),
    ("server: {port: !!bool x}", "line 1: a value of another kind than it claims to be"),
    ("server: {port: !!timestamp x}", "line 1: a value of another kind than it claims to be"),
    (f"server: {{port: {'9' * 5000}}}", "line 1: a value of another kind than it claims to be"),
    ("? [a]\n: 1", "line 1: found unhashable key"),
    ("\nserver: \x01", "line 2: a character that YAML does not allow"),
    ("[" * 5000, "line 1: nested too deeply"),
]  # fmt: skip

WRONG_SERVERS = [
    ("1", f" = (a number, not shown): not accepted; {SECTION}"),
    ("{url: 'http://h'}", f".name = null: not accepted; {TEXT} is"),
    ("{name: a}", f".url = null: not accepted; {TEXT} is"),
    ("{name: a_b, url: 'http://h'}", '.name = "a_b": not accepted; 1 to 30 letters, digits and -'),
    ("{name: a, url: 'http://u:p@h'}", ".url = (12 characters, not shown): not accepted; an http"),
    ("{name: a, url: 'ftp://h'}", ".url = (7 characters, not shown): not accepted; an http"),
    ("{name: a, url: 'http://h', headers: {'a b': c}}", ".headers = a mapping: not accepted; na"),
    ("{name: a, url: 'http://h', headers: {a: [c]}}", ".headers = a mapping: not accepted; a se"),
    ("{name: a, url: 'http://h', headers: {1: c}}", ".headers = a mapping: not accepted; a sec"),
    ("{name: a, url: 'http://h', heders: {}}", ".heders = a mapping: no such setting; did you me"),
    ("{name: a, url: 'http://h', allowed_tools: a}", '.allowed_tools = "a": not accepted; a list'),
]


@pytest.mark.parametrize(("server", "line"), WRONG_SERVERS)
def test_a_wrong_setting_of_a_server_is_named_too(file: Path, server: str, line: str) -> None:
    said = refusal(file, f"tools: {{mcp_servers: [{server}]}}")
    assert said.startswith(f"tools.mcp_servers.0{line}")
    assert len(said.splitlines()) == 1


def test_servers_are_read(file: Path) -> None:
    written = {"name": "wiki", "url": "http://10.0.0.1:8/mcp?a=b", "headers": {"X-Key": "${KEY}"}}
    text = yaml.safe_dump({"tools": {"mcp_servers": [written]}})
    (got,) = read(file, text, KEY="hunter2").tools.mcp_servers
    assert (got.name, got.url, got.allowed_tools) == ("wiki", "http://10.0.0.1:8/mcp?a=b", [])
    assert got.headers["X-Key"].get_secret_value() == "hunter2"
    twice = yaml.safe_dump(
        {"tools": {"mcp_servers": [written, {"name": "Wiki", "url": "http://h"}]}}
    )
    assert "different names" in refusal(file, twice, KEY="x")


@pytest.mark.parametrize(("text", "line"), WRONG)
def test_a_wrong_setting_gets_one_line_that_says_what_is_accepted(
    file: Path, text: str, line: str
) -> None:
    said = refusal(file, text)
    assert said.startswith(line)
    assert len(said.splitlines()) == 1


def test_every_wrong_setting_is_told_at_once(file: Path) -> None:
    text = "server: {port: abc, prot: 1}\nadmin: {session_hours: 0}\ndemo: {tokens_per_second: -1}"
    lines = refusal(file, text, WEB_CONCURRENCY="x").splitlines()
    assert [line.split(" = ")[0] for line in lines] == [
        "server.port",
        "environment: WEB_CONCURRENCY",
        "server.prot",
        "admin.session_hours",
        "demo.tokens_per_second",
    ]


def test_the_line_begins_with_the_file(file: Path) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(str(file))}: server.port = 0: "):
        read(file, "server: {port: 0}")


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    with pytest.raises(ConfigError, match="none.yaml: No such file"):
        load({"GATEWAY_CONFIG": str(missing)})
    with pytest.raises(ConfigError, match="none.yaml: No such file"):
        load({}, missing)


def test_a_folder_or_other_bytes_are_no_file(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load({}, tmp_path)
    file.write_bytes(b"server: \xff")
    with pytest.raises(ConfigError, match="utf-8"):
        load({}, file)


@pytest.mark.parametrize(
    "text",
    [
        "admin: {token: hunter2}",
        "admin: {password: [hunter2]}",
        "admin: {pasword: hunter2}",
        "admin: {tokens: {a: hunter2}}",
        "admin: hunter2",
        "admin_password: hunter2",
        "server: {password: hunter2}",
        "database: {url: 'mysql://u:hunter2@h/d'}",
        "upstream: {proxy: 'ftp://u:hunter2@h'}",
        "metrics: {password: hunter2}",
        "providers: hunter2",
        "tools: {mcp_servers: [hunter2]}",
        "tools: {mcp_servers: hunter2}",
        "tools: {mcp_servers: [{name: a, url: 'http://h', headers: {'x y': hunter2}}]}",
        "tools: {mcp_servers: [{name: a, url: 'http://h', header: {x: hunter2}}]}",
        "tools: {mcp_servers: [{name: a, url: 'http://h', headers: hunter2}]}",
        "tools: {mcp_servers: [{name: a, url: 'http://u:hunter2@h'}]}",
        "providers: {openai: hunter2}",
        "providers: {openai: {api_key: 'hunter2 '}}",
        "providers: {openai: {key: hunter2}}",
        "providers: {openai: {base_url: 'hunter2'}}",
        "providers: {openai: {api_key: 'hunter2${NOPE}'}}",
        "providers: {openai: {api_key: 'a${hunter2!}'}}",
        "providers: {opnai: {api_key: hunter2}}",
        "server: {port: '${KEY}'}",
        "admin: {password: !hunter2 x}",
        "admin: {password: !'hunter2 x}",
        "admin: {password: !hunter2!x y}",
        "admin: {password: *hunter2}",
        "admin: {password: '*hunter2}",
        'admin: {password: "\\hunter2"}',
        "admin: {password: @hunter2}",
        "admin: {password: %hunter2}",
        "admin: {password: hunter2: x}",
        "admin: {password: !!int hunter2}",
        "%hunter2 x\nadmin: {}",
    ],
)
def test_no_error_shows_a_secret(file: Path, text: str) -> None:
    assert "hunter2" not in refusal(file, text, KEY="hunter2")


@pytest.mark.parametrize("variable", ["GATEWAY_ADMIN_TOKEN", "DATABASE_URL"])
def test_no_error_shows_a_secret_of_the_environment(variable: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({variable: "hunter2"}, SHIPPED)
    assert f"environment: {variable} = (7 characters, not shown) (" in str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=5,
)
P = ("prices.openai", "prices.openai.x", "prices.openai.x.input")
KEYS = st.sampled_from([*LEAVES, *Settings.model_fields, "providers.openai", "providers.x.y", *P])


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "any.yaml"


@settings(deadline=None)
@given(key=KEYS | st.text(min_size=1), value=VALUES)
@example(key="server.host", value="\u2028${")
@example(key="upstream.idle_timeout", value=10**400)
def test_any_value_of_any_key_loads_or_is_a_config_error(
    scratch: Path, key: str, value: Any
) -> None:
    scratch.write_text(yaml.safe_dump(nested(key, value)), encoding="utf-8")
    loads_or_says_why(scratch)


@settings(deadline=None)
@given(
    content=st.binary() | st.text(alphabet="aport: {}[]&*!%'\"\\-?|>\n\t#${0x_.:~<").map(str.encode)
)
def test_any_file_loads_or_is_a_config_error(scratch: Path, content: bytes) -> None:
    scratch.write_bytes(content)
    loads_or_says_why(scratch)


@settings(deadline=None)
@given(variable=st.sampled_from(list(ENVIRONMENT)), value=st.text(st.characters()))
def test_any_variable_loads_or_is_a_config_error(variable: str, value: str) -> None:
    try:
        load({variable: value}, SHIPPED)
    except ConfigError as error:
        assert str(error).startswith(f"environment: {variable} = ")
        assert len(str(error).splitlines()) == 1


def loads_or_says_why(file: Path) -> None:
    try:
        load({}, file)
    except ConfigError as error:
        lines = str(error).splitlines()
        assert lines and all(line.startswith(f"{file}: ") for line in lines)


# Where values come from.


def test_each_value_knows_where_it_comes_from(file: Path) -> None:
    got = read(
        file,
        "server: {port: 9000, host: 0.0.0.0}\ntools: {modules: []}\nadmin:\n"
        "providers: {openai: {api_key: '${KEY}', base_url: 'https://${HOST_NAME:-a.example}/v1'}}\n",
        PORT="9001",
        KEY="sk-1",
        HOST="",
    ).origins
    assert got.file == file
    assert got.of("server.port") == Origin("environment", ("PORT",))
    assert got.of("server.host") == Origin("file")
    assert got.of("tools.modules") == Origin("file")
    assert got.of("providers.openai.api_key") == Origin("file", ("KEY",))
    assert got.of("providers.openai.base_url") == Origin("file", ("HOST_NAME",))
    assert got.of("server.workers") == got.of("admin.token") == Origin("default")


@pytest.mark.parametrize("variable", ENVIRONMENT)
def test_a_variable_is_named_as_the_origin(file: Path, variable: str) -> None:
    origins = read(file, "", **{variable: OVERRIDES[variable][0]}).origins
    assert origins.of(ENVIRONMENT[variable]) == Origin("environment", (variable,))


def test_the_origin_makes_no_difference_between_settings(file: Path) -> None:
    assert read(file, "server: {port: 9001}") == read(file, "", PORT="9001")
