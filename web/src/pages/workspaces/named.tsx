/** What has a name and no life of its own, as start scripts and code repositories: one list, one form and one page for all such. */
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { ReactNode } from "react";
import { useParams } from "react-router";

import { Described, type DescribedSpec } from "../../kit/described";
import { Each } from "../../kit/each";
import { CreateForm, NameField, type CreateFormProps } from "../../kit/form";
import { notify } from "../../kit/notify";
import { NameLink, ResourceTable, type Column, type TableSpec } from "../../kit/table";
import { RelativeTime } from "../../kit/time";

export interface Named<T> {
  /** Of its events: "CodeRepository". */
  kind: string;
  title: string;
  noun: string;
  nouns: string;
  /** Of its list: "/code-repositories". */
  path: string;
  name: (item: T) => string;
  created: (item: T) => Date | undefined;
  remove: (name: string) => Promise<unknown>;
  /** The operation that makes one. */
  operation: string;
}

const href = <T,>({ path }: Named<T>, name: string) => `${path}/${encodeURIComponent(name)}`;

export type Order = "Name" | "CreationTime";

interface ListProps<T> extends Pick<TableSpec<T, Order>, "description" | "list" | "columns" | "teach"> {
  of: Named<T>;
  /** On the button that leads to the form. */
  add: string;
  /** The List operation. */
  listed: string;
  /** How wide a name is. */
  width: number;
  /** What is to be known before one is deleted. */
  children: ReactNode;
}

/** `columns` are those between the name and when it was made. */
export function NamedList<T>({ of, add, listed, width, columns, children, ...spec }: ListProps<T>) {
  const first: Column<T, Order> = { id: "name", header: "Name", sort: "Name", width, cell: (item) => <NameLink href={href(of, of.name(item))}>{of.name(item)}</NameLink> };
  const last: Column<T, Order> = { id: "created", header: "Created", sort: "CreationTime", width: 170, cell: (item) => <RelativeTime at={of.created(item)} /> };
  return (
    <ResourceTable<T, Order>
      kinds={[of.kind]}
      title={of.title}
      noun={of.noun}
      id={of.name}
      sort="CreationTime"
      create={{ label: add, href: `${of.path}/create` }}
      columns={[first, ...columns, last]}
      actions={(chosen, done) => (
        <Each label="Delete" noun={of.noun} nouns={of.nouns} chosen={chosen} name={of.name} run={(item) => of.remove(of.name(item))} said="Deleted." done={done}>
          {children}
        </Each>
      )}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: listed, input }] })}
      {...spec}
    />
  );
}

interface FormProps<T, D extends object> extends Pick<CreateFormProps<D>, "title" | "description" | "missing" | "label" | "children"> {
  of: Named<T>;
  /** The member that names it. */
  member: keyof D & string;
  /** Over the fields. */
  heading: string;
  draft: D;
  change: (draft: D) => void;
  make: (draft: D) => Promise<unknown>;
}

export function NamedForm<T, D extends object>({ of, member, heading, draft, change, missing, make, children, ...form }: FormProps<T, D>) {
  const name = (draft[member] as string | undefined) ?? "";
  return (
    <CreateForm<D>
      parent={{ text: of.title, href: of.path }}
      document={draft}
      change={change}
      missing={name ? missing : "It needs a name."}
      code={{ calls: [{ service: "sagemaker", operation: of.operation, input: draft }] }}
      submit={async () => {
        await make(draft);
        notify.done(`${name} is there.`);
        return href(of, name);
      }}
      {...form}
    >
      <Container header={<Header variant="h2">{heading}</Header>}>
        <SpaceBetween size="l">
          <NameField value={name} constraint="Letters, digits and hyphens." change={(given) => change({ ...draft, [member]: given })} />
          {children}
        </SpaceBetween>
      </Container>
    </CreateForm>
  );
}

/** The page of the one that the address names; its members are what Described wants besides. */
export function NamedPage<T, D extends object>({ of, describe, asked, ...spec }: Pick<DescribedSpec<D>, "without" | "tabs"> & { of: Named<T>; describe: (name: string, abort: AbortSignal) => Promise<D>; asked: (value: D) => object }) {
  const name = useParams()["name"]!;
  return (
    <Described<D>
      kind={of.kind}
      name={name}
      parent={{ text: of.title, href: of.path }}
      describe={(abort) => describe(name, abort)}
      remove={() => of.remove(name)}
      code={(value) => ({ calls: [{ service: "sagemaker", operation: of.operation, input: asked(value) }] })}
      {...spec}
    />
  );
}
