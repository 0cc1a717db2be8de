"""Which file store the settings name."""

from importlib.util import find_spec

from server.adapters.files import LocalFiles
from server.entrypoints.packages import Find
from server.entrypoints.trouble import Trouble
from server.ports import FileStore
from server.settings import Settings


def open_files(settings: Settings, find: Find = find_spec) -> FileStore:
    """Return the store of the settings. Raises Trouble where it is a bucket and the extra is missing."""
    bucket = settings.bucket
    if bucket is None:
        return LocalFiles(settings.files_folder)
    if find("botocore") is None:
        raise Trouble(
            "EASEL_FILES_URL is a bucket, and botocore can't be found: buckets need the s3 extra; "
            "install it with: pip install 'easel[s3]'"
        )
    from server.adapters.s3.store import BucketFiles  # noqa: PLC0415 its library is there only with the extra

    return BucketFiles(bucket)
