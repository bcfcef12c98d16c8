"""What the sampler answers over HTTP.

``POST /invocations`` with::

    {"study": 0, "space": [dimension, ...], "seed": 7, "have": 40, "points": [[...], ...], "values": [0.3, null, ...],
     "pending": [[...]], "count": 2}

``points`` and ``values`` follow the ``have`` observations told before; where the sampler does not have just so many (it
was started anew), it answers ``{"have": n}`` and the caller tells all. Else ``{"points": [[...], ...], "have": n}``.
"""

import json
from typing import Any, Dict, List, Optional, Tuple

from sagewright_container.http import Request, Response
from sagewright_container.serve import Handler

from .sampler import Sampler


class Sampling(Handler):
    """The studies of one tuning job: one for each of its training job definitions."""

    def __init__(self) -> None:
        self._studies: Dict[int, Tuple[Sampler, List[List[float]], List[Optional[float]]]] = {}

    def invoke(self, request: Request) -> Response:
        return Response(json.dumps(self.answer(json.loads(request.body))).encode(), "application/json")

    def answer(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        study = int(asked["study"])
        if study not in self._studies or asked["have"] == 0:
            self._studies[study] = Sampler(asked["space"], int(asked["seed"]) + study), [], []
        sampler, points, values = self._studies[study]
        if asked["have"] != len(points):
            return {"have": len(points)}
        points += asked["points"]
        values += asked["values"]
        found = sampler.suggest(points, values, asked["pending"], int(asked["count"]))
        return {"points": found, "have": len(points)}
