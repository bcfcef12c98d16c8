"""The managed policies that come with the server, and the default execution role.

They carry the names that code written for AWS attaches, under the ARNs it uses (``arn:aws:iam::aws:policy/...``); what
they allow is ours: wide enough that a tutorial runs in any bucket, never wide enough to hand out identities.
"""

from __future__ import annotations

import json
from typing import Any

from ...stores.identity import SCHEDULER

DEFAULT_ROLE = "SagewrightExecutionRole"
SERVICE = "sagemaker.amazonaws.com"
PREFIX = "arn:aws:iam::aws:policy/"
EXECUTION_POLICY = PREFIX + "AmazonSageMakerFullAccess"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _allow(*actions: str, resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def default_trust(account: str) -> str:
    """Trust of the default role: the service, the account's own users whose policies allow sts:AssumeRole on it, and the
    scheduler, whose schedules start jobs as this role.
    """
    return document(
        {"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"Service": SCHEDULER}, "Action": "sts:AssumeRole"},
    )


_PASS = _allow(
    "iam:PassRole",
    # A job may start further jobs as an execution role, not as whichever role happens to trust the service.
    resource=["arn:aws:iam::*:role/*SageMaker*", "arn:aws:iam::*:role/*Sagewright*"],
    Condition={"StringEquals": {"iam:PassedToService": [SERVICE, SCHEDULER]}},
    Sid="PassExecutionRoles",
)
_READ = ("Describe*", "List*", "Get*", "BatchGet*", "Search", "Query*")

MANAGED: dict[str, tuple[str, str]] = {
    "AmazonSageMakerFullAccess": (
        "Machine learning jobs, endpoints and everything they read and write",
        document(
            _allow(
                "sagemaker:*",
                "sagemaker-geospatial:*",
                "sagemaker-mlflow:*",
                "s3:*",
                "logs:*",
                "cloudwatch:*",
                "ecr:*",
                "athena:*",
                "glue:*",
                "application-autoscaling:*",
                "scheduler:*",
                "resource-groups:*",
                "tag:GetResources",
                "events:*",
                "states:*",
                "lambda:*",
                "sns:*",
                "sqs:*",
                "secretsmanager:*",
                "kms:*",
                "ec2:Describe*",
                # SDK v3 asks whether a training role may reach a VPC, and an evaluation role Bedrock, before it starts.
                "ec2:CreateNetworkInterface*",
                "ec2:DeleteNetworkInterface*",
                "bedrock:*",
                "servicequotas:*",
                Sid="MachineLearning",
            ),
            _allow("iam:GetRole", "iam:ListRoles", "iam:SimulatePrincipalPolicy", Sid="LookAtRoles"),
            _PASS,
        ),
    ),
    "AmazonSageMakerReadOnly": (
        "Look at machine learning jobs, endpoints, logs and metrics",
        document(
            _allow(
                *(f"sagemaker:{v}" for v in _READ),
                "logs:Describe*",
                "logs:Get*",
                "logs:FilterLogEvents",
                "cloudwatch:Describe*",
                "cloudwatch:Get*",
                "cloudwatch:List*",
                "application-autoscaling:Describe*",
                "scheduler:Get*",
                "scheduler:List*",
            )
        ),
    ),
    "AdministratorAccess": ("Everything", document(_allow("*"))),
    "PowerUserAccess": (
        "Everything but identities",
        document({"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}, _allow("iam:GetRole", "iam:ListRoles")),
    ),
    "ReadOnlyAccess": (
        "Look at everything",
        document(_allow(*(f"*:{v}" for v in (*_READ, "FilterLogEvents", "LookupEvents", "Head*")))),
    ),
    "IAMFullAccess": ("Users, roles and policies", document(_allow("iam:*"))),
    "IAMReadOnlyAccess": (
        "Look at users, roles and policies",
        document(_allow("iam:Get*", "iam:List*", "iam:Simulate*")),
    ),
    "AmazonS3FullAccess": ("All buckets and objects", document(_allow("s3:*"))),
    "AmazonS3ReadOnlyAccess": ("Read all buckets and objects", document(_allow("s3:Get*", "s3:List*", "s3:Describe*"))),
    "CloudWatchFullAccess": ("Logs and metrics", document(_allow("cloudwatch:*", "logs:*", "sns:*"))),
    "CloudWatchLogsFullAccess": ("Logs", document(_allow("logs:*"))),
    "CloudWatchReadOnlyAccess": (
        "Read logs and metrics",
        document(
            _allow(
                "cloudwatch:Get*",
                "cloudwatch:List*",
                "cloudwatch:Describe*",
                "logs:Get*",
                "logs:Describe*",
                "logs:FilterLogEvents",
            )
        ),
    ),
    "AmazonEC2ContainerRegistryReadOnly": (
        "Read container images",
        document(_allow("ecr:Get*", "ecr:Describe*", "ecr:List*", "ecr:BatchGet*", "ecr:BatchCheckLayerAvailability")),
    ),
    "AmazonAthenaFullAccess": ("Queries and the catalogue", document(_allow("athena:*", "glue:*", "s3:*"))),
}
