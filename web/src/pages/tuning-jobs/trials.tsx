/** Every trial in a table: sorted by anything, in pages; the chosen one is the one that the pictures show. */
import type { HyperParameterTuningJobObjective } from "@aws-sdk/client-sagemaker";
import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Pagination from "@cloudscape-design/components/pagination";
import Select from "@cloudscape-design/components/select";
import Table, { type TableProps } from "@cloudscape-design/components/table";

import { short } from "../../kit/chart";
import { moving, Status, words } from "../../kit/status";
import { NameLink } from "../../kit/table";
import { Duration } from "../../kit/time";
import { useView } from "../../kit/view";
import { number, trainingHref, value, type Trial } from "./api";

const SIZE = 25;
const STATUSES = ["Completed", "InProgress", "Failed", "Stopped"];

type By = (t: Trial) => number | string | undefined;
const tuned = (name: string): By => (t) => {
  const text = t.TunedHyperParameters?.[name];
  return text === undefined || !Number.isFinite(Number(text)) ? text : Number(text);
};

/** Numbers by size, texts by letters, nothing last whichever way. */
function sorted(trials: readonly Trial[], by: By, descending: boolean): Trial[] {
  return [...trials].sort((a, b) => {
    const [x, y] = [by(a), by(b)];
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
    const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
    return descending ? -order : order;
  });
}

export interface TrialsProps {
  trials: readonly Trial[];
  names: readonly string[];
  objective: HyperParameterTuningJobObjective | undefined;
  chosen: string;
  choose: (name: string | undefined) => void;
  best: Trial | undefined;
}

export function Trials({ trials, names, objective, chosen, choose, best }: TrialsProps) {
  const [read, write] = useView();
  const by = read("sort", "objective");
  const descending = read("order", objective?.Type === "Maximize" ? "Descending" : "Ascending") === "Descending";
  const only = read("status");
  const orders: Record<string, By> = {
    number,
    objective: value,
    status: (t) => t.TrainingJobStatus,
    took: (t) => t.TrainingEndTime && t.TrainingEndTime.getTime() - (t.TrainingStartTime ?? t.CreationTime!).getTime(),
    ...Object.fromEntries(names.map((n) => [`of.${n}`, tuned(n)])),
  };
  const matching = only ? trials.filter((t) => t.TrainingJobStatus === only) : trials;
  const rows = sorted(matching, orders[by] ?? value, descending);
  const pages = Math.max(1, Math.ceil(rows.length / SIZE));
  const page = Math.min(pages, Math.max(1, Number(read("page", "1")) || 1));
  const columns: TableProps.ColumnDefinition<Trial>[] = [
    { id: "number", header: "Trial", sortingField: "number", cell: (t) => number(t) },
    { id: "name", header: "Training job", isRowHeader: true, cell: (t) => <NameLink href={trainingHref(t.TrainingJobName!)}>{t.TrainingJobName}</NameLink> },
    { id: "status", header: "Status", sortingField: "status", cell: (t) => <Status value={t.TrainingJobStatus} /> },
    { id: "objective", header: objective?.MetricName ?? "Objective", sortingField: "objective", cell: (t) => <><b>{short(value(t))}</b>{t === best && <span className="dim"> best</span>}</> },
    ...names.map((n) => ({ id: `of.${n}`, header: n, sortingField: `of.${n}`, cell: (t: Trial) => shown(t, n) })),
    { id: "took", header: "Took", sortingField: "took", cell: (t) => <Duration from={t.TrainingStartTime ?? t.CreationTime} to={moving(t.TrainingJobStatus) ? undefined : t.TrainingEndTime} /> },
    ...(trials.some((t) => t.TrainingJobDefinitionName) ? [{ id: "definition", header: "Definition", cell: (t: Trial) => t.TrainingJobDefinitionName }] : []),
    ...(trials.some((t) => t.FailureReason) ? [{ id: "reason", header: "Why it failed", cell: (t: Trial) => t.FailureReason?.split("\n")[0] ?? "" }] : []),
  ];
  return (
    <Table<Trial>
      variant="container"
      enableKeyboardNavigation
      header={<Header variant="h2" counter={`(${only ? `${rows.length} of ` : ""}${trials.length})`}>Trials</Header>}
      filter={
        <div className="filters">
          <Select
            ariaLabel="Status"
            selectedOption={{ value: only, label: only ? words(only) : "Any status" }}
            options={[{ value: "", label: "Any status" }, ...STATUSES.map((s) => ({ value: s, label: words(s) }))]}
            onChange={({ detail }) => write({ status: detail.selectedOption.value, page: undefined })}
          />
        </div>
      }
      pagination={pages > 1 && <Pagination currentPageIndex={page} pagesCount={pages} onChange={({ detail }) => write({ page: String(detail.currentPageIndex) })} ariaLabels={{ nextPageLabel: "Next page", previousPageLabel: "Previous page", pageLabel: (n) => `Page ${n}` }} />}
      items={rows.slice((page - 1) * SIZE, page * SIZE)}
      trackBy="TrainingJobName"
      sortingColumn={{ sortingField: by }}
      sortingDescending={descending}
      onSortingChange={({ detail }) => write({ sort: detail.sortingColumn.sortingField, order: detail.isDescending ? "Descending" : "Ascending", page: undefined })}
      selectionType="single"
      selectedItems={trials.filter((t) => t.TrainingJobName === chosen)}
      onSelectionChange={({ detail }) => choose(detail.selectedItems[0]?.TrainingJobName)}
      onRowClick={({ detail }) => choose(detail.item.TrainingJobName)}
      ariaLabels={{ tableLabel: "Trials", selectionGroupLabel: "The trial that the pictures show", itemSelectionLabel: (_, t) => `Show trial ${number(t)}` }}
      columnDefinitions={columns}
      empty={<Box color="text-body-secondary">{only ? "None of this status." : "The first trial starts in a moment."}</Box>}
    />
  );
}

function shown(t: Trial, name: string) {
  const text = t.TunedHyperParameters?.[name];
  if (text === undefined) return "–";
  return Number.isFinite(Number(text)) ? <span title={text}>{short(Number(text))}</span> : text;
}
