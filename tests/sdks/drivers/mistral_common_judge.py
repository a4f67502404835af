"""What mistral-common says of requests: a JSON array of bodies in, for each its complaints out.

Runs in the environment of mistral-common.txt.
"""

import json
import sys

from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.protocol.instruct.validator import ValidationMode, get_validator
from mistral_common.tokens.tokenizers.base import TokenizerVersion

VERSIONS = ("v3", "v7", "v11", "v13")


def complaint(body, version):
    # Its reader of OpenAI's messages does not look at `prefix`.
    prefix = body["messages"][-1].get("prefix", False)
    validator = get_validator(TokenizerVersion(version), mode=ValidationMode.serving)
    try:
        request = ChatCompletionRequest.from_openai(**body, continue_final_message=prefix)
        validator.validate_request(request)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


bodies = json.load(sys.stdin)
print(json.dumps([{v: complaint(body, v) for v in VERSIONS} for body in bodies]))
