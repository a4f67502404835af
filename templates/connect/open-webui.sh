export OPENAI_API_BASE_URL={{ (origin ~ "/v1") | shell }}
export OPENAI_API_KEY={{ key | shell }}
open-webui serve
