/** Two jobs side by side: what they were asked for and where they ended; what differs stands out. */
import { DescribeTrainingJobCommand, type DescribeTrainingJobResponse } from "@aws-sdk/client-sagemaker";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Toggle from "@cloudscape-design/components/toggle";

import { sagemaker } from "../../kit/aws/sagemaker";
import { short } from "../../kit/chart";
import { Crumbs } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { NameLink } from "../../kit/table";
import { useView } from "../../kit/view";
import { asked, href } from "./api";

type Flat = Record<string, string>;

/** Every leaf of a document, by its path. */
function flat(value: unknown, path = "", into: Flat = {}): Flat {
  if (typeof value === "object" && value !== null) {
    for (const [k, v] of Object.entries(value)) flat(v, path ? `${path}.${k}` : k, into);
  } else if (path) {
    into[path] = String(value);
  }
  return into;
}

const results = (job: DescribeTrainingJobResponse): Flat => ({
  Status: job.TrainingJobStatus ?? "",
  ...(job.TrainingTimeInSeconds !== undefined && { "Training time, s": String(job.TrainingTimeInSeconds) }),
  ...Object.fromEntries((job.FinalMetricDataList ?? []).map((m) => [m.MetricName!, short(m.Value)])),
});

export default function Compare() {
  const [read, write] = useView();
  const names = read("of").split(",").filter(Boolean).slice(0, 2);
  const differing = read("show") !== "all";
  const { value, error, reload } = useLoad(
    (abortSignal) => Promise.all(names.map((TrainingJobName) => sagemaker().send(new DescribeTrainingJobCommand({ TrainingJobName }), { abortSignal }))),
    names,
    { kinds: ["TrainingJob"] },
  );
  const groups = value && ([["Result", value.map((j) => results(j as DescribeTrainingJobResponse))], ["Request", value.map((j) => flat(asked(j as DescribeTrainingJobResponse)))]] as const);
  return (
    <SpaceBetween size="l">
      <Crumbs items={[{ text: "Training jobs", href: "/training-jobs" }, { text: "Compare", href: "#" }]} />
      <Header
        variant="h1"
        description="What was asked for, and where it led."
        actions={<Toggle checked={differing} onChange={({ detail }) => write({ show: detail.checked ? undefined : "all" })}>Only what differs</Toggle>}
      >
        Compare two training jobs
      </Header>
      {names.length < 2 && <p>Choose two jobs in the list, then Compare two.</p>}
      {error !== undefined && <ErrorPanel error={error} retry={reload} />}
      {!value && error === undefined && <Spinner />}
      {groups && names.length === 2 && (
        <table className="diff">
          <thead>
            <tr>
              <th scope="col">Member</th>
              {names.map((n) => (
                <th key={n} scope="col"><NameLink href={href(n)}>{n}</NameLink></th>
              ))}
            </tr>
          </thead>
          {groups.map(([title, sides]) => (
            <Group key={title} title={title} sides={sides} differing={differing} />
          ))}
        </table>
      )}
    </SpaceBetween>
  );
}

function Group({ title, sides, differing }: { title: string; sides: Flat[]; differing: boolean }) {
  const paths = [...new Set(sides.flatMap((s) => Object.keys(s)))].filter((p) => p !== "TrainingJobName");
  const shown = paths.filter((p) => !differing || new Set(sides.map((s) => s[p])).size > 1);
  return (
    <tbody>
      <tr><th colSpan={sides.length + 1} scope="rowgroup">{title}{shown.length === 0 && <span className="dim">: the same</span>}</th></tr>
      {shown.map((p) => (
        <tr key={p} className={new Set(sides.map((s) => s[p])).size > 1 ? "differs" : ""}>
          <th scope="row">{p}</th>
          {sides.map((s, i) => (
            <td key={i}>{s[p] ?? <span className="dim">not given</span>}</td>
          ))}
        </tr>
      ))}
    </tbody>
  );
}
