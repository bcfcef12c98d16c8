/** What a search knows before its first trial: earlier searches that it goes on from, or ranges that it chooses by itself. */
import { ListHyperParameterTuningJobsCommand, type CreateHyperParameterTuningJobRequest, type HyperParameterTuningJobWarmStartType } from "@aws-sdk/client-sagemaker";
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Multiselect from "@cloudscape-design/components/multiselect";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { sagemaker } from "../../kit/aws/sagemaker";
import { told } from "../../kit/errors";
import { useLoad } from "../../kit/load";

type Known = Pick<CreateHyperParameterTuningJobRequest, "WarmStartConfig" | "Autotune">;

const KINDS: Record<HyperParameterTuningJobWarmStartType, string> = {
  IdenticalDataAndAlgorithm: "The same data and algorithm: its best trials are among the candidates",
  TransferLearning: "Other data, or another version of the algorithm: it learns where to look",
};
/** As many as the API takes. */
const PARENTS = 5;

async function earlier(abortSignal: AbortSignal): Promise<string[]> {
  const found = await sagemaker().send(new ListHyperParameterTuningJobsCommand({ SortBy: "CreationTime", SortOrder: "Descending", MaxResults: 100 }), { abortSignal });
  return (found.HyperParameterTuningJobSummaries ?? []).filter((j) => j.HyperParameterTuningJobStatus !== "InProgress").map((j) => j.HyperParameterTuningJobName!);
}

export function Before({ draft, put }: { draft: Known; put: (part: Known) => void }) {
  const found = useLoad(earlier, "earlier");
  const warm = draft.WarmStartConfig;
  const parents = (warm?.ParentHyperParameterTuningJobs ?? []).map((p) => p.HyperParameterTuningJobName!);
  const kind = warm?.WarmStartType ?? "IdenticalDataAndAlgorithm";
  const go = (names: readonly string[], WarmStartType: HyperParameterTuningJobWarmStartType) =>
    put({ WarmStartConfig: names.length ? { ParentHyperParameterTuningJobs: names.map((HyperParameterTuningJobName) => ({ HyperParameterTuningJobName })), WarmStartType } : undefined });
  return (
    <Container header={<Header variant="h2">What it knows before</Header>}>
      <SpaceBetween size="l">
        <ColumnLayout columns={2}>
          <FormField label="Goes on from" description={`Earlier searches, ${PARENTS} at most; none: it begins anew.`} errorText={found.error === undefined ? undefined : told(found.error).message}>
            <Multiselect
              selectedOptions={parents.map((value) => ({ value, label: value }))}
              options={(found.value ?? []).map((value) => ({ value, label: value, disabled: parents.length >= PARENTS && !parents.includes(value) }))}
              placeholder="None"
              filteringType="auto"
              filteringAriaLabel="Find a tuning job"
              empty="No tuning job has ended yet"
              deselectAriaLabel={(o) => `Take away ${o.label}`}
              onChange={({ detail }) => go(detail.selectedOptions.map((o) => o.value!), kind)}
            />
          </FormField>
          <FormField label="They had" description="What this search may take from them.">
            <Select disabled={!parents.length} selectedOption={{ value: kind, label: KINDS[kind] }} options={Object.entries(KINDS).map(([value, label]) => ({ value, label }))} onChange={({ detail }) => go(parents, detail.selectedOption.value as typeof kind)} />
          </FormField>
        </ColumnLayout>
        <Checkbox checked={draft.Autotune?.Mode === "Enabled"} description="Ranges, the number of trials and what else is left out are chosen for the algorithm; what stands in this form stays." onChange={({ detail }) => put({ Autotune: detail.checked ? { Mode: "Enabled" } : undefined })}>
          Fill in what is left out (Autotune)
        </Checkbox>
      </SpaceBetween>
    </Container>
  );
}
