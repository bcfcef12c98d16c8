"""What a copy may use of an instance."""

from __future__ import annotations

from sagewright.slices.inference_components.executor import limited, workers
from sagewright.stores.compute import Limits

WHOLE = Limits(memory=8 << 30, cpus=4.0, gpus=2, grace=30.0)


def test_a_copy_gets_the_cores_that_it_reserves_and_memory_up_to_its_maximum() -> None:
    found = limited(WHOLE, {"NumberOfCpuCoresRequired": 0.5, "MinMemoryRequiredInMb": 128, "MaxMemoryRequiredInMb": 512})
    assert (found.cpus, found.memory, found.gpus, found.grace) == (0.5, 512 << 20, 0, 30.0)


def test_without_a_maximum_it_may_use_what_the_instance_has() -> None:
    found = limited(WHOLE, {"NumberOfAcceleratorDevicesRequired": 1, "MinMemoryRequiredInMb": 128})
    assert (found.cpus, found.memory, found.gpus) == (4.0, 8 << 30, 1)


def test_never_more_than_the_machine_gives_an_instance() -> None:
    found = limited(WHOLE, {"NumberOfCpuCoresRequired": 64, "MinMemoryRequiredInMb": 128, "MaxMemoryRequiredInMb": 1 << 20})
    assert (found.cpus, found.memory) == (4.0, 8 << 30)


def test_a_process_for_each_core_that_it_reserves_unless_it_says_how_many() -> None:
    assert workers({}, "ml.m5.large", Limits(cpus=0.25)) == 1
    assert workers({"SAGEMAKER_MODEL_SERVER_WORKERS": "3"}, "ml.m5.large", Limits(cpus=1)) == 3
