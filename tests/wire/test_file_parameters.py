"""Parameters that take files (3.1): parts, URLs, `{id}Url`, from the request into the picture."""

import io
from typing import IO

import pytest
from PIL import Image

from pipelines.fake import draw
from server.domain.outbound import NoAnswer
from server.ports.files import Fetched
from tests.wire.porch import error_of, porch
from tests.wire.uploading import cards, files_below, part, png, run_form, run_json, uploaded

ELSEWHERE = "https://pictures.example.org/a.png"


class Web:
    """Downloads of a few known URLs."""

    def __init__(self) -> None:
        self.pages = {ELSEWHERE: png(colour="blue")}
        self.asked: list[tuple[str, int]] = []

    def fetch(self, url: str, limit_bytes: int, into: IO[bytes]) -> Fetched:
        self.asked.append((url, limit_bytes))
        if url not in self.pages:
            raise NoAnswer("its server answered 404 instead of a file")
        into.write(self.pages[url])
        return Fetched(size=len(self.pages[url]), content_type="image/png", url=url)


@pytest.fixture(scope="module")
def web():
    return Web()


@pytest.fixture(scope="module")
def painter(tmp_path_factory, web):
    folder = tmp_path_factory.mktemp("painter")
    with porch(folder, cards_dir=str(cards(folder / "cards")), downloads=web) as running:
        yield running


def finished(easel, run):
    assert run["result"] is True, run
    easel.follow(run["socketaccesstoken"])
    return easel.detail(run["socketaccesstoken"])


def drawn_from(easel, task, *inputs):
    """Whether the task's picture is the one the fake engine makes of these (parameter, bytes)."""
    assert task["pexit"] == "0", task["debugerror"]
    picture = Image.open(io.BytesIO(easel.get(task["outputs"][0]["url"]).content))
    return picture.tobytes() == draw(1, 64, 64, b"".join(name.encode() + content for name, content in inputs))


def test_3_1_a_part(painter):
    task = finished(painter, run_form(painter, part("inputImage", png(), "me.png"), part("inputImageUrl", b"")))

    assert drawn_from(painter, task, ("inputImage", png()))
    echoed = task["parameters"]["inputImage"]
    assert echoed.endswith("/me.png")
    assert painter.get(echoed).content == png()


@pytest.mark.parametrize("name", ["inputImage", "inputImageUrl"])
def test_3_1_a_url_of_this_server_needs_no_network(painter, web, name):
    upload = uploaded(painter, png(), "größe.png")
    other = upload["url"].replace("127.0.0.1", "easel.example.org")
    before = len(web.asked)
    for url in (upload["url"], other):
        task = finished(painter, run_json(painter, **{"inputImage": "", "inputImageUrl": "", name: url}))
        assert drawn_from(painter, task, ("inputImage", png()))
        assert task["parameters"][name] == url
    assert len(web.asked) == before


def test_3_1_an_output_is_an_input(painter):
    first = finished(painter, run_json(painter, inputImage=uploaded(painter, png())["url"]))
    content = painter.get(first["outputs"][0]["url"]).content
    second = run_json(painter, inputImage=first["outputs"][0]["url"])
    assert painter.post("Task/InputOutputDelete", {"taskid": first["id"]}).json()["result"] is True
    assert drawn_from(painter, finished(painter, second), ("inputImage", content))


def test_3_1_a_url_from_elsewhere(painter, web):
    task = finished(painter, run_json(painter, inputImage=ELSEWHERE))
    assert drawn_from(painter, task, ("inputImage", web.pages[ELSEWHERE]))
    assert web.asked[-1] == (ELSEWHERE, 100 * 1024 * 1024)


def test_3_1_several_files(painter, web):
    one, two = png(colour="green"), png(colour="black")
    own = uploaded(painter, two)["url"]
    task = finished(
        painter,
        run_form(
            painter,
            part("inputImageUrl", ELSEWHERE.encode()),
            part("styles", one, "a.png"),
            part("styles[]", two, "b.png"),
            part("extrasUrl", f"{own}, {ELSEWHERE}".encode()),
            part("extras", one, "c.png"),
        ),
    )
    blue = web.pages[ELSEWHERE]
    order = [("inputImage", blue), ("styles", one), ("styles", two), ("extras", one), ("extras", two), ("extras", blue)]
    assert drawn_from(painter, task, *order)


EMPTY = {
    "absent": {},
    "empty": {"inputImage": "", "inputImageUrl": ""},
    "null": {"inputImage": None},
    "an empty list": {"inputImage": []},
    "a placeholder": {"inputImage": "/* inputImage value */"},
}


@pytest.mark.parametrize("sent", EMPTY.values(), ids=EMPTY)
def test_3_1_a_required_file(painter, sent):
    answer = run_json(painter, **sent)
    assert (answer["errors"][0]["code"], answer["errors"][0]["message"]) == (0, "Request files [inputImage] required")


WRONG = {
    "no URL": ({"inputImage": "me.png"}, "[inputImage] must be a file, or an http or https URL"),
    "a file URL": ({"inputImage": "file:///etc/passwd"}, "[inputImage] must be a file, or an http or https URL"),
    "credentials": ({"inputImageUrl": "http://a:b@c/"}, "[inputImage] must be a file, or an http or https URL"),
    "a number": ({"inputImage": 1}, "[inputImage] must be a file, or an http or https URL"),
    "a long URL": ({"inputImage": "http://a/" + "b" * 3000}, "[inputImage] must be a file, or an http or https URL"),
    "two": ({"inputImage": [ELSEWHERE, "http://b/"]}, "[inputImage] takes one file"),
    "three": ({"inputImage": ELSEWHERE, "styles": [f"http://{n}/" for n in "abc"]}, "[styles] takes at most 2 files"),
}


@pytest.mark.parametrize("case", WRONG)
def test_3_1_what_is_no_file(painter, case):
    sent, text = WRONG[case]
    assert run_json(painter, **sent)["errors"][0]["message"] == f"Request files {text}"


def test_3_1_a_url_of_this_server_that_leads_nowhere(painter):
    gone = f"{painter.url}/v1/File/{'a' * 32}/a.png"
    assert "There is no file at a URL of this server" in run_json(painter, inputImage=gone)["errors"][0]["message"]


def test_3_1_a_refused_run_leaves_nothing(painter):
    before = files_below(painter.settings.files_folder)
    answer = run_form(painter, part("inputImage", png(), "a.png"), part("width", b"63"))
    assert answer["result"] is False
    assert files_below(painter.settings.files_folder) == before


UNUSABLE = {
    "text": (b"hello", "is no picture"),
    "a cut PNG": (png()[:20], "is no picture"),
    "an SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture"),
    "a bomb": (png(9000, 9000), "more than 40 million pixels"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_3_1_pictures_are_looked_at_before_use(painter, case):
    content, text = UNUSABLE[case]
    task = finished(painter, run_form(painter, part("inputImage", content, "a.png")))
    assert (task["pexit"], task["outputs"]) == ("1", [])
    assert text in task["debugerror"]


def test_3_1_a_download_that_fails(painter):
    task = finished(painter, run_json(painter, inputImage="https://pictures.example.org/none.png"))
    assert task["pexit"] == "1"
    assert "answered 404" in task["debugerror"]


def test_3_6_uploaded_inputs_go_and_shared_ones_stay(painter):
    shared = uploaded(painter, png())["url"]
    one = finished(painter, run_form(painter, part("inputImageUrl", shared.encode()), part("styles", png(), "s.png")))
    two = finished(painter, run_json(painter, inputImage=shared))

    painter.post("Task/InputOutputDelete", {"taskid": one["id"]})
    assert painter.get(shared).status_code == 200
    assert error_of(painter.get(one["parameters"]["styles"]), 404)
    painter.post("Task/InputOutputDelete", {"taskid": two["id"]})
    assert painter.get(shared).status_code == 404


def test_a_model_without_files_takes_none(painter):
    before = files_below(painter.settings.files_folder)
    body = {"prompt": "a lake", "steps": "1", "width": "64", "height": "64"}
    run = painter.post("Run/hevok/studio-trigger", data=body, files={"inputImage": ("a.png", png())}).json()
    assert run["result"] is True
    assert "inputImage" not in painter.detail(run["socketaccesstoken"])["parameters"]
    painter.follow(run["socketaccesstoken"])
    assert {path.parent.parent.name for path in files_below(painter.settings.files_folder) if path not in before} <= {
        "outputs"
    }
