/** The things of one kind: columns, filters, orders and what can be done with them are read from the API's model. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { useParams } from "react-router";

import { call } from "../../kit/aws/any";
import { python, snake } from "../../kit/code";
import { Each } from "../../kit/each";
import { Crumbs } from "../../kit/detail";
import { JsonView } from "../../kit/json";
import { moving } from "../../kit/status";
import { NameLink, ResourceTable, type Query } from "../../kit/table";
import { useView } from "../../kit/view";
import { NotFound } from "../../shell/faults";
import { code, heading, href, list, nouns, plural, request, spoken, title, type Item } from "./api";
import { Cell } from "./cell";

/** Columns that a table of one screen has room for. */
const SHOWN = 6;

export default function Resources() {
  const noun = useParams()["noun"]!;
  return nouns[noun] ? <Of key={noun} noun={noun} /> : <NotFound />;
}

function Of({ noun }: { noun: string }) {
  const about = nouns[noun]!;
  const [read] = useView();
  const given = Object.fromEntries([...(about.needs ?? []), ...(about.also ?? [])].map((n) => [n, read(n)]).filter(([, v]) => v));
  const missing = (about.needs ?? []).filter((n) => !given[n]);
  const asked = (query: Query<string, string>) => ({
    ...given,
    ...Object.fromEntries(Object.entries(query).filter(([k]) => about.query.includes(k))),
  });
  const sorts = about.sorts ?? [];
  const sortOf = (column: string) => sorts.find((s) => s === column) ?? sorts.find((s) => column.toLowerCase() === `${noun}${s}`.toLowerCase()) ?? (column === about.id ? sorts.find((s) => /^name$/i.test(s)) : undefined);
  const label = title(plural(noun));
  const remove = about.delete;
  const told = Object.entries(given);
  if (missing.length) return <Ask noun={noun} missing={missing} given={given} />;
  return (
    <SpaceBetween size="m">
      <Crumbs items={[{ text: "All resources", href: "/resources" }, { text: label, href: "#" }]} />
      <ResourceTable<Item, string, string>
        kinds={[noun]}
        title={label}
        noun={spoken(noun)}
        {...(told.length > 0 && { description: told.map(([k, v]) => `${heading(k, "")}: ${v}`).join(", ") })}
        list={(query, abort) => list(noun, asked(query), abort)}
        id={(item) => uid(noun, item)}
        filter={about.query.includes("NameContains")}
        {...(about.statuses && { statuses: about.statuses })}
        {...(sorts.includes("CreationTime") && { sort: "CreationTime" })}
        columns={about.columns.map(([member, kind], i) => {
          const sort = sortOf(member);
          return {
            id: member,
            header: member === about.id ? "Name" : heading(member, noun),
            ...(sort && { sort }),
            width: i === 0 ? 300 : kind === "status" ? 160 : kind === "group" ? 220 : 190,
            hidden: i >= SHOWN || (kind === "arn" && i > 0 && about.columns.length > 3),
            cell: (item: Item) => {
              const to = member === about.id ? href(noun, { ...given, ...item }) : undefined;
              const text = String(item[member] ?? "–");
              return to ? <NameLink href={to}>{text.startsWith("arn:") ? text.split(":").pop() : text}</NameLink> : <Cell value={item[member]} kind={kind} />;
            },
          };
        })}
        {...(remove && {
          actions: (chosen: Item[], done: () => void) => (
            <Each
              label="Delete"
              noun={spoken(noun)}
              nouns={plural(noun)}
              chosen={chosen}
              name={(item) => String(item[about.id] ?? `the ${spoken(noun)}`)}
              may={(item) => !moving(statusOf(noun, item))}
              run={(item) => call("sagemaker", remove.operation, request(remove, { ...given, ...item }))}
              said="Deleted."
              done={done}
            >
              It cannot be brought back.
            </Each>
          ),
        })}
        panel={(item) => <JsonView value={item} />}
        code={(query) => ({ calls: [code(about.list, asked(query))] })}
        teach={{ text: about.create ? "This makes one; its page then shows here." : "They come by themselves, from what else you do.", code: lesson(noun) }}
      />
    </SpaceBetween>
  );
}

export const statusOf = (noun: string, item: Item) => {
  const column = nouns[noun]!.columns.find(([, kind]) => kind === "status");
  return column && (item[column[0]] as string | undefined);
};

/** What no other row has. */
const uid = (noun: string, item: Item) => {
  const { describe, delete: remove, id } = nouns[noun]!;
  const keys = Object.values((describe ?? remove)?.keys ?? {});
  return (keys.length ? keys : [id]).map((k) => item[k]).filter(Boolean).join(" ") || JSON.stringify(item);
};

/** The shortest call that makes one, or that lists them. */
function lesson(noun: string): string {
  const { create, list: operation } = nouns[noun]!;
  const call = create?.length ? `${snake(`Create${noun}`)}(${create.map((m) => `\n    ${m}=${python("…")},`).join("")}\n)` : `${snake(operation)}()`;
  return `import boto3\n\nboto3.client("sagemaker").${call}`;
}

/** A list that belongs to one thing has to be told which. */
function Ask({ noun, missing, given }: { noun: string; missing: string[]; given: Record<string, string> }) {
  const [, write] = useView();
  const [typed, setTyped] = useState<Record<string, string>>({});
  return (
    <SpaceBetween size="l">
      <Crumbs items={[{ text: "All resources", href: "/resources" }, { text: title(plural(noun)), href: "#" }]} />
      <Header variant="h1">{title(plural(noun))}</Header>
      <Alert type="info">These belong to one thing: say which. Its own page leads here too.</Alert>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          write({ ...given, ...typed });
        }}
      >
        <SpaceBetween size="m">
          {missing.map((member) => (
            <FormField key={member} label={heading(member, "")}>
              <Input value={typed[member] ?? ""} onChange={({ detail }) => setTyped((old) => ({ ...old, [member]: detail.value }))} />
            </FormField>
          ))}
          <Button variant="primary" disabled={missing.some((m) => !typed[m])}>Show</Button>
        </SpaceBetween>
      </form>
    </SpaceBetween>
  );
}
