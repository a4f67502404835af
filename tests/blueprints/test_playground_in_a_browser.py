"""The playground as a person uses it, on a gateway of two workers."""

import base64
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import FilePayload, Page, expect

from tests.blueprints.looks import SIZES, THEMES, has_no_grave_fault
from tests.blueprints.person import Person
from tests.failure.calls import client_of
from tests.running import PATIENCE, Running
from tests.upstream import Received, Sse, Upstream, chunks

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGD4DwABBAEAX+XDSwAAAABJRU5ErkJggg=="
)
PASTE = """(field, bytes) => {
  const clipboard = new DataTransfer();
  clipboard.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
  field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: clipboard, bubbles: true }));
}"""
SETTLED = "Promise.allSettled(document.getAnimations().map((one) => one.finished))"
AWAY = {"provider_base_url": "http://127.0.0.1:9/v1", "provider_api_key": "theirs"}
SECONDS = 1000 * PATIENCE
expect.set_options(timeout=SECONDS)


@pytest.fixture
def client(gateway: Running, upstream: Upstream) -> int:
    """One whose provider is the scripted upstream."""
    name = f"scripted {os.urandom(3).hex()}"
    client_of(gateway, upstream, name=name, default_model="test-model")
    clients = gateway.admin("GET", "/clients?limit=500").json["items"]
    return next(int(one["id"]) for one in clients if one["name"] == name)


@pytest.fixture
def page(person: Person, gateway: Running) -> Iterator[Page]:
    made = gateway.new_client(
        name=f"demo {os.urandom(3).hex()}", default_model="demo", model_aliases={"fast": "demo"}
    )
    person.go(f"playground?client={made['client']['id']}")
    yield person.page


def say(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.keyboard.press("Control+Enter")


def asked(upstream: Upstream, count: int = 0) -> list[Received]:
    """The questions that came, of which `count` are waited for; the page asks for models, too."""

    def questions() -> list[Received]:
        return [one for one in upstream.requests if one.method == "POST"]

    deadline = time.monotonic() + PATIENCE
    while len(questions()) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    return questions()


def figure(page: Page, name: str) -> str:
    return page.locator(f"[data-told={name}]").last.inner_text()


def complete(page: Page, count: int) -> None:
    """So many answers are there, and what they cost."""
    expect(page.locator("[data-told=request]")).to_have_count(count)
    expect(page.locator("[data-told=cost]").last).not_to_have_text("…")


def test_an_answer_comes_with_its_figures(page: Page, gateway: Running) -> None:
    expect(page.locator("#model-help")).to_contain_text("Empty means demo. 6 to choose from")
    say(page, "Hello, it's me")
    complete(page, 1)
    expect(page.locator(".answered")).to_contain_text('You wrote: "Hello, it\'s me".')
    assert int(figure(page, "input")) > 0 and int(figure(page, "output")) > 0
    assert re.fullmatch(r"\d+ ms|\d\.\d\d s", figure(page, "first"))
    assert (figure(page, "cost"), figure(page, "finish")) == ("$0", "stop")
    expect(page.locator("#told")).to_contain_text("The answer is complete. Hello")
    expect(page.get_by_label("Message")).to_be_focused()
    expect(page.get_by_label("Message")).to_have_value("")
    page.locator("[data-told=request] a").click()
    expect(page.get_by_role("heading", name="How it went")).to_be_visible()
    expect(page.get_by_text("playground", exact=True)).to_be_visible()


def test_a_conversation_goes_on_until_it_is_cleared(page: Page) -> None:
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_label("Max tokens").fill("7")
    for count in (1, 2):
        say(page, f"Message {count}")
        complete(page, count)
        assert (figure(page, "output"), figure(page, "finish")) == ("7", "length")
    first, second = page.locator("[data-told=input]").all_inner_texts()
    assert int(second) > int(first)
    shown = page.locator("#as-python").inner_text()
    assert "temperature=0.5,\n    max_tokens=7," in shown
    assert re.search(r'"Be brief.".*"Message 1".*"assistant".*"Message 2"', shown, re.S)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Nothing was asked yet.")).to_be_visible()
    assert "Message 1" not in page.locator("#as-python").inner_text()


def test_tokens_are_seen_before_the_answer_is_whole(
    person: Person, upstream: Upstream, client: int
) -> None:
    upstream.always(Sse(chunks(["One", " two", " three"], usage=True)).but(hang=3))
    person.go(f"playground?client={client}")
    say(person.page, "Count")
    expect(person.page.locator(".answered .said")).to_have_text("One two")
    expect(person.page.get_by_role("button", name="Stop")).to_be_visible()
    expect(person.page.get_by_role("button", name="Send")).to_be_disabled()
    expect(person.page.locator("#told")).to_have_text("")
    upstream.release()
    complete(person.page, 1)
    expect(person.page.locator(".answered .said")).to_have_text("One two three")
    assert (figure(person.page, "input"), figure(person.page, "output")) == ("9", "4")
    (received,) = asked(upstream)
    assert "cookie" not in {name.lower() for name in dict(received.headers)}


def test_stop_closes_the_upstream_and_keeps_what_was_said(
    person: Person, gateway: Running, upstream: Upstream, client: int
) -> None:
    upstream.always(Sse(chunks(["One", " two", " three"])).but(hang=3))
    person.go(f"playground?client={client}")
    say(person.page, "Count")
    expect(person.page.locator(".answered .said")).to_have_text("One two")
    person.page.get_by_role("button", name="Stop").click()
    (received,) = asked(upstream, 1)
    assert received.hung_up.wait(PATIENCE)
    complete(person.page, 1)
    expect(person.page.locator(".answered")).to_contain_text("Stopped.")
    (row,) = gateway.rows(1, client_id=client)
    assert (row["status"], row["door"]) == (499, "playground")
    assert person.page.locator("[data-told=request]").inner_text() == row["request_id"]
    expect(person.page.get_by_role("button", name="Stop")).to_be_hidden()
    upstream.always(Sse(chunks(["Four"])))
    say(person.page, "Go on")
    complete(person.page, 2)
    said = asked(upstream)[-1].json["messages"]
    assert [one["content"] for one in said] == ["Count", "One two", "Go on"]


def test_stop_before_anything_was_said_gives_the_message_back(
    person: Person, upstream: Upstream, client: int
) -> None:
    upstream.always(Sse(chunks(["One"])).but(hang="before-head"))
    person.go(f"playground?client={client}")
    say(person.page, "Count")
    (received,) = asked(upstream, 1)
    person.page.get_by_label("Message").fill("and go on")
    person.page.keyboard.press("Escape")
    assert received.hung_up.wait(PATIENCE)
    expect(person.page.get_by_role("alert")).to_contain_text("Stopped before anything was said.")
    expect(person.page.get_by_label("Message")).to_have_value("Count\nand go on")


def test_reasoning_is_folded(person: Person, upstream: Upstream, client: int) -> None:
    stream = chunks(["Yes."])
    stream[1:1] = [
        {**stream[1], "choices": [{"index": 0, "delta": {"reasoning_content": piece}}]}
        for piece in ("Let me", " think.")
    ]
    upstream.always(Sse(stream))
    person.go(f"playground?client={client}")
    say(person.page, "Is it?")
    complete(person.page, 1)
    thought = person.page.get_by_text("Let me think.")
    expect(thought).to_be_hidden()
    person.page.get_by_text("Reasoning", exact=True).click()
    expect(thought).to_be_visible()
    expect(person.page.locator(".answered > .said")).to_have_text("Yes.")


def test_tools_are_called_and_their_results_given_back(
    person: Person, upstream: Upstream, client: int
) -> None:
    page = person.page
    calls = [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]
    upstream.always(Sse(chunks([], tool_calls=calls)))
    person.go(f"playground?client={client}")
    page.locator("#tools-part summary").click()
    page.get_by_label("Tools of your own").fill('{"no": "list"}')
    say(page, "What is the weather?")
    expect(page.locator("#tools-problem")).to_contain_text("no list")
    expect(page.get_by_label("Tools of your own")).to_be_focused()
    page.get_by_role("button", name="Put in an example").click()
    expect(page.locator("#tools-problem")).to_be_hidden()
    page.get_by_role("button", name="Send").click()
    complete(page, 1)
    expect(page.locator(".answered pre")).to_have_text(['{"city": "Oslo"}', '{"city": "Rome"}'])
    results = page.get_by_label("Result of get_weather")
    expect(results.first).to_be_focused()
    for field, result in zip(results.all(), ("cold", "warm"), strict=True):
        field.fill(result)
    upstream.always(Sse(chunks(["Cold and warm."])))
    page.get_by_role("button", name="Send").click()
    complete(page, 2)
    question = asked(upstream)[-1].json
    assert question["tools"][0]["function"]["name"] == "get_weather"
    assert [(one["role"], one.get("content")) for one in question["messages"]] == [
        ("user", "What is the weather?"),
        ("assistant", None),
        ("tool", "cold"),
        ("tool", "warm"),
    ]
    assert [one.get("tool_call_id") for one in question["messages"][2:]] == ["call_0", "call_1"]
    expect(results).to_have_count(0)


def test_what_the_gateway_runs_is_told(person: Person, gateway: Running) -> None:
    gateway.tools_on("calculate")
    fields = {"tool_mode": "gateway", "server_tools": ["calculate"], "default_model": "demo"}
    made = gateway.new_client(**fields)
    person.go(f"playground?client={made['client']['id']}")
    person.page.locator("#tools-part summary").click()
    expect(person.page.locator("#own-tools")).to_have_text(
        "The gateway runs these for it: calculate."
    )
    say(person.page, "Please calculate something")
    complete(person.page, 1)
    expect(person.page.locator("[data-told=ran]")).to_contain_text("calculate, ")
    expect(person.page.locator("#results textarea")).to_have_count(0)


def test_an_image_goes_along(person: Person, upstream: Upstream, client: int) -> None:
    upstream.always(Sse(chunks(["A pixel."])))
    person.go(f"playground?client={client}")
    image = FilePayload(name="pixel.png", mimeType="image/png", buffer=PIXEL)
    person.page.get_by_label("Image").set_input_files(image)
    expect(person.page.locator("#picture img")).to_be_visible()
    assert 'data:image/png;base64,…"' in person.page.locator("#as-curl").inner_text()
    say(person.page, "What is it?")
    complete(person.page, 1)
    text, shown = asked(upstream)[-1].json["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert shown["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")
    expect(person.page.locator(".asked img")).to_be_visible()
    expect(person.page.locator("#picture")).to_be_hidden()
    person.page.get_by_label("Message").evaluate(PASTE, list(PIXEL))
    expect(person.page.locator("#picture img")).to_be_visible()
    person.press("Take the image away")
    expect(person.page.locator("#picture")).to_be_hidden()
    large = FilePayload(name="large.png", mimeType="image/png", buffer=bytes(5 << 20))
    person.page.get_by_label("Image").set_input_files(large)
    expect(person.page.get_by_role("alert")).to_contain_text("The image is larger than 4 MB.")
    expect(person.page.locator("#picture")).to_be_hidden()


@pytest.mark.parametrize(
    ("fields", "code", "words", "place"),
    [
        ({"is_active": False}, "client_disabled", "Enable it on its page.", ""),
        ({"rate_limit_day": 1}, "rate_limit_exceeded", "look at its limits", ""),
        ({"allowed_models": ["x"]}, "model_not_found", "Choose another model", "/edit"),
    ],
)
def test_what_goes_wrong_is_told_with_what_to_do(
    person: Person, gateway: Running, fields: dict[str, Any], code: str, words: str, place: str
) -> None:
    person.bears_refusals, page = True, person.page
    made = gateway.new_client(**{"default_model": "demo", "provider": "demo"} | fields)
    number = made["client"]["id"]
    gateway.chat(made["api_key"], {"messages": [{"role": "user", "content": "Hello"}]})
    person.go(f"playground?client={number}")
    person.page.get_by_label("Model", exact=True).fill("demo")
    say(page, "Hello")
    problem = page.get_by_role("alert").filter(has_text=code)
    expect(problem).to_contain_text(words)
    href = problem.get_by_role("link").first.get_attribute("href")
    assert href == f"/admin/clients/{number}{place}"
    expect(page.get_by_label("Message")).to_have_value("Hello")
    expect(page.get_by_text("Nothing was asked yet.")).to_be_visible()


def test_without_a_default_model_one_to_try_is_filled_in(
    person: Person, gateway: Running, client: int
) -> None:
    number = gateway.new_client(provider="demo")["client"]["id"]
    person.go(f"playground?client={number}")
    field = person.page.get_by_label("Model", exact=True)
    expect(field).to_have_value("demo")
    person.page.get_by_label("Client").select_option(str(client))
    expect(field).to_have_value("")
    expect(field).to_have_attribute("placeholder", "test-model")
    field.fill("of my own")
    person.page.get_by_label("Client").select_option(str(number))
    expect(person.page.locator("#model-help")).to_contain_text("It has no default model.")
    expect(field).to_have_value("of my own")


def test_a_provider_that_is_away_is_told_with_what_to_do(
    person: Person, gateway: Running, client: int
) -> None:
    gateway.admin("PATCH", f"/clients/{client}", AWAY)
    person.go(f"playground?client={client}")
    expect(person.page.locator("#model-help")).to_contain_text("The provider's list cannot be read")
    say(person.page, "Hello")
    problem = person.page.get_by_role("alert").filter(has_text="upstream_unreachable")
    expect(problem).to_contain_text("Look at its base URL")
    problem.get_by_role("link", name="The request's page").click()
    expect(person.page.get_by_role("heading", name="How it went")).to_be_visible()
    # What a browser says of a 5xx, and nothing else.
    assert [one for one in person.problems if "status of 502" not in one] == []
    person.problems.clear()


def test_a_stream_that_breaks_off_keeps_what_was_said(
    person: Person, upstream: Upstream, client: int
) -> None:
    upstream.always(Sse(chunks(["One", " two"])).but(reset=3))
    person.go(f"playground?client={client}")
    say(person.page, "Count")
    expect(person.page.locator(".answered .said")).to_have_text("One two")
    expect(person.page.get_by_role("alert")).to_contain_text("upstream_")
    complete(person.page, 1)


def test_the_call_can_be_made_by_a_program(person: Person, gateway: Running) -> None:
    made = gateway.new_client(default_model="demo")
    person.go(f"playground?client={made['client']['id']}")
    page = person.page
    page.get_by_label("System prompt").fill('It\'s "odd" \\ $HOME `x`\nünï 🦊 </script>')
    page.locator("#tools-part summary").click()
    page.get_by_role("button", name="Put in an example").click()
    page.get_by_label("Message").fill("Don't call; say 'hello'")
    environ = {**os.environ, "GATEWAY_KEY": made["api_key"], "NO_PROXY": "127.0.0.1"}
    curl, python = (page.locator(f"#as-{name}").inner_text() for name in ("curl", "python"))
    said = subprocess.run(["bash", "-c", curl], env=environ, capture_output=True, text=True)
    assert "get_weather" in said.stdout and "[DONE]" in said.stdout, said
    page.get_by_label("Tools of your own").fill("")
    python = page.locator("#as-python").inner_text()
    run = subprocess.run(
        [sys.executable, "-c", python], env=environ, capture_output=True, text=True
    )
    assert "Don't call; say 'hello'" in run.stdout, run
    assert made["api_key"] not in curl + python


def test_a_viewer_reads_and_cannot_send(chrome: Chromium, person: Person, gateway: Running) -> None:
    person.go("admins")
    name, password = f"vera {os.urandom(3).hex()}", "a long password"
    page = person.page
    page.get_by_label("User name").fill(name)
    page.get_by_label("New password").fill(password)
    page.get_by_label("The same again").fill(password)
    page.get_by_label("Role").select_option("viewer")
    person.press("Let them in")
    expect(page.get_by_role("status")).to_contain_text("may sign in now")
    context = chrome.new_context()
    viewer = context.new_page()
    viewer.goto(f"{gateway.origin}/admin/login")
    viewer.get_by_label("User name").fill(name)
    viewer.get_by_label("Password").fill(password)
    viewer.locator("main").get_by_role("button", name="Sign in").click()
    viewer.wait_for_url("**/admin/dashboard")
    viewer.goto(f"{gateway.origin}/admin/playground?client=1")
    expect(viewer.get_by_text("A viewer may look, but not ask")).to_be_visible()
    expect(viewer.get_by_role("button", name="Send")).to_have_count(0)
    viewer.get_by_label("Message").fill("Hello from a viewer")
    viewer.keyboard.press("Control+Enter")
    expect(viewer.locator("#as-curl")).to_contain_text("Hello from a viewer")
    expect(viewer.get_by_text("Nothing was asked yet.")).to_be_visible()
    context.close()


def test_a_full_page_looks_right(person: Person, upstream: Upstream, client: int) -> None:
    page, long = person.page, "x" * 300
    stream = chunks([f"{long} said"], tool_calls=[(long[:60], {"a": long})])
    thought = [{"index": 0, "delta": {"reasoning_content": f"{long} thought"}}]
    stream.insert(1, {**stream[1], "choices": thought})
    upstream.always(Sse(stream))
    person.go(f"playground?client={client}")
    page.get_by_label("Model", exact=True).fill(long[:200])
    say(page, f"{long} asked")
    complete(page, 1)
    page.get_by_text("Reasoning", exact=True).click()
    page.locator("#tools-part summary").click()
    image = FilePayload(name="large.png", mimeType="image/png", buffer=bytes(5 << 20))
    page.get_by_label("Image").set_input_files(image)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") == width
        page.evaluate(SETTLED)  # colours change softly
        has_no_grave_fault(page)


def test_hostile_words_are_only_text(person: Person, upstream: Upstream, client: int) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    calls = [(hostile, {"a": hostile})]
    upstream.always(Sse(chunks([hostile], tool_calls=calls)))
    person.page.on("dialog", lambda dialog: person.problems.append(dialog.message))
    person.go(f"playground?client={client}")
    say(person.page, hostile)
    complete(person.page, 1)
    expect(person.page.locator(".answered > .said")).to_have_text(hostile)
    expect(person.page.get_by_label(f"Result of {hostile}")).to_be_visible()
    assert person.page.locator("main img[src=x]").count() == 0
