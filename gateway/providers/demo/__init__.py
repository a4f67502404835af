"""The offline demo: an upstream inside the gateway, for a first call without a key or a network.

answer      the upstream: status, headers, bytes in their time, and faults by model name
wire        chat completions as bytes, whole and streamed
reply       the choices: text or tool calls, cut and counted
words       what the text says
request     what is asked, held to OpenAI's rules by  checks
instance    a value that fits a JSON schema, from  schema, keywords, values, pattern
"""

from gateway.providers.demo.answer import MODELS, DemoAnswer, open_demo

__all__ = ["MODELS", "DemoAnswer", "open_demo"]
