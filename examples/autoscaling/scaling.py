"""What both scripts scale by, in plain boto3: down to nothing when idle, up from nothing by a backlog, and further by its size."""

import time

import boto3

scaling, cloudwatch, sagemaker = (boto3.client(s) for s in ("application-autoscaling", "cloudwatch", "sagemaker"))


class Scaling:
    """Policies and alarms of one asynchronous endpoint. AWS's shortest alarm period, ten seconds, keeps the example short."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.variant = {
            "ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        }
        scaling.register_scalable_target(**self.variant, MinCapacity=0, MaxCapacity=2)
        self.alarms = []
        self._rule("wake", "HasBacklogWithoutCapacity", "GreaterThanOrEqualToThreshold", 1, "ExactCapacity", 1)
        self._rule("more", "ApproximateBacklogSizePerInstance", "GreaterThanThreshold", 10, "ExactCapacity", 2)
        self._rule("idle", "ApproximateBacklogSize", "LessThanThreshold", 1, "ExactCapacity", 0)

    def _rule(self, name, metric, comparison, threshold, adjustment, amount):
        bound = "MetricIntervalUpperBound" if comparison.startswith("Less") else "MetricIntervalLowerBound"
        policy = scaling.put_scaling_policy(**self.variant, PolicyName=name, PolicyType="StepScaling", StepScalingPolicyConfiguration={
            "AdjustmentType": adjustment, "Cooldown": 0, "StepAdjustments": [{bound: 0, "ScalingAdjustment": amount}],
        })
        self.alarms.append(f"{self.endpoint}-{name}")
        cloudwatch.put_metric_alarm(
            AlarmName=self.alarms[-1], Namespace="AWS/SageMaker", MetricName=metric, Dimensions=[{"Name": "EndpointName", "Value": self.endpoint}],
            Statistic="Maximum", Period=10, EvaluationPeriods=1, ComparisonOperator=comparison, Threshold=threshold,
            AlarmActions=[policy["PolicyARN"]],
        )

    def wait(self, count):
        """Until so many instances answer."""
        while True:
            about = sagemaker.describe_endpoint(EndpointName=self.endpoint)
            if about["EndpointStatus"] == "InService" and about["ProductionVariants"][0]["CurrentInstanceCount"] == count:
                return
            time.sleep(0.2)

    def story(self):
        """Causes and capacities so far, oldest first."""
        done = scaling.describe_scaling_activities(**self.variant)["ScalingActivities"]
        return [(a["Cause"].split()[-1], a["Description"]) for a in reversed(done) if a["StatusCode"] == "Successful"]

    def close(self):
        scaling.deregister_scalable_target(**self.variant)
        cloudwatch.delete_alarms(AlarmNames=self.alarms)
