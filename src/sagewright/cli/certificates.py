"""A local certificate authority and the server certificate it signs, made on first use and renewed before they end.

The authority is this installation's alone: its key is mode 0600 in ``<data>/tls``, and only clients that are told to
(``AWS_CA_BUNDLE``) trust it. Neither the system's trust store nor any other program's is touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import secrets
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

AUTHORITY_DAYS, SERVER_DAYS = 3650, 397
RENEW_DAYS = 30
"""A certificate with fewer days left is made anew; the server's at its next start, with the same authority."""


@dataclass(frozen=True, slots=True)
class Certificates:
    authority: Path
    """PEM of the local CA: what clients have to trust."""
    certificate: Path
    """PEM of the server certificate followed by the CA's."""
    key: Path


def names_of_this_host() -> list[str]:
    """What the server is called: loopback in all its spellings, and the host's own name.

    ``*.localhost`` helps Go and browsers only: OpenSSL matches no wildcard directly below a top-level name.
    """
    names = ["localhost", "*.localhost", "127.0.0.1", "::1"]
    with contextlib.suppress(OSError):
        names.append(socket.gethostname())
        names.append(socket.getfqdn())
    return list(dict.fromkeys(n for n in names if n))


def ensure(data: Path, names: Iterable[str] = ()) -> Certificates:
    """The certificates under ``<data>/tls``, made or renewed where needed. Safe from several processes at once.

    Args:
        data: the server's data directory.
        names: further host names and addresses, such as the host of ``public_url`` and the address listened on.
    """
    folder = data / "tls"
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    # An address that stands for all of them names no host.
    wanted = [n for n in dict.fromkeys([*names_of_this_host(), *names]) if n and n not in {"0.0.0.0", "::"}]
    with _locked(folder / ".lock"):
        renewed = _ensure_authority(folder)
        if renewed or not _good(made.certificate, made.key, wanted):
            _issue(folder, made, wanted)
    return made


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A TLS context for the listener, TLS 1.2 and later, HTTP/1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file in one step; a key is never readable by others, not for a moment."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _pem(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    raw: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return raw


def _load(path: Path) -> Any:
    """The first certificate of a file; None where there is none that can be read."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def _fresh(certificate: Any) -> bool:
    now = datetime.now(UTC)
    return bool(certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - timedelta(days=RENEW_DAYS))


def _ensure_authority(folder: Path) -> bool:
    """Whether a new authority had to be made."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    found = _load(folder / "ca.pem")
    if found is not None and _fresh(found):
        with contextlib.suppress(OSError, ValueError):
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
            if key.public_key() == found.public_key():
                return False
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Sagewright local authority {secrets.token_hex(4)}")
    builder = _builder(name, name, key.public_key(), AUTHORITY_DAYS)
    _write(folder / "ca.key", _pem(key), 0o600)
    _write(folder / "ca.pem", _signed(_authority(builder, key.public_key()), key), 0o644)
    return True


def _name(text: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    # X.520 allows 64 characters in a common name.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _builder(subject: Any, issuer: Any, public: Any, days: int) -> Any:
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # a client's clock may be a little behind
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(**allowed: bool) -> Any:
    from cryptography import x509

    none = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
            "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    return x509.KeyUsage(**{**none, **allowed})


def _authority(builder: Any, public: Any) -> Any:
    from cryptography import x509

    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _signed(builder: Any, key: Any) -> bytes:
    from cryptography.hazmat.primitives import hashes, serialization

    raw: bytes = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return raw


def _good(certificate: Path, key: Path, wanted: list[str]) -> bool:
    """Whether the server certificate is there, lasts, belongs to its key and carries every name."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    found = _load(certificate)
    if found is None or not _fresh(found):
        return False
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    return bool(private.public_key() == found.public_key()) and set(_alternatives(wanted)) <= set(names)


def _alternatives(names: Iterable[str]) -> list[Any]:
    from cryptography import x509

    found: list[Any] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            with contextlib.suppress(ValueError):  # a host name with characters no certificate can carry
                found.append(x509.DNSName(name))
    return found


def _issue(folder: Path, made: Certificates, names: list[str]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority = _load(folder / "ca.pem")
    signer: Any = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(names[-1]), authority.subject, key.public_key(), SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    _write(made.key, _pem(key), 0o600)
    _write(made.certificate, _signed(builder, signer) + (folder / "ca.pem").read_bytes(), 0o644)
