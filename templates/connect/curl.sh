curl {{ (origin ~ "/v1/chat/completions") | shell }} \
  -H {{ ("Authorization: Bearer " ~ key) | shell }} \
  -H 'Content-Type: application/json' \
  -d {{ {"model": model, "messages": [{"role": "user", "content": "Hello"}]} | tojson | shell }}
