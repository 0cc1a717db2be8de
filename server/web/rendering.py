"""Templates: HTML from values, every value escaped."""

from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from server.web.assets import assets


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages are told of the server.

    `base` is where clients reach it, `root` the path of that ("" where it has a host to itself); `blur`: pictures are
    shown only when somebody asks for them.
    """

    base: str
    root: str
    blur: bool = False


def render(template: str, site: Site, /, **values: object) -> str:
    """Return the page of a template. A name that the template needs and nobody gives raises UndefinedError."""
    static = f"{site.root}/static/{assets().version}"
    return _environment().get_template(template).render(site=site, root=site.root, static=static, **values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
