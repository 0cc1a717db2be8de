"""The random SDXL that other tests draw with."""

import hashlib

from pipelines.expert_files import same_component
from tests.random_sdxl import write_random_sdxl


def digests(folder) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_seed_always_writes_the_same_model_of_a_few_megabytes(tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        write_random_sdxl(tmp_path / name, seed=seed)
    one, two, three = (digests(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one != three
    assert sum(path.stat().st_size for path in (tmp_path / "one").rglob("*")) < 5e6
    shared = tmp_path / "one" / "base" / "vae"
    assert same_component(tmp_path / "one" / "refiner" / "vae", shared)
    assert not same_component(tmp_path / "three" / "refiner" / "vae", shared)
