"""The way to Redis: short timeouts and no retries, so that a call never waits for it for long."""

import redis

TIMEOUT = 0.2
FAILURES = (redis.RedisError, OSError)
_CONNECTIONS = 50


def connected(url: str, timeout: float = TIMEOUT) -> redis.Redis:
    """`timeout`: seconds for a connection, for an answer, and for a place in the pool."""
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=None,
    )
    return redis.Redis(connection_pool=pool)
