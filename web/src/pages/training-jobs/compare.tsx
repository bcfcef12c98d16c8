import type { DescribeTrainingJobResponse } from "@aws-sdk/client-sagemaker";

import { short } from "../../kit/chart";
import { Compare, type Flat } from "../../kit/compare";
import { words } from "../../kit/status";
import { duration } from "../../kit/time";
import { asked, describe } from "./api";

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
      describe={describe}
      asked={asked}
      named="TrainingJobName"
      results={results}
    />
  );
}
