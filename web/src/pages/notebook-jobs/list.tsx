import type { TrainingJob, TrainingJobStatus } from "@aws-sdk/client-sagemaker";
import { StopTrainingJobCommand } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import { useNavigate } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Confirm } from "../../kit/confirm";
import { moving, Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { Duration, RelativeTime } from "../../kit/time";
import { href, list, notebookOf, search, type Sort } from "./api";

const STATUSES: readonly TrainingJobStatus[] = ["InProgress", "Completed", "Failed", "Stopping", "Stopped"];
const TEACH = `from sagemaker.workflow.notebook_job_step import NotebookJobStep

step = NotebookJobStep(
    name="report", input_notebook="report.ipynb", kernel_name="python3",
    image_uri="885854791233.dkr.ecr.us-east-1.amazonaws.com/sagemaker-distribution-prod:3-cpu",
    parameters={"month": "2026-01"},
)`;

export default function NotebookJobs() {
  const navigate = useNavigate();
  return (
    <ResourceTable<TrainingJob, Sort, TrainingJobStatus>
      kinds={["TrainingJob"]}
      title="Notebook jobs"
      noun="notebook job"
      description="Notebooks that ran without anybody at the keyboard, each with its results."
      list={list}
      id={(j) => j.TrainingJobName!}
      statuses={STATUSES}
      sort="CreationTime"
      create={{ label: "Run a notebook", href: "/notebook-jobs/create" }}
      columns={[
        { id: "name", header: "Name", sort: "TrainingJobName", width: 340, cell: (j) => <NameLink href={href(j.TrainingJobName!)}>{j.TrainingJobName}</NameLink> },
        { id: "notebook", header: "Notebook", width: 220, cell: notebookOf },
        { id: "status", header: "Status", sort: "TrainingJobStatus", width: 160, cell: (j) => <Status value={j.TrainingJobStatus} /> },
        { id: "created", header: "Created", sort: "CreationTime", width: 170, cell: (j) => <RelativeTime at={j.CreationTime} /> },
        { id: "took", header: "Took", width: 130, cell: (j) => <Duration from={j.TrainingStartTime ?? j.CreationTime} to={moving(j.TrainingJobStatus) ? undefined : (j.TrainingEndTime ?? j.LastModifiedTime)} /> },
      ]}
      actions={(chosen, done) => (
        <>
          <Button onClick={() => void navigate("/schedules")}>Schedules</Button>
          <Confirm
            label="Stop"
            question={`Stop ${chosen.length === 1 ? chosen[0]!.TrainingJobName : `${chosen.length} notebook jobs`}?`}
            disabled={!chosen.length || !chosen.every((j) => j.TrainingJobStatus === "InProgress")}
            run={() => Promise.all(chosen.map((j) => sagemaker().send(new StopTrainingJobCommand({ TrainingJobName: j.TrainingJobName }))))}
            said="Stopping."
            done={done}
          >
            The notebook is kept as far as it came.
          </Confirm>
        </>
      )}
      code={(query) => ({ calls: [{ service: "sagemaker", operation: "Search", input: search(query) }] })}
      teach={{ text: "A notebook job runs a notebook from top to bottom with parameters of its own, now or on a schedule, and keeps what every cell said.", code: TEACH }}
    />
  );
}
