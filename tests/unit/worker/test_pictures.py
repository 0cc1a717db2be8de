"""Every picture says that it is AI-made, and nothing else."""

import io
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from pipelines.contract import SampleDone
from server.worker.origin import TRAINED, XMP_KEY, software
from server.worker.pictures import encode_png

SAMPLE = SampleDone("g", 0, 8, 8, bytes(range(192)))
EXT = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
XMP = "{http://ns.adobe.com/xap/1.0/}"


@pytest.fixture
def picture() -> Image.Image:
    image = Image.open(io.BytesIO(encode_png(SAMPLE)))
    image.load()
    return image


def test_the_xmp_packet_names_the_source_and_the_tool(picture: Image.Image):
    packet = ET.fromstring(picture.info["xmp"])
    [description] = packet.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")

    assert description.attrib[f"{EXT}DigitalSourceType"] == TRAINED
    assert description.attrib[f"{XMP}CreatorTool"] == software() == picture.info["Software"]
    assert software().startswith("easel")


def test_nothing_else_is_told(picture: Image.Image):
    assert set(picture.info) == {"Software", "xmp", XMP_KEY}


def test_the_pixels_and_the_bytes_are_always_the_same(picture: Image.Image):
    assert picture.tobytes() == SAMPLE.rgb
    assert encode_png(SAMPLE) == encode_png(SAMPLE)
