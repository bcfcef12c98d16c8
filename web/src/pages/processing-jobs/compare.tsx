import { Compare, type Flat } from "../../kit/compare";
import { asked, describe } from "./api";

export default function CompareJobs() {
  return <Compare of="Processing" parent={{ text: "Processing jobs", href: "/processing-jobs" }} describe={describe} asked={asked} results={(job): Flat => (job.ExitMessage ? { "It said at its end": job.ExitMessage } : {})} />;
}
