import { Compare } from "../../kit/compare";
import { asked, describe } from "./api";

export default function CompareJobs() {
  return <Compare of="Transform" parent={{ text: "Batch transform", href: "/transform-jobs" }} describe={describe} asked={asked} />;
}
