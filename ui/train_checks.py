"""What is known before a run starts: the answer in one line, what to mend, and what the run will take."""

from __future__ import annotations

from html import escape

from core.forecast import Forecast
from core.machine import GB, Machine
from core.memory import Memory
from core.preflight import Finding
from core.services import asks_outside
from core.step_time import RunTime
from ui.html import button, figure
from ui.messages import problem_list
from ui.preview_probes import probing
from ui.texts import t
from ui.train_state import Known

LITTLE_GB = 0.001


def note(now: Known) -> str:
    """Why a run can or cannot be started, beside the button."""
    if now.look.broken:
        return t("train.blocked", errors=len(now.look.broken))
    if now.draft.data is None:
        return t("train.no_data")
    if not now.draft.rewards:
        return t("train.no_rewards")
    if not now.ready or now.report.data is None:
        return t("train.blocked", errors=len(now.errors))
    counts = {"rows": len(now.report.data.train), "held_out": len(now.report.data.held_out)}
    return t("train.ready", tasks=len(now.tasks), **counts)


def summary_html(now: Known) -> str:
    """The run in a few figures: memory, time, disk, signal."""
    found = now.preflight
    cells = [
        _cell(t("cell.memory"), *_memory_words(found.memory)),
        _cell(t("cell.time"), *_time_words(found.time)),
        _cell(
            t("cell.disk"),
            _gb(found.disk.whole / GB) if found.disk else "-",
            t("cell.free", free=_gb(found.disk.free / GB)) if found.disk else "",
        ),
        _cell(t("cell.signal"), *_signal_words(now.forecast if now.forecast_fits else None)),
    ]
    return f'<dl class="sb-facts">{"".join(cells)}</dl>'


def _cell(title: str, value: str, more: str, kind: str = "") -> str:
    return (
        f'<div class="sb-fact"><dt>{escape(title)}</dt><dd class="{kind}">{escape(value)}</dd>'
        f'<dd class="sb-note">{escape(more)}</dd></div>'
    )


def _memory_words(found: Memory | None) -> tuple[str, str, str]:
    if found is None:
        return "-", t("cell.unknown"), ""
    words = {
        "fits": (t("memory.fits"), "sb-good"),
        "tight": (t("memory.tight"), "sb-warn"),
        "too_much": (t("memory.too_much"), "sb-bad"),
    }
    verdict, kind = words[found.verdict]
    return verdict, t("memory.of", peak=_gb(found.peak), room=_gb(found.room)), kind


def _time_words(found: RunTime | None) -> tuple[str, str, str]:
    if found is None:
        return "-", t("cell.unknown"), ""
    return t("time.whole", time=spoken(found.whole)), t("time.step", step=spoken(found.step)), ""


def _signal_words(found: Forecast | None) -> tuple[str, str, str]:
    known = [task for task in found.tasks if task.scored] if found else []
    if not known:
        return "-", t("cell.no_forecast"), ""
    spread, scored = sum(task.spread for task in known), sum(task.scored for task in known)
    dead = sum(not task.spread for task in known)
    kind = "sb-bad" if dead else "sb-good"
    return f"{spread / scored:.0%}", t("signal.dead", count=dead) if dead else t("signal.prompts"), kind


def _gb(value: float) -> str:
    return f"{value:.1f} GB" if value >= 0.1 else f"{value * 1000:.0f} MB"


def _digits(gb: float) -> str:
    return escape(figure(gb) if gb >= LITTLE_GB else f"<{LITTLE_GB}")


def spoken(seconds: float) -> str:
    """A time as people say it when they do not know it to the second."""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def problems_html(now: Known) -> str:
    """Errors, then warnings, each leading to where it is mended; and how the probes stand."""
    findings = now.findings
    lines = "".join(_line(finding) for finding in findings)
    level = "" if now.report.sandbox is None else f'<p class="sb-note">{escape(str(now.report.sandbox))}</p>'
    if not findings:
        fine = now.report.data is not None and bool(now.draft.rewards)
        lines = f'<p class="sb-good">{escape(t("train.no_problems"))}</p>' if fine else ""
    else:
        lines = f'<ul class="sb-problems">{lines}</ul>'
    return f"{lines}{_probes_html(now)}{level}"


def _line(finding: Finding) -> str:
    problem = finding.problem
    where = button(problem.where, kind="link", act="mend", page=finding.page, where=problem.where)
    pages = {
        "data": t("page.data"),
        "rewards": t("page.rewards"),
        "preview": t("page.preview"),
    }
    there = f' <span class="sb-note">({escape(pages[finding.page])})</span>' if finding.page in pages else ""
    kind = t(f"problem.{problem.severity}")
    return (
        f'<li class="{problem.severity}"><span class="kind">{escape(kind)}</span> '
        f'<span class="where">{where}</span> <span class="what">{escape(problem.what)}</span> '
        f'<span class="mend">{escape(problem.mend)}</span>{there}</li>'
    )


def _probes_html(now: Known) -> str:
    """Whether the rewards were probed as they are; nothing before there is anything to probe."""
    if now.report.data is None or not now.draft.rewards or now.report.errors:
        return ""
    job = probing(now.project)
    if job is not None and job.running:
        return f'<p class="sb-note">{escape(t("train.probing"))}</p>'
    if now.probes:
        return (
            "" if any(task.problems for task in now.probes) else f'<p class="sb-note">{escape(t("train.probed"))}</p>'
        )
    if job is not None and job.problems:
        return problem_list(job.problems) + button(t("train.probe"), act="probe")
    why = t("train.probe_asks") if asks_outside(now.draft.rewards) else t("train.not_probed")
    return f'<p class="sb-note">{escape(why)} {button(t("train.probe"), act="probe")}</p>'


def estimate_html(now: Known) -> str:
    """The parts of the memory, and where the time comes from."""
    found = now.preflight
    time = _time_html(found.time, found.machine, now.draft.mixing.resample)
    return f"{_model_html(now)}{_memory_html(found.memory)}{time}"


def _model_html(now: Known) -> str:
    facts = now.preflight.facts
    if facts is None:
        if now.lookup is not None and now.lookup.running:
            return f'<p class="sb-note">{escape(t("model.asking"))}</p>'
        ask = button(t("model.ask"), act="lookup") if "/" in now.draft.model else ""
        return f'<p class="sb-note">{escape(t("model.unknown", model=now.draft.model))} {ask}</p>'
    words = {
        "kind": facts.kind,
        "size": f"{facts.parameters / 1e9:.2g} B" if facts.parameters >= 1e8 else f"{facts.parameters / 1e6:.2g} M",
        "layers": facts.layers,
        "hidden": facts.hidden,
        "vocabulary": f"{facts.vocabulary:,}",
        "context": f"{facts.context:,}" if facts.context else "-",
    }
    return f'<p class="sb-note">{escape(t("model.facts", **words))}</p>'


def _memory_html(found: Memory | None) -> str:
    if found is None:
        return f'<p class="sb-note">{escape(t("memory.unknown"))}</p>'
    names = {
        "libraries": t("part.libraries"),
        "weights": t("part.weights"),
        "copies": t("part.copies"),
        "adapter": t("part.adapter"),
        "cache": t("part.cache"),
        "sampling_logits": t("part.sampling_logits"),
        "activations": t("part.activations"),
        "backward": t("part.backward"),
        "logits": t("part.logits"),
    }
    times = {"always": t("when.always"), "sampling": t("when.sampling"), "training": t("when.training")}
    rows = "".join(
        f'<tr><td>{escape(names[part.name])}</td><td class="sb-note">{escape(times[part.when])}</td>'
        f'<td class="number">{_digits(part.gb)}</td></tr>'
        for part in found.parts
    )
    on = t("memory.gpu") if found.on == "gpu" else t("memory.cpu")
    total = (
        f'<tr class="whole"><td>{escape(t("memory.peak"))}</td><td class="sb-note">{escape(on)}</td>'
        f'<td class="number">{_digits(found.peak)}</td></tr>'
    )
    head = f'<thead><tr><th>{escape(t("memory.title"))}</th><th></th><th class="number">GB</th></tr></thead>'
    return (
        f'<div class="sb-scroll"><table class="sb-table sb-tight">{head}<tbody>{rows}{total}</tbody></table></div>'
        f'<p class="sb-note">{escape(t("memory.error"))}</p>'
    )


def _time_html(found: RunTime | None, machine: Machine, resample: float) -> str:
    if found is None:
        return f'<p class="sb-note">{escape(t("time.unknown"))}</p>'
    words = {"steps": found.steps, "evaluations": found.evaluations, "length": f"{found.length:.0f}"}
    whence = t("time.from_run", run=found.run, **words) if found.run else t("time.from_model", **words)
    load = t("time.busy", load=f"{machine.load:.1f}", cores=machine.cores)
    busy = f' <span class="sb-warn">{escape(load)}</span>' if machine.busy else ""
    more = f" {escape(t('time.resample', times=f'{resample:g}'))}" if resample else ""
    return f'<p class="sb-note">{escape(whence)}{more}{busy}</p>'
