"""Where the gateway is installed."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
