import { short } from "../../kit/chart";
import { Compare } from "../../kit/compare";
import { asked, describe } from "./api";

export default function CompareJobs() {
  return <Compare of="Training" parent={{ text: "Training jobs", href: "/training-jobs" }} describe={describe} asked={asked} results={(job) => Object.fromEntries((job.FinalMetricDataList ?? []).map((m) => [m.MetricName!, short(m.Value)]))} />;
}
