"""What an instance of a multi-model endpoint measures: summed up in memory, written from a thread of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping

from ..stores.metrics import Metrics, Sample

EVERY = 1.0
"""Seconds between writes while there is something to write."""
COUNTED = 60.0
"""Seconds after which the number of loaded models is told again."""
NAMESPACE, INSTANCES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"


class ModelMeter(threading.Thread):
    """Times in microseconds. ``add`` is of one thread; ``loaded`` is how many models are in memory at the moment."""

    def __init__(self, metrics: Metrics, dimensions: Mapping[str, str]) -> None:
        super().__init__(name="model meter", daemon=True)
        self._metrics, self._dimensions = metrics, tuple(sorted(dimensions.items()))
        self._sums: dict[str, list[float]] = {}
        self._lock = threading.Lock()
        self._done = threading.Event()
        self.loaded = 0
        self._told: tuple[int, float] = (-1, 0.0)

    def add(self, name: str, value: float) -> None:
        """One observation."""
        with self._lock:
            found = self._sums.get(name)
            if found is None:
                self._sums[name] = [1.0, value, value, value]
            else:
                found[0] += 1
                found[1] += value
                found[2], found[3] = min(found[2], value), max(found[3], value)

    def run(self) -> None:
        while not self._done.wait(EVERY):
            self.flush()
        self.flush()

    def stop(self) -> None:
        """Write what there is and end."""
        self._done.set()

    def flush(self) -> None:
        """Write what has come together; what cannot be written is lost, for measurements must not break what they measure."""
        with self._lock:
            sums, self._sums = self._sums, {}
        now, loaded = time.time(), self.loaded
        samples = [
            Sample(NAMESPACE, name, self._dimensions, now, total, "Microseconds" if name.endswith("Time") else "None", count, least, most)
            for name, (count, total, least, most) in sums.items()
        ]
        if self._told[0] != loaded or now - self._told[1] >= COUNTED:
            self._told = loaded, now
            samples.append(Sample(INSTANCES, "LoadedModelCount", self._dimensions, now, float(loaded)))
        if samples:
            with contextlib.suppress(Exception):
                self._metrics.put(samples)
