export ANTHROPIC_BASE_URL={{ origin | shell }}
export ANTHROPIC_AUTH_TOKEN={{ key | shell }}
{% if not own_names -%}
export ANTHROPIC_MODEL={{ model | shell }}
export ANTHROPIC_DEFAULT_OPUS_MODEL={{ model | shell }}
export ANTHROPIC_DEFAULT_SONNET_MODEL={{ model | shell }}
export ANTHROPIC_DEFAULT_HAIKU_MODEL={{ model | shell }}
{% endif -%}
claude
