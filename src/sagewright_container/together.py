"""Several requests' rows in one prediction: a call's fixed cost is that of many rows.

Only for an image's own ``predict_fn``, and for models of which the image knows that they predict each row for itself.
"""

from typing import Any, Callable, Dict, List, Sequence, Tuple

MOST = 1 << 16
"""Bytes of a request's rows up to which they join others'; more gain nothing."""

Kind = Tuple[Any, ...]


def predict(batches: Sequence[Any], call: Callable[[Any], Any], most: int) -> List[Any]:
    """What ``call`` predicts for each of the batches, in their order; where it fails, its exception.

    Args:
        batches: inputs; arrays with as many columns, of one type, are predicted together.
        call: of some rows; one prediction for each, in their order.
        most: batches that are predicted together.
    """
    found: List[Any] = [None] * len(batches)
    groups: Dict[Kind, List[int]] = {}
    for at, rows in enumerate(batches):
        groups.setdefault(_kind(rows, at), []).append(at)
    for places in (group[at : at + most] for group in groups.values() for at in range(0, len(group), most)):
        parts = _joined([batches[at] for at in places], call) if len(places) > 1 else None
        for n, at in enumerate(places):
            found[at] = parts[n] if parts is not None else _alone(call, batches[at])
    return found


def _kind(rows: Any, at: int) -> Kind:
    """Equal for what can be joined."""
    import numpy as np

    fits = isinstance(rows, np.ndarray) and rows.ndim > 1 and len(rows) and not rows.dtype.hasobject and rows.nbytes <= MOST
    return (rows.shape[1:], rows.dtype.str) if fits else (at,)


def _joined(batches: List[Any], call: Callable[[Any], Any]) -> Any:
    """The predictions of all at once, or None: whose fault a failure is shows one by one."""
    import numpy as np

    try:
        predictions = call(np.concatenate(batches))
        if len(predictions) != sum(len(rows) for rows in batches):
            return None
    except Exception:
        return None
    parts, first = [], 0
    for rows in batches:
        parts.append(predictions[first : first + len(rows)])
        first += len(rows)
    return parts


def _alone(call: Callable[[Any], Any], rows: Any) -> Any:
    try:
        return call(rows)
    except Exception as error:
        return error
