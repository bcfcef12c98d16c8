"""The client of a registry: manifests and blobs over HTTPS, resumed where a connection broke, every byte proven.

https://github.com/opencontainers/distribution-spec, and the token flow of
https://distribution.github.io/distribution/spec/auth/token/.

Where it may go: to the registry that the operator named, wherever that is; from there, by a redirect or for a token, only by
HTTPS and only to addresses of the public internet, looked up once and connected to as looked up. Credentials go to the
registry and its token service and nowhere else.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import http.client
import ipaddress
import json
import os
import re
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from ...stores.image_registry import BadManifest, MissingBlobs, StoredImage
from . import documents
from .blobs import Blobs
from .documents import BadImage, Descriptor, Manifest
from .reference import DOCKER, Reference, ours

Progress = Callable[[str], None]
TIMEOUT = 60.0
"""Seconds without a byte after which a connection is given up."""
ATTEMPTS = 6
MAX_REDIRECTS = 5
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_HUB = "registry-1.docker.io"


class RegistryError(BadImage):
    """The registry refused or could not be reached; the message says which and why."""


@dataclass
class Site:
    """One registry: where it is, what it knows of us."""

    host: str
    """As in a reference, with its port."""
    plain: bool
    """HTTP, for registries on this machine."""
    credentials: tuple[str, str] | None = None
    tokens: dict[str, str] = field(default_factory=dict)
    """Scope → Authorization header."""

    @property
    def base(self) -> str:
        return f"{'http' if self.plain else 'https'}://{_HUB if self.host == DOCKER else self.host}"


class Puller:
    """Pulls images into a store.

    Args:
        credentials: registry host → (user, password); Docker's own configuration of this user when None.
    """

    def __init__(self, store: Blobs, credentials: Callable[[str], tuple[str, str] | None] | None = None) -> None:
        self.store = store
        self._credentials = credentials or docker_credentials

    def pull(self, reference: Reference, progress: Progress = lambda line: None) -> StoredImage:
        """Fetch what is not here yet and give it the reference's name and tag.

        Raises:
            BadImage: refused, unreachable, damaged, or not for this machine.
        """
        if not reference.path:
            raise BadImage(f"{reference} names no image")
        site = Site(reference.registry, ours(reference.registry) and not reference.registry.endswith((".com", ".cn")),
                    self._credentials(reference.registry))
        raw, kind = self._manifest(site, reference, reference.digest or reference.tag)
        self.store.ensure_repository(reference.name)
        digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        if reference.digest and digest != reference.digest:
            raise BadImage(f"{reference} came with the digest {digest}")
        document = documents.read_json(raw, "the manifest")
        kind = documents.kind_of(document, kind)
        if kind not in documents.INDEXES:
            self._blobs(site, reference, documents.manifest_of(document), progress)
            return self._put(reference, raw, kind, reference.tag)
        chosen = documents.choose(document)
        part, part_kind = self._manifest(site, reference, chosen.digest)
        if "sha256:" + hashlib.sha256(part).hexdigest() != chosen.digest:
            raise BadImage(f"the manifest {chosen.digest} of {reference} came damaged")
        self._blobs(site, reference, documents.manifest_of(documents.read_json(part, "the manifest")), progress)
        self._put(reference, part, part_kind or chosen.media_type, "")
        return self._put(reference, raw, kind, reference.tag)

    def _put(self, reference: Reference, raw: bytes, kind: str, tag: str) -> StoredImage:
        try:
            return self.store.put_manifest(reference.name, raw, kind, tag, partial=True)
        except (BadManifest, MissingBlobs) as error:
            raise BadImage(f"{reference}: {error}") from None

    # -- parts

    def _manifest(self, site: Site, reference: Reference, what: str) -> tuple[bytes, str]:
        with self._get(site, reference, f"manifests/{what}", {"Accept": documents.ACCEPT}) as answer:
            if answer.status == 404:
                raise RegistryError(f"{site.host} has no {reference.remote_path} {what}")
            _expect(answer, (200,), site, reference)
            raw = answer.read(documents.LARGEST + 1)
            if len(raw) > documents.LARGEST:
                raise BadImage(f"the manifest of {reference} is larger than {documents.LARGEST} bytes")
            return raw, answer.headers.get("content-type", "")

    def _blobs(self, site: Site, reference: Reference, manifest: Manifest, progress: Progress) -> None:
        missing = [blob for blob in dict.fromkeys(manifest.blobs) if not self.store.has(blob.digest)]
        room = shutil.disk_usage(self.store.root).free
        if (needed := sum(blob.size for blob in missing)) > room:
            raise BadImage(f"{reference} needs {needed / 2**30:.1f} GiB to download; {room / 2**30:.1f} GiB are free")
        for number, blob in enumerate(missing, 1):
            self._blob(site, reference, blob, f"Downloading part {number} of {len(missing)}", progress)
        for blob in manifest.blobs:
            self.store.link(reference.name, blob.digest)

    def _blob(self, site: Site, reference: Reference, blob: Descriptor, label: str, progress: Progress) -> None:
        """Fetch one blob; what an earlier attempt has brought, of this process or another, is not fetched again."""
        partial = self.store.partial(blob.digest)
        with partial.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one process at a time brings it
            if not self.store.has(blob.digest):
                self._bring(site, reference, blob, partial, label, progress)

    def _bring(
        self, site: Site, reference: Reference, blob: Descriptor, partial: Path, label: str, progress: Progress
    ) -> None:
        failure: Exception | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(min(0.25 * 2**attempt, 8.0))
            try:
                self._continue(site, reference, blob, partial, label, progress)
            except (OSError, http.client.HTTPException) as error:
                failure = error
                continue
            with partial.open("rb") as file:
                found = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
            if found == blob.digest:
                self.store.adopt(reference.name, partial, blob.digest)
                return
            partial.unlink()
            failure = BadImage(f"the blob {blob.digest} came with the digest {found}")
        raise RegistryError(f"{reference} could not be fetched from {site.host}: {failure}")

    def _continue(
        self, site: Site, reference: Reference, blob: Descriptor, partial: Path, label: str, progress: Progress
    ) -> None:
        have = partial.stat().st_size if partial.exists() else 0
        if have >= blob.size > 0:
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._get(site, reference, f"blobs/{blob.digest}", headers) as answer:
            _expect(answer, (200, 206), site, reference)
            if answer.status == 200:
                have = 0
            told = 0.0
            with partial.open("r+b" if have else "wb") as file:
                file.seek(have)
                while data := answer.read(2**18):
                    have += len(data)
                    if have > blob.size:
                        raise RegistryError(f"{site.host} sent more than the {blob.size} bytes of {blob.digest}")
                    file.write(data)
                    if time.monotonic() - told > 0.5:
                        told = time.monotonic()
                        progress(f"{label}: {have / 2**20:.1f} of {blob.size / 2**20:.1f} MiB")
            if have < blob.size:
                raise http.client.IncompleteRead(b"", blob.size - have)
        progress(f"{label}: {blob.size / 2**20:.1f} MiB")

    # -- HTTP

    def _get(self, site: Site, reference: Reference, what: str, headers: Mapping[str, str]) -> Answer:
        """The answer after redirects and, where it is asked for, authentication. Raises RegistryError, OSError."""
        scope = f"repository:{reference.remote_path}:pull"
        url = f"{site.base}/v2/{reference.remote_path}/{what}"
        for asked in (False, True):
            answer = self._follow(site, url, {**headers, **_authorization(site.tokens.get(scope))})
            if answer.status != 401 or asked:
                break
            with answer:
                site.tokens[scope] = self._authenticate(site, answer.headers.get("www-authenticate", ""), scope)
        if answer.status in (401, 403):
            with answer:
                hint = "the credentials of Docker's configuration" if site.credentials else "no credentials (log in with `docker login`)"
                raise RegistryError(f"{site.host} refuses {reference.remote_path} to {hint}: HTTP {answer.status}")
        return answer

    def _follow(self, site: Site, url: str, headers: Mapping[str, str]) -> Answer:
        first = urlsplit(site.base).netloc
        for _ in range(MAX_REDIRECTS):
            own = urlsplit(url).netloc == first
            sent = headers if own else {k: v for k, v in headers.items() if k != "Authorization"}
            answer = fetch(url, sent, trusted=own and url.startswith(site.base + "/"))
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            with answer:
                url = urljoin(url, answer.headers.get("location", ""))
        raise RegistryError(f"{site.host} redirects more than {MAX_REDIRECTS} times")

    def _authenticate(self, site: Site, challenge: str, scope: str) -> str:
        """The Authorization header that a challenge asks for."""
        kind = challenge.partition(" ")[0].lower()
        basic = None
        if site.credentials is not None:
            basic = "Basic " + base64.b64encode(":".join(site.credentials).encode()).decode()
        if kind == "basic":
            if basic is None:
                raise RegistryError(f"{site.host} asks for a password; log in with `docker login {site.host}`")
            return basic
        said = dict(_CHALLENGE.findall(challenge))
        if kind != "bearer" or "realm" not in said:
            raise RegistryError(f"{site.host} asks for authentication of a kind that is not known here: {challenge[:100]!r}")
        query = {"scope": said.get("scope", scope), **({"service": said["service"]} if "service" in said else {})}
        realm = said["realm"]
        url = realm + ("&" if "?" in realm else "?") + urlencode(query)
        trusted = url.startswith(site.base + "/")
        with fetch(url, _authorization(basic), trusted=trusted) as answer:
            raw = answer.read(2**20)
            if answer.status != 200:
                raise RegistryError(f"{urlsplit(url).netloc} gives no token for {scope}: HTTP {answer.status}")
        found = documents.read_json(raw, "the token")
        token = found.get("token") or found.get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
            raise RegistryError(f"{urlsplit(url).netloc} answers without a token")
        return f"Bearer {token}"


class Answer:
    """An answer whose connection ends with it."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection, self._response = connection, response
        self.status, self.headers = response.status, response.headers

    def read(self, size: int) -> bytes:
        return self._response.read(size)

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def fetch(url: str, headers: Mapping[str, str], *, trusted: bool) -> Answer:
    """GET, redirects not followed. ``trusted``: the operator named this place; else it must be public, and HTTPS.

    Raises:
        RegistryError: a place where it may not go. OSError, http.client.HTTPException.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise RegistryError(f"{url[:200]!r} is no place to fetch from")
    if parts.scheme == "http" and not trusted:
        raise RegistryError(f"{parts.hostname} is to be fetched from without encryption")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connection = _connection(parts.scheme, parts.hostname, port, trusted)
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    try:
        connection.request("GET", target, headers={"User-Agent": "sagewright", "Accept-Encoding": "identity", **headers})
        return Answer(connection, connection.getresponse())
    except BaseException:
        connection.close()
        raise


def _connection(scheme: str, host: str, port: int, trusted: bool) -> http.client.HTTPConnection:
    proxy = "" if proxy_bypass(host) or _loopback(host) else getproxies().get(scheme, "")
    if proxy:  # where it leads is the proxy's to decide
        at = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
        tunnel = http.client.HTTPSConnection(at.hostname or "", at.port or 3128, timeout=TIMEOUT)
        tunnel.set_tunnel(host, port)
        return tunnel
    plain = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    sock = socket.create_connection((_address(host, port, trusted), port), TIMEOUT)
    try:
        plain.sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host) if scheme == "https" else sock
    except BaseException:
        sock.close()
        raise
    return plain


def _address(host: str, port: int, trusted: bool) -> str:
    """The address to connect to. Raises RegistryError for one that is not public, unless the operator named the host."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if trusted:
        return found[0]
    for address in found:
        if not ipaddress.ip_address(address.partition("%")[0]).is_global:
            raise RegistryError(f"{host} is at {address}, which is not on the public internet")
    return found[0]


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _expect(answer: Answer, statuses: tuple[int, ...], site: Site, reference: Reference) -> None:
    if answer.status in statuses:
        return
    if answer.status >= 500 or answer.status == 429:
        raise http.client.HTTPException(f"HTTP {answer.status}")
    raise RegistryError(f"{site.host} answers HTTP {answer.status} for {reference.remote_path}")


def _authorization(value: str | None) -> dict[str, str]:
    return {"Authorization": value} if value else {}


def docker_credentials(host: str) -> tuple[str, str] | None:
    """What `docker login` wrote down for a registry, where no helper program keeps it."""
    path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        auths = json.loads(path.read_text())["auths"]
        for name in ((f"https://index.{DOCKER}/v1/", DOCKER) if host == DOCKER else (host, f"https://{host}", f"https://{host}/v2/")):
            if "auth" in auths.get(name, {}):
                user, _, password = base64.b64decode(auths[name]["auth"]).decode().partition(":")
                return user, password
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        pass
    return None
