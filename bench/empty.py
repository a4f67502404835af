"""The floor of the stack: a Flask route that answers {}."""

from flask import Flask


def create_app() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/", "empty", _empty, methods=["GET", "POST"])
    return app


def _empty() -> dict[str, str]:
    return {}
