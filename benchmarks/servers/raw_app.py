"""The reference: plain ASGI that predicts whatever has queued by the next turn of the event loop; no checks of any kind."""

import asyncio

import models
import numpy as np

predict = models.load()
queue = []


def flush():
    global queue
    waiting, queue = queue, []
    found = predict(np.concatenate([rows for rows, _ in waiting]) if len(waiting) > 1 else waiting[0][0])
    first = 0
    for rows, future in waiting:
        future.set_result(found[first : first + len(rows)])
        first += len(rows)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    message = await receive()
    body = message.get("body", b"")
    if message.get("more_body"):
        parts = [body]
        while message.get("more_body"):
            message = await receive()
            parts.append(message.get("body", b""))
        body = b"".join(parts)
    if body:
        future = asyncio.get_running_loop().create_future()
        if not queue:
            asyncio.get_running_loop().call_soon(flush)
        queue.append((models.rows(body), future))
        body = models.text(await future)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
