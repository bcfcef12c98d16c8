"""What an algorithm holds hyperparameters to."""

import pytest

from sagewright.slices.training.algorithm import hyperparameters
from sagewright.wire.errors import Invalid


@pytest.mark.parametrize("value", ["9" * 400, "-" + "9" * 2499, "1.5", "x", ""])
def test_what_is_no_integer_within_its_range_is_refused(value: str) -> None:
    supported = [{"Name": "depth", "Type": "Integer", "Range": {"IntegerParameterRangeSpecification": {"MinValue": "1", "MaxValue": "9"}}}]
    with pytest.raises(Invalid, match="depth"):
        hyperparameters(supported, {"depth": value})
