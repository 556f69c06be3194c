"""Objects below a URL: read, put, put if absent, put if unchanged, delete.

Through obstore, since pyarrow's file systems cannot put an object only where there is none
(`If-None-Match`), nor only where nobody has put another (`If-Match`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xaibench.errors import XaibenchError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

RETRIES: dict[str, Any] = {"max_retries": 5, "retry_timeout": timedelta(minutes=1)}
CLIENT: dict[str, Any] = {
    "connect_timeout": timedelta(seconds=10),
    "read_timeout": timedelta(minutes=1),
    "timeout": timedelta(minutes=15),  # of a whole object: maps may have a hundred megabytes
}


Version = dict[str, str]
"""What an object is told from an earlier one of its key by."""


AT_ONCE = 8 * 2**20
"""Bytes of an object that are held in memory to save it, which is faster than a stream."""


class Content(NamedTuple):
    """An object: its bytes, its version, and seconds since it was put by this machine's clock."""

    data: bytes
    version: Version
    age: float


class Objects:
    """What lies below a URL of `config.urls`. Errors are XaibenchError with the URL and a remedy.

    make: a file:// folder is made where there is none.
    """

    def __init__(self, url: str, make: bool = False) -> None:
        self.url = url
        try:
            import obstore
        except ImportError:
            raise XaibenchError(
                f"{url} needs a package that is not here: pip install 'xaibench[remote]'."
            ) from None
        self._obstore: Any = obstore
        with self._told():
            self._store = _opened(url, make)

    def read(self, key: str) -> Content | None:
        """An object; None where there is none."""
        with self._told(), suppress(FileNotFoundError):
            found = self._obstore.get(self._store, key)
            meta = found.meta
            age = (datetime.now(UTC) - meta["last_modified"]).total_seconds()
            return Content(bytes(found.bytes()), _version(meta), age)
        return None

    def save(self, key: str, into: Path) -> str:
        """Write an object into a file; its SHA-256, empty where there is no such object."""
        digest = hashlib.sha256()
        with self._told(), suppress(FileNotFoundError):
            found = self._obstore.get(self._store, key)
            pieces = [found.bytes()] if found.meta["size"] <= AT_ONCE else found.stream()
            with into.open("wb") as file:
                for piece in pieces:
                    digest.update(piece)
                    file.write(piece)
            return digest.hexdigest()
        return ""

    def send(self, key: str, path: Path) -> None:
        """Put a file's content."""
        with self._told():
            self._obstore.put(self._store, key, path)

    def create(self, key: str, data: bytes) -> Version | None:
        """Put an object where there is none; its version, or None where there is one."""
        with self._told(), suppress(self._obstore.exceptions.AlreadyExistsError):
            return _version(self._obstore.put(self._store, key, data, mode="create"))
        return None

    def replace(self, key: str, data: bytes, was: Version) -> Version | None:
        """Put an object in the place of one version of it; None where it has another by now.

        Where the store cannot do that in one step (file://), the two are looked at before.
        """
        with self._told(), suppress(self._obstore.exceptions.PreconditionError, FileNotFoundError):
            try:
                return _version(self._obstore.put(self._store, key, data, mode=was))
            except NotImplementedError:
                if _version(self._obstore.head(self._store, key)) != was:
                    return None
                return _version(self._obstore.put(self._store, key, data))
        return None

    def others(self, key: str) -> str:
        """A key that is there beside one; empty where there is none."""
        with self._told():
            keys = (one["path"] for some in self._obstore.list(self._store) for one in some)
            return next((found for found in keys if found != key), "")

    def remove(self, key: str) -> None:
        """Delete an object, if it is there."""
        with self._told(), suppress(FileNotFoundError):
            self._obstore.delete(self._store, key)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the store as one line each."""
        errors = self._obstore.exceptions
        try:
            yield
        except (errors.BaseError, ValueError, NotImplementedError, OSError) as error:
            if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
                raise
            raise XaibenchError(f"{self.url}: {_why(str(error))}.") from None


def _opened(url: str, make: bool) -> ObjectStore:
    from obstore.store import GCSStore, LocalStore, S3Store

    scheme, _, rest = url.partition("://")
    if scheme == "file":
        if not (make or Path(rest).is_dir()):
            raise XaibenchError(f"{url} is no folder: check the path.")
        return LocalStore(rest, mkdir=make)
    bucket, _, prefix = rest.partition("/")
    known: dict[str, Any] = {"prefix": prefix or None, "retry_config": RETRIES}
    known["client_options"] = dict(CLIENT)
    if scheme == "gs":
        return GCSStore(bucket, **known)
    endpoint = os.environ.get("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT", ""))
    if "AWS_ACCESS_KEY_ID" not in os.environ:
        with suppress(ImportError):  # profiles of ~/.aws, where its library is there
            from obstore.auth.boto3 import Boto3CredentialProvider

            with suppress(ValueError):  # none there: those of the machine
                known["credential_provider"] = Boto3CredentialProvider()
    if endpoint.startswith("http://"):
        known["client_options"]["allow_http"] = True
    return S3Store(bucket, **known)


def _version(meta: Any) -> Version:
    return {name: meta[name] for name in ("e_tag", "version") if meta[name]}


REMEDIES = {
    "NoSuchBucket": "there is no such bucket: create it, or check the URL",
    "AccessDenied": "access is denied: check the credentials and the bucket's policy",
    "InvalidAccessKeyId": "these credentials are not known: check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "these credentials do not fit: check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "these credentials have expired: get new ones",
    "computeMetadata": "no credentials: set GOOGLE_APPLICATION_CREDENTIALS",
    "169.254.169.254": "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (profiles "
    "of ~/.aws need `pip install boto3`)",
    "configured region": "the bucket is in another region: set AWS_REGION",
    "status code: 403": "access is denied: check the credentials and the bucket's policy",
    "error sending request": "it cannot be reached: check the network, then run the same command "
    "again",
}
"""What to do, by words of the library's errors, the first that fits."""


def _why(text: str) -> str:
    for word, remedy in REMEDIES.items():
        if word in text:
            return remedy
    first = text.partition("\n")[0].rstrip(".")
    return f"{first[:300]}; mend that, then run the same command again"
