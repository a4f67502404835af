"""Whether a question is one of the vendor's, by the request types of the vendor's own SDK."""

import json
import subprocess
import sys
from typing import Any, Self

from tests.dialects.test_anthropic_requests import VALIDATOR
from tests.dialects.test_gemini_recorded_requests import meaning
from tests.dialects.test_openai_chat_recorded_requests import JUDGE


class Judges:
    """OpenAI's and Anthropic's types are strict in a process of their own alone; both are kept."""

    _SCRIPTS = {"openai": JUDGE, "anthropic": VALIDATOR}
    _FINE = {"openai": "fits", "anthropic": '""'}

    def __enter__(self) -> Self:
        self._processes = {
            dialect: subprocess.Popen(
                [sys.executable, "-u", "-c", script],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for dialect, script in self._SCRIPTS.items()
        }
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.communicate()

    def complaint(self, dialect: str, body: dict[str, Any]) -> str | None:
        """What the types have against it."""
        if dialect == "gemini":
            try:
                meaning(body)
            except ValueError as error:
                return str(error)
            return None
        process = self._processes[dialect]
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(body) + "\n")
        process.stdin.flush()
        verdict = process.stdout.readline().strip()
        return None if verdict == self._FINE[dialect] else verdict or "the judge is gone"
