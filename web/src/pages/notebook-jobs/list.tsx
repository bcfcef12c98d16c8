import { StopTrainingJobCommand, type TrainingJob } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import { useNavigate } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { columnsOf, JobTable, type Kind, StopEach } from "../../kit/job-list";
import { KEPT, list, notebookOf, search } from "./api";

const TEACH = `from sagemaker.workflow.notebook_job_step import NotebookJobStep

step = NotebookJobStep(
    name="report", input_notebook="report.ipynb", kernel_name="python3",
    image_uri="885854791233.dkr.ecr.us-east-1.amazonaws.com/sagemaker-distribution-prod:3-cpu",
    parameters={"month": "2026-01"},
)`;

const KIND: Kind<TrainingJob> = {
  noun: "notebook job",
  path: "/notebook-jobs",
  about: (j) => ({ name: j.TrainingJobName!, status: j.TrainingJobStatus, created: j.CreationTime, ended: j.TrainingEndTime ?? j.LastModifiedTime, arn: j.TrainingJobArn }),
};
const { name, status, created, took, arn } = columnsOf(KIND, 340);

export default function NotebookJobs() {
  const navigate = useNavigate();
  return (
    <JobTable<TrainingJob>
      kind={KIND}
      kinds={["TrainingJob"]}
      title="Notebook jobs"
      description="Notebooks that ran without anybody at the keyboard, each with its results."
      list={list}
      create={{ label: "Run a notebook", href: "/notebook-jobs/create" }}
      columns={[name, { id: "notebook", header: "Notebook", width: 220, cell: notebookOf }, status, created, took, arn]}
      actions={(chosen, done) => (
        <>
          <Button onClick={() => void navigate("/schedules")}>Schedules</Button>
          <StopEach kind={KIND} chosen={chosen} run={(TrainingJobName) => sagemaker().send(new StopTrainingJobCommand({ TrainingJobName }))} said="Stopping." done={done}>
            {KEPT}
          </StopEach>
        </>
      )}
      code={(query) => ({ calls: [{ service: "sagemaker", operation: "Search", input: search(query) }] })}
      teach={{ text: "A notebook job runs a notebook from top to bottom with parameters of its own, now or on a schedule, and keeps what every cell said.", code: TEACH }}
    />
  );
}
