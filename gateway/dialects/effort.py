"""How much to think: words of effort, and budgets of tokens, told in each other's terms.

OpenAI's dialect has words, Gemini 2.5 and older Claude models take budgets. What a model takes at
least or at most is for its own dialect to observe.
"""

from gateway.conversation import Effort

# Gemini's documented steps (low, medium, high); around them, about twice or half as much.
BUDGETS: dict[Effort, int] = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 32768,
    "max": 65536,
}
AS_THE_MODEL_LIKES = -1


def effort_of_budget(budget: int) -> Effort:
    """The highest effort for which `budget` tokens suffice; "medium" where the model may choose."""
    if budget <= AS_THE_MODEL_LIKES:
        return "medium"
    if budget == 0:
        return "none"
    found: Effort = "minimal"
    for effort, tokens in BUDGETS.items():
        if 0 < tokens <= budget:
            found = effort
    return found


def budget_of_effort(effort: Effort) -> int:
    """The tokens that `effort` may spend on thinking; 0 means none at all."""
    return BUDGETS[effort]
