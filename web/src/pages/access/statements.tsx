/** A policy as people read it: what is allowed or denied, on what, when. */
import "./access.css";

import { Link } from "react-router";

import { many, type Policy, type Statement } from "./api";

export const policyHref = (arn: string) => `/access/policy?arn=${encodeURIComponent(arn)}`;

const lines = (values: string[]) => values.map((v) => <span key={v}>{v}</span>);

function conditions(of: Statement["Condition"]): string[] {
  return Object.entries(of ?? {}).flatMap(([test, keys]) => Object.entries(keys).map(([key, values]) => `${key} ${test} ${many(values).join(" or ")}`));
}

function who(principal: unknown): string[] {
  if (typeof principal === "string") return [principal === "*" ? "anybody" : principal];
  return Object.entries((principal ?? {}) as Record<string, string | string[]>).flatMap(([kind, names]) => many(names).map((n) => `${kind} ${n}`));
}

export function PolicyCard({ policy, decides }: { policy: Policy; decides?: (s: Statement) => boolean }) {
  const trusts = policy.statements.some((s) => s.Principal !== undefined);
  return (
    <section className="policy" aria-label={policy.name}>
      <header>
        {policy.arn ? <Link className="name-link" to={policyHref(policy.arn)}>{policy.name}</Link> : <b>{policy.name}</b>}
        <span className="dim">{policy.by}</span>
      </header>
      <table>
        <thead>
          <tr>
            <th scope="col">Effect</th>
            {trusts && <th scope="col">Who</th>}
            <th scope="col">Actions</th>
            {!trusts && <th scope="col">On</th>}
            <th scope="col">Only when</th>
          </tr>
        </thead>
        <tbody>
          {policy.statements.map((s, i) => (
            <tr key={i} className={decides?.(s) ? "decides" : ""}>
              <td>
                <span className={s.Effect === "Deny" ? "deny" : "allow"}>{s.Effect}</span>
                {s.Sid && <span className="dim">{s.Sid}</span>}
                {decides?.(s) && <b>decides</b>}
              </td>
              {trusts && <td>{lines(who(s.Principal))}</td>}
              <td className="mono">{s.NotAction ? <>all but {lines(many(s.NotAction))}</> : lines(many(s.Action))}</td>
              {!trusts && <td className="mono">{s.NotResource ? <>all but {lines(many(s.NotResource))}</> : lines(many(s.Resource))}</td>}
              <td>{s.Condition ? lines(conditions(s.Condition)) : <span className="dim">always</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
