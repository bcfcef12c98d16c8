"""What stands in for a code editor: a small program of that name, which serves pages and a WebSocket on the socket it is given."""

from __future__ import annotations

from pathlib import Path

PROGRAM = '''#!/bin/sh
exec python - "$@" <<'END'
import asyncio, base64, hashlib, os, sys
print("arguments", *sys.argv[1:], flush=True)
where = sys.argv[sys.argv.index("--socket") + 1]

async def take(reader, writer):
    head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
    first, *lines = head.split("\\r\\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "sec-websocket-key" in headers:
        key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        said = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        writer.write(f"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: {said}\\r\\n\\r\\n".encode())
        kind, length = await reader.readexactly(2)
        mask = await reader.readexactly(4)
        text = bytes(b ^ mask[i % 4] for i, b in enumerate(await reader.readexactly(length & 127)))
        text = text.upper()
        writer.write(bytes([0x81, len(text)]) + text)
    else:
        body = f"{first.split()[1]} {os.getcwd()} {headers.get('cookie', 'no cookie')} {headers.get('x-sagewright-user')}".encode()
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    await writer.drain()
    writer.close()

async def main():
    async with await asyncio.start_unix_server(take, where) as server:
        await server.serve_forever()

asyncio.run(main())
END
'''


def stand_in(folder: Path) -> Path:
    """The program's path, in an installation of its own outside /usr, as people have it. Makes ``folder``."""
    program = folder / "bin" / "code-server"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (folder / "package.json").write_text("{}")
    return program
