"""The small tables beside the service model agree with botocore's own words."""

import re

import botocore.session

from sagewright.resources.shape import ASCENDING

_ORDER = re.compile(r"default\b[^.]*?<code>(Ascending|Descending)</code>", re.IGNORECASE)


def test_lists_that_default_to_ascending() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    said = set()
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        if name.startswith("List") and shape is not None and "SortOrder" in shape.members:
            match = _ORDER.search(shape.members["SortOrder"].documentation or "")
            if match and match.group(1) == "Ascending":
                said.add(name)
    assert said == ASCENDING
