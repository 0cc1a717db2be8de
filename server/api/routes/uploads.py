"""POST /v1/File/FolderCreate, /v1/File/Upload and /v1/Task/InputOutputDelete."""

from fastapi import APIRouter, Request

from server.api.base_url import base_url
from server.api.body import Body
from server.api.caller import Caller, Ref
from server.api.received import UploadBody
from server.api.wire import Wire, folder_wire, upload_wire
from server.api.wiring import Wired
from server.services.forget import forget
from server.services.upload import make_folder, upload

router = APIRouter(prefix="/v1")


@router.post("/File/FolderCreate")
def folder_create(caller: Caller, body: Body, wiring: Wired) -> Wire:
    """Make a folder; one of that name is returned as it is."""
    folder = make_folder(wiring.uploads, caller.id, body.get("name"), body.get("parentid"))
    return {"result": True, "errors": [], "list": [folder_wire(folder)]}


@router.post("/File/Upload")
def file_upload(request: Request, caller: Caller, body: UploadBody, wiring: Wired) -> Wire:
    """Keep the parts called `file`; each gets a public URL under an unguessable address."""
    kept = upload(wiring.uploads, caller.id, body.fields.get("folderid"), body.files)
    base = base_url(request, wiring.public_url)
    return {"result": True, "errors": [], "list": [upload_wire(each, base) for each in kept]}


@router.post("/Task/InputOutputDelete")
def input_output_delete(caller: Caller, ref: Ref, wiring: Wired) -> Wire:
    """Delete the outputs and the uploaded inputs of a task that is over."""
    forget(wiring.tasks, wiring.keeper, wiring.files, caller.id, ref)
    return {"result": True, "errors": []}
