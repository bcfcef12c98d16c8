"""Artifacts, contexts, actions and associations by boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.names import unique


def code(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def artifact(sm: Any, kind: str = "DataSet", uri: str = "") -> str:
    uri = uri or f"s3://bucket/{unique('key')}"
    return str(sm.create_artifact(ArtifactName=unique("a"), ArtifactType=kind, Source={"SourceUri": uri})["ArtifactArn"])


def test_artifacts(sm: Any) -> None:
    uri = f"s3://bucket/{unique('key')}"
    source = {"SourceUri": uri, "SourceTypes": [{"SourceIdType": "S3ETag", "Value": "abc"}]}
    arn = sm.create_artifact(ArtifactName="shown", ArtifactType="Model", Source=source, Properties={"a": "1", "b": "2"})["ArtifactArn"]
    found = sm.describe_artifact(ArtifactArn=arn)
    assert (found["ArtifactName"], found["ArtifactType"], found["Source"]) == ("shown", "Model", source)
    assert "already exists" in code(sm.create_artifact, ArtifactType="Model", Source=source)
    other = sm.create_artifact(ArtifactType="Model", Source={"SourceUri": uri})["ArtifactArn"]
    sm.update_artifact(ArtifactArn=arn, ArtifactName="new", Properties={"c": "3"}, PropertiesToRemove=["a"])
    found = sm.describe_artifact(ArtifactArn=arn)
    assert (found["ArtifactName"], found["Properties"]) == ("new", {"b": "2", "c": "3"})
    listed = sm.list_artifacts(SourceUri=uri, SortOrder="Ascending")["ArtifactSummaries"]
    assert [a["ArtifactArn"] for a in listed] == [arn, other]
    assert sm.delete_artifact(Source=source)["ArtifactArn"] == arn
    assert code(sm.describe_artifact, ArtifactArn=arn).startswith("ResourceNotFound")


@pytest.mark.parametrize("noun", ["context", "action"])
def test_contexts_and_actions(sm: Any, noun: str) -> None:
    title = noun.title()
    name, kind = unique(noun), unique("type")
    create, describe, update, delete, find = (
        getattr(sm, f"{verb}_{noun}{'s' if verb == 'list' else ''}") for verb in ("create", "describe", "update", "delete", "list")
    )
    given = {f"{title}Name": name, f"{title}Type": kind, "Source": {"SourceUri": "s3://b/k", "SourceType": "S3"}}
    arn = create(**given, Description="d", Properties={"a": "1"})[f"{title}Arn"]
    assert "already exists" in code(create, **given)
    update(**{f"{title}Name": name}, Description="new", Properties={"b": "2"}, PropertiesToRemove=["a"])
    found = describe(**{f"{title}Name": name})
    assert (found["Description"], found["Properties"], found[f"{title}Arn"]) == ("new", {"b": "2"}, arn)
    assert describe(**{f"{title}Name": arn})[f"{title}Name"] == name
    assert [s[f"{title}Arn"] for s in find(**{f"{title}Type": kind})[f"{title}Summaries"]] == [arn]
    assert delete(**{f"{title}Name": name})[f"{title}Arn"] == arn
    assert code(describe, **{f"{title}Name": name}).startswith("ResourceNotFound")


def test_associations(sm: Any) -> None:
    data, model = artifact(sm), artifact(sm, "Model")
    name = unique("tc")
    component = sm.create_trial_component(TrialComponentName=name)["TrialComponentArn"]
    sm.add_association(SourceArn=data, DestinationArn=component, AssociationType="ContributedTo")
    sm.add_association(SourceArn=component, DestinationArn=model, AssociationType="Produced")
    assert "already exists" in code(sm.add_association, SourceArn=data, DestinationArn=component)
    (into,) = sm.list_associations(DestinationArn=component)["AssociationSummaries"]
    assert (into["SourceArn"], into["SourceType"], into["DestinationName"]) == (data, "DataSet", name)
    (out,) = sm.list_associations(SourceArn=component)["AssociationSummaries"]
    assert (out["AssociationType"], out["DestinationType"]) == ("Produced", "Model")
    assert sm.list_associations(SourceArn=component, AssociationType="DerivedFrom")["AssociationSummaries"] == []
    assert code(sm.delete_artifact, ArtifactArn=data).startswith("ValidationException")
    sm.delete_association(SourceArn=data, DestinationArn=component)
    assert code(sm.delete_association, SourceArn=data, DestinationArn=component).startswith("ResourceNotFound")
    sm.delete_artifact(ArtifactArn=data)
    assert code(sm.add_association, SourceArn=data, DestinationArn=component).startswith("ResourceNotFound")
    other = sm.create_trial_component(TrialComponentName=unique("tc"))["TrialComponentArn"]
    assert code(sm.add_association, SourceArn=other, DestinationArn=component).startswith("ValidationException")


def test_associations_come_in_pages_and_orders(sm: Any) -> None:
    hub = artifact(sm)
    spokes = [artifact(sm, f"Type{n}") for n in range(5)]
    for spoke in spokes:
        sm.add_association(SourceArn=hub, DestinationArn=spoke, AssociationType="AssociatedWith")
    for sort, expected in (("CreationTime", spokes), ("DestinationType", spokes), ("DestinationArn", sorted(spokes))):
        pages = sm.get_paginator("list_associations").paginate(SourceArn=hub, SortBy=sort, SortOrder="Ascending", PaginationConfig={"PageSize": 2})
        assert [a["DestinationArn"] for page in pages for a in page["AssociationSummaries"]] == expected


def test_a_page_goes_on_where_the_last_one_ended_though_its_end_is_gone(sm: Any) -> None:
    hub = artifact(sm)
    spokes = sorted(artifact(sm) for _ in range(5))
    for spoke in spokes:
        sm.add_association(SourceArn=hub, DestinationArn=spoke)
    asked = {"SourceArn": hub, "SortBy": "DestinationArn", "SortOrder": "Ascending", "MaxResults": 2}
    first = sm.list_associations(**asked)
    assert [a["DestinationArn"] for a in first["AssociationSummaries"]] == spokes[:2]
    sm.delete_association(SourceArn=hub, DestinationArn=spokes[1])
    second = sm.list_associations(**asked, NextToken=first["NextToken"])
    assert [a["DestinationArn"] for a in second["AssociationSummaries"]] == spokes[2:4]
