curl {{ (origin ~ "/v1/chat/completions") | shell }} \
  -H {{ ("Authorization: Bearer " ~ key) | shell }} \
  -H 'Content-Type: application/json' \
  -d {{ ('{"model": ' ~ (model | tojson) ~ ', "messages": [{"role": "user", "content": "Hello"}]}') | shell }}
