"""easel webhooks list | redeliver | secret."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.webhooks import SqlWebhookStore
from server.domain.webhook import Webhook, WebhookId
from server.entrypoints.opening import ensure_secrets, ensure_usable, open_settled_database, secret_box
from server.entrypoints.trouble import Trouble
from server.services.webhook_secrets import rotate_secret, signing_secrets
from server.settings import Settings, read_settings

app = typer.Typer(help="Webhooks: what was sent to callback URLs, and what was not.", no_args_is_help=True)


@app.command("list")
def list_webhooks(
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that were given up.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 50,
) -> None:
    """List the newest webhooks and what became of them."""
    console = Console(soft_wrap=True)
    webhooks = _store(read_settings()).recent(limit, failed=failed)
    table = Table("id", "task", "state", "attempts", "last", "next", box=None)
    for webhook in webhooks:
        last = webhook.attempts[-1].at if webhook.attempts else None
        state = webhook.state.value
        table.add_row(
            *(str(webhook.id), str(webhook.task_id), state, str(len(webhook.attempts)), _at(last), _at(webhook.next_at))
        )
    console.print(table if webhooks else "There are none.")
    for webhook in webhooks:
        console.print(f"{webhook.id:>6} {webhook.url}{_why(webhook)}", highlight=False, markup=False)


@app.command()
def redeliver(number: Annotated[int, typer.Argument(metavar="ID", help="The id that `list` shows.")]) -> None:
    """Send a webhook again, now and on the whole schedule, under the same webhook-id."""
    if not _store(read_settings()).redeliver(WebhookId(number)):
        raise Trouble(f"There is no webhook {number}, or it is being sent at this moment. Look at: easel webhooks list")
    typer.echo(f"Webhook {number} is due now; a running API process sends it.")


@app.command()
def secret(
    project: Annotated[str, typer.Argument(help="The project's name.")],
    *,
    rotate: Annotated[bool, typer.Option("--rotate", help="Make a new one; the old one ends in a day.")] = False,
) -> None:
    """Show the secret that a project's webhooks are signed with (Standard Webhooks)."""
    settings = read_settings()
    database = open_settled_database(settings)
    ensure_usable(database)
    ensure_secrets(settings, database)
    found = next((one for one in SqlProjectStore(database).all() if one.name == project), None)
    if found is None:
        raise Trouble(f"There is no project {project!r}. Look at: easel project list")
    webhooks, box = SqlWebhookStore(database), secret_box(settings)
    if rotate:
        rotate_secret(webhooks, box, found.id)
    newest, *older = signing_secrets(webhooks, box, found.id)
    typer.echo(newest)
    for one in older:
        typer.echo(f"{one}  (replaced; signs along until a day after the change)")


def _store(settings: Settings) -> SqlWebhookStore:
    database = open_settled_database(settings)
    ensure_usable(database)
    return SqlWebhookStore(database)


def _why(webhook: Webhook) -> str:
    return f": {webhook.attempts[-1].reason}" if webhook.attempts and webhook.attempts[-1].reason else ""


def _at(at: float | None) -> str:
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
