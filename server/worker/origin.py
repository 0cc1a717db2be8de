"""Where a picture comes from, written into it: drawn by an AI, by easel. Every picture says so."""

import importlib.metadata
from typing import Final

from server.worker.png import text_chunk, utf8_chunk

XMP_KEY: Final = "XML:com.adobe.xmp"
TRAINED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's word for media made by a trained model."""

_XMP: Final = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    Iptc4xmpExt:DigitalSourceType="{source}"
    xmp:CreatorTool="{software}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def software() -> str:
    """Return easel's name and version; the name alone where it runs without being installed."""
    try:
        return f"easel {importlib.metadata.version('easel')}"
    except importlib.metadata.PackageNotFoundError:
        return "easel"


def origin_chunks(tool: str) -> list[bytes]:
    """Return the PNG chunks that say so, the same for the same tool."""
    return [text_chunk("Software", tool), utf8_chunk(XMP_KEY, _XMP.format(source=TRAINED, software=tool))]
