"""What a training step costs: plain TRL against this project's way, step by step in turn, each in a process of its own.

Same model, prompts, lengths, sampling and LoRA. TRL is run with weights in float32 and in bfloat16, and once more in
bfloat16 with an allocator that never gives memory back: no setting of TRL's, but the fastest environment found for it.
The floor is what the matrix products of a step alone would take at the rates at which this machine was measured to
compute them. Takes most of an hour on two cores; `python bench/step.py > bench/step.md` commits it. `--model random`
takes a model of 0.5B with random weights instead of the embedded one, for a GPU; `--cases` takes some of the cases.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.launch import ALLOCATOR
from core.runs import create_run
from core.spec import parse_spec

GROUP = 8
# An allocator that never gives memory back, at the price of nearly twice TRL's memory.
KEPT = (("MALLOC_MMAP_THRESHOLD_", str(1 << 32)), ("MALLOC_TRIM_THRESHOLD_", str(1 << 32)))
WARM_UP_S = 60.0  # a first step that takes longer is counted, and the only one
CASE_S = 60.0  # a case goes on for further rounds until it has taken as long
# Every completion gets a score of its own by its characters, so that none is left out of the training pass.
BRIEF = {"unit": "characters", "minimum": 1, "maximum": 1, "margin": 10_000}
TRL_TOKENS = 3072  # that TRL passes at once at most, so that its processes fit into 24 GB side by side


@dataclass(frozen=True)
class Case:
    """One size of step: completions of at most so many tokens, for prompts of so many."""

    completions: int
    length: int
    prompt: int

    @property
    def name(self) -> str:
        """As the table calls it."""
        return f"{self.completions}x{self.length}, prompts of {self.prompt}"


@dataclass(frozen=True)
class Way:
    """One way to do the step, with settings of the allocator from the environment."""

    name: str
    engine: str
    dtype: str
    environment: tuple[tuple[str, str], ...] = ()
    alone: bool = False  # not in turn with the others, which would need too much memory, but before them


@dataclass(frozen=True)
class Cost:
    """What one step took: seconds by phase, completion tokens, and the process's peak memory so far in GB."""

    all: float
    generate: float
    score: float
    tokens: int
    memory: float


WAYS = (
    Way("TRL, float32", "trl", "float32", alone=True),
    Way("TRL, bfloat16", "trl", "bfloat16"),
    Way("TRL, bfloat16, memory kept", "trl", "bfloat16", KEPT),
    Way("Signalbox", "auto", "bfloat16", tuple(ALLOCATOR.items())),
)
CASES = tuple(Case(*size, prompt) for size in ((16, 48), (32, 32), (64, 128)) for prompt in (64, 512))


def main(arguments: argparse.Namespace) -> None:
    """Print a table of all cases and ways."""
    cases = [
        case
        for case in CASES
        if not arguments.cases or f"{case.completions}x{case.length}@{case.prompt}" in arguments.cases
    ]
    print(f"{arguments.model} model, groups of {GROUP}, LoRA r=16 on all linear layers, {device()}; medians of steps\n")
    print("`x TRL`: times faster than the faster of TRL's two precisions; `x kept`: than TRL with memory kept.\n")
    print("| completions | way | s a step | generate | score | train | tokens/s | peak GB | x TRL | x kept | steps |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for case in cases:
        found = measure(case, arguments)
        trl = {way: middle(costs).all for way, costs in found.items() if way.engine == "trl"}
        plain = min(took for way, took in trl.items() if not way.environment)
        kept = min(took for way, took in trl.items() if way.environment)
        for way, costs in found.items():
            cost = middle(costs)
            train = cost.all - cost.generate - cost.score
            cells = [f"{cost.all:.2f}", f"{cost.generate:.2f}", f"{cost.score:.2f}", f"{train:.2f}"]
            cells += [
                f"{cost.tokens / cost.all:.0f}",
                f"{cost.memory:.1f}",
                f"{plain / cost.all:.1f}",
                f"{kept / cost.all:.1f}",
                str(len(costs)),
            ]
            print(f"| {case.name} | {way.name} | {' | '.join(cells)} |", flush=True)
        floor = ask(["--floor", json.dumps(asdict(case)), "--model", arguments.model])
        ratios = f"{plain / floor:.1f} | {kept / floor:.1f}"
        print(f"| {case.name} | floor: matrix products alone | {floor:.2f} | | | | | | {ratios} | |", flush=True)


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(**{name: statistics.median(getattr(cost, name) for cost in costs) for name in Cost.__annotations__})


def measure(case: Case, arguments: argparse.Namespace) -> dict[Way, list[Cost]]:
    """Steps of every way; the first of each is a warm-up, where it is not too long to do twice."""
    found: dict[Way, list[Cost]] = {}
    for together in ([way for way in WAYS if way.alone], [way for way in WAYS if not way.alone]):
        with tempfile.TemporaryDirectory() as folder:
            started = {way: start(way, case, Path(folder) / str(n), arguments.model) for n, way in enumerate(together)}
            began = time.perf_counter()
            for turn in range(1 + (1 if together[0].alone else arguments.rounds)):
                if turn < 2 or time.perf_counter() - began < CASE_S:
                    for way, process in started.items():
                        if turn == 0 or found[way][0].all <= WARM_UP_S:
                            found.setdefault(way, []).append(step(process))
                            print(case.name, way.name, found[way][-1], file=sys.stderr, flush=True)
            for process in started.values():
                process.kill()
                process.wait()
    return {way: costs if len(costs) == 1 else costs[1:] for way, costs in found.items()}


def start(way: Way, case: Case, folder: Path, model: str) -> subprocess.Popen[str]:
    """A process that does a step whenever it is told to."""
    folder.mkdir()
    job = {"way": {**asdict(way), "environment": ()}, "case": asdict(case), "folder": str(folder), "model": model}
    process = subprocess.Popen(
        [sys.executable, __file__, "--job", json.dumps(job)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("w"),
        text=True,
        env={**os.environ, **dict(way.environment)},
    )
    told(process, "ready")  # one after another: loading beside a step that counts would slow it down
    return process


def step(process: subprocess.Popen[str]) -> Cost:
    """Let it do one step."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    return Cost(**json.loads(told(process, "cost")))


def told(process: subprocess.Popen[str], word: str) -> str:
    """What the process says after a word at the beginning of a line."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return line.removeprefix(word)
    raise SystemExit(f"{process.args} ended")


def ask(arguments: Sequence[str]) -> float:
    """The number that this script prints when it is called otherwise."""
    found = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    return float(found.stdout.split()[-1])


def device() -> str:
    """What this machine computes on."""
    code = "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
    name = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    return name or f"{os.cpu_count()} CPU cores"


def work(job: Mapping[str, Any]) -> None:
    """Train, one step for each line of standard input."""
    way, case, folder = Way(**job["way"]), Case(**job["case"]), Path(job["folder"])
    source = model_folder(job["model"], folder)
    rows = write_rows(folder / "rows.jsonl", case, source)
    trainer = trl_trainer(way, case, source, rows) if way.engine == "trl" else own_trainer(way, case, source, rows)
    trainer.train()


def settings(way: Way, case: Case) -> dict[str, Any]:
    """GRPOConfig's, the same for all ways; a micro-batch is as large as memory allows the way."""
    micro_batch = case.completions
    while way.engine == "trl" and micro_batch * (case.prompt + case.length) > TRL_TOKENS:
        micro_batch //= 2
    return {
        "max_steps": 100,
        "per_device_train_batch_size": micro_batch,
        "gradient_accumulation_steps": case.completions // micro_batch,
        "num_generations": GROUP,
        "max_completion_length": case.length,
        "learning_rate": 1e-5,
        "bf16": way.dtype == "bfloat16",
        "model_init_kwargs": {"dtype": way.dtype},
        "gradient_checkpointing": False,
        "beta": 0.0,
        "seed": 1,
    }


def trl_trainer(way: Way, case: Case, source: str, rows: Path) -> Any:
    """TRL's own trainer, with a reward that takes no time."""
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from trl import GRPOConfig, GRPOTrainer

    seconds: dict[str, float] = {}

    class Timed(GRPOTrainer):  # type: ignore[misc]
        def _generate(self, *arguments: Any) -> Any:
            return timed(seconds, "generate", lambda: super(Timed, self)._generate(*arguments))

        def _calculate_rewards(self, *arguments: Any) -> Any:
            return timed(seconds, "score", lambda: super(Timed, self)._calculate_rewards(*arguments))

    def characters(completions: Sequence[Any], **_: Any) -> list[float]:
        return [float(len(completion[0]["content"])) for completion in completions]

    dataset = load_dataset("json", data_files=str(rows), split="train", cache_dir=str(rows.parent / "cache"))
    dataset = dataset.map(lambda row: {"prompt": [{"role": "user", "content": row["prompt"]}]})
    arguments = GRPOConfig(
        output_dir=str(rows.parent / "out"),
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        **settings(way, case),
    )
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = Timed(source, characters, arguments, dataset, processing_class=tokenizer(source), peft_config=lora)
    trainer.add_callback(waiting(lambda: seconds, trainer))
    return trainer


def own_trainer(way: Way, case: Case, source: str, rows: Path) -> Any:
    """The worker's own, with the same reward through its scoring processes."""
    from core.check import check
    from core.routing import RoutingTable
    from core.scoring import Scorer
    from core.training.worker import Stop, build_trainer

    document = {
        "model": source,
        "data": {"path": str(rows), "held_out": {"rows_per_task": 0}},
        "rewards": {"default": [{"name": "length", "params": BRIEF}]},
        "on_reward_error": "stop",
        "lora": {"r": 16, "lora_alpha": 32, "target_modules": "all-linear"},
        "grpo": {**settings(way, case), "save_steps": 1000},
    }
    spec = parse_spec(document, "bench")
    run = create_run(spec, rows.parent / "run")
    data = check(spec).data
    assert data is not None
    trainer = build_trainer(run, spec, data, Scorer(RoutingTable(spec.rewards)), Stop())
    assert trainer.engine.sampling.ours, trainer.engine
    assert trainer.engine.training.ours, trainer.engine
    trainer.add_callback(waiting(lambda: trainer._seconds, trainer))
    trainer.add_callback(all_learnt_from(trainer))
    return trainer


def all_learnt_from(trainer: Any) -> Any:
    """A callback that sees to a fair comparison: a completion without an advantage would cost no training pass."""
    from transformers import TrainerCallback

    class Check(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            assert (trainer._batch.advantages != 0).mean() > 0.9, "too few completions have an advantage"

    return Check()


def waiting(seconds: Any, trainer: Any) -> Any:
    """A callback that waits for a line before each step and prints what the step took after it."""
    from transformers import TrainerCallback

    class Waiting(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            print("ready", flush=True)
            if not sys.stdin.readline():
                raise SystemExit
            self.began = time.perf_counter()
            seconds().clear()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            took = time.perf_counter() - self.began
            tokens = trainer._metrics["train"]["completions/mean_length"][-1] * trainer.args.generation_batch_size
            phases = {phase: seconds().get(phase, 0.0) for phase in ("generate", "score")}
            print("cost", json.dumps(asdict(Cost(took, **phases, tokens=round(tokens), memory=peak()))), flush=True)

    return Waiting()


def timed(seconds: dict[str, float], phase: str, action: Any) -> Any:
    """Run something and add its time."""
    start = time.perf_counter()
    result = action()
    seconds[phase] = seconds.get(phase, 0.0) + time.perf_counter() - start
    return result


def peak() -> float:
    """Peak memory of this process in GB: on the GPU where there is one."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6


def tokenizer(source: str) -> Any:
    """As the worker loads it."""
    from core.models import load_tokenizer

    return load_tokenizer(source)


def model_folder(name: str, folder: Path) -> str:
    """The embedded model, or one of Qwen2.5-0.5B's size with random weights and the embedded one's tokenizer."""
    from core.models import model_source

    if name == "embedded":
        return model_source("embedded")
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    words = tokenizer("embedded")
    sizes = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14}
    config = Qwen2Config(
        **sizes, num_key_value_heads=2, vocab_size=151936, tie_word_embeddings=True, eos_token_id=words.eos_token_id
    )
    torch.manual_seed(0)
    Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder / "model")
    words.save_pretrained(folder / "model")
    return str(folder / "model")


def write_rows(path: Path, case: Case, source: str) -> Path:
    """Rows whose prompts have the case's number of tokens, the chat template's included."""
    words = tokenizer(source)

    def count(text: str) -> int:
        chat = [{"role": "user", "content": text}]
        return len(
            words.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=True)["input_ids"]
        )

    with path.open("w", encoding="utf-8") as file:
        for n in range(400):
            text = f"Write a short story about the number {n}."
            while count(text) < case.prompt:
                text += f" It should mention {n % 7 + 2} boats."[: 8 * (case.prompt - count(text))] or " a"
            file.write(json.dumps({"task": "story", "prompt": text}) + "\n")
    return path


def floor(case: Case, model: str) -> float:
    """Seconds that a step's matrix products take: each completion token once decoded, each token of the packed groups
    forward and backward, at the rates of this model's own layers with as many rows as the step has."""
    import torch
    from transformers import AutoModelForCausalLM

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        source = model_folder(model, Path(folder))
        net = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16)
        net = net.to("cuda" if torch.cuda.is_available() else "cpu")
        layers = [module.weight for module in net.model.modules() if isinstance(module, torch.nn.Linear)]
        head = net.get_output_embeddings().weight
        packed = case.completions // GROUP * case.prompt + case.completions * case.length
        decoded = case.length * products([*layers, head], case.completions)
        prompts = products(layers, case.completions // GROUP * case.prompt)
        # Forward, and the gradient of the input; the head's products are done again in the backward pass.
        return decoded + prompts + 2 * products(layers, packed) + 3 * products([head], case.completions * case.length)


def products(weights: Sequence[Any], rows: int) -> float:
    """Seconds for a batch of rows through all these layers, after a warm-up."""
    import torch

    inputs = {w.shape[1]: torch.randn(rows, w.shape[1], dtype=w.dtype, device=w.device) for w in weights}
    for _ in range(2):
        start = time.perf_counter()
        for weight in weights:
            torch.nn.functional.linear(inputs[weight.shape[1]], weight)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        took = time.perf_counter() - start
    return took


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=("embedded", "random"), default="embedded")
    parser.add_argument("--rounds", type=int, default=3, help="most steps counted of each way")
    parser.add_argument("--cases", nargs="*", metavar="16x48@64", help="some of the cases")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--floor", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    given = parsed()
    if given.job:
        work(json.loads(given.job))
    elif given.floor:
        print(floor(Case(**json.loads(given.floor)), given.model))
    else:
        main(given)
