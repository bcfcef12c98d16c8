import type { DescribeTransformJobResponse } from "@aws-sdk/client-sagemaker";

import { Compare } from "../../kit/compare";
import { words } from "../../kit/status";
import { duration } from "../../kit/time";
import { asked, describe } from "./api";

export default function CompareTransformJobs() {
  return (
    <Compare<DescribeTransformJobResponse>
      kind="TransformJob"
      noun="transform job"
      parent={{ text: "Batch transform", href: "/transform-jobs" }}
      describe={describe}
      asked={asked}
      named="TransformJobName"
      results={(job) => ({
        Status: words(job.TransformJobStatus ?? ""),
        ...(job.TransformStartTime && job.TransformEndTime && { "Transform time": duration((job.TransformEndTime.getTime() - job.TransformStartTime.getTime()) / 1000) }),
        ...(job.FailureReason && { "Why it failed": job.FailureReason }),
      })}
    />
  );
}
