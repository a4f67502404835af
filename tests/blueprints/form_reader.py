"""Reads a form as a browser would send it when nothing in it was touched."""

from html.parser import HTMLParser


class FormReader(HTMLParser):
    """The fields of the form of this id."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._form = form
        self._inside = False
        self._select = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given.get("id") == self._form
        if not self._inside:
            return
        name = given.get("name", "")
        if tag == "input" and name:
            if given.get("type") != "checkbox" or "checked" in given:
                self.values[name] = given.get("value", "")
        elif tag == "select":
            self._select = name
        elif tag == "option":
            self._option(given)
        elif tag == "textarea":
            self._area = name
            self.values[name] = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] += data
        elif self._select and self._chosen is None and data.strip():
            self.values[self._select] = data.strip()
            self._chosen = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            text = self.values[self._area].removeprefix("\n")
            self.values[self._area] = text.replace("\n", "\r\n")
            self._area = ""
        elif tag == "select":
            self._select = ""

    _chosen: str | None = ""

    def _option(self, given: dict[str, str]) -> None:
        """An option without a value is worth its text, which comes next."""
        if "selected" not in given and self._select in self.values:
            self._chosen = ""
            return
        self.values[self._select] = given.get("value", "")
        self._chosen = given["value"] if "value" in given else None


def form_values(page: str, form: str) -> dict[str, str]:
    reader = FormReader(form)
    reader.feed(page)
    return reader.values
