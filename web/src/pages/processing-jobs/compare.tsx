import type { DescribeProcessingJobResponse } from "@aws-sdk/client-sagemaker";

import { Compare } from "../../kit/compare";
import { words } from "../../kit/status";
import { duration } from "../../kit/time";
import { asked, describe } from "./api";

export default function CompareProcessingJobs() {
  return (
    <Compare<DescribeProcessingJobResponse>
      kind="ProcessingJob"
      noun="processing job"
      parent={{ text: "Processing jobs", href: "/processing-jobs" }}
      describe={describe}
      asked={asked}
      named="ProcessingJobName"
      results={(job) => ({
        Status: words(job.ProcessingJobStatus ?? ""),
        ...(job.ProcessingStartTime && job.ProcessingEndTime && { "Processing time": duration((job.ProcessingEndTime.getTime() - job.ProcessingStartTime.getTime()) / 1000) }),
        ...(job.ExitMessage && { "It said at its end": job.ExitMessage }),
        ...(job.FailureReason && { "Why it failed": job.FailureReason }),
      })}
    />
  );
}
