"""Signs invocations (SigV4). A signature is good for its second: the same payload is signed once a second, not at each request."""

from __future__ import annotations

import hashlib
import hmac
import time


class Signer:
    """Heads of the requests to one endpoint.

    Args:
        keys: (access key, secret key, session token or empty).
        host: host and port.
        path: such as ``/endpoints/x/invocations``; nothing in it needs quoting.
    """

    def __init__(self, keys: tuple[str, str, str], region: str, host: str, path: str) -> None:
        self.access, self.secret, self.token = keys
        self.region, self.host, self.path = region, host, path
        self._heads: dict[int, tuple[int, bytes]] = {}
        self._key: tuple[str, bytes] = ("", b"")

    def head(self, number: int, headers: dict[str, str], digest: str, length: int) -> bytes:
        """The head of a request with payload ``number``.

        Args:
            headers: further ones, with lower-case names.
            digest: SHA-256 of the payload, hex.
        """
        now = int(time.time())
        known = self._heads.get(number)
        if known is None or known[0] != now:
            known = self._heads[number] = now, self._made(now, headers, digest, length)
        return known[1]

    def _made(self, now: int, headers: dict[str, str], digest: str, length: int) -> bytes:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        signed = {"host": self.host, "x-amz-content-sha256": digest, "x-amz-date": stamp, **headers}
        if self.token:
            signed["x-amz-security-token"] = self.token
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
        request = f"POST\n{self.path}\n\n{lines}\n{names}\n{digest}"
        scope = f"{stamp[:8]}/{self.region}/sagemaker/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(self._signing_key(stamp[:8]), text.encode(), hashlib.sha256).hexdigest()
        signed["authorization"] = f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, SignedHeaders={names}, Signature={signature}"
        signed["content-length"] = str(length)
        head = f"POST {self.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in signed.items()) + "\r\n"
        return head.encode("latin-1")

    def _signing_key(self, day: str) -> bytes:
        if self._key[0] != day:
            key = f"AWS4{self.secret}".encode()
            for part in (day, self.region, "sagemaker", "aws4_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self._key = day, key
        return self._key[1]
