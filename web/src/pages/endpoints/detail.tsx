/** One endpoint: what it is, what it answers, how it does, and what it was asked. */
import { DeleteEndpointCommand, DescribeEndpointCommand, type DescribeEndpointOutput } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import { useNavigate, useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Confirm } from "../../kit/confirm";
import { DetailPage, type Tab } from "../../kit/detail";
import { FailureReason } from "../../kit/errors";
import { LiveLog } from "../../kit/log";
import { useLoad } from "../../kit/load";
import { follow } from "../../kit/table";
import { group, href } from "./api";
import { CapturedRequests } from "./captured-tab";
import { Console } from "./console";
import { EndpointCharts } from "./charts";
import { Overview } from "./overview";
import { Scaling } from "./scaling";
import { Shadow } from "./shadow";
import { asking } from "./snippets";

const SETTLED = ["InService", "UpdateRollbackFailed"];

function tabs(e: DescribeEndpointOutput): Tab[] {
  return [
    { id: "overview", label: "Overview", content: <Overview endpoint={e} /> },
    { id: "test", label: "Test", content: <Console endpoint={e} /> },
    { id: "metrics", label: "Metrics", content: <EndpointCharts endpoint={e} /> },
    ...(e.ShadowProductionVariants?.length ? [{ id: "shadow", label: "Shadow", content: <Shadow endpoint={e} /> }] : []),
    { id: "scaling", label: "Scaling", content: <Scaling endpoint={e} /> },
    ...(e.DataCaptureConfig?.DestinationS3Uri ? [{ id: "captured", label: "Captured", content: <CapturedRequests endpoint={e} /> }] : []),
    { id: "log", label: "Log", content: <LiveLog group={group(e.EndpointName!)} prefix="" running none="Nothing was logged yet." /> },
  ];
}

export default function Endpoint() {
  const name = useParams()["name"]!;
  const navigate = useNavigate();
  const loaded = useLoad<DescribeEndpointOutput>((abortSignal) => sagemaker().send(new DescribeEndpointCommand({ EndpointName: name }), { abortSignal }), name, { kinds: ["Endpoint"], name });
  return (
    <DetailPage<DescribeEndpointOutput>
      name={name}
      parent={{ text: "Endpoints", href: "/endpoints" }}
      loaded={loaded}
      status={(e) => e.EndpointStatus}
      first={(e) => <FailureReason reason={e.FailureReason} />}
      actions={(e) => (
        <>
          <Button href={`${href(name)}/update`} disabled={!SETTLED.includes(e.EndpointStatus!)} onFollow={follow(navigate, `${href(name)}/update`)}>Update</Button>
          <Confirm label="Delete" question={`Delete ${name}?`} type={name} disabled={e.EndpointStatus === "Deleting"} run={() => sagemaker().send(new DeleteEndpointCommand({ EndpointName: name }))} said="Deleting." done={() => void navigate("/endpoints")}>
            Whoever asks it gets no answer from then on. Its configuration and models stay.
          </Confirm>
        </>
      )}
      tabs={tabs}
      code={() => {
        const asked = asking({ EndpointName: name, ContentType: "text/csv", Body: "0.5,0.5" });
        return { ...asked, calls: [{ service: "sagemaker", operation: "DescribeEndpoint", input: { EndpointName: name } }, ...asked.calls] };
      }}
    />
  );
}
