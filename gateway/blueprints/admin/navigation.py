"""Which pages there are, in the order in which they are offered."""

from dataclasses import dataclass

from flask import current_app, request, url_for

INSIDE = "pages.inside"
PAGES = {
    "dashboard.show": "Dashboard",
    "clients.index": "Clients",
    "requests.index": "Requests",
    "playground.show": "Playground",
    "tools.show": "Tools",
    "providers.show": "Providers",
    "settings.show": "Settings",
    "audit.index": "Audit log",
    "admins.index": "Admins",
}
OUTSIDE = {"docs.show": "API"}
"""Pages with an address of their own."""


@dataclass(frozen=True, slots=True)
class Page:
    """`here`: it is open, or a page below it."""

    title: str
    address: str
    here: bool


def navigation() -> list[Page]:
    """The pages that are there."""
    open_now = (request.endpoint or "").rpartition(".")[0]
    names = {f"{INSIDE}.{name}": title for name, title in PAGES.items()} | OUTSIDE
    return [
        Page(title, url_for(name), open_now == name.rpartition(".")[0])
        for name, title in names.items()
        if name in current_app.view_functions
    ]
