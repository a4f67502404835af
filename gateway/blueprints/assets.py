"""The files of static/: each address names the content, which a browser may then keep for ever."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, request

FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


@dataclass(frozen=True, slots=True)
class Asset:
    """`packed` is what is sent to all but a few; the content itself stays in its file."""

    fingerprint: str
    mimetype: str
    packed: bytes


@dataclass(frozen=True, slots=True)
class Assets:
    """The files as they were at the start; each is read and packed when it is first wanted."""

    folder: Path
    names: frozenset[str]
    known: dict[str, Asset] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> "Assets":
        files = (path for path in folder.rglob("*") if path.is_file())
        return cls(folder, frozenset(path.relative_to(folder).as_posix() for path in files))

    def find(self, name: str) -> Asset | None:
        if name not in self.known and name in self.names:
            self.known[name] = self._read(name)
        return self.known.get(name)

    def content(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def _read(self, name: str) -> Asset:
        content = self.content(name)
        fingerprint = hashlib.sha256(content).hexdigest()[:16]
        mimetype = mimetypes.guess_type(name)[0] or "text/plain"
        return Asset(fingerprint, mimetype, gzip.compress(content, mtime=0))


def register(app: Flask) -> None:
    """In the place of Flask's own `static`, whose name `url_for` keeps."""
    assets = Assets.of(Path(app.root_path) / "static")

    def serve(filename: str) -> Response:
        return _answer(assets, filename, assets.find(filename) or abort(404))

    def name_content(endpoint: str, values: dict[str, Any]) -> None:
        asset = assets.find(values.get("filename", "")) if endpoint == "static" else None
        if asset and "v" not in values:
            values["v"] = asset.fingerprint

    app.add_url_rule("/static/<path:filename>", endpoint="static", view_func=serve)
    app.url_defaults(name_content)


def _answer(assets: Assets, name: str, asset: Asset) -> Response:
    packed = request.accept_encodings["gzip"] > 0
    answer = Response(asset.packed if packed else assets.content(name), mimetype=asset.mimetype)
    named = request.args.get("v") == asset.fingerprint
    answer.headers["Cache-Control"] = FOR_EVER if named else ASK_AGAIN
    answer.vary.add("Accept-Encoding")
    if packed:
        answer.headers["Content-Encoding"] = "gzip"
    answer.set_etag(f"{asset.fingerprint}-gzip" if packed else asset.fingerprint)
    answer.make_conditional(request)
    return answer
