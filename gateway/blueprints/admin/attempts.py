"""How often an address may try to come in, in a minute."""

import math
import time

from flask import request
from limits import RateLimitItemPerMinute

from gateway.context import current_gateway
from gateway.extensions import limiter


def seconds_to_wait(counter: str) -> int:
    """Counts an attempt of the address that asks; 0 while it may go on."""
    allowed = RateLimitItemPerMinute(current_gateway.settings.admin.sign_in_per_minute)
    key = (counter, request.remote_addr or "")
    if limiter.limiter.hit(allowed, *key):
        return 0
    reset_at = limiter.limiter.get_window_stats(allowed, *key).reset_time
    return max(1, math.ceil(reset_at - time.time()))
