"""Results as Markdown: one table a student and thread count, then ours against the best peer in the same bit width."""

import statistics


def columns(depths):
    """Key, heading, digits, and whether more is better."""
    rates = [
        (f"{kind}{depth}", f"{kind}{depth}", 0 if kind == "pp" else 1, True)
        for kind in ("pp", "tg")
        for depth in depths
    ]
    return [
        *rates,
        ("first_ms", "first", 0, False),
        ("own_first_ms", "… own", 0, False),
        ("anonymous_mb", "anon", 0, False),
        ("own_anonymous_mb", "… own", 0, False),
        ("file_mb", "file", 0, False),
    ]


def markdown(results):
    lines = [
        (
            "Prefill (`pp`) and decode (`tg`) in tokens/s, by tokens of prompt or context; `first`: process start to "
            f"first token of a {results['prompt_tokens']}-token prompt, tokenizer included, page cache warm, in ms; "
            f"`anon`: anonymous memory after {results['memory_tokens']} tokens, in MB; `own`: the same "
            "without what Python and the import of the package take; `file`: weights on disk, in MB. Medians over the rounds, "
            "and half of the range in per cent."
        ),
        "",
        machine_line(results),
    ]
    for student in results["students"]:
        for threads in results["threads"]:
            rows = [row for row in results["rows"] if row["student"] == student and row["threads"] == threads]
            lines += ["", f"## {student}, {threads} thread{'s' if threads > 1 else ''}", ""]
            lines += figures_table(rows, columns(results["depths"]))
            lines += ratios(rows, columns(results["depths"]))
    lines += digests(results)
    return "\n".join(lines) + "\n"


def machine_line(results):
    machine = results["machine"]
    versions = sorted({row["version"] for row in results["rows"] if row.get("version")})
    return (
        f"{machine['cpu']} ({machine['family']}), {machine['cores']} cores ({machine['features']}), "
        f"{results['started']}, load {machine['load']} at the start, {results['rounds']} rounds, "
        f"{results['tokens']} tokens decoded a measurement; {'; '.join(versions)}."
    )


def figures_table(rows, shown):
    lines = [
        "| runtime, form | " + " | ".join(heading for _, heading, _, _ in shown) + " |",
        "|---" * (len(shown) + 1) + "|",
    ]
    for row in rows:
        label = f"{row['peer']} {row['label']}"
        if not usable(row):
            # What went wrong stands where the figures would.
            lines.append(f"| {label} | {row['fault'] or 'not measured'} |" + " |" * (len(shown) - 1))
            continue
        cells = [cell(values(row, key), digits) for key, _, digits, _ in shown]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def values(row, key):
    if key in row:
        return [row[key]]
    return [figures[key] for figures in row["rounds"] if figures.get(key) is not None]


def cell(found, digits):
    if not found:
        return "–"
    middle = statistics.median(found)
    text = f"{middle:.{digits}f}"
    if len(found) > 1 and max(found) > min(found):
        text += f" ±{50 * (max(found) - min(found)) / middle:.0f} %"
    return text


def ratios(rows, shown):
    """Ours over the best peer of the same bit width: of rates more is better, of times and bytes less."""
    lines = []
    for ours in [row for row in rows if row["peer"] == "pupil" and usable(row)]:
        rivals = [row for row in rows if row["peer"] != "pupil" and row["bits"] == ours["bits"] and usable(row)]
        cells = [ratio(ours, rivals, key, more) for key, _, _, more in shown]
        if rivals:
            lines.append(f"| {ours['label']} | " + " | ".join(cells) + " |")
    if not lines:
        return []
    head = [
        "",
        "Ours over the best peer in the same bit width:",
        "",
        "| | " + " | ".join(heading for _, heading, _, _ in shown) + " |",
        "|---" * (len(shown) + 1) + "|",
    ]
    return head + lines + ceilings(rows)


def ceilings(rows):
    """How much of what memory could deliver at most our decoding reaches, as `pupil bench` measured it beside."""
    lines = []
    for row in rows:
        shares = {key: values(row, key) for figures in row["rounds"] for key in figures if key.startswith("ceiling")}
        if shares and usable(row):
            shown = ", ".join(f"{cell(found, 0)} after {key[7:]} tokens" for key, found in shares.items())
            lines += ["", f"{row['label']}: per cent of the measured bandwidth ceiling in decode: {shown}."]
    return lines


def usable(row):
    return row["rounds"] and not row["fault"]


def ratio(ours, rivals, key, more):
    medians = [(statistics.median(values(row, key)), row) for row in rivals if values(row, key)]
    if not medians or not values(ours, key):
        return "–"
    best, row = (max if more else min)(medians, key=lambda pair: pair[0])
    return f"**{statistics.median(values(ours, key)) / best:.2f}×** {row['peer']} {row['label']}"


def digests(results):
    """The prompt must be the same everywhere; what is decoded from random weights differs with the quantiser."""
    lines = [
        "",
        "## Equal work",
        "",
        (
            "Every runtime read the same ids (the prompt's by its own tokenizer) and decoded the same number of "
            "tokens. With random weights the most probable token is hardly more probable than the next, so each "
            "quantiser decodes tokens of its own; the digests show that a runtime repeats itself."
        ),
        "",
        "| student | runtime, form | prompt | " + " | ".join(f"after {depth}" for depth in results["depths"]) + " |",
        "|---" * (3 + len(results["depths"])) + "|",
    ]
    for row in results["rows"]:
        if usable(row) and row["threads"] == results["threads"][0]:
            seen = [
                agreed([figures["digests"].get(key) for figures in row["rounds"]])
                for key in ("prompt", *map(str, results["depths"]))
            ]
            lines.append(f"| {row['student']} | {row['peer']} {row['label']} | " + " | ".join(seen) + " |")
    return lines


def agreed(found):
    found = {digest for digest in found if digest}
    if not found:
        return "not told"
    return f"`{found.pop()[:8]}`" if len(found) == 1 else f"{len(found)} different"
