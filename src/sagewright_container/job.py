"""A training job as its container sees it: configuration files in, SM_* variables and script arguments out."""

import json
import os
from typing import Any, Dict, List, Optional

from . import paths

RESERVED = frozenset(
    [
        "sagemaker_program", "sagemaker_submit_directory", "sagemaker_enable_cloudwatch_metrics", "sagemaker_region",
        "sagemaker_container_log_level", "sagemaker_job_name", "default_user_module_name",
        "_tuning_objective_metric", "sagemaker_s3_output",
    ]
)  # fmt: skip
"""Hyperparameters that steer the toolkit and never reach the script."""


def read_config(name: str) -> Dict[str, Any]:
    """One file of input/config; a missing one is empty."""
    try:
        with open(paths.config(name), encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


def decode(value: str) -> Any:
    """A hyperparameter's value: the SDK sends JSON, others send plain text; both are strings on the wire."""
    try:
        return json.loads(value)
    except (ValueError, TypeError):
        return value


class Job:
    """What the configuration files say."""

    def __init__(self, framework_module: Optional[str] = None) -> None:
        self.framework_module = framework_module
        self.raw = {key: str(value) for key, value in read_config("hyperparameters.json").items()}
        self.channels: Dict[str, Dict[str, Any]] = read_config("inputdataconfig.json")
        self.resources = read_config("resourceconfig.json")
        decoded = {key: decode(value) for key, value in self.raw.items()}
        self.framework_parameters = {
            key: value for key, value in decoded.items() if key.startswith("sagemaker_") and key not in RESERVED
        }
        self.hyperparameters = {
            key: value
            for key, value in decoded.items()
            if key not in RESERVED and not key.startswith("sagemaker_")
        }
        environ = os.environ
        self.program: Optional[str] = decoded.get("sagemaker_program") or environ.get("SAGEMAKER_PROGRAM")
        self.submit_directory: Optional[str] = decoded.get("sagemaker_submit_directory") or environ.get(
            "SAGEMAKER_SUBMIT_DIRECTORY"
        )
        self.log_level = int(decoded.get("sagemaker_container_log_level", environ.get("SAGEMAKER_CONTAINER_LOG_LEVEL", 20)))
        self.name: str = environ.get("TRAINING_JOB_NAME") or decoded.get("sagemaker_job_name", "")
        self.host: str = self.resources.get("current_host", "algo-1")
        self.hosts: List[str] = self.resources.get("hosts", [self.host])

        self.groups: List[Dict[str, Any]] = self.resources.get("instance_groups") or []
        self.group: str = self.resources.get("current_group_name") or self.resources.get("current_instance_group") or ""
        self.network_interface: str = self.resources.get("network_interface_name", "eth0")

    @property
    def module(self) -> str:
        program = self.program or ""
        return (program[:-3] if program.endswith(".py") else program).replace("/", ".")

    @property
    def distribution_groups(self) -> List[str]:
        """Instance groups that train together: those that the job names, else the host's own if it is distributed at all."""
        named = self.framework_parameters.get("sagemaker_distribution_instance_groups")
        if named:
            return [str(name) for name in named] if isinstance(named, list) else [str(named)]
        flags = [key for key, value in self.framework_parameters.items() if key.endswith("_enabled") and value]
        return [self.group] if flags and self.group else []

    @property
    def distribution_hosts(self) -> List[str]:
        """The hosts that train together, the leader first; none when the job is not distributed."""
        groups = self.distribution_groups
        if not self.groups:
            return self.hosts
        return [host for group in self.groups if group.get("instance_group_name") in groups for host in group["hosts"]]

    @property
    def leader(self) -> str:
        return (self.distribution_hosts or self.hosts)[0]

    def arguments(self) -> List[str]:
        """Command-line arguments of the script: keys in order, ``--key value``, one dash for one letter."""
        words: List[str] = []
        for key in sorted(self.hyperparameters):
            words += [("-%s" if len(key) == 1 else "--%s") % key, _word(self.hyperparameters[key])]
        return words

    def variables(self) -> Dict[str, str]:
        """Every SM_* variable."""
        training = self._training_env()
        found: Dict[str, Any] = {
            name: training[name]
            for name in (
                "hosts", "network_interface_name", "user_entry_point", "resource_config", "input_data_config",
                "output_data_dir", "current_host", "current_instance_type", "current_instance_group",
                "current_instance_group_hosts", "instance_groups", "instance_groups_dict",
                "distribution_instance_groups", "is_hetero", "module_name", "log_level", "framework_module",
                "input_dir", "input_config_dir", "output_dir", "num_cpus", "num_gpus", "num_neurons", "model_dir",
                "module_dir", "output_intermediate_dir",
            )
        }  # fmt: skip
        found["hps"] = self.hyperparameters
        found["framework_params"] = self.framework_parameters
        found["channels"] = sorted(self.channels)
        found["training_env"] = training
        found["user_args"] = self.arguments()
        if "topology" in self.resources:
            found["topology"] = self.resources["topology"]
        for name in self.channels:
            found["channel_" + name] = paths.channel(name)
        for key, value in self.hyperparameters.items():
            if "=" not in key:  # no variable can be called so; the arguments and hyperparameters.json have it
                found["hp_" + key] = value
        named = {"SM_" + name.upper(): _variable(value) for name, value in found.items()}
        # a dash stays as it is in AWS's toolkit; shells can only read the other spelling
        return {**{name.replace("-", "_"): value for name, value in named.items()}, **named}

    def _training_env(self) -> Dict[str, Any]:
        group = self.group
        by_name = {item.get("instance_group_name", ""): item for item in self.groups}
        output = paths.output()
        mp = self.hyperparameters.get("mp_parameters")
        return {
            "additional_framework_parameters": self.framework_parameters,
            "channel_input_dirs": {name: paths.channel(name) for name in self.channels},
            "current_host": self.host,
            "current_instance_group": group,
            "current_instance_group_hosts": by_name.get(group, {}).get("hosts", self.hosts),
            "current_instance_type": self.resources.get("current_instance_type", ""),
            "distribution_hosts": self.distribution_hosts,
            "distribution_instance_groups": self.distribution_groups,
            "framework_module": self.framework_module,
            "hosts": self.hosts,
            "hyperparameters": self.hyperparameters,
            "input_config_dir": os.path.join(paths.base(), "input", "config"),
            "input_data_config": self.channels,
            "input_dir": os.path.join(paths.base(), "input"),
            "instance_groups": list(by_name),
            "instance_groups_dict": by_name,
            "is_hetero": len(self.groups) > 1,
            "is_modelparallel_enabled": None if mp is None else mp not in ("", {}),
            "is_smddpmprun_installed": False,
            "is_smddprun_installed": False,
            "is_master": self.host == self.leader,
            "job_name": self.name,
            "log_level": self.log_level,
            "master_hostname": self.leader,
            "model_dir": paths.model(),
            "module_dir": self.submit_directory or paths.code(),
            "module_name": self.module,
            "network_interface_name": self.network_interface,
            "num_cpus": len(os.sched_getaffinity(0)),
            "num_gpus": gpus(),
            "num_neurons": 0,
            "output_data_dir": os.path.join(output, "data"),
            "output_dir": output,
            "output_intermediate_dir": os.path.join(output, "intermediate"),
            "resource_config": self.resources,
            "topology": self.resources.get("topology", []),
            "user_entry_point": self.program,
        }


def gpus() -> int:
    """GPUs this container sees, by their device nodes: no vendor tool needs to be there."""
    try:
        return sum(1 for name in os.listdir("/dev") if name.startswith("nvidia") and name[6:].isdigit())
    except OSError:
        return 0


def _variable(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _word(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join("%s=%s" % (key, value[key]) for key in sorted(value))
    return str(value)
