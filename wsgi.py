"""The app as gunicorn serves it. gevent patches before anything else is imported."""

from gevent import monkey

monkey.patch_all()

from app import create_app  # noqa: E402
from gateway.context import Gateway  # noqa: E402

app = create_app()
gateway: Gateway = app.extensions["gateway"]
gateway.start()
