"""Settings: everything that can be set, from the environment. Read by entrypoints only, handed on as plain values."""

import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from server.domain.bucket_url import BucketUrl, parse_bucket_url
from server.domain.outbound import parse_permits

PREFIX: Final = "EASEL_"

_NONE: Final = "none"
_OWN_PROJECT: Final = "default"
"""The project that `easel up` makes for whoever starts it."""
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class SettingsError(Exception):
    """A setting is wrong; the message names it and says what it may be."""


class Settings(BaseSettings):
    """The environment variables of easel, without their prefix `EASEL_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    data_dir: Path = Field(Path("data"), description="Folder of the embedded database, the files and the keys.")
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in the data folder.")
    database_password_file: Path | None = Field(
        None, description="File with the database's password, which the URL then doesn't hold."
    )
    poll_only: bool = Field(
        default=False, description="Whether processes only poll: for PostgreSQL behind a pooler that has no LISTEN."
    )
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the API listens on.")
    public_url: str = Field("", description="Base of output URLs; empty: the address each Run was sent to.")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu or cuda:N.")
    dtype: Literal["auto", "float16", "bfloat16", "float32"] = Field(
        "auto", description="Precision of the weights; auto: float16 on a GPU, else float32."
    )
    memory: Literal["auto", "resident", "offload"] = Field(
        "auto", description="Whether all weights stay on the GPU, or only those in use; auto: by its memory."
    )
    compile: Literal["off", "regional", "full"] = Field(
        "off", description="Whether UNets are compiled: not, their transformer blocks, or wholly."
    )
    compile_sizes: str = Field(
        "1024x1024", pattern=r"^\d+x\d+(,\d+x\d+)*$", description="Sizes compiled ahead: 1024x1024,832x1216."
    )
    lora_cache_gb: float | None = Field(
        None, ge=0, description="GB of LoRA weights kept for the next task; empty: a share of what is free."
    )
    files_url: str = Field(
        "",
        description="Folder of the files, or s3://bucket/prefix?endpoint=URL; empty: `files` in the data folder.",
    )
    keep_days: float | None = Field(None, gt=0, description="After how many days files are removed; empty: never.")
    quota_gb: float | None = Field(
        None, gt=0, description="GB that files may take; beyond it the oldest are removed; empty: no limit."
    )
    models_dir: str = Field(
        "", description="Folders of weights, separated as in PATH, only read; `models` in the data folder comes last."
    )
    miniature: bool | None = Field(
        None, description="Whether the miniature may draw where no real weights are; empty: yes for `up` alone."
    )
    cards_dir: str = Field("", description="Folders of further model cards, separated as in PATH.")
    engine: Literal["sdxl", "fake"] = Field("sdxl", description="sdxl, or fake: pictures without a model.")
    fake: str = Field("", description="How the fake engine behaves: `step_ms=20,mode=works`.")
    worker_name: str = Field("", description="What operators call the workers of this machine; empty: its host name.")
    in_flight: int | None = Field(
        None, gt=0, description="How many tasks a worker draws at once; empty: by the device's memory, at most 8."
    )
    batch_rows: int = Field(
        2, ge=2, multiple_of=2, description="Rows of a UNet forward: 2 are one picture, 4 two; fixed, so it may pad."
    )
    lease_seconds: float = Field(30.0, gt=0, description="How long a silent worker keeps its task.")
    heartbeat_seconds: float = Field(5.0, gt=0, description="How often a worker renews its lease.")
    drain_seconds: float | None = Field(
        None, ge=0, description="How long a stopping worker may finish its task; empty: 10 for `up`, 300 for `worker`."
    )
    stop_seconds: float = Field(
        5.0, gt=0, description="How long a killed drawing may take to stop before its process is ended."
    )
    recycle_gb: float | None = Field(
        None, gt=0, description="GB of memory above which an engine process is replaced between tasks; empty: never."
    )
    queue_limit: int = Field(100, ge=0, description="How many tasks one project may have queued; 0: no limit.")
    queue_limit_total: int = Field(10_000, ge=0, description="How many tasks all may have queued; 0: no limit.")
    running_limit: int = Field(0, ge=0, description="How many tasks of one project may run at once; 0: no limit.")
    work_limit: int = Field(
        2500,
        ge=0,
        description="Million pixel steps (width × height × steps × samples) one task may ask for; 0: no limit.",
    )
    auth_failures_per_minute: int = Field(
        10, ge=0, description="How often an address may fail with one key before it is told to wait; 0: no limit."
    )
    trusted_proxies: str = Field(
        "127.0.0.1,::1", description="Addresses or networks whose X-Forwarded-For is believed; `none`, or `*`: all."
    )
    tokens_per_socket: int = Field(200, gt=0, description="How many unfinished tasks one websocket may follow.")
    sockets_per_address: int = Field(
        2000, ge=0, description="How many websockets one address may have open; 0: no limit."
    )
    webhook_allow: str = Field(
        "", description="Private hosts and networks that webhooks may be sent to, separated by commas."
    )
    download_allow: str = Field(
        "", description="Private hosts and networks that input files may be fetched from, separated by commas."
    )
    png_metadata: Literal["full", "origin"] = Field(
        "full",
        description="What pictures say of themselves: all that draws them again, prompt included, or their AI origin.",
    )
    content: Literal["show", "blur"] = Field(
        "show",
        description="Whether pages show pictures at once, or blurred until somebody asks; never what the API answers.",
    )
    operators: str = Field(
        "",
        description="Projects whose callers see all projects on the dashboard, separated by commas; "
        "empty: `default` on the embedded database, nobody on another; `none`: nobody.",
    )
    metrics_token: str = Field(
        "", description="Bearer token that /metrics asks for; empty: it answers this machine alone."
    )
    otlp_endpoint: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Base URL of an OpenTelemetry collector (OTLP over HTTP) that gets a trace of each task.",
    )
    log_format: Literal["text", "json"] = Field("text", description="text, or json: an object a line.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error."
    )

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'easel.db').absolute()}"

    @property
    def embedded(self) -> bool:
        """Whether the database is the embedded default."""
        return not self.database_url

    @property
    def bucket(self) -> BucketUrl | None:
        """The bucket that files are kept in, if it isn't a folder."""
        return parse_bucket_url(self.files_url) if _is_bucket(self.files_url) else None

    @property
    def files_folder(self) -> Path:
        """Where files are kept that are in no bucket."""
        return Path(self.files_url) if self.files_url else self.data_dir / "files"

    @property
    def models_folders(self) -> tuple[Path, ...]:
        """Where weights are looked for, in order; the last is easel's own."""
        return (*_folders(self.models_dir), self.own_models_folder)

    @property
    def own_models_folder(self) -> Path:
        """Where easel writes: what `easel models pull` brings, and the registry of what `add` adopts."""
        return self.data_dir / "models"

    @property
    def operator_names(self) -> frozenset[str]:
        """The projects whose callers see all projects."""
        if not self.operators:
            return frozenset({_OWN_PROJECT} if self.embedded else ())
        names = {name.strip() for name in self.operators.split(",")}
        return frozenset(() if names == {_NONE} else filter(None, names))

    @property
    def proxies(self) -> tuple[str, ...]:
        """Whose X-Forwarded-For is believed."""
        return () if self.trusted_proxies == _NONE else tuple(filter(None, re.split(r"[\s,]+", self.trusted_proxies)))

    @property
    def cards_folders(self) -> tuple[Path, ...]:
        """Where further cards are."""
        return _folders(self.cards_dir)


def read_settings() -> Settings:
    """Read the environment. Raises SettingsError with one sentence that names the variable."""
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue]  the values come from the environment
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name} is {str(first['input'])!r}: {first['msg']}.") from None
    if settings.heartbeat_seconds * 2 > settings.lease_seconds:
        raise SettingsError("EASEL_HEARTBEAT_SECONDS must be at most half of EASEL_LEASE_SECONDS.")
    _check_files_url(settings.files_url)
    _check_proxies(settings.proxies)
    _check_permits("WEBHOOK_ALLOW", settings.webhook_allow)
    _check_permits("DOWNLOAD_ALLOW", settings.download_allow)
    return settings.model_copy(
        update={"public_url": _public_url(settings.public_url), "database_url": _database_url(settings)}
    )


def _database_url(settings: Settings) -> str:
    """Return the database's URL with the password of its file."""
    file = settings.database_password_file
    if file is None:
        return settings.database_url
    scheme, found, rest = settings.database_url.partition("://")
    user, at, place = rest.rpartition("@")
    if not found or not at or not user or ":" in user:
        raise SettingsError(
            "EASEL_DATABASE_PASSWORD_FILE needs an EASEL_DATABASE_URL with a user and no password: "
            "postgresql://USER@HOST/NAME."
        )
    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"EASEL_DATABASE_PASSWORD_FILE is {str(file)!r}, which can't be read: {reason}.") from None
    return f"{scheme}://{user}:{quote(password, safe='')}@{place}"


def _check_files_url(value: str) -> None:
    scheme = _SCHEME.match(value)
    if scheme is None:
        return
    if not _is_bucket(value):
        raise SettingsError(f"EASEL_FILES_URL is a {scheme[1]}:// URL; give a folder, or a bucket as s3://bucket.")
    try:
        parse_bucket_url(value)
    except ValueError as error:
        raise SettingsError(f"EASEL_FILES_URL {error}.") from None


def _is_bucket(value: str) -> bool:
    return value.lower().startswith("s3://")


def _check_proxies(proxies: tuple[str, ...]) -> None:
    if proxies == ("*",):
        return
    for one in proxies:
        try:
            ip_network(one)
        except ValueError:
            raise SettingsError(
                f"EASEL_TRUSTED_PROXIES has {one!r}; give addresses or networks such as 10.0.0.0/8, or none."
            ) from None


def _check_permits(name: str, value: str) -> None:
    try:
        parse_permits(value)
    except ValueError as error:
        raise SettingsError(
            f"{PREFIX}{name} has {str(error)!r}; give host names and networks such as backend,192.168.1.0/24."
        ) from None


def _public_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an unclosed bracket, a port that is no number
        usable = False
    if value and (not usable or re.search(r"[\s?#]", value)):
        raise SettingsError(f"EASEL_PUBLIC_URL is {value!r}; give a URL such as https://easel.example.org.")
    return value.rstrip("/")


def _folders(value: str) -> tuple[Path, ...]:
    return tuple(Path(part) for part in value.split(os.pathsep) if part)
