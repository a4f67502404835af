"""A bare relay: bytes up, bytes down, over kept connections; no key, no limit, no log."""

import os
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, request
from gevent import socket
from geventhttpclient.response import HTTPResponse

_BLOCK = 64 * 1024
_HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "Content-Length: {}\r\n\r\n"
)


def create_app() -> Flask:
    app = Flask(__name__)
    idle: list[Any] = []
    upstream = ("127.0.0.1", int(os.environ["BENCH_UPSTREAM_PORT"]))

    @app.post("/v1/chat/completions")
    def relay() -> Response:
        connection = idle.pop() if idle else socket.create_connection(upstream)
        body = request.get_data()
        connection.sendall(_HEAD.format(len(body)).encode() + body)
        answer = HTTPResponse()
        while not answer.headers_complete:
            answer.feed(connection.recv(_BLOCK))
        blocks = _blocks(connection, answer, idle)
        return Response(blocks, answer.get_code(), content_type=str(answer["content-type"]))

    return app


def _blocks(connection: Any, answer: Any, idle: list[Any]) -> Iterator[bytes]:
    while True:
        if answer._body_buffer:
            block = bytes(answer._body_buffer)
            answer._body_buffer.clear()
            yield block
        elif answer.message_complete:
            break
        else:
            answer.feed(connection.recv(_BLOCK))
    idle.append(connection)
