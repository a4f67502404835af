// What an admin can do about an error of a call: words, and a place to go to, by the error's code.
export const NEXT = {
  client_disabled: ["Enable it on its page.", "page"],
  client_expired: ["Give it a later end in its settings.", "settings"],
  rate_limit_exceeded: ["Wait, or look at its limits on its page.", "page"],
  quota_exceeded: ["Its page shows what it has used; a quota can be raised in its settings.", "page"],
  budget_exceeded: ["Its page shows what it has used; a budget can be raised in its settings.", "page"],
  max_input_tokens_exceeded: ["Clear the conversation, or raise the limit in its settings.", "settings"],
  model_not_found: ["Choose another model, or allow this one in its settings.", "settings"],
  missing_required_parameter: ["Write the name of a model, or give the client a default one.", "settings"],
  unpriced_model: ["Let it use models without a price in its settings, or choose another.", "settings"],
  no_credentials: ["Give it the provider's key in its settings.", "settings"],
  upstream_authentication_error: ["Give it a key that the provider takes, in its settings.", "settings"],
  upstream_quota_exceeded: ["The account at the provider is empty: fill it up there.", "request"],
  upstream_unreachable: ["Look at its base URL in its settings, and whether the provider is up.", "settings"],
  request_too_large: ["Clear the conversation, or take a smaller image.", null],
  signed_out: ["Sign in in another tab, then send it again.", null],
  stopped: ["Send it again, if you like.", null],
  admin_role_required: ["Ask an admin for the role.", null],
};

export const PLACES = { page: "The client's page", settings: "Its settings", request: "The request's page" };
