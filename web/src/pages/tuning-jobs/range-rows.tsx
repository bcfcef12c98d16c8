/** The search space as rows: a hyperparameter, what it is, and what it may be. */
import type { HyperParameterTuningJobStrategyType, ParameterRanges } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";

import { combinations, fault, rangesOf, row, rowsOf, scaling, type Fault, type Kind, type Row, type Scale } from "./ranges";

const KINDS: Kind[] = ["Continuous", "Integer", "Categorical"];
const SCALES: Record<Scale, string> = { Auto: "Auto", Linear: "Linear", Logarithmic: "Logarithmic", ReverseLogarithmic: "Reverse logarithmic" };

interface Props {
  ranges: ParameterRanges | undefined;
  change: (ranges: ParameterRanges) => void;
  fixed: Record<string, string>;
  strategy: HyperParameterTuningJobStrategyType | undefined;
}

export function RangeRows({ ranges, change, fixed, strategy }: Props) {
  // rows while they are edited: their order is the person's, and a half-typed one stays
  const [rows, setRows] = useState(() => rowsOf(ranges));
  const [seen, setSeen] = useState(ranges);
  if (seen !== ranges) {
    setSeen(ranges);
    if (JSON.stringify(rangesOf(rows)) !== JSON.stringify(rangesOf(rowsOf(ranges)))) setRows(rowsOf(ranges));
  }
  const put = (next: Row[]) => {
    setRows(next);
    change(rangesOf(next));
  };
  return (
    <Container
      header={
        <Header
          variant="h2"
          counter={`(${rows.length})`}
          description={strategy === "Grid" ? `Every combination is tried: ${combinations(rows)}.` : "Each trial gets a value of every one of these, beside the fixed ones."}
          actions={<Button formAction="none" onClick={() => put([...rows, row({ kind: strategy === "Grid" ? "Categorical" : "Continuous" })])}>Add a range</Button>}
        >
          What is searched
        </Header>
      }
    >
      <SpaceBetween size="l">
        {rows.length === 0 && <span className="dim">Nothing yet: add the hyperparameters that may vary.</span>}
        {rows.map((r, i) => (
          <OneRange key={i} row={r} put={(part) => put(rows.map((old, j) => (j === i ? { ...old, ...part } : old)))} remove={() => put(rows.filter((_, j) => j !== i))} wrong={fault(r, rows, fixed, strategy)} />
        ))}
      </SpaceBetween>
    </Container>
  );
}

function OneRange({ row: r, put, remove, wrong }: { row: Row; put: (part: Partial<Row>) => void; remove: () => void; wrong: Fault | undefined }) {
  const said = (at: Fault["at"]) => (wrong?.at === at ? wrong.said : undefined);
  const which = r.name || "the new one";
  return (
    <div className="range" role="group" aria-label={`Range of ${which}`}>
      <FormField label="Hyperparameter" errorText={said("name")}>
        <Input value={r.name} placeholder="eta" onChange={({ detail }) => put({ name: detail.value.trim() })} />
      </FormField>
      <FormField label="Kind" errorText={said("kind")}>
        <Select selectedOption={{ value: r.kind, label: r.kind }} options={KINDS.map((k) => ({ value: k, label: k }))} onChange={({ detail }) => put({ kind: detail.selectedOption.value as Kind })} ariaLabel={`Kind of ${which}`} />
      </FormField>
      {r.kind === "Categorical" ? <Values row={r} put={put} wrong={said("values")} /> : <Numbers row={r} put={put} said={said} />}
      <div className="channel-remove">
        <Button formAction="none" iconName="remove" variant="icon" ariaLabel={`Remove the range of ${which}`} onClick={remove} />
      </div>
    </div>
  );
}

function Values({ row: r, put, wrong }: { row: Row; put: (part: Partial<Row>) => void; wrong: string | undefined }) {
  const [text, setText] = useState(r.values.join("\n"));
  const kept = text.split("\n").map((v) => v.trim()).filter(Boolean);
  // somebody else changed the document
  const shown = JSON.stringify(kept) === JSON.stringify(r.values) ? text : r.values.join("\n");
  return (
    <div className="range-values">
      <FormField label="Values" constraintText="One a line." errorText={wrong} stretch>
        <Textarea
          value={shown}
          rows={Math.min(6, Math.max(2, shown.split("\n").length))}
          onChange={({ detail }) => {
            setText(detail.value);
            put({ values: detail.value.split("\n").map((v) => v.trim()).filter(Boolean) });
          }}
        />
      </FormField>
    </div>
  );
}

function Numbers({ row: r, put, said }: { row: Row; put: (part: Partial<Row>) => void; said: (at: Fault["at"]) => string | undefined }) {
  const inputMode = r.kind === "Integer" ? "numeric" : "decimal";
  const auto = r.scale === "Auto" && r.low && r.high && scaling("Auto", Number(r.low), Number(r.high)).toLowerCase();
  return (
    <>
      <FormField label="From" errorText={said("low")}>
        <Input inputMode={inputMode} value={r.low} onChange={({ detail }) => put({ low: detail.value.trim() })} />
      </FormField>
      <FormField label="To" errorText={said("high")}>
        <Input inputMode={inputMode} value={r.high} onChange={({ detail }) => put({ high: detail.value.trim() })} />
      </FormField>
      <FormField label="Scale" errorText={said("scale")} constraintText={auto ? `Here: ${auto}.` : undefined}>
        <Select selectedOption={{ value: r.scale, label: SCALES[r.scale] }} options={Object.entries(SCALES).map(([id, label]) => ({ value: id, label }))} onChange={({ detail }) => put({ scale: detail.selectedOption.value as Scale })} ariaLabel="Scale" />
      </FormField>
    </>
  );
}
