"""Large CSV requests of batch transform, which a library reads, are answered as the same rows in small ones."""

from __future__ import annotations

import numpy as np

CSV = {"Content-Type": "text/csv"}


def test_large_requests_equal_small_ones(make, serving):
    container = make("sagemaker-xgboost:1.7-1")
    random = np.random.RandomState(3)
    features = random.normal(size=(1500, 5)) * [1, 10, 1e-3, 1e4, 1]
    label = features @ [3, 0.2, 500, 1e-4, 1]
    rows = [",".join(map(repr, row)) for row in features.tolist()]
    table = [f"{target!r},{row}" for target, row in zip(label.tolist(), rows, strict=True)]
    container.put("input/data/train/a.csv", "\n".join(table[:300]) + "\n")
    container.configure({"num_round": "20", "objective": "reg:squarederror"}, {"train": "text/csv"})
    assert container.train().returncode == 0
    client = serving(container, SAGEMAKER_BATCH="true")

    def ask(lines: list[str]) -> list[str]:
        answer = client.post("/invocations", content="\n".join(lines), headers=CSV)
        assert answer.status_code == 200, answer.text
        return answer.text.splitlines()

    whole = ask(rows)
    assert len("\n".join(rows)) > 2**17
    assert whole == [line for at in range(0, len(rows), 500) for line in ask(rows[at : at + 500])]
    # holes, tabs, and a form that only the slower reader takes
    holes = [row.replace(row.split(",")[2], "") if n % 3 else row for n, row in enumerate(rows)]
    assert ask(holes) == [line for at in range(0, len(rows), 500) for line in ask(holes[at : at + 500])]
    assert ask([row.replace(",", "\t") for row in rows]) == whole
    assert ask([" " + row.replace(",", ", ") for row in rows]) == whole
    bad = client.post("/invocations", content="\n".join([*rows, "a,b,c,d,e"]), headers=CSV)
    assert (bad.status_code, "only numbers" in bad.text) == (415, True)
