"""`make demo`: a server of its own for a while, the AWS clients against it, quality and timings, everything cleaned up.

Only this script knows Sagewright, and only as a command; v2.py and v3.py are plain AWS code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLIENTS = ROOT / ".cache" / "clients"
SAGEWRIGHT = [sys.executable, "-m", "sagewright"]


def heading(text: str) -> None:
    print(f"\n{text}", flush=True)


class Demo:
    """One run in a temporary directory."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.timings: dict[str, float] = {}

    def command(self, *argv: str) -> None:
        subprocess.run([*SAGEWRIGHT, *argv, "--data", str(self.data)], check=True, stdout=subprocess.DEVNULL)

    def client(self, *argv: str | Path, keep: bool = False) -> str:
        """Run a client's command under `sagewright exec`."""
        whole = [*SAGEWRIGHT, "exec", "--data", str(self.data), "--", *map(str, argv)]
        environ = {**os.environ, "PYTHONWARNINGS": "ignore", "AWS_PAGER": ""}
        # the SDKs log every call at INFO to stderr; what matters is on stdout
        log = self.folder / "client.log"
        with log.open("ab") as err:
            done = subprocess.run(whole, env=environ, stdout=subprocess.PIPE if keep else None, stderr=err, text=True, check=False)
        if done.returncode:
            sys.exit(f"{argv[0]} {argv[1]} failed:\n{log.read_text(errors='replace')[-4000:]}")
        return done.stdout or ""

    def aws(self, *argv: str) -> str:
        return self.client(CLIENTS / "v2" / "bin" / "aws", *argv, keep=True).strip()

    def run(self) -> None:
        images = ["sagemaker-scikit-learn:1.2-1", "sagemaker-xgboost:1.7-1", "sagemaker-base-python:3.11"]
        self.step("environments of the images", lambda: subprocess.run(
            [*SAGEWRIGHT, "images", "pull", "--data", str(self.data), *images], check=True, stdout=subprocess.DEVNULL))
        self.step("server start", lambda: self.command("up", "--detach", "--port", "0"))
        try:
            heading("SageMaker Python SDK v2 and boto3: 336,776 flights out of New York in 2013 - how late will each arrive?")
            self.client(CLIENTS / "v2" / "bin" / "python", HERE / "v2.py", self.folder)
            two = json.loads((self.folder / "v2.json").read_text())
            heading("SageMaker Python SDK v3")
            self.client(CLIENTS / "v3" / "bin" / "python", HERE / "v3.py", self.folder)
            three = json.loads((self.folder / "v3.json").read_text())
            heading("AWS CLI")
            self.command_line(two)
            self.timings |= two["timings"] | three["timings"]
            self.report(two)
        finally:
            self.step("server stop", lambda: self.command("down"))

    def step(self, label: str, call: object) -> None:
        print(f"  {label} ...", flush=True)
        began = time.monotonic()
        call()  # type: ignore[operator]
        self.timings[label] = time.monotonic() - began

    def command_line(self, two: dict[str, str]) -> None:
        jobs = self.aws("sagemaker", "list-training-jobs", "--output", "text", "--query", "TrainingJobSummaries[].[TrainingJobStatus,TrainingJobName]")
        print("  $ aws sagemaker list-training-jobs\n" + "\n".join(f"    {line}" for line in jobs.splitlines()))
        took = self.aws("sagemaker", "describe-training-job", "--training-job-name", two["job"], "--output", "text",
                        "--query", "[TrainingJobStatus,TrainingTimeInSeconds,FinalMetricDataList[?MetricName=='validation:rmse'].Value|[0]]")
        print(f"  $ aws sagemaker describe-training-job ...\n    {took}")
        listing = self.aws("s3", "ls", "--recursive", f"s3://{two['bucket']}/flights/")
        print("  $ aws s3 ls --recursive s3://.../flights/\n" + "\n".join(f"    {line}" for line in listing.splitlines()[:6]))
        stream = self.aws("logs", "describe-log-streams", "--log-group-name", "/aws/sagemaker/TrainingJobs",
                          "--log-stream-name-prefix", f"{two['job']}/", "--output", "text", "--query", "logStreams[0].logStreamName")
        lines = self.aws("logs", "get-log-events", "--log-group-name", "/aws/sagemaker/TrainingJobs", "--log-stream-name", stream,
                         "--output", "text", "--query", "events[-3:].[message]")
        print("  $ aws logs get-log-events ...\n" + "\n".join(f"    {line}" for line in lines.splitlines()))
        self.aws("s3", "rm", "--recursive", "--quiet", f"s3://{two['bucket']}")

    def report(self, two: dict[str, dict[str, float]]) -> None:
        heading("Quality: error of the predicted arrival delay on days no job has seen, minutes (RMSE; lower is better)")
        for label, error in two["quality"].items():
            print(f"  {label:<40} {error:6.1f}")
        heading("Timings, seconds")
        for label, seconds in self.timings.items():
            print(f"  {label:<40} {seconds:6.1f}")


def main() -> int:
    began = time.monotonic()
    print("Sagewright demo. The first run fetches environments; the next ones reuse them.")
    # on the repository's file system, so that environments and inputs are linked, not copied
    (ROOT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="demo-", dir=ROOT / ".cache") as folder:
        demo = Demo(Path(folder))
        demo.run()
    print(f"  {'everything':<40} {time.monotonic() - began:6.1f}\n\nCleaned up: endpoints, models, objects, and the server with its data.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
