export OPENAI_API_BASE={{ (origin ~ "/v1") | shell }}
export OPENAI_API_KEY={{ key | shell }}
aider --model {{ ("openai/" ~ model) | shell }}
