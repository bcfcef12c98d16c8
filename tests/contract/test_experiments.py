"""Experiments by boto3: entities, associations, limits and metrics."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.experiments import component, refused
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer


class TestEntities:
    def test_experiment(self, sm: Any) -> None:
        name = unique("Exp")
        arn = sm.create_experiment(ExperimentName=name, DisplayName="shown", Description="one")["ExperimentArn"]
        assert arn.endswith(f":experiment/{name.lower()}")
        found = sm.describe_experiment(ExperimentName=name.lower())  # names are one in any case
        assert (found["ExperimentName"], found["DisplayName"], found["Description"]) == (name, "shown", "one")
        assert found["CreatedBy"]["IamIdentity"]["Arn"].startswith("arn:aws:sts::")
        assert "LastModifiedBy" not in found
        sm.update_experiment(ExperimentName=name, DisplayName="other")
        after = sm.describe_experiment(ExperimentName=name)
        assert (after["DisplayName"], after["Description"]) == ("other", "one")
        assert after["LastModifiedTime"] > found["LastModifiedTime"]
        assert after["LastModifiedBy"]["IamIdentity"]
        code, message = refused(sm.create_experiment, ExperimentName=name)
        assert code == "ValidationException"
        assert "already exists" in message
        assert sm.delete_experiment(ExperimentName=name)["ExperimentArn"] == arn
        assert refused(sm.describe_experiment, ExperimentName=name) == (
            "ResourceNotFound", f"Experiment '{arn}' does not exist.",
        )  # fmt: skip

    def test_display_name_is_the_name_unless_given(self, sm: Any, names: tuple[str, str]) -> None:
        experiment, trial = names
        assert sm.describe_experiment(ExperimentName=experiment)["DisplayName"] == experiment
        assert sm.describe_trial(TrialName=trial)["DisplayName"] == trial

    def test_trial(self, sm: Any, names: tuple[str, str]) -> None:
        experiment, trial = names
        found = sm.describe_trial(TrialName=trial)
        assert found["ExperimentName"] == experiment
        assert found["TrialArn"].endswith(f":experiment-trial/{trial.lower()}")
        assert refused(sm.create_trial, TrialName=unique("t"), ExperimentName=unique("none"))[0] == "ResourceNotFound"
        assert "already exists" in refused(sm.create_trial, TrialName=trial, ExperimentName=experiment)[1]
        sm.update_trial(TrialName=trial, DisplayName="shown")
        assert sm.describe_trial(TrialName=trial)["DisplayName"] == "shown"
        metadata = {"CommitId": "abc", "Repository": "https://example.com/r", "GeneratedBy": "me", "ProjectId": "p"}
        other = unique("Trial")
        sm.create_trial(ExperimentName=experiment, TrialName=other, MetadataProperties=metadata)
        assert sm.describe_trial(TrialName=other)["MetadataProperties"] == metadata

    def test_component(self, sm: Any) -> None:
        start = datetime(2024, 5, 1, tzinfo=UTC)
        name = component(
            sm,
            DisplayName="shown",
            Status={"PrimaryStatus": "InProgress", "Message": "under way"},
            StartTime=start,
            Parameters={"lr": {"NumberValue": 0.1}, "opt": {"StringValue": "adam"}, "gone": {"NumberValue": 1.0}},
            InputArtifacts={"data": {"MediaType": "text/csv", "Value": "s3://b/k"}},
            MetadataProperties={"CommitId": "abc"},
        )
        sm.update_trial_component(
            TrialComponentName=name,
            Status={"PrimaryStatus": "Completed"},
            EndTime=start,
            Parameters={"lr": {"NumberValue": 0.2}, "new": {"StringValue": ""}},
            ParametersToRemove=["gone", "never"],
            InputArtifactsToRemove=["data"],
            OutputArtifacts={"model": {"Value": "s3://b/m"}},
        )
        found = sm.describe_trial_component(TrialComponentName=name)
        assert found["Status"] == {"PrimaryStatus": "Completed"}
        assert found["Parameters"] == {"lr": {"NumberValue": 0.2}, "opt": {"StringValue": "adam"}, "new": {"StringValue": ""}}
        assert found["InputArtifacts"] == {}
        assert found["OutputArtifacts"] == {"model": {"Value": "s3://b/m"}}
        assert found["StartTime"] == found["EndTime"] == start
        assert found["MetadataProperties"] == {"CommitId": "abc"}
        assert "Metrics" not in found
        by_arn = sm.describe_trial_component(TrialComponentName=found["TrialComponentArn"])
        assert by_arn["TrialComponentName"] == name

    def test_limits_hold_across_updates(self, sm: Any) -> None:
        name = component(sm, Parameters={f"p{n}": {"NumberValue": float(n)} for n in range(300)})
        code, message = refused(sm.update_trial_component, TrialComponentName=name, Parameters={"more": {"NumberValue": 1.0}})
        assert code == "ValidationException"
        assert "300" in message
        sm.update_trial_component(TrialComponentName=name, Parameters={"more": {"NumberValue": 1.0}}, ParametersToRemove=["p0"])
        artifacts = {f"a{n}": {"Value": "s3://b/k"} for n in range(61)}
        assert refused(sm.update_trial_component, TrialComponentName=name, OutputArtifacts=artifacts)[0] == "ValidationException"
        for value in (float("nan"), float("inf")):
            code, _ = refused(sm.update_trial_component, TrialComponentName=name, Parameters={"p1": {"NumberValue": value}})
            assert code == "ValidationException"

    def test_tags(self, sm: Any, names: tuple[str, str]) -> None:
        experiment, _ = names
        arn = sm.describe_experiment(ExperimentName=experiment)["ExperimentArn"]
        sm.add_tags(ResourceArn=arn, Tags=[{"Key": "k", "Value": "v"}])
        assert {t["Key"]: t["Value"] for t in sm.list_tags(ResourceArn=arn)["Tags"]} == {"team": "blue", "k": "v"}
        tagged = component(sm, Tags=[{"Key": "a", "Value": "b"}])
        where = sm.describe_trial_component(TrialComponentName=tagged)["TrialComponentArn"]
        assert sm.list_tags(ResourceArn=where)["Tags"] == [{"Key": "a", "Value": "b"}]


class TestAssociations:
    def test_a_component_may_be_in_several_trials(self, sm: Any, names: tuple[str, str]) -> None:
        experiment, trial = names
        other = unique("Trial")
        sm.create_trial(ExperimentName=experiment, TrialName=other)
        name = component(sm, trial)
        for _ in range(2):  # again changes nothing
            answer = sm.associate_trial_component(TrialComponentName=name.upper().replace("TC", "tc"), TrialName=other)
        assert answer["TrialArn"].endswith(other.lower())
        found = sm.list_trials(TrialComponentName=name, SortBy="Name", SortOrder="Ascending")["TrialSummaries"]
        assert [t["TrialName"] for t in found] == sorted([trial, other])
        assert len(sm.list_trial_components(ExperimentName=experiment)["TrialComponentSummaries"]) == 1
        sm.disassociate_trial_component(TrialComponentName=name, TrialName=trial)
        assert sm.list_trial_components(TrialName=trial)["TrialComponentSummaries"] == []
        assert len(sm.list_trial_components(ExperimentName=experiment)["TrialComponentSummaries"]) == 1
        sm.disassociate_trial_component(TrialComponentName=name, TrialName=other)
        sm.disassociate_trial_component(TrialComponentName=name, TrialName=other)
        assert sm.list_trial_components(ExperimentName=experiment)["TrialComponentSummaries"] == []

    def test_what_is_linked_cannot_be_deleted(self, sm: Any, names: tuple[str, str]) -> None:
        experiment, trial = names
        name = component(sm, trial)
        code, message = refused(sm.delete_trial_component, TrialComponentName=name)
        assert code == "ValidationException"
        assert "is linked to 1 or more trials and cannot be deleted." in message
        assert refused(sm.delete_trial, TrialName=trial)[0] == "ValidationException"
        assert refused(sm.delete_experiment, ExperimentName=experiment)[0] == "ValidationException"
        sm.disassociate_trial_component(TrialComponentName=name, TrialName=trial)
        assert "TrialComponentArn" in sm.delete_trial_component(TrialComponentName=name)
        assert "TrialArn" in sm.delete_trial(TrialName=trial)
        assert "ExperimentArn" in sm.delete_experiment(ExperimentName=experiment)

    def test_both_must_exist(self, sm: Any, names: tuple[str, str]) -> None:
        _, trial = names
        assert refused(sm.associate_trial_component, TrialComponentName="none", TrialName=trial)[0] == "ResourceNotFound"
        name = component(sm)
        assert refused(sm.associate_trial_component, TrialComponentName=name, TrialName="none")[0] == "ResourceNotFound"


class TestLists:
    def test_pages_sorts_and_filters(self, sm: Any, names: tuple[str, str]) -> None:
        experiment, trial = names
        made = []
        for n in range(7):
            made.append(component(sm, trial, DisplayName=f"c{6 - n}"))
            if n == 3:
                time.sleep(0.002)  # the filter below needs two different milliseconds
                middle = datetime.now(UTC)
        for given in ({"TrialName": trial}, {"ExperimentName": experiment}):
            pages = sm.get_paginator("list_trial_components").paginate(**given, SortBy="CreationTime", SortOrder="Ascending", PaginationConfig={"PageSize": 3})
            assert [c["TrialComponentName"] for page in pages for c in page["TrialComponentSummaries"]] == made
            newest = sm.list_trial_components(**given)["TrialComponentSummaries"]
            assert [c["TrialComponentName"] for c in newest] == made[::-1]
            by_name = sm.list_trial_components(**given, SortBy="Name", SortOrder="Descending", MaxResults=2)
            assert [c["TrialComponentName"] for c in by_name["TrialComponentSummaries"]] == sorted(made)[::-1][:2]
            late = sm.list_trial_components(**given, CreatedAfter=middle)["TrialComponentSummaries"]
            assert len(late) == 3
            early = sm.list_trial_components(**given, CreatedBefore=middle)["TrialComponentSummaries"]
            assert len(early) == 4
        assert refused(sm.list_trial_components, TrialName=trial, ExperimentName=experiment)[0] == "ValidationException"
        assert refused(sm.list_trial_components, TrialName="none")[0] == "ResourceNotFound"
        assert refused(sm.list_trials, ExperimentName="none")[0] == "ResourceNotFound"

    def test_trials_of_an_experiment(self, sm: Any, names: tuple[str, str]) -> None:
        experiment, trial = names
        other = unique("Another")
        sm.create_trial(ExperimentName=experiment, TrialName=other)
        found = sm.list_trials(ExperimentName=experiment, SortBy="Name", SortOrder="Ascending")["TrialSummaries"]
        assert [t["TrialName"] for t in found] == sorted([trial, other])

    def test_experiments(self, sm: Any, names: tuple[str, str]) -> None:
        pages = sm.get_paginator("list_experiments").paginate(SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2})
        listed = [e["ExperimentName"] for page in pages for e in page["ExperimentSummaries"]]
        assert names[0] in listed
        assert listed == sorted(listed)
        assert len(listed) == len(set(listed))


class TestMetrics:
    def put(self, metrics: Any, name: str, rows: list[tuple[str, int | None, float, float]]) -> list[dict[str, Any]]:
        errors = []
        for at in range(0, len(rows), 10):
            data = [
                {"MetricName": m, "Timestamp": t, "Value": v, **({"Step": s} if s is not None else {})}
                for m, s, t, v in rows[at : at + 10]
            ]
            errors += metrics.batch_put_metrics(TrialComponentName=name, MetricData=data).get("Errors", [])
        return errors

    def get(self, sm: Any, metrics: Any, name: str, *queries: dict[str, Any]) -> list[dict[str, Any]]:
        arn = sm.describe_trial_component(TrialComponentName=name)["TrialComponentArn"]
        base = {"ResourceArn": arn, "MetricName": "m", "MetricStat": "Last", "Period": "IterationNumber", "XAxisType": "IterationNumber"}
        found = metrics.batch_get_metrics(MetricQueries=[{**base, **q} for q in queries])
        return found["MetricQueryResults"]  # type: ignore[no-any-return]

    def test_every_point_is_there_and_summed_up(self, sm: Any, metrics: Any) -> None:
        name = component(sm)
        rows = [("m", step, 1.7e9 + step, float((step * 7) % 11)) for step in range(500)]
        assert self.put(metrics, name, rows) == []
        (series,) = self.get(sm, metrics, name, {})
        assert series == {"Status": "Complete", "XAxisValues": list(range(500)), "MetricValues": [r[3] for r in rows]}
        (summary,) = sm.describe_trial_component(TrialComponentName=name)["Metrics"]
        values = [r[3] for r in rows]
        mean = sum(values) / 500
        assert (summary["Count"], summary["Min"], summary["Max"], summary["Last"]) == (500, 0.0, 10.0, values[-1])
        assert summary["Avg"] == pytest.approx(mean)
        assert summary["StdDev"] == pytest.approx((sum((v - mean) ** 2 for v in values) / 500) ** 0.5)
        assert summary["TimeStamp"].timestamp() == 1.7e9 + 499

    def test_statistics_of_steps_written_twice(self, sm: Any, metrics: Any) -> None:
        name = component(sm)
        self.put(metrics, name, [("m", s, 1.7e9 + n, v) for n, (s, v) in enumerate([(3, 1.0), (1, 5.0), (3, 4.0), (1, 7.0), (1, 0.0)])])
        wanted = {"Min": [0.0, 1.0], "Max": [7.0, 4.0], "Avg": [4.0, 2.5], "Count": [3.0, 2.0], "Last": [0.0, 4.0], "StdDev": [(26 / 3) ** 0.5, 1.5]}
        for (stat, values), found in zip(
            wanted.items(), self.get(sm, metrics, name, *({"MetricStat": s} for s in wanted)), strict=True
        ):
            assert found["XAxisValues"] == [1, 3], stat
            assert found["MetricValues"] == pytest.approx(values), stat

    def test_periods_are_in_milliseconds(self, sm: Any, metrics: Any) -> None:
        name = component(sm)
        first = 1_700_000_040  # a whole minute
        self.put(metrics, name, [("m", None, float(first + s), float(s)) for s in range(0, 7200, 30)])
        minute, five, hour, part, nothing = self.get(
            sm, metrics, name,
            {"XAxisType": "Timestamp", "Period": "OneMinute", "MetricStat": "Max"},
            {"XAxisType": "Timestamp", "Period": "FiveMinute", "MetricStat": "Count"},
            {"XAxisType": "Timestamp", "Period": "OneHour", "MetricStat": "Min"},
            {"XAxisType": "Timestamp", "Period": "OneMinute", "MetricStat": "Avg", "Start": (first + 60) * 1000, "End": (first + 119) * 1000},
            {},
        )  # fmt: skip
        assert minute["XAxisValues"] == [(first + 60 * n) * 1000 for n in range(120)]
        assert minute["MetricValues"] == [60.0 * n + 30 for n in range(120)]
        assert sum(five["MetricValues"]) == 240
        assert all(x % 300_000 == 0 for x in five["XAxisValues"])
        assert all(x % 3_600_000 == 0 for x in hour["XAxisValues"])
        assert (part["XAxisValues"], part["MetricValues"]) == ([(first + 60) * 1000], [75.0])
        assert (nothing["Status"], nothing["XAxisValues"]) == ("Complete", [])  # no steps were given

    def test_start_and_end_of_steps(self, sm: Any, metrics: Any) -> None:
        name = component(sm)
        self.put(metrics, name, [("m", s, 1.7e9, float(s)) for s in range(20)])
        (found,) = self.get(sm, metrics, name, {"Start": 5, "End": 7})
        assert found["XAxisValues"] == [5, 6, 7]

    def test_bad_points_are_named_one_by_one(self, sm: Any, metrics: Any) -> None:
        name = component(sm)
        errors = self.put(metrics, name, [("m", 0, 1.7e9, 1.0), ("m", 1, 1.7e9, float("nan")), ("m", 2, -5.0, 1.0), ("m", 3, 1.7e9, float("inf")), ("m", 4, 1.7e9, 2.0)])
        assert errors == [{"Code": "VALIDATION_ERROR", "MetricIndex": n} for n in (1, 2, 3)]
        assert self.get(sm, metrics, name, {})[0]["XAxisValues"] == [0, 4]

    def test_queries_fail_one_by_one(self, sm: Any, metrics: Any) -> None:
        name = component(sm)
        self.put(metrics, name, [("m", 0, 1.7e9, 1.0)])
        arn = "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/none"
        foreign = "arn:aws:sagemaker:eu-west-1:123456789012:experiment-trial-component/none"
        found = self.get(sm, metrics, name, {}, {"Period": "OneHour"}, {"ResourceArn": arn}, {"ResourceArn": foreign}, {"Start": 2, "End": 1}, {"MetricName": "other"})
        assert [f["Status"] for f in found] == ["Complete", *["ValidationError"] * 4, "Complete"]
        assert all(f["Message"] for f in found[1:5])
        assert found[5]["XAxisValues"] == []

    def test_a_component_must_exist_and_is_forgotten_with_its_points(self, sm: Any, metrics: Any) -> None:
        assert refused(metrics.batch_put_metrics, TrialComponentName="none", MetricData=[{"MetricName": "m", "Timestamp": 1.0, "Value": 1.0}])
        name = component(sm)
        self.put(metrics, name, [("m", 0, 1.7e9, 1.0)])
        sm.delete_trial_component(TrialComponentName=name)
        with pytest.raises(ClientError):
            self.put(metrics, name, [("m", 1, 1.7e9, 1.0)])
        sm.create_trial_component(TrialComponentName=name)
        assert "Metrics" not in sm.describe_trial_component(TrialComponentName=name)
        self.put(metrics, name, [("m", 5, 1.7e9, 1.0)])
        assert self.get(sm, metrics, name, {})[0]["XAxisValues"] == [5]

    def test_long_series_are_truncated_and_continued(self, server: TestServer, sm: Any, metrics: Any) -> None:
        """Truncation is tested on the pure part; here, that a repeated query over the limit says where to go on."""
        name = component(sm)
        self.put(metrics, name, [("m", s, 1.7e9, float(s)) for s in range(2000)])
        found = self.get(sm, metrics, name, *[{}] * 100)
        assert [f["Status"] for f in found] == ["Complete"] * 100
        assert sum(len(f["XAxisValues"]) for f in found) == 200_000
