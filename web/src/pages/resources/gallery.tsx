/** Every kind of resource that this server has, found by a part of its name. */
import "./resources.css";

import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import TextFilter from "@cloudscape-design/components/text-filter";
import { Link } from "react-router";

import { useView } from "../../kit/view";
import { nouns, OWN, plural, title } from "./api";

const about = (noun: string) => {
  const { describe, delete: remove, needs } = nouns[noun]!;
  if (OWN[noun]) return "Has pages of its own";
  return [needs ? "Of one thing" : "List", describe && "details", remove && "delete"].filter(Boolean).join(", ");
};

export default function Gallery() {
  const [read, write] = useView();
  const q = read("q");
  const shown = Object.keys(nouns).filter((n) => plural(n).includes(q.toLowerCase()) || n.toLowerCase().includes(q.toLowerCase()));
  return (
    <SpaceBetween size="l">
      <Header variant="h1" description="Whatever the SageMaker API lists here, one kind a page." counter={`(${shown.length})`}>
        All resources
      </Header>
      <div className="filters-text">
        <TextFilter filteringText={q} onChange={({ detail }) => write({ q: detail.filteringText })} filteringPlaceholder="Find a kind of resource" filteringAriaLabel="Find a kind of resource" />
      </div>
      {shown.length === 0 && <p className="dim">No kind of resource is called so.</p>}
      <ul className="gallery">
        {shown.map((noun) => (
          <li key={noun}>
            <Link className="name-link" to={OWN[noun] ?? `/resources/${noun}`}>{title(plural(noun))}</Link>
            <span className="dim">{about(noun)}</span>
          </li>
        ))}
      </ul>
    </SpaceBetween>
  );
}
