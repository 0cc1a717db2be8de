"""Reading files from elsewhere: not yet."""

from server.domain.errors import DownloadFailed


class NoDownloads:
    """Implements `Downloads` by refusing."""

    def fetch(self, url: str, limit: int) -> bytes:
        """Raise DownloadFailed."""
        del url, limit
        raise DownloadFailed("This server downloads nothing: send the file itself, or its URL after File/Upload.")
