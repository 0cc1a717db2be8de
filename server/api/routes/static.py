"""GET /static/{version}/{file}: the pages' style, scripts and signs."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from server.api.pages import PAGES, SAFE, unchanged
from server.web.assets import assets

router = APIRouter(tags=[PAGES])


@router.get("/static/{version}/{file}")
def static(version: str, file: str, request: Request) -> Response:
    """Return a file: for ever under its own version, and still for pages that another version has made."""
    asset = assets().files.get(file)
    if asset is None:
        return PlainTextResponse("There is no such file.\n", 404)
    lasting = version == assets().version
    headers = {"Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache", **SAFE}
    answer = unchanged(request, asset.etag, headers)
    return answer or Response(asset.content, media_type=asset.media_type, headers={**headers, "ETag": asset.etag})
