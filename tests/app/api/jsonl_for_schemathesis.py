"""Tells schemathesis how JSON lines are sent."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def as_lines(ctx, value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()
