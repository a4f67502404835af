"""How often an address may fail to come in, in a minute; counted over all workers.

An attempt is counted before it is judged, so that many at once get no further than one by one, and
taken back when it was no failure.
"""

import hashlib
import math

from flask import request

from gateway.context import current_gateway
from gateway.store.counters import MINUTE, Charge, Limit

SIGN_IN, TOKEN = "sign_in", "admin_token"


def seconds_to_wait(counter: str) -> int:
    """Counts an attempt of the address that asks; 0 while it may go on."""
    charge = Charge(_limit(counter), 1, held=False)
    refused = current_gateway.shared.reserve(_owner(), [charge]).refused
    return 0 if refused is None else math.ceil(refused.frees_in)


def take_back(counter: str) -> None:
    """The attempt was no failure."""
    current_gateway.shared.give_back(_owner(), [_limit(counter)])


def _limit(counter: str) -> Limit:
    return Limit(counter, current_gateway.settings.admin.sign_in_per_minute, MINUTE)


def _owner() -> int:
    """A number for the address; below 0, where no client's is."""
    digest = hashlib.blake2b((request.remote_addr or "").encode(), digest_size=7).digest()
    return -1 - int.from_bytes(digest, "big")
