"""Search and GetSearchSuggestions by boto3."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until


@pytest.fixture(scope="module")
def runs(server: TestServer, sm: Any) -> tuple[str, str, list[str]]:
    """Twelve runs in an experiment: (experiment, trial, components)."""
    metrics = server.client("sagemaker-metrics")
    experiment, trial = unique("search"), unique("group")
    sm.create_experiment(ExperimentName=experiment)
    sm.create_trial(ExperimentName=experiment, TrialName=trial)
    made = []
    for n in range(12):
        name = unique("run")
        sm.create_trial_component(
            TrialComponentName=name,
            Parameters={"lr": {"NumberValue": 0.01 * n}, "opt": {"StringValue": "adam" if n % 2 else "sgd"}},
            Tags=[{"Key": "team", "Value": f"t{n % 3}"}],
        )
        sm.associate_trial_component(TrialComponentName=name, TrialName=trial)
        metrics.batch_put_metrics(
            TrialComponentName=name, MetricData=[{"MetricName": "val:loss", "Timestamp": 1.7e9 + s, "Step": s, "Value": float(10 * n + s)} for s in range(3)]
        )
        made.append(name)
    sm.create_trial_component(TrialComponentName=unique("other"), Parameters={"lr": {"NumberValue": 0.05}})
    return experiment, trial, made


def find(sm: Any, *filters: tuple[str, str, str], **more: Any) -> list[dict[str, Any]]:
    given = [{"Name": n, "Operator": o, "Value": v} for n, o, v in filters]
    answer = sm.search(Resource="ExperimentTrialComponent", SearchExpression={"Filters": given}, **more)
    return [r["TrialComponent"] for r in answer["Results"]]


def names(found: list[dict[str, Any]]) -> list[str]:
    return [f["TrialComponentName"] for f in found]


class TestComponents:
    def test_by_parent(self, sm: Any, runs: tuple[str, str, list[str]]) -> None:
        experiment, trial, made = runs
        for name, value in (("Parents.ExperimentName", experiment), ("Parents.TrialName", trial)):
            found = find(sm, (name, "Equals", value))
            assert names(found) == made[::-1]  # the last modified first
            assert found[0]["Parents"] == [{"TrialName": trial, "ExperimentName": experiment}]
        assert find(sm, ("Parents.TrialName", "Equals", "none")) == []
        (one,) = find(sm, ("TrialComponentName", "Equals", made[3]), ("Parents.TrialName", "Equals", trial))
        assert one["Tags"] == [{"Key": "team", "Value": "t0"}]
        assert find(sm, ("TrialComponentName", "Equals", made[3]), ("Parents.TrialName", "Equals", "other")) == []

    def test_by_parameters_tags_and_metrics(self, sm: Any, runs: tuple[str, str, list[str]]) -> None:
        experiment, _, made = runs
        mine = ("Parents.ExperimentName", "Equals", experiment)
        assert sorted(names(find(sm, mine, ("Parameters.lr", "LessThan", "0.025")))) == sorted(made[:3])
        assert sorted(names(find(sm, mine, ("Parameters.opt", "Equals", "adam")))) == sorted(made[1::2])
        assert sorted(names(find(sm, mine, ("Tags.team", "In", "t1,t2")))) == sorted(m for n, m in enumerate(made) if n % 3)
        assert names(find(sm, mine, ("Metrics.val:loss.Max", "GreaterThan", "111"))) == made[11:]
        assert names(find(sm, mine, ("Metrics.val:loss", "Equals", "2"))) == made[:1]
        assert find(sm, mine, ("Metrics.none.Max", "GreaterThan", "0")) == []

    def test_sorted_by_a_metric_and_paged(self, sm: Any, runs: tuple[str, str, list[str]]) -> None:
        experiment, _, made = runs
        given = {"Resource": "ExperimentTrialComponent", "SortBy": "metrics.val:loss.min", "SortOrder": "Ascending", "MaxResults": 5,
                 "SearchExpression": {"Filters": [{"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": experiment}]}}  # fmt: skip
        first = sm.search(**given)
        assert first["TotalHits"] == {"Value": 12, "Relation": "EqualTo"}
        seen, answer = first["Results"], first
        while "NextToken" in answer:
            answer = sm.search(**given, NextToken=answer["NextToken"])
            seen += answer["Results"]
        assert [r["TrialComponent"]["TrialComponentName"] for r in seen] == made
        summary = seen[4]["TrialComponent"]["Metrics"][0]
        assert (summary["Min"], summary["Max"], summary["Count"]) == (40.0, 42.0, 3)
        with pytest.raises(ClientError, match="NextToken"):
            sm.search(**{**given, "SortOrder": "Descending"}, NextToken=first["NextToken"])

    def test_an_experiment_by_a_metric_is_in_the_order_that_a_look_at_every_document_finds(self, sm: Any, server: TestServer) -> None:
        """By the store of runs alone, with ties, a job's own metrics, and runs that have none."""
        metrics, jobs = server.client("sagemaker-metrics"), Jobs(server, bucket=unique("order"))
        experiment, trial = unique("order"), unique("group")
        sm.create_experiment(ExperimentName=experiment)
        sm.create_trial(ExperimentName=experiment, TrialName=trial)
        for value in (2.0, -1.0, 2.0, None, 5.0, None):
            name = unique("run")
            sm.create_trial_component(TrialComponentName=name)
            sm.associate_trial_component(TrialComponentName=name, TrialName=trial)
            if value is not None:
                points = [{"MetricName": "loss", "Timestamp": 1.7e9 + step, "Step": step, "Value": value - step} for step in range(2)]
                metrics.batch_put_metrics(TrialComponentName=name, MetricData=points)
        job = jobs.train(
            "print('loss=3;')", TrainingJobName=unique("order"), ExperimentConfig={"ExperimentName": experiment, "TrialName": trial},
            AlgorithmSpecification={"MetricDefinitions": [{"Name": "loss", "Regex": r"loss=(\S+);"}]},
        )  # fmt: skip
        jobs.ended(job)
        mine, always = ("Parents.ExperimentName", "Equals", experiment), ("TrialComponentName", "Contains", "-")
        until(lambda: any("Metrics" in c and c["TrialComponentName"].startswith(job) for c in find(sm, mine)))
        for sort in ("Metrics.loss.Last", "metrics.loss.max", "Metrics.loss", "Metrics.none.Min"):
            for order in ("Ascending", "Descending"):
                whole = names(find(sm, mine, always, SortBy=sort, SortOrder=order))
                given = {"Resource": "ExperimentTrialComponent", "SortBy": sort, "SortOrder": order, "MaxResults": 3,
                         "SearchExpression": {"Filters": [dict(zip(("Name", "Operator", "Value"), mine, strict=True))]}}  # fmt: skip
                pages = list(sm.get_paginator("search").paginate(**given))
                assert [r["TrialComponent"]["TrialComponentName"] for page in pages for r in page["Results"]] == whole, (sort, order)
                assert (len(whole), pages[0]["TotalHits"]["Value"]) == (7, 7)

    def test_both_orders_put_the_valueless_last(self, sm: Any, runs: tuple[str, str, list[str]]) -> None:
        for order in ("Ascending", "Descending"):
            found = sm.search(Resource="ExperimentTrialComponent", SortBy="Metrics.val:loss.Last", SortOrder=order)["Results"]
            has = ["val:loss" in str(r["TrialComponent"].get("Metrics")) for r in found]
            assert has == sorted(has, reverse=True)

    def test_or_and_nested(self, sm: Any, runs: tuple[str, str, list[str]]) -> None:
        experiment, trial, made = runs
        either = {"Operator": "Or", "Filters": [{"Name": "TrialComponentName", "Operator": "Equals", "Value": m} for m in made[:2]]}
        parent = {"NestedPropertyName": "Parents", "Filters": [
            {"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": experiment},
            {"Name": "Parents.TrialName", "Operator": "Equals", "Value": trial},
        ]}  # fmt: skip
        found = sm.search(Resource="ExperimentTrialComponent", SearchExpression={"SubExpressions": [either], "NestedFilters": [parent]})
        assert sorted(r["TrialComponent"]["TrialComponentName"] for r in found["Results"]) == sorted(made[:2])

    def test_what_is_refused(self, sm: Any) -> None:
        with pytest.raises(ClientError, match="Unknown property name"):
            find(sm, ("Nonsense", "Equals", "x"))
        with pytest.raises(ClientError, match="at least one"):
            sm.search(Resource="Experiment", SearchExpression={"Operator": "And"})
        for resource in ("Project", "Model"):  # a model's search record is the Model Dashboard's
            for ask in (sm.search, sm.get_search_suggestions):
                with pytest.raises(ClientError, match=f"Search for {resource} is not implemented") as caught:
                    ask(Resource=resource)
                assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_experiments_and_trials(sm: Any, runs: tuple[str, str, list[str]]) -> None:
    experiment, trial, made = runs
    by = {"Filters": [{"Name": "ExperimentName", "Operator": "Equals", "Value": experiment}]}
    (found,) = sm.search(Resource="Experiment", SearchExpression=by)["Results"]
    assert found["Experiment"]["ExperimentArn"].endswith(f"experiment/{experiment}")
    (found,) = sm.search(Resource="ExperimentTrial", SearchExpression=by)["Results"]
    assert found["Trial"]["TrialName"] == trial
    assert len(found["Trial"]["TrialComponentSummaries"]) == len(made)


def test_jobs_and_other_resources(server: TestServer, sm: Any) -> None:
    jobs = Jobs(server, "search-bucket")
    algorithm = {"MetricDefinitions": [{"Name": "accuracy", "Regex": "acc=([0-9.]+)"}]}
    kept = jobs.train("print('acc=0.95')", AlgorithmSpecification=algorithm, HyperParameters={"learning_rate": "0.3"}, Tags=[{"Key": "who", "Value": "me"}])
    jobs.ended(kept)
    jobs.ended(jobs.train("print('acc=0.5')", AlgorithmSpecification=algorithm, HyperParameters={"learning_rate": "0.7"}))

    def search(*filters: tuple[str, str, str]) -> list[str]:
        given = [{"Name": n, "Operator": o, "Value": v} for n, o, v in (*filters, ("TrainingJobName", "Contains", "job-"))]
        found = sm.search(Resource="TrainingJob", SearchExpression={"Filters": given})["Results"]
        return [r["TrainingJob"]["TrainingJobName"] for r in found]

    assert kept in search(("Metrics.accuracy", "GreaterThan", "0.9"))
    assert search(("HyperParameters.learning_rate", "LessThan", "0.5"), ("Tags.who", "Equals", "me")) == [kept]
    assert search(("TrainingJobStatus", "Equals", "Failed"), ("TrainingJobName", "Equals", kept)) == []
    component = find(sm, ("TrialComponentName", "Equals", f"{kept}-aws-training-job"))[0]
    assert component["SourceDetail"]["TrainingJob"]["HyperParameters"] == {"learning_rate": "0.3"}
    source = component["Source"]["SourceArn"]
    assert names(find(sm, ("Source.SourceArn", "Equals", source))) == [f"{kept}-aws-training-job"]
    model = unique("model")
    sm.create_model(ModelName=model, ExecutionRoleArn=jobs.role, PrimaryContainer={"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"})
    assert isinstance(sm.search(Resource="Endpoint")["Results"], list)


def test_suggestions(sm: Any, runs: tuple[str, str, list[str]]) -> None:
    def suggest(hint: str, resource: str = "ExperimentTrialComponent") -> list[str]:
        query = {"PropertyNameQuery": {"PropertyNameHint": hint}}
        found = sm.get_search_suggestions(Resource=resource, SuggestionQuery=query)["PropertyNameSuggestions"]
        return [f["PropertyName"] for f in found]

    assert {"Parameters.lr", "Parameters.opt"} <= set(suggest("parameters."))
    assert "Metrics.val:loss.Max" in suggest("Metrics.")
    assert "Tags.team" in suggest("Tags")
    assert "Source.SourceArn" in suggest("Source.")
    assert "ResourceConfig.InstanceType" in suggest("Resource", "TrainingJob")
    assert suggest("nothing begins so") == []


def test_hundreds_answer_quickly(server: TestServer, sm: Any) -> None:
    """A page of the runs of a large experiment, filtered and sorted by a parameter. The benchmark has thousands."""
    experiment, trial = unique("many"), unique("many")
    sm.create_experiment(ExperimentName=experiment)
    sm.create_trial(ExperimentName=experiment, TrialName=trial)
    for n in range(300):
        name = f"{trial}-{n}"
        sm.create_trial_component(TrialComponentName=name, Parameters={"lr": {"NumberValue": n / 300}})
        sm.associate_trial_component(TrialComponentName=name, TrialName=trial)
    began = time.perf_counter()
    found = find(sm, ("Parents.ExperimentName", "Equals", experiment), ("Parameters.lr", "GreaterThan", "0.5"), SortBy="Parameters.lr", MaxResults=100)
    took = time.perf_counter() - began
    assert found[0]["Parameters"]["lr"]["NumberValue"] == 299 / 300
    assert len(found) == 100
    assert took < 1.0


class TestPages:
    """Whatever the size of a page, its pages together are the whole, in its order."""

    @pytest.mark.parametrize("by", ["CreationTime", "LastModifiedTime", "DisplayName", "Parameters.lr", "Metrics.val:loss.Last"])
    @pytest.mark.parametrize("order", ["Ascending", "Descending"])
    def test_pages_are_the_whole(self, sm: Any, runs: tuple[str, str, list[str]], by: str, order: str) -> None:
        experiment, _, made = runs
        mine = {"Resource": "ExperimentTrialComponent", "SortBy": by, "SortOrder": order}
        mine["SearchExpression"] = {"Filters": [{"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": experiment}]}  # type: ignore[assignment]
        pages = list(sm.get_paginator("search").paginate(**mine, PaginationConfig={"PageSize": 5}))
        found = [result["TrialComponent"] for page in pages for result in page["Results"]]
        assert [len(page["Results"]) for page in pages] == [5, 5, 2]
        assert {page["TotalHits"]["Value"] for page in pages} == {12}
        assert sorted(names(found)) == sorted(made)
        assert all(len(one["Metrics"]) == 1 for one in found)
        if by == "CreationTime":  # the members' index says the same as the documents
            at = [one["CreationTime"] for one in found]
            assert at == sorted(at, reverse=order == "Descending")
        expected = made if order == "Ascending" else made[::-1]
        assert names(found) == expected if by != "DisplayName" else names(found) == sorted(made, reverse=order == "Descending")

    def test_an_order_that_is_gone_is_found_again(self, sm: Any, runs: tuple[str, str, list[str]]) -> None:
        """As after a restart: the token's last place is enough."""
        experiment, _, made = runs
        mine: dict[str, Any] = {"Resource": "ExperimentTrialComponent", "SortBy": "Parameters.lr", "SortOrder": "Ascending", "MaxResults": 5}
        mine["SearchExpression"] = {"Filters": [{"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": experiment}]}
        token = sm.search(**mine)["NextToken"]
        digest, last, _, _ = json.loads(base64.urlsafe_b64decode(token))
        lost = base64.urlsafe_b64encode(json.dumps([digest, last, "gone", 999]).encode()).decode()
        assert [r["TrialComponent"]["TrialComponentName"] for r in sm.search(**mine, NextToken=lost)["Results"]] == made[5:10]

    def test_what_is_deleted_meanwhile_is_left_out(self, server: TestServer, sm: Any) -> None:
        experiment = unique("shrinks")
        sm.create_experiment(ExperimentName=experiment)
        sm.create_trial(ExperimentName=experiment, TrialName=experiment)
        made = [f"{experiment}-{n}" for n in range(4)]
        for n, name in enumerate(made):
            sm.create_trial_component(TrialComponentName=name, Parameters={"n": {"NumberValue": n}})
            sm.associate_trial_component(TrialComponentName=name, TrialName=experiment)
        mine: dict[str, Any] = {"Resource": "ExperimentTrialComponent", "SortBy": "Parameters.n", "SortOrder": "Ascending", "MaxResults": 2}
        mine["SearchExpression"] = {"Filters": [{"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": experiment}]}
        token = sm.search(**mine)["NextToken"]
        sm.disassociate_trial_component(TrialComponentName=made[2], TrialName=experiment)
        sm.delete_trial_component(TrialComponentName=made[2])
        rest = sm.search(**mine, NextToken=token)
        assert [r["TrialComponent"]["TrialComponentName"] for r in rest["Results"]] == [made[3]]
        assert "NextToken" not in rest

    def test_several_names_and_experiments(self, sm: Any, runs: tuple[str, str, list[str]]) -> None:
        experiment, _, made = runs
        assert sorted(names(find(sm, ("TrialComponentName", "In", f"{made[1]}, {made[4]},none")))) == sorted([made[1], made[4]])
        both = find(sm, ("Parents.ExperimentName", "In", f"{experiment},none"), SortBy="CreationTime", SortOrder="Ascending")
        assert names(both) == made
