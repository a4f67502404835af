export GATEWAY_KEY={{ key | shell }}
codex
