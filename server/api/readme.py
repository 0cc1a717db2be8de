"""A model's readme as HTML, made from its card."""

from html import escape

from models.card import Card, Parameter
from server.api.parameter_wire import shown_default, text_of


def readme_html(card: Card, base: str) -> str:
    """Return a fragment of HTML: what the model is, what it takes, where its texts for language models are."""
    rows = "".join(_row(parameter) for parameter in card.shown_parameters)
    texts = f"{base}/models/{card.slug}"
    return (
        f"<h1>{escape(card.title)}</h1><p>{escape(card.description)}</p>"
        f"<p>Run it with <code>POST {escape(base)}/v1/Run/{escape(card.slug)}</code>.</p>"
        "<table><thead><tr><th>Parameter</th><th>Default</th><th>Meaning</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        f'<p>For language models: <a href="{escape(texts)}/llms.txt">llms.txt</a>, '
        f'<a href="{escape(texts)}/llms-full.txt">llms-full.txt</a>.</p>'
    )


def _row(parameter: Parameter) -> str:
    default = "required" if parameter.required else text_of(shown_default(parameter))
    meaning = parameter.note or parameter.label
    return f"<tr><td><code>{escape(parameter.id)}</code></td><td>{escape(default)}</td><td>{escape(meaning)}</td></tr>"
