"""Text that would run, if any page took it for more than text, and everything on a server that can hold such text."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sagewright.testing.jobs import Jobs
from sagewright.testing.models import ECHO, Models
from sagewright.testing.names import unique
from sagewright.testing.tuning import Tunings

from .test_access import TRUST

IMG = "<img src=x onerror=window.pwned=1>"
SVG = "<svg/onload=window.pwned=1>"
ATTRIBUTE = "\"'><sw-evil onfocus=window.pwned=1 autofocus tabindex=0>"
SCRIPT = "</script><script>window.pwned=1</script>"
FRAME = '</textarea></title></style><iframe srcdoc="<script>parent.pwned=1</script>">'
TEMPLATE = "{{constructor.constructor('window.pwned=1')()}} ${window.pwned=1} `-window.pwned=1-` <%= 1 %>"
LINK = "javascript:window.pwned=1//"
TURNED = "\u202egnp.exe\u202c\u200b\u2066\ufeff"
PROTOTYPE = "__proto__"
SHORT = f"{IMG}{SVG}{LINK}"
"""As much as fits where 100 characters do."""
EVERY = (IMG, SVG, ATTRIBUTE, SCRIPT, FRAME, TEMPLATE, LINK, TURNED)
ALL = " ".join(EVERY)

INTRUDERS = """[...document.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => /^on/i.test(a.name))
  || e.matches('sw-evil, iframe, object, embed, base, script:not([src]), [srcdoc]')
  || ['href', 'xlink:href', 'src', 'action', 'formaction', 'data'].some((a) => /^[\\s\\u0000-\\u001f]*(javascript|vbscript|data):/i.test(e.getAttribute(a) ?? ''))
  || (e.tagName === 'IMG' && !e.src.startsWith('blob:') && !e.src.startsWith(location.origin + '/_sagewright/studio/'))
).map((e) => e.outerHTML.slice(0, 200))"""
"""Elements of the page that none of ours can be."""

POLICY = {"Version": "2012-10-17", "Statement": [{
    "Sid": IMG, "Effect": "Allow", "Action": "s3:GetObject", "Resource": [f"arn:aws:s3:::{ALL}", "*"],
    "Condition": {"StringEquals": {f"aws:RequestTag/{ATTRIBUTE}": [FRAME, LINK]}},
}]}  # fmt: skip


@dataclass
class Hostile:
    """What was made, by name."""

    job: str
    clone: str
    processing: str
    experiment: str
    group: str
    role: str
    tuning: str
    endpoint: str
    prefix: str
    """Of the files."""
    files: list[str]
    """Their keys."""


def job(jobs: Jobs, data: str) -> str:
    program = f"import sys\nfor text in {EVERY!r}:\n    print(text, flush=True)\nprint('evil=0.5')\nopen('/opt/ml/output/failure', 'w').write({ALL!r})\nsys.exit(1)"
    return jobs.train(
        program, TrainingJobName=unique("hostile"), HyperParameters={IMG: ATTRIBUTE, "all": ALL, PROTOTYPE: PROTOTYPE, TURNED: TURNED},
        Environment={"ALL": ALL}, Tags=[{"Key": "link", "Value": "javascript:window.pwned=1"}],
        AlgorithmSpecification={"MetricDefinitions": [{"Name": SHORT, "Regex": "evil=([0-9.]+)"}, {"Name": PROTOTYPE, "Regex": "evil=([0-9.]+)"}]},
        InputDataConfig=[jobs.channel("evil", data) | {"ContentType": SHORT}],
    )


def processing(jobs: Jobs) -> str:
    name = unique("hostile")
    jobs.sagemaker.create_processing_job(
        ProcessingJobName=name, RoleArn=jobs.role, Environment={"ALL": SHORT},
        AppSpecification={"ImageUri": "python:3.11", "ContainerEntrypoint": ["python3", "-c"], "ContainerArguments": [f"print({ALL!r}); 1 / 0"[:256]]},
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
    )
    return name


def tuning(jobs: Jobs) -> str:
    """A search over hostile hyperparameters for a metric of a hostile name; half of its trials fail with hostile causes."""
    code = f"""
import json, sys
for text in {EVERY!r}:
    print(text, flush=True)
given = json.load(open("/opt/ml/input/config/hyperparameters.json"))
if given["constructor"] == {ALL[:200]!r}:
    open("/opt/ml/output/failure", "w").write({ALL!r})
    sys.exit(1)
print("evil=%s;" % given[{PROTOTYPE!r}])
"""
    tunings = Tunings(jobs)
    definition = tunings.definition(code, static={IMG: ATTRIBUTE, "all": ALL, TURNED: TURNED}, DefinitionName="constructor")
    definition["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": SHORT, "Regex": "evil=([0-9.]+);"}]
    space = {
        "ContinuousParameterRanges": [{"Name": PROTOTYPE, "MinValue": "0.1", "MaxValue": "0.9"}],
        "CategoricalParameterRanges": [{"Name": SVG, "Values": [IMG, ATTRIBUTE, LINK, TURNED]}, {"Name": "constructor", "Values": [PROTOTYPE, ALL[:200]]}],
    }
    config = tunings.config(parallel=2, ParameterRanges=space, HyperParameterTuningJobObjective={"Type": "Minimize", "MetricName": SHORT})
    return tunings.create(config, definition, HyperParameterTuningJobName=unique("hostile")[-32:])


def files(jobs: Jobs, prefix: str) -> list[str]:
    """Objects whose names and contents are hostile, said to be HTML or pictures, whatever they are."""
    rows = f'"{ATTRIBUTE.replace(chr(34), chr(34) * 2)}",{LINK},{PROTOTYPE}\n{IMG},{SVG},{TURNED}\n=cmd|1,{SCRIPT},"{IMG}"\n'
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" onload="window.pwned=1"><script>window.pwned=1</script><a href="{LINK}"><text>x</text></a></svg>'
    made = {
        "rows.csv": (rows, "text/html"), "tree.json": (json.dumps({ALL: [ALL, {PROTOTYPE: ALL, "constructor": ALL}], "uri": LINK}), "text/html"),
        "text.txt": ("\n".join(EVERY), "text/html"), "page.html": (f"<html><body>{ALL}</body></html>", "text/html"),
        "drawing.svg": (drawing, "image/svg+xml"), "drawing.png": (drawing, "image/svg+xml"), "lines.jsonl": (json.dumps({IMG: ALL}) + "\n", IMG),
        f"{IMG}.csv": (rows, "text/csv"), f"{ATTRIBUTE}.txt": (ALL, "text/plain"), f"{TURNED}.json": ("[]", "application/json"), LINK: ("x", "text/html"),
        f"a.{PROTOTYPE}": (ALL, "text/html"), "a.constructor": ("\0", "text/html"),
    }
    for name, (body, kind) in made.items():
        jobs.s3.put_object(Bucket=jobs.bucket, Key=prefix + name, Body=body.encode(), ContentType=kind)
    return [prefix + name for name in made]


def experiment(jobs: Jobs) -> str:
    name = unique("hostile")
    jobs.sagemaker.create_experiment(ExperimentName=name, Description=ALL)
    jobs.sagemaker.create_trial(ExperimentName=name, TrialName=name)
    for rate in (0.1, 0.2):
        run = unique("hostile-run")
        jobs.sagemaker.create_trial_component(
            TrialComponentName=run, Status={"PrimaryStatus": "Failed", "Message": ALL[:1000]},
            Parameters={IMG: {"StringValue": ALL}, PROTOTYPE: {"NumberValue": rate}, LINK: {"StringValue": LINK}, "constructor": {"StringValue": str(rate)}},
            InputArtifacts={SHORT: {"MediaType": "text/html", "Value": LINK}},
        )
        jobs.sagemaker.associate_trial_component(TrialComponentName=run, TrialName=name)
        metrics = [{"MetricName": metric, "Timestamp": 1.7e9 + step, "Step": step, "Value": rate * step} for metric in (SHORT, PROTOTYPE) for step in range(3)]
        jobs.server.client("sagemaker-metrics").batch_put_metrics(TrialComponentName=run, MetricData=metrics)
    return name


def role(jobs: Jobs) -> str:
    """A role of hostile policies, with a path and a description; and calls of hostile names in the audit trail."""
    iam, name = jobs.server.client("iam", config={"user_agent_extra": IMG}), unique("hostile")
    iam.create_role(RoleName=name, Path=f"/{SVG}/", Description=SHORT, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.put_role_policy(RoleName=name, PolicyName="hostile", PolicyDocument=json.dumps(POLICY))
    made = iam.create_policy(PolicyName=name, Description=ALL, PolicyDocument=json.dumps(POLICY))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=made)
    return name


def spread(jobs: Jobs) -> Hostile:
    """Everywhere that the API lets it."""
    prefix = unique("hostile") + "/"
    keys, search = files(jobs, prefix), tuning(jobs)
    names = [job(jobs, f"s3://{jobs.bucket}/{prefix}") for _ in range(2)]
    running = processing(jobs)
    group = unique("hostile")  # its description takes no invisible characters
    # an ARN of a type that every object has a member of
    jobs.sagemaker.create_model_package_group(ModelPackageGroupName=group, ModelPackageGroupDescription=ALL.replace(TURNED, ""))
    jobs.sagemaker.create_model_package_group(ModelPackageGroupName=f"{group}-arn", ModelPackageGroupDescription=f"arn:aws:sagemaker:us-east-1:1:{PROTOTYPE}/{IMG}")
    made = Hostile(
        job=names[0], clone=names[1], processing=running, experiment=experiment(jobs), group=group, role=role(jobs), tuning=search,
        endpoint=Models(jobs.server).deploy(ECHO, env={"ALL": ALL}), prefix=prefix, files=keys,
    )
    for name in names:
        jobs.ended(name)
    counted = Tunings(jobs).ended(search, 300)["TrainingJobStatusCounters"]
    assert counted["Completed"] > 0, counted
    assert counted["NonRetryableError"] > 0, counted
    return made
