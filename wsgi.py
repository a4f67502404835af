"""The app as gunicorn serves it. gevent patches before anything else is imported."""

from gevent import monkey

monkey.patch_all()

import gc  # noqa: E402

from app import create_app  # noqa: E402
from gateway.context import Gateway  # noqa: E402

app = create_app()
gateway: Gateway = app.extensions["gateway"]
gateway.start()
# What lives as long as the worker is never garbage: it is not looked through again and again.
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 20)
