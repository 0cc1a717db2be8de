"""Task/InputOutputDelete (3.6), and files that are removed by age or by quota."""

import logging
import time

import pytest

from server.adapters.files import LocalFiles
from server.adapters.sql.removals import SqlFileKeeper
from server.domain.files import Reason
from server.services.retention import Retention, sweep
from tests.serving import signed
from tests.wire.porch import error_of
from tests.wire.uploading import files_below, png, uploaded

CALL = "Task/InputOutputDelete"


@pytest.mark.parametrize("name", ["tasktoken", "taskid", "socketaccesstoken"])
def test_3_6_outputs_go(easel, name):
    task = easel.finish(samples="2")
    assert task["outputfolderid"] == task["outputs"][0]["parentid"] != "0"
    sent = {name: task["id"] if name == "taskid" else task["socketaccesstoken"]}

    for _ in range(2):
        assert easel.post(CALL, sent).json() == {"result": True, "errors": []}
        after = easel.detail(task["socketaccesstoken"])
        assert (after["outputs"], after["outputfolderid"], after["size"]) == ([], "0", "0")
        assert (after["status"], after["pexit"]) == ("task_postprocess_end", "0")
        assert "deleted on request" in after["outputsremoved"]
    for output in task["outputs"]:
        assert error_of(easel.get(output["url"]), 404)
        assert not list(easel.settings.files_folder.rglob(f"*{output['accesskey']}*"))


def test_3_6_a_killed_tasks_pictures_go(easel):
    run = easel.run(prompt="a lake <fake:slow>", steps=100)
    easel.until(run["socketaccesstoken"], "task_start")
    said = error_of(easel.post(CALL, {"taskid": run["taskid"]}))
    assert said == (0, "Task must be completed or cancelled before deleting files")
    easel.post("Task/Kill", {"taskid": run["taskid"]})
    assert easel.post(CALL, {"taskid": run["taskid"]}).json()["result"] is True
    assert easel.detail(run["socketaccesstoken"])["partialoutputs"] == []


def test_3_6_refusals(easel, idle):
    assert error_of(easel.post(CALL, {"taskid": "99999999"})) == (1, "task-not-exist")
    assert error_of(easel.post(CALL, {})) == (0, "taskid or socketaccesstoken is required")
    run = idle.run()
    said = error_of(idle.post(CALL, {"taskid": run["taskid"]}))
    assert said == (0, "Task must be completed or cancelled before deleting files")


def test_3_6_another_projects_task_is_missing_like_any_other(easel):
    task = easel.finish()
    theirs = signed(easel.new_project("others-delete"))

    for sent in ({"taskid": task["id"]}, {"tasktoken": task["socketaccesstoken"]}):
        assert error_of(easel.post(CALL, sent, headers=theirs)) == (1, "task-not-exist")
    assert easel.get(task["outputs"][0]["url"]).status_code == 200


def test_retention_by_age_and_by_quota(easel, caplog):
    """What an operator and a client see of it."""
    caplog.set_level(logging.INFO)
    old, upload = easel.finish(), uploaded(easel, png())
    keeper, files = SqlFileKeeper(easel.database), LocalFiles(easel.settings.files_folder)

    sweep(keeper, files, Retention())
    assert easel.get(old["outputs"][0]["url"]).status_code == 200
    time.sleep(0.05)
    sweep(keeper, files, Retention(days=0.01 / 86_400))
    after = easel.detail(old["socketaccesstoken"])
    assert (after["outputs"], after["outputfolderid"]) == ([], "0")
    assert "older than this server keeps files" in after["outputsremoved"]
    assert easel.get(old["outputs"][0]["url"]).status_code == 404
    assert easel.get(upload["url"]).status_code == 404
    assert f"task {old['id']}: 1 picture(s)" in caplog.text
    assert "EASEL_KEEP_DAYS" in caplog.text

    young = easel.finish()
    sweep(keeper, files, Retention(quota=1))
    assert "room for files was used up" in easel.detail(young["socketaccesstoken"])["outputsremoved"]
    assert "EASEL_QUOTA_GB" in caplog.text
    assert files_below(easel.settings.files_folder) == []
    assert Reason.QUOTA == "quota"
