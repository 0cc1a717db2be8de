"""Watching a task in the terminal: each event a line, the steps a bar, the pictures saved."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from server.entrypoints.client import Client, Json
from server.entrypoints.trouble import Trouble

_LABEL_WIDTH = 22


def watch_task(client: Client, token: str, folder: Path, console: Console) -> list[Path]:
    """Follow the task to its end and save its pictures; return their paths. Raises Trouble if it fails."""
    columns = (
        TextColumn(f"  {{task.description:<{_LABEL_WIDTH}}}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        row = bar.add_task("waiting", total=None, speed="")
        for frame in client.follow(token):
            if frame["type"] == "task_output":
                _advance(bar, row, frame["message"])
            else:
                console.print(_line(frame), highlight=False, markup=False, soft_wrap=True)
    return _save(client, client.detail(token), folder)


def _advance(bar: Progress, row: int, progress: Json) -> None:
    sample = int(progress.get("sample") or 0) + 1
    bar.update(
        row,  # pyright: ignore[reportArgumentType]  a TaskID is an int
        description=f"picture {sample}, {progress.get('phase')}",
        total=int(progress["stepTotal"]),
        completed=int(progress["stepCurrent"]),
        speed=f"{progress['speed']} {progress['speedType']}",
    )


def _line(frame: Json) -> str:
    message = frame["message"]
    match frame["type"]:
        case "task_postprocess_end":
            told = f"{len(message)} picture(s)" if frame["success"] else "failed"
        case "task_output_full" | "task_error_full":
            told = str(message.get("raw", "")).strip().replace("\n", "\n" + " " * (_LABEL_WIDTH + 3))
        case _:
            told = "" if message is None else str(message)
    return f"  {frame['type']:<{_LABEL_WIDTH}} {told}".rstrip()


def _save(client: Client, task: Json, folder: Path) -> list[Path]:
    if task["status"] == "task_cancel":
        raise Trouble("The task was cancelled.")
    if task["pexit"] != "0":
        raise Trouble(f"The task failed (exit {task['pexit']}): {task['debugerror'] or 'no reason given'}")
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for output in task["outputs"]:
        path = folder / f"{task['id']}-{Path(str(output['name'])).name}"
        path.write_bytes(client.fetch(output["url"]))
        paths.append(path)
    return paths
