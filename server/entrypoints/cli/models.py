"""easel models list | add | forget; and what is beside: pull, verify, check."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from models.card import Card
from models.layouts import Found, scan
from models.prompt import split_lora_tags
from models.recognise import Recognised, Role, Unusable, recognise
from models.registry import Adopted, RegistryError, check_name
from models.safetensors_header import SUFFIX
from models.shipped import MINIATURE, weights_for
from models.weights import Missing, WeightSet, pull_command
from server.adapters.model_store import LocalModelStore
from server.entrypoints.cli import models_check, models_pull
from server.entrypoints.opening import load_catalogue
from server.entrypoints.trouble import Trouble
from server.settings import Settings, read_settings

app = typer.Typer(help="Models: cards, weights and LoRAs.", no_args_is_help=True)
app.command("pull")(models_pull.pull_models)
app.command("verify")(models_pull.verify_models)
app.command("check")(models_check.check_models)


@app.command("list")
def list_models() -> None:
    """List what each card would draw with, what lies in the folders, and how to get what is missing."""
    settings, console = read_settings(), Console()
    troubles = _list_cards(settings, console)
    try:
        found = scan(settings.models_folders)
    except RegistryError as error:
        raise Trouble(str(error)) from None
    if found:
        console.print(_shelf(found))
    for trouble in troubles:
        console.print(escape(trouble), highlight=False, soft_wrap=True)


@app.command("add")
def add_model(
    path: Annotated[Path, typer.Argument(help="A folder in diffusers' layout, a checkpoint, a LoRA or a VAE.")],
    role: Annotated[Role | None, typer.Option("--as", help="What it must be; otherwise easel says what it is.")] = None,
    name: Annotated[str | None, typer.Option(help="Its name in cards and prompts; otherwise the file's.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="For a checkpoint of other sizes: a folder in diffusers' layout with its rest.")
    ] = None,
) -> None:
    """Adopt weights where they lie: nothing is copied, nothing is changed."""
    settings = read_settings()
    own = Path(path.absolute())
    try:
        recognised = recognise(own)
        called = check_name(name or (own.stem if own.suffix == SUFFIX else own.name))
        _check_role(own, recognised, role, config)
        adopted = Adopted(role=recognised.role, path=own, config=config.absolute() if config else None)
        LocalModelStore(settings.own_models_folder).adopt(called, adopted)
    except (Unusable, RegistryError) as error:
        raise Trouble(str(error)) from None
    files = f"{recognised.files} files, " if recognised.files > 1 else ""
    console = Console()
    console.print(
        f"{escape(str(own))} is {escape(recognised.words)} ({files}{recognised.size / 1e6:,.1f} MB): "
        f"adopted as {escape(called)}.",
        highlight=False,
        soft_wrap=True,
    )
    console.print(escape(_use(load_catalogue(settings), recognised.role, called)), highlight=False, soft_wrap=True)


@app.command("forget")
def forget_model(name: Annotated[str, typer.Argument(help="A name that `add` gave.")]) -> None:
    """Take adopted weights out of the registry; their files stay."""
    settings = read_settings()
    try:
        known = LocalModelStore(settings.own_models_folder).forget(name)
    except RegistryError as error:
        raise Trouble(str(error)) from None
    if not known:
        raise Trouble(f"Nothing was adopted as {name!r}; `easel models list` shows what there is.")


def _check_role(path: Path, recognised: Recognised, role: Role | None, config: Path | None) -> None:
    if role not in {None, recognised.role}:
        raise Trouble(f"{path} is {recognised.words}, and not what --as {role} asks for.")
    if config is not None and not (config / "model_index.json").is_file():
        raise Trouble(f"{config} is no folder in diffusers' layout: there is no model_index.json in it.")
    if not recognised.standard and config is None:
        raise Trouble(f"{path} hasn't SDXL's sizes: name a folder that holds its configuration with --config.")


def _use(cards: Iterable[Card], role: Role, name: str) -> str:
    """Say who will draw with what was adopted."""
    if role is Role.LORA:
        return f"A prompt asks for it with <lora:{name}:1>."
    known = list(cards)
    users = [card.slug for card in known if any(card.weights.source(n).calls(name) for n in _names(card, role))]
    if users:
        return f"Cards that draw with it: {', '.join(users)}."
    wanted = next((n for card in known for n in _names(card, role)), "")
    return (
        f"No card draws with it yet: name it under [weights] {role.value} in a card of your own, or adopt it as "
        f"--name {wanted} to have the packaged cards draw with it."
    )


def _names(card: Card, role: Role) -> Sequence[str]:
    return {Role.BASE: card.weights.base, Role.REFINER: card.weights.refiner, Role.VAE: card.weights.vae}.get(role, ())


def _list_cards(settings: Settings, console: Console) -> list[str]:
    table = Table("model", "base weights", "refiner", "VAE", "LoRAs")
    troubles: list[str] = []
    for card in load_catalogue(settings):
        weights = weights_for(card, settings.models_folders, miniature=settings.miniature is not False)
        if isinstance(weights, WeightSet):
            base = f"[yellow]{MINIATURE}[/] (shipped)" if weights.miniature else escape(str(weights.base))
            vae = escape(str(weights.vae)) if weights.vae else "its own"
            loras = escape(", ".join(weights.loras)) or "none"
            table.add_row(card.slug, base, "yes" if weights.refiner else "no", vae, loras)
        else:
            table.add_row(card.slug, "[red]incomplete[/]" if weights.partly else "[yellow]none found[/]", "", "", "")
        troubles.extend(_to_do(card, weights))
    console.print(table)
    return list(dict.fromkeys(troubles))


def _to_do(card: Card, weights: WeightSet | Missing) -> list[str]:
    if isinstance(weights, Missing):
        return [weights.sentence]
    if not weights.miniature:
        return [_ask_for(card, name) for name in _loras_of(card) if weights.lora_for(name) is None]
    wanted = [(Role.BASE, card.weights.base), (Role.REFINER, card.weights.refiner)]
    commands = [pull_command(card.weights.source(names[0]), role) for role, names in wanted if names]
    told = [f"Real weights: {command}" for command in commands if command]
    return [*told, *(_ask_for(card, name) for name in _loras_of(card))]


def _loras_of(card: Card) -> list[str]:
    """Return the LoRAs that a card applies, or that its examples ask for."""
    prompts = [str(example.get("prompt", "")) for example in card.inspire]
    asked = (tag.name for prompt in prompts for tag in split_lora_tags(prompt).loras)
    return list(dict.fromkeys([*(lora.name for lora in card.loras), *asked]))


def _ask_for(card: Card, lora: str) -> str:
    return f"LoRA {lora} of {card.slug}: no address of it is known; bring its file: easel models add FILE --name {lora}"


def _shelf(found: Sequence[Found]) -> Table:
    table = Table("name", "what", Column("MB", justify="right"), "where")
    for each in found:
        try:
            recognised = recognise(each.path)
            what, size = escape(recognised.words), f"{recognised.size / 1e6:,.1f}"
        except Unusable as error:
            what, size = f"[red]{escape(str(error).replace(f'{each.path} ', ''))}[/]", ""
        table.add_row(escape(each.name), what, size, escape(str(each.path)))
    return table
