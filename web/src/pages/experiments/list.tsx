import { ListExperimentsCommand, type ExperimentSummary } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import { useNavigate } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { NameLink, ResourceTable } from "../../kit/table";
import { RelativeTime } from "../../kit/time";

const TEACH = `from sagemaker.experiments import Run   # SageMaker SDK v2

with Run(experiment_name="digits", run_name="rate-0.1") as run:
    run.log_parameter("rate", 0.1)
    for step in range(100):
        run.log_metric("loss", 1 / (1 + step), step=step)`;

export default function Experiments() {
  const navigate = useNavigate();
  return (
    <ResourceTable<ExperimentSummary, "Name" | "CreationTime">
      kinds={["Experiment"]}
      title="Experiments"
      noun="experiment"
      description="Runs of one question side by side: what was tried, and how it went."
      filter={false}
      list={async ({ SortBy, SortOrder, MaxResults, NextToken }, abortSignal) => {
        const page = await sagemaker().send(new ListExperimentsCommand({ SortBy, SortOrder, MaxResults, NextToken }), { abortSignal });
        return { items: page.ExperimentSummaries, next: page.NextToken };
      }}
      id={(e) => e.ExperimentName!}
      sort="CreationTime"
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 380, cell: (e) => <NameLink href={`/experiments/${encodeURIComponent(e.ExperimentName!)}`}>{e.DisplayName ?? e.ExperimentName}</NameLink> },
        { id: "created", header: "Created", sort: "CreationTime", width: 200, cell: (e) => <RelativeTime at={e.CreationTime} /> },
        { id: "modified", header: "Last change", width: 200, cell: (e) => <RelativeTime at={e.LastModifiedTime} /> },
      ]}
      actions={(chosen) => {
        const [first, ...others] = chosen.map((e) => e.ExperimentName!);
        return (
          <Button disabled={others.length === 0} onClick={() => void navigate(`/experiments/${encodeURIComponent(first!)}?with=${others.join(",")}`)}>
            Compare
          </Button>
        );
      }}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListExperiments", input }] })}
      teach={{ text: "An experiment holds the runs that answer one question. Give jobs an ExperimentConfig, or log runs by yourself.", code: TEACH }}
    />
  );
}
