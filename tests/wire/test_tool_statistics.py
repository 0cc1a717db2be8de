"""Run statistics of tool objects are real counts (section 8, `taskstat`)."""

import time

import pytest

STUDIO = "hevok/studio-trigger"


@pytest.fixture
def tool(easel):
    def of(slug):
        owner, _, name = slug.partition("/")
        [found] = easel.post("Tool/Detail", {"slugowner": owner, "slugproject": name}).json()["tool"]
        return found

    return of


@pytest.fixture
def counted(tool):
    """Wait until so many runs are counted: a count is shown again for some seconds."""

    def at(total):
        deadline = time.monotonic() + 30
        while (found := tool(STUDIO))["taskstat"]["runcount"] != total:
            assert time.monotonic() < deadline, found["taskstat"]
            time.sleep(0.2)
        return found

    return at


def test_8_counts_follow_the_runs(easel, tool, counted):
    assert tool(STUDIO)["taskstat"] == {"runcount": 0, "successcount": "0", "errorcount": "0", "lastruntime": "0"}
    started = int(time.time())
    tasks = [easel.finish(samples=1) for _ in range(2)]
    easel.finish(prompt="a lake <fake:fails_at_step:3>")
    found = counted(3)

    assert all(task["pexit"] == "0" for task in tasks)
    assert (found["taskstat"]["successcount"], found["taskstat"]["errorcount"]) == ("2", "1")
    assert started <= int(found["taskstat"]["lastruntime"]) <= time.time() + 1
    assert found["computingtime"].endswith(" seconds")
    assert tool("wiro/text-to-image-sdxl")["taskstat"]["runcount"] == 0
    assert tool("wiro/text-to-image-sdxl")["computingtime"] == ""

    easel.finish()
    assert counted(4)["taskstat"]["successcount"] == "3"
    listed = easel.post("Tool/List", {"slugowner": "hevok"}).json()["tool"][0]["taskstat"]
    explored = easel.post("Tool/Explore", {}).json()["explore"][0]["tools"][0]["taskstat"]
    assert (listed["runcount"], listed["successcount"], listed["errorcount"]) == (4, "3", "1")
    assert explored == listed
