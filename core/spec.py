"""The run spec: everything that a run needs, as one YAML or JSON document.

Every part is a frozen pydantic model, from which validation, YAML and (later) forms derive. Reading one gives either a
`RunSpec` or a `UserError` that names each wrong field; whether the spec also fits its data and its rewards is
`core.check`'s question. Field names of TRL, PEFT and transformers keep their names and meanings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import regex  # type: ignore[import-untyped]
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from core.documents import read_document
from core.errors import Problem, UserError
from core.spec_errors import validated
from core.weight_schedules import Schedule

DEFAULT_ROUTE = "default"
COMPLETION_IDS = "completion_ids"  # the column under which rewards get a completion's token ids


class Part(BaseModel):
    """A part of a spec: unknown fields are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class ReasoningGymTask(Part):
    """One procedural task of reasoning-gym: its generator's name, how many rows, its own settings."""

    name: str
    size: int = Field(100, ge=1, description="rows to generate for training")
    config: dict[str, Any] = Field({}, description="the generator's own settings, such as max_terms")


class ReasoningGym(Part):
    """Procedural tasks, generated here: no file, no network."""

    tasks: tuple[ReasoningGymTask, ...] = Field(min_length=1)
    seed: int = 42


class HeldOut(Part):
    """Rows kept away from training, on which every task is evaluated before, during and after."""

    path: str | None = Field(None, description="file or folder of held-out rows; none: taken from the data")
    rows_per_task: int = Field(16, ge=0, description="rows per task to evaluate; at most a fifth of a task's data")


def _tag(text: str) -> str:
    tag = text.strip()
    if not tag:
        raise ValueError("the name of a task is blank")
    if len(tag) > LONGEST_TAG or "\n" in tag:
        raise ValueError(f"the name of a task is one line of at most {LONGEST_TAG} characters, not {len(tag):,}")
    if tag == DEFAULT_ROUTE:
        raise ValueError(f"a task cannot be called {tag!r}: the default route is")
    return tag


Tag = Annotated[str, AfterValidator(_tag)]
LONGEST_TAG = 200  # characters of a task's name: past that a column of texts was taken for the tags
CONDITIONS = ("equals", "contains", "matches")


class TagRule(Part):
    """Rows whose column holds a text get a task; exactly one of equals, contains, matches says which rows."""

    column: str = Field(description="task, prompt, a name under data.columns, or any other column of the file")
    equals: str | None = None
    contains: str | None = Field(None, min_length=1)
    matches: str | None = Field(None, description="regular expression (the module regex), found anywhere in the text")
    task: Tag
    within: str | None = Field(
        None, description="only rows whose tag so far is this, whatever gave it: so a task is split"
    )

    @model_validator(mode="after")
    def exactly_one_condition(self) -> Self:
        given = [name for name in CONDITIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{len(given)} conditions are given; give exactly one of {', '.join(CONDITIONS)}")
        try:
            regex.compile(self.matches or "")
        except regex.error as error:
            raise ValueError(f"{self.matches!r} is no regular expression: {error}") from None
        return self


class Tags(Part):
    """How rows get their tags where the task column alone is not enough.

    The task column comes first, then `files`, `rows`, `default` for the rows that have no tag by then, `rules`,
    `rename` and `drop`. A rule for all rows leaves those alone that have a tag by hand.
    """

    files: dict[str, Tag] = Field({}, description="name of a file -> task of all its rows")
    rules: tuple[TagRule, ...] = Field((), description="in order; of those for all rows the first that holds decides")
    rows: dict[str, Tag] = Field({}, description="place of a row, such as a.jsonl line 17 -> its task")
    default: Tag | None = Field(None, description="task of the rows that have none by then")
    rename: dict[str, Tag] = Field({}, description="task -> its new name; two of one name become one task")
    drop: tuple[str, ...] = Field((), description="tasks, under their new names, whose rows leave the data")

    @model_validator(mode="after")
    def places_of_rows(self) -> Self:
        for place in self.rows:
            if not regex.fullmatch(r".+ (?:line|row|item) [1-9]\d*", place):
                raise ValueError(f"{place!r:.80} is no place of a row; write it as: a.jsonl line 17")
        return self


class DataSpec(Part):
    """Where rows come from (exactly one of path, hub, reasoning_gym) and what their columns mean."""

    path: str | tuple[str, ...] | None = Field(None, description="file, folder or list of these")
    hub: str | None = Field(None, description="dataset id on the Hugging Face Hub")
    hub_config: str | None = None
    hub_split: str = "train"
    reasoning_gym: ReasoningGym | None = None
    task_column: str = "task"
    prompt_column: str = "prompt"
    columns: dict[str, str] = Field({}, description="name that rewards read -> column of the file")
    text_columns: tuple[str, ...] = Field((), description="columns read as text whatever their JSON type")
    tags: Tags | None = Field(None, description="how rows get tags where the task column is not enough (docs/data.md)")
    held_out: HeldOut = HeldOut()

    @model_validator(mode="after")
    def exactly_one_source(self) -> Self:
        named = [source for source in (self.path, self.hub, self.reasoning_gym) if source is not None]
        if len(named) != 1:
            raise ValueError(f"{len(named)} sources are named; name exactly one of path, hub, reasoning_gym")
        return self


class Route(Part):
    """One line of the routing table: a reward function, its weight and its parameters."""

    name: str
    weight: float = Field(1.0, allow_inf_nan=False, description="0 watches a reward without training on it")
    params: dict[str, Any] = {}
    label: str | None = Field(None, description="what to call it, where one task uses the same reward twice")
    schedule: Schedule | None = Field(None, description="how the weight comes about in training (docs/learning.md)")

    @property
    def key(self) -> str:
        """The column of scores that this route writes."""
        return self.label or self.name


Routes = dict[str, tuple[Route, ...]]


class TaskSpec(Part):
    """Settings of one task."""

    share: float | None = Field(None, gt=0, le=1, description="its part of every batch, between 0 and 1")
    evaluation_weight: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="what it counts in convergence.best: weighted"
    )
    system_prompt: str | None = None
    prompt_template: str | None = Field(None, description="text with {prompt} and any {column} filled in per row")


class Mixing(Part):
    """How batches are balanced between tasks; `tasks.<name>.share` overrides it for one task."""

    strategy: Literal["equal", "natural", "temperature"] = Field(
        "equal",
        description="equal: every task the same share; natural: a task's share is its share of the rows; temperature: "
        "between the two, by rows ** (1 / temperature)",
    )
    temperature: float = Field(2.0, ge=1, description="of strategy temperature: 1 is natural, a large number equal")
    adapt: Literal["none", "progress", "worst"] = Field(
        "none",
        description="how shares follow the run: progress: more for tasks whose reward moves and whose groups have "
        "spread; worst: more for the task that is worst off and does not improve",
    )
    floor: float = Field(0.5, ge=0, le=1, description="of adapt: the part of its share that every task keeps")
    resample: float = Field(
        0.0,
        ge=0,
        le=8,
        description="groups without spread give way to other rows of the same task, for which at most so many times "
        "the prompts of a batch are sampled again; 0: none",
    )


class Convergence(Part):
    """What becomes of evaluations and of tasks that have learnt what they can (docs/learning.md)."""

    best: Literal["mean", "worst", "weighted"] = Field(
        "mean",
        description="which evaluation's adapter is kept as the best: by the mean over tasks, by the task that is "
        "lowest, or by a mean with each task's evaluation_weight",
    )
    patience: int = Field(
        0, ge=0, description="the run ends after so many evaluations without a better one; 0: it does all its steps"
    )
    freeze: bool = Field(
        False,
        description="a task that has converged keeps a tenth of its share until it falls or learns again; the run ends "
        "when all have",
    )


class Normalisation(Part):
    """How rewards of different scale become advantages: TRL's names and formulas, then one scale for all tasks."""

    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = "sum_then_normalize"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    objective_weights: Literal["fixed", "spread"] = Field(
        "fixed",
        description="of normalize_then_sum: spread: in each group a reward counts by its weight times its spread there "
        "(after DVAO); fixed: by its weight",
    )
    conflict: float = Field(
        0.0,
        ge=0,
        le=1,
        description="of normalize_then_sum: a completion is left out where its rewards pull apart so that their sum is "
        "below this part of the sum of their sizes (GD2PO); 0: none; 1: wherever one pulls up and another down",
    )
    task_scale: Literal["none", "batch", "running"] = Field(
        "none",
        description="batch: advantages of each task brought to one mean size, so that its part of the signal is its "
        "part of the mix; running: by its size over about ten batches; none: TRL's formula alone",
    )
    task_tokens: Literal["loss", "equal"] = Field(
        "loss",
        description="equal: each task counts as if its answers were as long as those of the others; loss: as loss_type "
        "has it, and most add up tokens, so a task with long answers counts more",
    )


class Engine(Part):
    """How the two costly parts of a step are done; the loss is the same (docs/speed.md)."""

    sampling: Literal["auto", "trl"] = Field(
        "auto", description="auto: prompts shared where the model allows it; or trl"
    )
    training: Literal["auto", "trl"] = Field(
        "auto", description="auto: prompts shared where the model allows it; or trl"
    )
    memory_gb: float = Field(
        4.0, gt=0, description="what a training pass may keep, and what sampling may cache, in GB each"
    )


class Draft(Part):
    """A run spec that is not finished: data and rewards may be missing yet."""

    name: str = Field("run", pattern=r"^[\w.-]{1,80}$", description="letters, digits, dot, dash, underscore")
    model: str = Field("embedded", description="embedded, a Hub id or a folder")
    data: DataSpec | None = None
    rewards: Routes = {}
    tasks: dict[str, TaskSpec] = {}
    mixing: Mixing = Mixing()
    normalisation: Normalisation = Normalisation()
    convergence: Convergence = Convergence()
    engine: Engine = Engine()
    lora: dict[str, Any] = Field({}, description="peft.LoraConfig's own fields")
    grpo: dict[str, Any] = Field({}, description="trl.GRPOConfig's own fields")
    on_reward_error: Literal["mask", "stop"] = Field(
        "mask", description="mask: leave the completion out of its group; stop: end the run"
    )

    def to_yaml(self) -> str:
        """The document with what was set, in reading order; reading it gives the same back."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude_unset=True), sort_keys=False, allow_unicode=True)

    def finished(self) -> RunSpec:
        """The run spec that this is by now; `UserError` where something is missing."""
        missing = [part for part, there in (("data", self.data), ("rewards", self.rewards)) if not there]
        if missing:
            raise UserError(
                Problem(part, "nothing is chosen yet.", f"Choose it on the page {part.title()}.") for part in missing
            )
        return RunSpec(**{name: getattr(self, name) for name in self.model_fields_set})


class RunSpec(Draft):
    """One run, whole."""

    data: DataSpec
    rewards: Annotated[Routes, Field(min_length=1)]


class Plan(Part):
    """What scoring alone needs of a run spec: its rewards, its normalisation, and its model to count tokens."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    model: str = "embedded"
    rewards: Annotated[Routes, Field(min_length=1)]
    normalisation: Normalisation = Normalisation()


def read_spec(path: Path) -> RunSpec:
    """The run spec in a YAML or JSON file; relative data paths may start at the working folder or at the file's own."""
    return parse_spec(read_document(path), str(path), base=path.parent)


def parse_spec(document: Any, where: str, base: Path | None = None) -> RunSpec:
    """A checked run spec from a parsed document; `where` names it in messages."""
    spec: RunSpec = validated(RunSpec, document, where)
    return spec if base is None else _with_paths_from(spec, base)


def parse_draft(document: Any, where: str) -> Draft:
    """An unfinished run spec from a parsed document; `where` names it in messages."""
    draft: Draft = validated(Draft, document, where)
    return draft


def read_plan(path: Path) -> Plan:
    """The rewards of a run spec, or of a document that is nothing but a routing table."""
    document = read_document(path)
    if isinstance(document, Mapping) and "rewards" not in document:
        document = {"rewards": document}
    plan: Plan = validated(Plan, document, str(path))
    return plan


def _with_paths_from(spec: RunSpec, base: Path) -> RunSpec:
    """Data paths made absolute: from the working folder where they exist there, else from the spec's own or above."""

    def locate(path: str) -> str:
        given = Path(path).expanduser()
        candidates = (given, base / given, base.parent / given)
        return str(next((place for place in candidates if place.exists()), given).resolve())

    data = spec.data
    update: dict[str, Any] = {}
    if isinstance(data.path, str):
        update["path"] = locate(data.path)
    elif data.path is not None:
        update["path"] = tuple(locate(path) for path in data.path)
    if data.held_out.path is not None:
        update["held_out"] = data.held_out.model_copy(update={"path": locate(data.held_out.path)})
    model = locate(spec.model) if any((place / spec.model).is_dir() for place in (Path(), base)) else spec.model
    return spec.model_copy(update={"model": model, "data": data.model_copy(update=update)})
