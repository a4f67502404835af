"""How gunicorn serves the gateway; every figure comes from config.yaml and the environment."""

import os
import shutil
import subprocess
import sys
import time
from typing import Any

from gateway.config import ConfigError, load
from gateway.price_list import is_written
from gateway.store.first_run import address_line
from gateway.store.migration import is_current
from gateway.telemetry import redact_record

try:
    _settings = load()
except ConfigError as error:
    print(error, file=sys.stderr, flush=True)
    sys.exit(2)

_LAST_SECONDS = 5

wsgi_app = "wsgi:app"
worker_class = "gateway.worker.Worker"
bind = f"{_settings.server.host}:{_settings.server.port}"
if ":" in _settings.server.host:
    bind = f"[{_settings.server.host}]:{_settings.server.port}"
workers = _settings.server.workers
worker_connections = _settings.server.worker_connections
graceful_timeout = _settings.server.graceful_timeout + _LAST_SECONDS
# A worker that is stuck for so long is replaced; its streams do not count, it serves them all.
timeout = 120
# Longer than clients keep idle connections (5 s is usual), so that it is they who close them; but
# an end in good order waits for the idle ones too. And below the client timeout.
keepalive = min(10, max(1, _settings.server.client_timeout - 1))
control_socket_disable = True
loglevel = "warning"
limit_request_line = 8190

# A folder of this master's own: one that finds its port taken must not touch another's figures.
_metrics_dir = _settings.data_dir / "metrics" / str(os.getpid())
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics_dir)


def on_starting(server: Any) -> None:
    """Migrations run in a process of their own, so that their memory goes with them."""
    for handler in server.log.error_log.handlers:
        # gunicorn quotes requests that it cannot read, with whatever they show.
        handler.addFilter(redact_record)
    _forget_the_dead()
    if is_current(_settings) and is_written(_settings.data_dir):
        print(address_line(_settings), flush=True)
    else:
        _prepare()
    _metrics_dir.mkdir(parents=True, exist_ok=True)
    os.environ["AI_GATEWAY_SERVING_SINCE"] = str(time.time())  # workers come later, and go


def _forget_the_dead() -> None:
    """Takes out the metrics of masters that have ended without doing so."""
    for folder in _metrics_dir.parent.glob("*"):
        if not os.path.exists(f"/proc/{folder.name}") or folder == _metrics_dir:
            shutil.rmtree(folder, ignore_errors=True)


def on_exit(server: Any) -> None:
    shutil.rmtree(_metrics_dir, ignore_errors=True)


def _prepare() -> None:
    command = [sys.executable, "-m", "flask", "--app", "app", "prepare"]
    status = subprocess.run(command, env=_without_metrics(), check=False).returncode
    if status:
        sys.exit(status)


def _without_metrics() -> dict[str, str]:
    environment = dict(os.environ)
    del environment["PROMETHEUS_MULTIPROC_DIR"]
    return environment


def post_fork(server: Any, worker: Any) -> None:
    """A worker gives its last streams up before the master gives the worker up, so that it can
    still write down how they ended.
    """
    worker.cfg.set("graceful_timeout", _settings.server.graceful_timeout)


def child_exit(server: Any, worker: Any) -> None:
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def worker_exit(server: Any, worker: Any) -> None:
    """The log's last rows are written before the process ends."""
    if "wsgi" in sys.modules:
        sys.modules["wsgi"].gateway.stop()
