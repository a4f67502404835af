"""AI Gateway: one address between applications and LLM providers.

The floors; a room imports only from the lines below its own (tests/test_floors.py holds this):

    app, wsgi, worker
    blueprints, commands
    probes
    answering, preview, overview
    attempt
    exchange
    question, rounds
    routing, limits, catalogue, memory, record, fallback
    providers, prices, breaker, context
    tools, in_flight
    dialects, upstream, fetcher, store, price_list, bodies
    conversation, estimate, hangup, live, telemetry
    background, chat, sse, sniffing, send, errors, config, extensions, version

Rooms of one line do not know each other, but for three: everybody may raise an error; `context`
joins its own line to the rest; the catalogue asks the routes.
"""
