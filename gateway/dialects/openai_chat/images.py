"""Images that a model made, as OpenRouter words them: a message's `images`, as parts of content."""

from typing import Any

from gateway.conversation import Image
from gateway.dialects.openai_chat import media
from gateway.dialects.openai_chat.thoughts import objects
from gateway.errors import BadRequest


def images_of(message: dict[str, Any]) -> list[Image]:
    """What is not as it should be is left out."""
    found = (_image(item.get("image_url")) for item in objects(message.get("images")))
    return [image for image in found if image is not None]


def _image(given: Any) -> Image | None:
    url = given.get("url") if isinstance(given, dict) else given
    if not isinstance(url, str) or not url:
        return None
    if not media.is_data_uri(url):
        return Image(url=url)
    try:
        media_type, data = media.parse_data_uri(url, "images")
    except BadRequest:
        return None
    return Image(data, media_type or "image/png")
