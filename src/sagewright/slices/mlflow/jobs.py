"""Jobs with an MlflowConfig: each has a run, made before its container starts and ended with it.

The link between a job and its run is a record of its own, written when the run is made and removed when it has been ended, so
that a kill at any moment leaves no run open for good.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from ...resources.platform import Platform
from ...runtime.lifecycle import Event, ImpossibleTransition, Instruction
from ...runtime.reconciler import Job
from ...stores.records import Delete, Put, Query, Record
from ...wire.errors import AccessDenied, Invalid, ServiceError
from ...wire.types import Call
from .access import CALL_APP
from .forward import ask
from .servers import Server, Servers

MEMBER, LINK, END = "MlflowConfig", "MlflowJobRun", "EndMlflowRun"
JOB = "TrainingJob"
TAG = "sagemaker.job"
STATUS = {"Completed": "FINISHED", "Failed": "FAILED", "Stopped": "KILLED"}
API = "/api/2.0/mlflow"
MOST_PARAMS, LONGEST_VALUE, LONGEST_NAME = 100, 500, 250


class JobRuns:
    """The runs of one platform's jobs."""

    def __init__(self, platform: Platform, servers: Servers) -> None:
        self.platform, self.servers = platform, servers

    def install(self) -> None:
        self.platform.admissions[MEMBER] = self.admit
        self.platform.variables[MEMBER] = self.variables
        self.platform.reconciler.listen(self.heard)
        self.platform.reconciler.executor(JOB, END, self.end)
        self.platform.starters.append(self.resume)

    async def admit(self, call: Call, doc: dict[str, Any]) -> None:
        """Raises Invalid unless the server that the job names exists."""
        where = doc[MEMBER]["MlflowResourceArn"]
        if self.servers.by_arn(where) is None:
            raise Invalid(f"Could not find MLflow tracking server or app {where}.")

    async def variables(self, record: Record) -> dict[str, str]:
        """What MLflow's client in the job reads; makes the run. The same run each time.

        Raises:
            ServiceError, AccessDenied: MLflow does not answer, or the job's role may not use it.
        """
        config = record.doc[MEMBER]
        server = await self._server(record, config["MlflowResourceArn"])
        name = config.get("MlflowExperimentName", record.name)
        link = await self.platform.records.get(LINK, record.scope, record.key)
        if link is None or link.doc["Created"] != record.doc["CreationTime"]:
            experiment = await self._experiment(server, name)
            run = await self._run(server, experiment, record, config.get("MlflowRunName", record.name))
            about = {"Server": server.arn, "Run": run, "Experiment": experiment, "Created": record.doc["CreationTime"]}
            await self.platform.records.commit(Put(LINK, record.scope, record.key, about))
        else:
            about = link.doc
        details = {"MlflowExperimentId": about["Experiment"], "MlflowRunId": about["Run"]}
        try:
            event = Event("Annotated", {"Members": {"MlflowDetails": details}})
            await self.platform.reconciler.send(record.kind, record.scope, record.key, event)
        except ImpossibleTransition:
            pass  # it ended meanwhile
        return {"MLFLOW_TRACKING_URI": server.arn, "MLFLOW_EXPERIMENT_NAME": name, "MLFLOW_RUN_ID": about["Run"]}

    async def heard(self, record: Record, event: Event) -> None:
        """A job that has come to rest ends its run."""
        if record.kind == JOB and "MlflowDetails" in record.doc and self.platform.reconciler.settled(record):
            await self._queue(record)

    async def resume(self) -> None:
        """After a start: runs whose jobs ended while nobody looked, or are gone."""
        for link in await self.platform.records.find(LINK, None, Query(limit=100_000)):
            record = await self.platform.records.get(JOB, link.scope, link.key)
            if record is None:
                await self.platform.records.commit(Delete(LINK, link.scope, link.key))
            elif self.platform.reconciler.settled(record):
                await self._queue(record)

    async def end(self, job: Job) -> None:
        """Log the job's last metrics and close its run."""
        record = job.record
        link = await self.platform.records.get(LINK, record.scope, record.key)
        if link is None or link.doc["Created"] != record.doc["CreationTime"]:
            return
        server = self.servers.by_arn(link.doc["Server"])
        if server is not None and server.worker is not None:
            run, now = link.doc["Run"], int(self.platform.clock() * 1000)
            metrics = [
                {"key": m["MetricName"][:LONGEST_NAME], "value": m["Value"], "timestamp": int(m["Timestamp"] * 1000), "step": 0}
                for m in record.doc.get("FinalMetricDataList", ())
            ]
            if metrics:
                await ask(server, "POST", f"{API}/runs/log-batch", {"run_id": run, "metrics": metrics})
            status = STATUS.get(record.doc["TrainingJobStatus"], "FINISHED")
            await ask(server, "POST", f"{API}/runs/update", {"run_id": run, "status": status, "end_time": now})
        elif server is not None and server.doc.get("_task"):
            raise ServiceError("TEMPORARILY_UNAVAILABLE", f"{server.arn} does not answer yet", 503)  # tried again
        await self.platform.records.commit(Delete(LINK, record.scope, record.key))

    # -- parts

    async def _queue(self, record: Record) -> None:
        await self.platform.records.commit(self.platform.reconciler.work(record.kind, record.scope, record.key, Instruction(END)))
        self.platform.reconciler.changed(record.kind, record.scope, record.key)

    async def _server(self, record: Record, where: str) -> Server:
        server = self.servers.by_arn(where)
        needed = CALL_APP if ":mlflow-app/" in where else "sagemaker-mlflow:CreateRun"
        if self.platform.identity and (why := await self.platform.identity.allowed(record.doc["RoleArn"], needed, where)):
            raise AccessDenied(f"{record.doc['RoleArn']} may not track runs on {where}: {why}")
        if server is None:
            raise ServiceError("RESOURCE_DOES_NOT_EXIST", f"There is no {where} any more", 404)
        return server

    async def _experiment(self, server: Server, name: str) -> str:
        """The experiment's id; it is made if it is missing."""
        try:
            found = await ask(server, "GET", f"{API}/experiments/get-by-name?experiment_name={quote(name, safe='')}")
            return str(found["experiment"]["experiment_id"])
        except ServiceError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
        try:
            return str((await ask(server, "POST", f"{API}/experiments/create", {"name": name}))["experiment_id"])
        except ServiceError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
        return await self._experiment(server, name)  # another job made it in this moment

    async def _run(self, server: Server, experiment: str, record: Record, name: str) -> str:
        """The job's run: the one that an earlier try left, or a new one with the job's hyperparameters."""
        mark = f"{record.scope}/{record.key}/{record.doc['CreationTime']}"
        query = {"experiment_ids": [experiment], "filter": f"tags.`{TAG}` = '{mark}'", "max_results": 1}
        if found := (await ask(server, "POST", f"{API}/runs/search", query)).get("runs"):
            return str(found[0]["info"]["run_id"])
        tags = {TAG: mark, "sagemaker.job_arn": record.doc["TrainingJobArn"], "mlflow.user": record.doc.get("_principal", "").rsplit("/", 1)[-1]}
        run = str((await ask(server, "POST", f"{API}/runs/create", {
            "experiment_id": experiment, "run_name": name, "start_time": int(self.platform.clock() * 1000),
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }))["run"]["info"]["run_id"])
        given = list(record.doc.get("HyperParameters", {}).items())[:MOST_PARAMS]
        if given:
            params = [{"key": k[:LONGEST_NAME], "value": _plain(v)[:LONGEST_VALUE]} for k, v in given]
            await ask(server, "POST", f"{API}/runs/log-batch", {"run_id": run, "params": params})
        return run


def _plain(value: str) -> str:
    """A hyperparameter without the quotes that the SDK's JSON puts around text."""
    try:
        said = json.loads(value)
    except ValueError:
        return value
    return said if isinstance(said, str) else value
