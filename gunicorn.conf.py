"""How gunicorn serves the gateway; every figure comes from config.yaml and the environment."""

import os
import shutil
import subprocess
import sys
from typing import Any

from gateway.config import ConfigError, load
from gateway.store.first_run import address_line
from gateway.store.migration import is_current

try:
    _settings = load()
except ConfigError as error:
    print(error, file=sys.stderr, flush=True)
    sys.exit(2)

wsgi_app = "wsgi:app"
worker_class = "gevent"
bind = f"{_settings.server.host}:{_settings.server.port}"
if ":" in _settings.server.host:
    bind = f"[{_settings.server.host}]:{_settings.server.port}"
workers = _settings.server.workers
worker_connections = _settings.server.worker_connections
graceful_timeout = _settings.server.graceful_timeout
# A worker that is stuck for so long is replaced; its streams do not count, it serves them all.
timeout = 120
# Below the client timeout, which would otherwise end idle connections with an error.
keepalive = min(30, max(1, _settings.server.client_timeout - 1))
control_socket_disable = True
loglevel = "warning"
limit_request_line = 8190

_metrics_dir = _settings.data_dir / "metrics"
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics_dir)


def on_starting(server: Any) -> None:
    """Migrations run in a process of their own, so that their memory goes with them."""
    shutil.rmtree(_metrics_dir, ignore_errors=True)
    if is_current(_settings):
        print(address_line(_settings), flush=True)
    else:
        _prepare()
    _metrics_dir.mkdir(parents=True, exist_ok=True)


def _prepare() -> None:
    command = [sys.executable, "-m", "flask", "--app", "app", "prepare"]
    status = subprocess.run(command, env=_without_metrics(), check=False).returncode
    if status:
        sys.exit(status)


def _without_metrics() -> dict[str, str]:
    environment = dict(os.environ)
    del environment["PROMETHEUS_MULTIPROC_DIR"]
    return environment


def child_exit(server: Any, worker: Any) -> None:
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def worker_exit(server: Any, worker: Any) -> None:
    """The log's last rows are written before the process ends."""
    if "wsgi" in sys.modules:
        sys.modules["wsgi"].gateway.stop()
