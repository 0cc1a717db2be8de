"""Print what pyproject.toml asks for, a line each: `python dependencies.py [EXTRA]`. Standard library only."""  # noqa: INP001 a script, in no package

import sys
import tomllib
from pathlib import Path


def main(extra: str = "") -> None:
    """Print the dependencies, or those of an extra."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["optional-dependencies"][extra] if extra else project["dependencies"]
    print("\n".join(wanted))  # noqa: T201 a command's output


if __name__ == "__main__":
    main(*sys.argv[1:])
