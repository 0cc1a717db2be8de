"""POST /v1/File/FolderCreate, /v1/File/Upload and /v1/Task/InputOutputDelete."""

from fastapi import APIRouter, Request

from server.api.base_url import base_url
from server.api.caller import Called, Caller
from server.api.received import UploadBody
from server.api.wire import Wire, folder_wire, upload_wire
from server.api.wiring import Wired
from server.services.forget import forget
from server.services.upload import make_folder, upload

router = APIRouter(prefix="/v1")


@router.post("/File/FolderCreate")
def folder_create(call: Called) -> Wire:
    """Make a folder; one of that name is returned as it is."""
    project, asked = call.project(), call.fields
    folder = make_folder(call.wiring.uploads, project.id, asked.get("name"), asked.get("parentid"))
    return {"result": True, "errors": [], "list": [folder_wire(folder)]}


@router.post("/File/Upload")
def file_upload(request: Request, caller: Caller, body: UploadBody, wiring: Wired) -> Wire:
    """Keep the parts called `file`; each gets a public URL under an unguessable address."""
    kept = upload(wiring.uploads, caller.id, body.fields.get("folderid"), body.files)
    base = base_url(request, wiring.public_url)
    return {"result": True, "errors": [], "list": [upload_wire(each, base) for each in kept]}


@router.post("/Task/InputOutputDelete")
def input_output_delete(call: Called) -> Wire:
    """Delete the outputs and the uploaded inputs of a task that is over."""
    wiring = call.wiring
    forget(wiring.tasks, wiring.keeper, wiring.files, call.project().id, call.ref)
    return {"result": True, "errors": []}
