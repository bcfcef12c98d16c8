"""@remote functions of either SDK, as a user writes them: a result, an exception, several at once.

    remote.py IMAGE
"""

import json
import sys
import time

try:
    from sagemaker.remote_function import RemoteExecutor, remote
except ImportError:
    from sagemaker.core.remote_function import RemoteExecutor, remote

settings = {"image_uri": sys.argv[1], "instance_type": "ml.m5.large", "keep_alive_period_in_seconds": 60}
factor = 3


@remote(**settings, environment_variables={"GREETING": "hello"})
def work(numbers, *, power=1):
    import os

    print("working on", len(numbers))
    return {"sum": sum(factor * n**power for n in numbers), "greeting": os.environ["GREETING"], "job": os.environ["TRAINING_JOB_NAME"]}


@remote(**settings)
def broken(what):
    raise KeyError(what)


began = time.monotonic()
result = work([1, 2, 3], power=2)
took = time.monotonic() - began
try:
    broken("spoon")
    raised = None
except KeyError as error:
    raised = str(error)
with RemoteExecutor(max_parallel_jobs=2, **settings) as executor:
    several = [future.result() for future in [executor.submit(pow, 2, n) for n in range(3)]]
print("RESULT " + json.dumps({"result": result, "took": took, "raised": raised, "several": several}))
