import { DescribeTrainingJobCommand, type DescribeTrainingJobResponse } from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import { short } from "../../kit/chart";
import { Compare, type Flat } from "../../kit/compare";
import { words } from "../../kit/status";
import { duration } from "../../kit/time";
import { asked } from "./api";

const results = (job: DescribeTrainingJobResponse): Flat => ({
  Status: words(job.TrainingJobStatus ?? ""),
  ...(job.TrainingTimeInSeconds !== undefined && { "Training time": duration(job.TrainingTimeInSeconds) }),
  ...(job.FailureReason && { "Why it failed": job.FailureReason }),
  ...Object.fromEntries((job.FinalMetricDataList ?? []).map((m) => [m.MetricName!, short(m.Value)])),
});

export default function CompareTrainingJobs() {
  return (
    <Compare<DescribeTrainingJobResponse>
      kind="TrainingJob"
      noun="training job"
      parent={{ text: "Training jobs", href: "/training-jobs" }}
      describe={async (TrainingJobName, abortSignal) => (await sagemaker().send(new DescribeTrainingJobCommand({ TrainingJobName }), { abortSignal })) as DescribeTrainingJobResponse}
      asked={asked}
      named="TrainingJobName"
      results={results}
    />
  );
}
