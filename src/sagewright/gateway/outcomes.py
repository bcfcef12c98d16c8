"""What callers are told, and what is measured, of a request that reached a model or did not."""

from __future__ import annotations

import logging

from ..resources.arn import arn
from ..wire.errors import ServiceError
from .answer import Answer, Broken, Step
from .meter import Meter
from .routes import Route, Variant

log = logging.getLogger(__name__)

SHOWN = 8192
"""Bytes of a model's own error that an answer carries."""
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container {container}. Review the latency metrics for each "
    "container in Amazon CloudWatch, resolve the issue, and try again."
)


def model_error(url: str, account: str, region: str, route: Route, stream: str, answer: Answer) -> ServiceError:
    """ModelError for an answer that is none of 200 to 299; status 0 stands for no answer at all.

    ``url``: where the console's link leads. ``stream``: the log stream of the instance; of one of several containers the
    answer says whose it is.
    """
    component = route.every[0].component if route.every else ""
    group = f"/aws/sagemaker/InferenceComponents/{component}" if component else f"/aws/sagemaker/Endpoints/{route.name}"
    text = answer.body[:SHOWN].decode("utf-8", "replace")
    container = answer.container or "primary"
    if answer.container:
        stream = f"{stream}/{answer.container}"
    side = "client" if 400 <= answer.status < 500 else "server"
    said = "and could not load the entire response body" if answer.cut else f'with message "{text}"'
    message = (
        f"Received {side} error ({answer.status}) from {container} {said}. See "
        f"{url}/#logEventViewer:group={group} in account {account} for more information."
    )
    return ServiceError(
        "ModelError", message, 424,
        OriginalStatusCode=answer.status, OriginalMessage=text,
        LogStreamArn=arn("logs", region, account, f"log-group:{group}:log-stream:{stream}"),
    )


def no_answer(error: Exception) -> Answer:
    """What stands for the answer that a container did not give. ``error``: TimeoutError or Broken."""
    if isinstance(error, Broken) and error.status >= 300:
        return Answer(error.status, {}, cut=True, container=error.container, steps=error.steps)
    container: str = getattr(error, "container", "")
    text = TIMED_OUT.format(container=container or "primary") if isinstance(error, TimeoutError) else str(error)
    return Answer(0, {}, text.encode(), container, getattr(error, "steps", ()))


def unreached(variant: Variant, error: Broken) -> ServiceError:
    """No instance could be given the request."""
    log.info("production variant %s: %s", variant.name, error)
    return absent(variant)


def absent(variant: Variant) -> ServiceError:
    """No instance is there."""
    return ServiceError("ServiceUnavailable", f"No instance of production variant {variant.name} answers at the moment.", 503)


def busy(variant: Variant) -> ServiceError:
    return ServiceError("ThrottlingException", f"Production variant {variant.name} has too many requests waiting.", 429)


def measure(
    meter: Meter, variant: Variant, status: int, began: float, sent: float, done: float, steps: tuple[Step, ...] = ()
) -> None:
    """Count a request, under everything that it is measured under, and for each of several containers."""
    meter.request(variant.dimensions, status, variant.instances, began, sent, done)
    for step in steps:
        meter.step((*variant.dimensions, ("ContainerName", step.container)), step)
    if variant.besides:
        meter.request(variant.besides, status, variant.hosts or variant.instances, began, sent, done)
