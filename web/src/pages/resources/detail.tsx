/** One thing of any kind: what its Describe operation says, what belongs to it, its log where it has one. */
import "./resources.css";

import { Link, useParams, useSearchParams } from "react-router";

import { call } from "../../kit/aws/any";
import { Described } from "../../kit/described";
import { LiveLog } from "../../kit/log";
import { lookup } from "../../kit/lookup";
import { moving } from "../../kit/status";
import { NotFound } from "../../shell/faults";
import { children, code, nouns, plural, request, revived, title, type Item } from "./api";

/** Kinds that write logs, and the groups that those have: streams of one are below its name. */
const LOGS = lookup({
  CompilationJob: "/aws/sagemaker/CompilationJobs",
  EdgePackagingJob: "/aws/sagemaker/EdgePackagingJobs",
  InferenceRecommendationsJob: "/aws/sagemaker/InferenceRecommendationsJobs",
});

export default function Resource() {
  const { noun = "", name = "" } = useParams();
  const [params] = useSearchParams();
  const about = nouns[noun];
  if (!about?.describe) return <NotFound />;
  const known: Item = { ...Object.fromEntries(params), [about.id]: name };
  // an address made from an ARN has its last part alone: it is the name, whichever member carries that
  const keys = Object.values(about.describe.keys);
  if (keys.length === 1) known[keys[0]!] ??= name;
  const { describe, delete: remove } = about;
  const asked = request(describe, known);
  const status = (value: Item) => {
    const member = Object.keys(value).find((k) => k === `${noun}Status`) ?? Object.keys(value).find((k) => k.endsWith("Status") && typeof value[k] === "string");
    return member && (value[member] as string);
  };
  const group = LOGS[noun];
  const below = children(noun, known);
  return (
    <Described<Item>
      key={JSON.stringify(asked)} // things of one name may be in several places
      kind={noun}
      name={name.startsWith("arn:") ? name.split("/").slice(1).join(" ") : name}
      called={name}
      parent={{ text: title(plural(noun)), href: `/resources/${noun}` }}
      describe={async (abort) => revived(await call<Item>("sagemaker", describe.operation, asked, abort)) as Item}
      status={status}
      without={[about.id]}
      tabs={(value) => [
        ...(below.length ? [{ id: "of-it", label: "Belongs to it", content: <ul className="gallery">{below.map((b) => <li key={b.noun}><Link className="name-link" to={b.href}>{title(plural(b.noun))}</Link></li>)}</ul> }] : []),
        ...(group ? [{ id: "log", label: "Log", content: <LiveLog group={group} prefix={`${name}/`} running={moving(status(value))} /> }] : []),
      ]}
      {...(remove && { remove: () => call("sagemaker", remove.operation, request(remove, { ...known })) })}
      code={() => ({ calls: [code(describe.operation, asked)] })}
    />
  );
}
