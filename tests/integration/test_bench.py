"""`make bench` can be trusted to run: a short one writes a whole result. What it measures is nobody's promise here."""

import json
import subprocess
import sys
from pathlib import Path

from bench.goals import Bound, Figure
from bench.socket_load import split_frames, text_frame

ROOT = Path(__file__).parents[2]


def test_a_quick_run_writes_a_result_that_names_no_machine(tmp_path: Path):
    command = [sys.executable, "-m", "bench.api", "--quick", "--only", "H7,H4", "--into", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr

    text = next(tmp_path.glob("api-*.json")).read_text()
    result = json.loads(text)
    assert {figure["goal"] for figure in result["figures"]} == {"H7", "H4"}
    assert result["quick"] is True
    assert set(result["machine"]) == {"cores", "load", "python", "system", "packages"}
    assert str(ROOT) not in text
    cost = next(figure for figure in result["figures"] if figure["goal"] == "H7" and figure["must_ratio"])
    for side in ("ours", "reference", "ratio"):
        assert cost[side]["low"] <= cost[side]["median"] <= cost[side]["high"]
    assert cost["repeats"] == 2
    assert isinstance(cost["holds"], bool)
    assert "H7" in done.stdout


def test_a_quick_run_of_the_engine_writes_a_result(tmp_path: Path):
    command = [sys.executable, "-m", "bench.engine", "--quick", "--threads", "1", "--into", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr

    result = json.loads(next(tmp_path.glob("engine-*.json")).read_text())
    assert {figure["goal"] for figure in result["figures"]} == {"E1", "E2", "E3"}
    assert "torch" in result["machine"]["packages"]
    assert all(figure["ours"]["low"] > 0 and figure["reference"]["low"] > 0 for figure in result["figures"])
    assert "E3" in done.stdout


def test_a_quick_run_of_the_png_bench_compares_every_kind(tmp_path: Path):
    command = [sys.executable, "-m", "bench.png", "--quick", "--into", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr

    result = json.loads(next(tmp_path.glob("png-*.json")).read_text())
    assert [kind["name"].split(",")[0] for kind in result["kinds"]] == [
        "like photographs",
        "flat",
        "the miniature's",
        "the miniature's",
    ]
    for kind in result["kinds"]:
        assert len(kind["ours"]) == len(kind["pillow"]) > 0
        assert kind["size_ratio"] == kind["our_bytes"] / kind["pillow_bytes"]
    assert result["longest_pause_ms"] > 0
    assert str(ROOT) not in json.dumps(result)


def test_a_quick_run_of_the_queue_writes_a_result(tmp_path: Path):
    command = [sys.executable, "-m", "bench.queue", "--quick", "--only", "Q1,Q5", "--into", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr

    result = json.loads(next(tmp_path.glob("queue-*.json")).read_text())
    assert [figure["goal"] for figure in result["figures"]] == ["Q1", "Q5", "Q5"]
    assert all(figure["reference"]["median"] > 0 for figure in result["figures"])


def test_an_unknown_goal_is_refused():
    command = [sys.executable, "-m", "bench.api", "--only", "H99"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "H1" in done.stderr


def test_a_figure_holds_when_its_median_does():
    def figure(*ours: float) -> Figure:
        return Figure(goal="H1", what="", unit="ms", ours=ours, reference=(2.0, 2.0, 2.0), ratio_bound=Bound(3))

    assert figure(1.0, 6.0, 99.0).holds is True
    assert figure(1.0, 6.1, 6.1).holds is False
    assert Bound(600, "higher").holds(599) is False


def test_frames_are_told_apart_however_they_come():
    stream = b"".join(text_frame(b"x" * size, masked=False) for size in (3, 126, 3000)) + b"\x89\x02hi"

    found = [len(frame) for frame in split_frames(stream)[0]]
    assert found == [3, 126, 3000]
    assert split_frames(stream)[1] == [b"hi"]
    assert split_frames(stream[:-3000])[0] == [b"x" * 3, b"x" * 126]
