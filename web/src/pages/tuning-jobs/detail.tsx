import { DeleteHyperParameterTuningJobCommand, DescribeHyperParameterTuningJobCommand, StopHyperParameterTuningJobCommand } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import { useNavigate, useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Confirm } from "../../kit/confirm";
import { DetailPage } from "../../kit/detail";
import { FailureReason } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { moving } from "../../kit/status";
import { asked, KIND, sdk, type Job } from "./api";
import { Results } from "./results";
import { Search } from "./search";

export default function TuningJob() {
  const name = useParams()["name"]!;
  const navigate = useNavigate();
  const loaded = useLoad<Job>((abortSignal) => sagemaker().send(new DescribeHyperParameterTuningJobCommand({ HyperParameterTuningJobName: name }), { abortSignal }), name, { kinds: [KIND], name });
  return (
    <DetailPage<Job>
      name={name}
      parent={{ text: "Tuning jobs", href: "/tuning-jobs" }}
      loaded={loaded}
      status={(j) => j.HyperParameterTuningJobStatus}
      first={(j) => <FailureReason reason={j.FailureReason} />}
      actions={(j, reload) => (
        <>
          <Button onClick={() => void navigate(`/tuning-jobs/create?from=${encodeURIComponent(name)}`)}>Clone and edit</Button>
          {j.HyperParameterTuningJobStatus === "InProgress" && (
            <Confirm label="Stop" question={`Stop ${name}?`} run={() => sagemaker().send(new StopHyperParameterTuningJobCommand({ HyperParameterTuningJobName: name }))} said="Stopping: the best trial so far is kept." done={reload}>
              No further trial starts, and those that run are told to end.
            </Confirm>
          )}
          <Confirm
            label="Delete"
            question={`Delete ${name}?`}
            disabled={moving(j.HyperParameterTuningJobStatus)}
            run={() => sagemaker().send(new DeleteHyperParameterTuningJobCommand({ HyperParameterTuningJobName: name }))}
            said="Deleted."
            done={() => void navigate("/tuning-jobs")}
          >
            What it knows of its trials goes and cannot be brought back; their training jobs and models stay.
          </Confirm>
        </>
      )}
      tabs={(j) => [
        { id: "results", label: "Results", content: <Results job={j} /> },
        { id: "search", label: "What was asked", content: <Search job={j} /> },
      ]}
      code={(j) => ({ calls: [{ service: "sagemaker", operation: "CreateHyperParameterTuningJob", input: asked(j) }], ...(sdk(asked(j)) && { sdk: sdk(asked(j))! }) })}
    />
  );
}
